//! Fetching over http: redirects, resuming by Range and If-Range, and servers that are barely
//! HTTP.

use std::time::Duration;

use ::http::{HeaderMap, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use indicatif::ProgressBar;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sockeye_proto::address::{Address, Scheme};
use sockeye_proto::http::conditional::EntityTag;
use sockeye_proto::http::range::parse_content_range;
use sockeye_proto::printable::Printable;

use super::save::{Note, Sink};
use super::{Fetched, SILENCE_TIMEOUT, Way, connect, next};
use crate::exit::Failure;

const DEFAULT_PORT: u16 = 80;
const REDIRECTS_MAX: usize = 10;
/// What cannot stand in a request's target as it is (RFC 3986, appendix A); a percent sign is taken
/// for what it is meant to be.
const NOT_IN_A_TARGET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// A body that breaks is asked for again this often without a byte of progress.
const RETRIES_MAX: u32 = 4;
const RETRY_AFTER_FIRST: Duration = Duration::from_millis(250);
/// How much of a refusal's body is shown.
const REASON_MAX_BYTES: usize = 512;

/// How one request ended.
enum Round {
    /// All bytes are here.
    Whole,
    /// The body broke, or did not go on; what came before stands.
    Broken(String),
    /// What stands is of another state of the file, or more than the file: begin again.
    Stale,
}

/// Fetches one file, going on where an earlier run or a broken connection left off.
pub async fn fetch(
    url: &Address,
    way: &Way,
    sink: &mut Sink,
    progress: &ProgressBar,
) -> Result<Fetched, Failure> {
    let resumed_from = sink.written();
    let mut known = Known {
        validator: sink.note().map(|note| note.validator.clone()),
        total: sink.note().and_then(|note| note.total),
    };
    let (mut failures, mut has_begun_again) = (0, false);
    loop {
        let before = sink.written();
        let round = one_round(url, way, sink, progress, &mut known).await?;
        match round {
            Round::Whole => {
                let resumed_from = if has_begun_again { 0 } else { resumed_from };
                return Ok(Fetched { bytes: sink.written(), resumed_from });
            }
            Round::Stale if has_begun_again => {
                return Err(Failure::Corrupt(format!("{url} does not keep to what it says")));
            }
            Round::Stale => {
                has_begun_again = true;
                known = Known::default();
                sink.restart()?;
            }
            Round::Broken(why) => {
                failures = if sink.written() > before { 0 } else { failures + 1 };
                if known.validator.is_none() || failures > RETRIES_MAX {
                    return Err(Failure::Network(why));
                }
                tokio::time::sleep(RETRY_AFTER_FIRST * 2_u32.pow(failures)).await;
            }
        }
    }
}

async fn one_round(
    url: &Address,
    way: &Way,
    sink: &mut Sink,
    progress: &ProgressBar,
    known: &mut Known,
) -> Result<Round, Failure> {
    let have = sink.written();
    let range = known.validator.as_deref().filter(|_| have > 0).map(|validator| (have, validator));
    let asked = match ask_following_redirects(url, way, range).await {
        Ok(response) => response,
        // The first request of a fetch fails at once; a later one is tried again.
        Err(Failure::Network(why)) if have > 0 => return Ok(Round::Broken(why)),
        Err(failure) => return Err(failure),
    };
    let fields = asked.headers();
    if asked.status().is_success() && is_encoded(fields) {
        return Err(Failure::Corrupt(format!("{url} comes in an encoding that nobody asked for")));
    }
    let total = match asked.status() {
        StatusCode::PARTIAL_CONTENT if range.is_some() => {
            let Some(part) = field(fields, header::CONTENT_RANGE).and_then(parse_content_range)
            else {
                return Ok(Round::Stale);
            };
            if part.range.start != have || !known.is_of_this(fields, part.length) {
                return Ok(Round::Stale);
            }
            part.length.or(known.total)
        }
        StatusCode::PARTIAL_CONTENT => {
            return Err(Failure::Corrupt(format!("{url} sent a part that nobody asked for")));
        }
        StatusCode::RANGE_NOT_SATISFIABLE if range.is_some() => return Ok(Round::Stale),
        status if status.is_success() => {
            if have > 0 {
                // It is another state of the file, or a server without ranges.
                sink.restart()?;
            }
            let length =
                field(fields, header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
            *known = Known { validator: validator_of(fields), total: length };
            sink.take_note(known.note(url))?;
            length
        }
        status => return Err(said_no(url, status, asked).await),
    };
    if let Some(total) = total {
        progress.set_length(total);
    }
    // What was here before counts for the bar and not for the speed.
    progress.set_position(sink.written());
    progress.reset_eta();
    receive(url, asked, total, sink, progress).await
}

async fn receive(
    url: &Address,
    mut response: Response<Incoming>,
    total: Option<u64>,
    sink: &mut Sink,
    progress: &ProgressBar,
) -> Result<Round, Failure> {
    loop {
        let frame = match next(progress, response.frame()).await {
            None => return Ok(Round::Broken(format!("{} fell silent", url.authority()))),
            Some(Some(Err(error))) => {
                let why = format!("the connection to {} broke: {error}", url.authority());
                return Ok(Round::Broken(why));
            }
            Some(Some(Ok(frame))) => frame,
            Some(None) => break,
        };
        if let Some(bytes) = frame.data_ref() {
            sink.write(bytes)?;
            progress.set_position(sink.written());
        }
    }
    match total {
        Some(total) if sink.written() < total => Ok(Round::Broken(format!(
            "{} ended after {} of {total} bytes",
            url.authority(),
            sink.written()
        ))),
        Some(total) if sink.written() > total => Ok(Round::Stale),
        _ => Ok(Round::Whole),
    }
}

async fn ask_following_redirects(
    url: &Address,
    way: &Way,
    range: Option<(u64, &str)>,
) -> Result<Response<Incoming>, Failure> {
    let mut url = url.clone();
    for _ in 0..=REDIRECTS_MAX {
        let response = ask(&url, way, range).await?;
        let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(to) = field(response.headers(), header::LOCATION).filter(|_| is_redirect) else {
            return Ok(response);
        };
        let next = redirected(&url, to)?;
        if is_folder_of(&next, &url) {
            return Err(Failure::SaidNo(format!(
                "{url} is a folder, and get fetches files; `curl {next}` lists it"
            )));
        }
        if way.is_pinned() && next.scheme != Scheme::Https {
            return Err(Failure::SaidNo(format!(
                "{url} leads on to {next}, which shows no certificate to compare --fingerprint with"
            )));
        }
        url = next;
    }
    Err(Failure::SaidNo(format!("{url} goes round in redirects")))
}

async fn ask(
    url: &Address,
    way: &Way,
    range: Option<(u64, &str)>,
) -> Result<Response<Incoming>, Failure> {
    let stream = connect(url, DEFAULT_PORT, way).await?;
    let no_http = |error: hyper::Error| {
        Failure::Network(format!("{} does not speak HTTP: {error}", url.authority()))
    };
    // Some small servers compare field names letter by letter, as they stand in the textbooks.
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .allow_spaces_after_header_name_in_responses(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(no_http)?;
    // Its end is seen by the sender and the body.
    tokio::spawn(connection);
    let path = if url.path.is_empty() { "/" } else { &url.path };
    // People paste addresses with spaces and letters of their own in them.
    let path = utf8_percent_encode(path, NOT_IN_A_TARGET).to_string();
    let mut request = Request::get(path)
        .header(header::HOST, url.authority())
        .header(header::USER_AGENT, concat!("sockeye/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close");
    if let Some((from, validator)) = range {
        request = request
            .header(header::RANGE, format!("bytes={from}-"))
            .header(header::IF_RANGE, validator);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|e| Failure::Usage(format!("`{}` is no path of a URL: {e}", url.path)))?;
    match tokio::time::timeout(SILENCE_TIMEOUT, sender.send_request(request)).await {
        Ok(response) => response.map_err(no_http),
        Err(_) => Err(Failure::Network(format!("{} does not answer", url.authority()))),
    }
}

/// Whether a redirect only adds the slash that says "this is a folder".
fn is_folder_of(next: &Address, asked: &Address) -> bool {
    let path = |url: &Address| url.path.split('?').next().unwrap_or_default().to_owned();
    next.authority() == asked.authority() && path(next) == format!("{}/", path(asked))
}

/// Where a Location leads, seen from a URL (RFC 3986, section 5.2).
fn redirected(from: &Address, to: &str) -> Result<Address, Failure> {
    let to = to.split('#').next().unwrap_or(to);
    let at = |path: String| Address { path, ..from.clone() };
    let (from_path, _) = from.path.split_once('?').unwrap_or((&from.path, ""));
    if let Some(rest) = to.strip_prefix("//") {
        return parse_redirect(from, &format!("{}://{rest}", from.scheme.as_str()));
    }
    let has_scheme = to.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
    if has_scheme {
        return parse_redirect(from, to);
    }
    if to.starts_with('?') {
        return Ok(at(format!("{from_path}{to}")));
    }
    let (path, query) = match to.split_once('?') {
        Some((path, query)) => (path, format!("?{query}")),
        None => (to, String::new()),
    };
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        let folder = from_path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{path}")
    };
    Ok(at(format!("{}{query}", without_dot_segments(&path))))
}

fn parse_redirect(from: &Address, to: &str) -> Result<Address, Failure> {
    Address::parse(to, &[Scheme::Http, Scheme::Https], Scheme::Http).map_err(|error| {
        let to = Printable(to.as_bytes());
        Failure::SaidNo(format!("{from} leads on to `{to}`, where this cannot follow: {error}"))
    })
}

/// RFC 3986, section 5.2.4.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.trim_start_matches('/').split('/') {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let slash = if ends_in_folder && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

/// What proves at a later request that the file is still the same: a strong tag, else a date.
fn validator_of(fields: &HeaderMap) -> Option<String> {
    let tag = field(fields, header::ETAG)
        .filter(|tag| EntityTag::parse(tag).is_some_and(|tag| !tag.weak));
    tag.or_else(|| {
        // A date stands only for a file without a tag; beside a weak one it is no stronger.
        field(fields, header::LAST_MODIFIED).filter(|_| !fields.contains_key(header::ETAG))
    })
    .map(str::to_owned)
}

/// Whether the bytes are not those of the file itself.
fn is_encoded(fields: &HeaderMap) -> bool {
    let encoding = field(fields, header::CONTENT_ENCODING).unwrap_or_default().trim();
    let transfer = field(fields, header::TRANSFER_ENCODING).unwrap_or_default().trim();
    let is_plain = |text: &str, plain: &str| text.is_empty() || text.eq_ignore_ascii_case(plain);
    !is_plain(encoding, "identity") || !is_plain(transfer, "chunked")
}

/// What is known of the file that the standing bytes are part of.
#[derive(Debug, Default)]
struct Known {
    validator: Option<String>,
    total: Option<u64>,
}

impl Known {
    /// Whether a part with these fields is of the same state of the file: a tag or a length that
    /// is told must be the same.
    fn is_of_this(&self, fields: &HeaderMap, total: Option<u64>) -> bool {
        let tag = field(fields, header::ETAG);
        let had_tag = self.validator.as_deref().filter(|validator| validator.starts_with('"'));
        let has_other_tag = matches!((tag, had_tag), (Some(tag), Some(had)) if tag != had);
        let has_other_total = matches!((total, self.total), (Some(now), Some(had)) if now != had);
        !has_other_tag && !has_other_total
    }

    fn note(&self, url: &Address) -> Option<Note> {
        let validator = self.validator.clone()?;
        Some(Note { url: url.to_string(), validator, total: self.total })
    }
}

async fn said_no(url: &Address, status: StatusCode, mut response: Response<Incoming>) -> Failure {
    let is_text = field(response.headers(), header::CONTENT_TYPE)
        .is_some_and(|media_type| media_type.starts_with("text/plain"));
    let mut reason = Vec::new();
    while is_text && reason.len() < REASON_MAX_BYTES {
        match tokio::time::timeout(Duration::from_secs(2), response.frame()).await {
            Ok(Some(Ok(frame))) => {
                reason.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| bytes));
            }
            _ => break,
        }
    }
    reason.truncate(REASON_MAX_BYTES);
    let reason = Printable(reason.trim_ascii()).to_string();
    let said = if reason.is_empty() { status.to_string() } else { reason };
    Failure::SaidNo(format!("{url}: {said}"))
}

fn field(fields: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    fields.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Address {
        Address::parse(text, &[Scheme::Http], Scheme::Http).unwrap()
    }

    #[test]
    fn a_redirect_is_read_as_a_browser_reads_it() {
        let from = url("http://h:1/a/b");
        let to = |to: &str| redirected(&from, to).unwrap().to_string();
        assert_eq!(to("/c/"), "http://h:1/c/");
        assert_eq!(to("c"), "http://h:1/a/c");
        assert_eq!(to("../c?d"), "http://h:1/c?d");
        assert_eq!(to("/x/./y/../"), "http://h:1/x/");
        assert_eq!(to("?q"), "http://h:1/a/b?q");
        assert_eq!(to("//other:2/x"), "http://other:2/x");
        assert_eq!(to("../../.."), "http://h:1/");
        assert_eq!(to("http://other/x#y"), "http://other/x");
        assert_eq!(to("https://h:1/a/b"), "https://h:1/a/b");
        assert!(redirected(&from, "gopher://x/").is_err());
    }

    #[test]
    fn a_part_with_another_tag_or_length_is_of_another_state() {
        let known = Known { validator: Some("\"a\"".into()), total: Some(10) };
        let tagged = |tag: &str| -> HeaderMap {
            [(header::ETAG, tag.parse().unwrap())].into_iter().collect()
        };
        assert!(known.is_of_this(&tagged("\"a\""), Some(10)));
        assert!(known.is_of_this(&HeaderMap::new(), None));
        assert!(!known.is_of_this(&tagged("\"b\""), Some(10)));
        assert!(!known.is_of_this(&tagged("\"a\""), Some(9)));
    }

    #[test]
    fn only_what_proves_the_same_file_is_a_validator() {
        let fields = |pairs: &[(header::HeaderName, &str)]| -> HeaderMap {
            pairs.iter().map(|(n, v)| (n.clone(), v.parse().unwrap())).collect()
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let strong = fields(&[(header::ETAG, "\"x\""), (header::LAST_MODIFIED, date)]);
        assert_eq!(validator_of(&strong).as_deref(), Some("\"x\""));
        let weak = fields(&[(header::ETAG, "W/\"x\""), (header::LAST_MODIFIED, date)]);
        assert_eq!(validator_of(&weak), None);
        assert_eq!(validator_of(&fields(&[(header::LAST_MODIFIED, date)])).as_deref(), Some(date));
        assert_eq!(validator_of(&fields(&[])), None);
    }
}
