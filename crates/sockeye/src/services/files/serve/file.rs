//! A file as an answer: its head with validators and type, and the bytes or ranges asked for.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use sockeye_engine::disk::folder::{Facts, FileHandle};
use sockeye_engine::disk::hot::HotFile;
use sockeye_engine::disk::reader::{FileReader, Part, read_small};
use sockeye_engine::http::body::Content;
use sockeye_engine::http::express::Ready;
use sockeye_engine::http::server::Answer;
use sockeye_proto::http::conditional::{
    Conditions, IfRange, Outcome, Validators, entity_tag, evaluate,
};
use sockeye_proto::http::guard::{Asked, resource_policy};
use sockeye_proto::http::range::{
    ByteRange, Multipart, Ranges, content_range, resolve, unsatisfied_content_range,
};
use sockeye_proto::limits::SMALL_BODY_MAX_BYTES;

use super::media_type;
use super::refusal::Refusal;

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// RFC 9211.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A file that is kept in memory, with the head of its answer.
pub type Hot = HotFile<Beforehand>;

/// What is made for a file that is kept in memory.
#[derive(Debug)]
pub struct Beforehand {
    /// All of the head but who may embed the file, which is found out for each request.
    head: HeaderMap,
    is_page_part: bool,
    /// The whole head as it goes over the wire to who asks for nothing in particular, up to the Date.
    written: Bytes,
}

/// Answers a GET or HEAD of a file that is open.
pub fn answer(
    request: &Parts,
    name: &[u8],
    file: FileHandle,
    asked: &Asked<'_>,
) -> Result<Answer, Refusal> {
    let length = file.facts.length;
    let now = SystemTime::now();
    let validators = validators(&file.facts, now);
    let media_type = media_type::of(name);
    let honour_range = match outcome(request, &validators, now) {
        Outcome::Proceed { honour_range } => honour_range && request.method == Method::GET,
        Outcome::NotModified => {
            let mut head = HeaderMap::new();
            validate(&mut head, &validators);
            protect(&mut head, &media_type, asked);
            return Ok(not_modified(head));
        }
        Outcome::PreconditionFailed => return Err(precondition_failed()),
    };
    let range = field(&request.headers, header::RANGE).filter(|_| honour_range);
    let mut answer = match resolve(range, length) {
        Ranges::Whole => {
            let mut answer = Response::new(whole(request, file)?);
            set(answer.headers_mut(), header::CONTENT_TYPE, &media_type);
            answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
            answer
        }
        Ranges::One(range) => {
            let mut answer = Response::new(one(file, range)?);
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(answer.headers_mut(), header::CONTENT_TYPE, &media_type);
            set(answer.headers_mut(), header::CONTENT_RANGE, &content_range(range, length));
            answer.headers_mut().insert(header::CONTENT_LENGTH, range.len().into());
            answer
        }
        Ranges::Several(ranges) => several(file, ranges, &media_type)?,
        Ranges::Unsatisfiable => {
            let why = format!("the file has {length} bytes");
            let range = unsatisfied_content_range(length);
            let value = HeaderValue::from_str(&range).map_err(|_| internal("a range"))?;
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, why)
                .with(header::CONTENT_RANGE, value));
        }
    };
    validate(answer.headers_mut(), &validators);
    protect(answer.headers_mut(), &media_type, asked);
    Ok(answer)
}

/// Whether a request can be answered from memory: ranges are read from the disk.
pub fn may_be_hot(request: &Parts) -> bool {
    !request.headers.contains_key(header::RANGE)
}

/// Answers a GET or HEAD of a file that is kept in memory.
pub fn answer_hot(request: &Parts, hot: &Hot, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let policy = resource_policy(asked, hot.made.is_page_part);
    let mut head = hot.made.head.clone();
    head.insert(RESOURCE_POLICY, HeaderValue::from_static(policy.value()));
    if is_conditional(&request.headers) {
        let now = SystemTime::now();
        match outcome(request, &validators(&hot.facts, now), now) {
            Outcome::Proceed { .. } => {}
            Outcome::NotModified => {
                head.remove(header::CONTENT_TYPE);
                head.remove(header::CONTENT_LENGTH);
                return Ok(not_modified(head));
            }
            Outcome::PreconditionFailed => return Err(precondition_failed()),
        }
    }
    let is_head = request.method == Method::HEAD;
    let content = if is_head { Content::Empty } else { Content::Bytes(hot.bytes.clone()) };
    let mut answer = Response::new(content);
    *answer.headers_mut() = head;
    Ok(answer)
}

/// What is made for a file before it is kept in memory; none for one that may yet change without
/// showing it.
pub fn beforehand(name: &[u8], facts: &Facts, how: Option<&HeaderValue>) -> Option<Beforehand> {
    let validators = validators(facts, SystemTime::now());
    if validators.etag.weak {
        return None;
    }
    let media_type = media_type::of(name);
    let mut head = HeaderMap::with_capacity(10);
    set(&mut head, header::CONTENT_TYPE, &media_type);
    head.insert(header::CONTENT_LENGTH, facts.length.into());
    validate(&mut head, &validators);
    protect(&mut head, &media_type, &Asked::default());
    if let Some(how) = how {
        head.insert(CACHE_STATUS, how.clone());
    }
    let mut written = b"HTTP/1.1 200 OK\r\n".to_vec();
    for (name, value) in &head {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            written.extend_from_slice(part);
        }
    }
    let is_page_part = media_type::is_page_part(&media_type);
    Some(Beforehand { head, is_page_part, written: written.into() })
}

/// The whole answer to who asks for nothing in particular.
pub fn ready(hot: &Hot) -> Ready {
    let (head, body) = (hot.made.written.clone(), hot.bytes.clone());
    Ready { head, body, sealed: hot.sealed.clone() }
}

fn not_modified(head: HeaderMap) -> Answer {
    let mut answer = Response::new(Content::Empty);
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    *answer.headers_mut() = head;
    answer
}

fn precondition_failed() -> Refusal {
    let why = "the file has changed since the state that was asked for";
    Refusal::new(StatusCode::PRECONDITION_FAILED, why)
}

fn is_conditional(fields: &HeaderMap) -> bool {
    const CONDITIONS: [HeaderName; 4] = [
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
    ];
    fields.keys().any(|name| CONDITIONS.contains(name))
}

/// What tells one state of a file from another.
fn validators(facts: &Facts, now: SystemTime) -> Validators {
    let now_ns = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let now_ns = i128::try_from(now_ns).unwrap_or(i128::MAX);
    // A time before 1970 cannot be written as an HTTP date by our library; the tag still tells.
    let modified_s = u64::try_from(facts.modified_ns.div_euclid(1_000_000_000)).unwrap_or(0);
    Validators {
        etag: entity_tag(facts.changed_ns, facts.length, facts.inode, now_ns),
        last_modified_s: modified_s.min(unix_seconds(now)),
    }
}

/// Whether a file that is there is as the conditions of a PUT or POST want it.
pub fn may_be_replaced(request: &Parts, file: &FileHandle) -> bool {
    let now = SystemTime::now();
    let outcome = outcome(request, &validators(&file.facts, now), now);
    matches!(outcome, Outcome::Proceed { .. })
}

fn outcome(request: &Parts, validators: &Validators, now: SystemTime) -> Outcome {
    let fields = &request.headers;
    let tags = |name| combined(fields, name);
    let (if_match, if_none_match) = (tags(header::IF_MATCH), tags(header::IF_NONE_MATCH));
    let conditions = Conditions {
        if_match: if_match.as_deref(),
        if_none_match: if_none_match.as_deref(),
        if_modified_since_s: field(fields, header::IF_MODIFIED_SINCE).and_then(parse_date),
        if_unmodified_since_s: field(fields, header::IF_UNMODIFIED_SINCE).and_then(parse_date),
        if_range: if_range(fields),
        safe_method: matches!(request.method, Method::GET | Method::HEAD),
    };
    evaluate(&conditions, validators, unix_seconds(now))
}

fn if_range(fields: &HeaderMap) -> Option<IfRange> {
    let value = fields.get(header::IF_RANGE)?;
    let parsed = value.to_str().ok().and_then(|text| IfRange::parse(text, parse_date));
    Some(parsed.unwrap_or_default())
}

fn whole(request: &Parts, file: FileHandle) -> Result<Content, Refusal> {
    let length = file.facts.length;
    if length == 0 || request.method == Method::HEAD {
        return Ok(Content::Empty);
    }
    one(file, ByteRange { start: 0, end: length })
}

/// A short range leaves in one write with the head if it can be had without waiting.
fn one(file: FileHandle, range: ByteRange) -> Result<Content, Refusal> {
    if range.len() <= SMALL_BODY_MAX_BYTES {
        match read_small(&file, range) {
            Ok(Some(bytes)) => return Ok(Content::Bytes(bytes)),
            Ok(None) => {}
            Err(error) => return Err(internal(&error.to_string())),
        }
    }
    Ok(Content::File(FileReader::new(Arc::new(file), [Part::Range(range)])))
}

/// Several ranges as multipart/byteranges (RFC 9110, section 14.6).
fn several(file: FileHandle, ranges: Vec<ByteRange>, media_type: &str) -> Result<Answer, Refusal> {
    let boundary = boundary().map_err(|e| internal(&e.to_string()))?;
    let multipart = Multipart::new(ranges, media_type, file.facts.length, &boundary);
    let mut parts = Vec::new();
    for (i, range) in multipart.ranges().iter().enumerate() {
        parts.push(Part::Bytes(Bytes::from(multipart.part_head(i))));
        parts.push(Part::Range(*range));
    }
    parts.push(Part::Bytes(Bytes::from(multipart.tail())));
    let mut answer = Response::new(Content::File(FileReader::new(Arc::new(file), parts)));
    *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    let head = answer.headers_mut();
    set(head, header::CONTENT_TYPE, &multipart.content_type_header());
    head.insert(header::CONTENT_LENGTH, multipart.content_length().into());
    Ok(answer)
}

/// 128 random bits: no file holds them but by design, and its author cannot know them.
fn boundary() -> std::io::Result<String> {
    let mut random = [0; 16];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    Ok(format!("{:032x}", u128::from_ne_bytes(random)))
}

fn validate(head: &mut HeaderMap, validators: &Validators) {
    set(head, header::ETAG, &validators.etag.to_string());
    let modified = UNIX_EPOCH + Duration::from_secs(validators.last_modified_s);
    if let Ok(modified) = representable(modified) {
        set(head, header::LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
    head.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Kept by browsers, and asked about each time: a folder changes under their feet.
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
}

/// HTTP dates end with the year 9999; the library refuses later ones with a panic.
fn representable(time: SystemTime) -> Result<SystemTime, ()> {
    const YEAR_10000_S: u64 = 253_402_300_800;
    if unix_seconds(time) < YEAR_10000_S { Ok(time) } else { Err(()) }
}

/// What a shared file may not do in a browser: be taken for another type, be embedded by other
/// sites, or, if it is a page, act as this hub.
fn protect(head: &mut HeaderMap, media_type: &str, asked: &Asked<'_>) {
    let policy = resource_policy(asked, media_type::is_page_part(media_type));
    head.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    head.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    head.insert(RESOURCE_POLICY, HeaderValue::from_static(policy.value()));
    if media_type::is_active(media_type) {
        let sandbox = HeaderValue::from_static("sandbox allow-scripts");
        head.insert(header::CONTENT_SECURITY_POLICY, sandbox);
    }
}

/// The same for what comes from another server, whatever that said.
pub fn protect_relayed(head: &mut HeaderMap, asked: &Asked<'_>) {
    let media_type = field(head, header::CONTENT_TYPE).unwrap_or("application/octet-stream");
    let media_type = media_type.to_owned();
    set(head, header::CONTENT_TYPE, &media_type);
    protect(head, &media_type, asked);
}

fn internal(what: &str) -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the file cannot be read: {what}"))
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn parse_date(text: &str) -> Option<u64> {
    httpdate::parse_http_date(text).ok().map(unix_seconds)
}

fn field(fields: &HeaderMap, name: HeaderName) -> Option<&str> {
    fields.get(name).and_then(|value| value.to_str().ok())
}

/// Several fields of one name are one list (RFC 9110, section 5.3).
fn combined(fields: &HeaderMap, name: HeaderName) -> Option<String> {
    let values: Vec<&str> = fields.get_all(name).iter().filter_map(|v| v.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// Sets a field whose value is made of our own text and numbers.
fn set(head: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        head.insert(name, value);
    }
}
