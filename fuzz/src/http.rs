//! The targets of `sockeye_proto::http`.

use std::net::{Ipv4Addr, Ipv6Addr};

use sockeye_proto::http::accept::{Wanted, accepts_gzip, negotiate};
use sockeye_proto::http::conditional::{
    Conditions, EntityTag, IfRange, Outcome, Validators, entity_tag, evaluate,
};
use sockeye_proto::http::guard::{Asked, HostNames, Refusal, admit, resource_policy};
use sockeye_proto::http::plain::{Plain, head_length};
use sockeye_proto::http::range::{
    ByteRange, MAX_RANGES, Multipart, Ranges, content_range as write_content_range,
    parse_content_range, resolve,
};
use sockeye_proto::http::target::{
    MAX_PATH_BYTES, MAX_SEGMENT_BYTES, MAX_SEGMENTS, SharePath, encode_segment,
};

/// A request's target names a path that keeps the rules, or none.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(path) = SharePath::parse(text) else { return };
    keeps_the_rules(&path);
    // Another decoder, by definition: the same bytes as an un-encoded name.
    let decoded: Vec<u8> = percent_decoded(data);
    assert_eq!(SharePath::from_raw_name(&decoded).as_ref(), Ok(&path), "{text:?}");
}

/// A raw name names a path that keeps the rules, or none; any one name joins as it is.
pub fn raw_name(data: &[u8]) {
    if let Ok(path) = SharePath::from_raw_name(data) {
        keeps_the_rules(&path);
        let absolute = [b"/", data].concat();
        assert_eq!(SharePath::from_raw_name(&absolute).as_ref(), Ok(&path));
    }
    if let Ok(joined) = SharePath::root().join(data) {
        keeps_the_rules(&joined);
        assert_eq!(joined.relative(), data, "one name, taken as it is");
        assert_eq!(joined.encoded(), format!("/{}", encode_segment(data)));
    }
}

/// A plain request is sent on to its own host by https, or nowhere; what it is told is one line.
pub fn plain(data: &[u8]) {
    let head = head_length(data).map_or(data, |length| &data[..length]);
    assert!(head_length(head).is_none_or(|length| length == head.len()));
    let plain = Plain::read(head);
    assert_eq!(plain, Plain::read(data), "what follows the head does not matter");
    let Some(location) = plain.location else { return };
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{location:?}");
    let rest = location.strip_prefix("https://").expect("it leads to https");
    let (authority, _) = rest.split_once('/').expect("and to a path");
    let (host, port) = authority.rsplit_once(':').expect("with a port");
    assert!(port.is_empty() || port.parse::<u16>().is_ok(), "{location:?}");
    let asked = Asked { safe_method: true, hosts: &[authority], ..Asked::default() };
    assert!(matches!(admit(&asked, &HostNames::default()), Ok(()) | Err(Refusal::ForeignHost)));
    assert!(data.windows(host.len()).any(|window| window == host.as_bytes()), "{location:?}");
}

/// Nobody is let in under a name that is not an address, localhost or ours, and no page from
/// elsewhere may do more than read. The input is lines: Host, Origin, Sec-Fetch-Site, Referer.
pub fn guard(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let host = lines.next().unwrap_or_default();
    let [origin, sec_fetch_site, referer] =
        [lines.next(), lines.next(), lines.next()].map(|line| line.filter(|line| *line != "-"));
    let names = HostNames::new(["hub".to_owned(), "hub.local".to_owned()]);
    let hosts = &[host];
    let post = Asked { hosts, origin, sec_fetch_site, referer, ..Asked::default() };
    let get = Asked { safe_method: true, ..post };
    assert_eq!(admit(&get, &names).is_ok(), is_ours(host), "{host:?}");
    let _ = (resource_policy(&post, true), resource_policy(&post, false));
    let web_socket = Asked { web_socket: true, ..get };
    assert_eq!(admit(&web_socket, &names), admit(&post, &names));
    assert_eq!(admit(&Asked { hosts: &[host, host], ..get }, &names), Err(Refusal::SeveralHosts));
    if admit(&post, &names).is_err() {
        return;
    }
    assert!(admit(&get, &names).is_ok(), "who may write may read");
    assert!(sec_fetch_site.is_none_or(|site| ["none", "same-origin"].contains(&site.trim_ascii())));
    if let Some(origin) = origin {
        let origin = origin.trim_ascii().to_ascii_lowercase();
        let (scheme, authority) = origin.split_once("://").expect("an origin that was let in");
        assert!(["http", "https"].contains(&scheme), "{origin:?}");
        let default = if scheme == "http" { 80 } else { 443 };
        let with_port = |text: &str| {
            let (host, port) = host_and_port(text);
            (host.to_ascii_lowercase(), port.unwrap_or(default))
        };
        assert_eq!(with_port(authority), with_port(host), "{origin:?} {host:?}");
    }
}

/// The ranges to send lie apart and within the file, and are framed in as many bytes as announced.
/// The input is the file's length in eight bytes and the Range field.
pub fn range(data: &[u8]) {
    let Some((length, header)) = data.split_first_chunk::<8>() else { return };
    let length = u64::from_le_bytes(*length);
    let Ok(header) = std::str::from_utf8(header) else { return };
    let ranges = match resolve(Some(header), length) {
        Ranges::Whole | Ranges::Unsatisfiable => return,
        Ranges::One(range) => vec![range],
        Ranges::Several(ranges) => {
            assert!((2..=MAX_RANGES).contains(&ranges.len()), "{header:?}");
            ranges
        }
    };
    let mut in_order = ranges.clone();
    in_order.sort();
    assert!(in_order.iter().all(|range| range.start < range.end && range.end <= length));
    assert!(in_order.windows(2).all(|pair| pair[0].end < pair[1].start), "{header:?}");
    for range in &ranges {
        let told = parse_content_range(&write_content_range(*range, length));
        assert_eq!(told.map(|told| (told.range, told.length)), Some((*range, Some(length))));
    }
    let bytes: u64 = ranges.iter().map(ByteRange::len).sum();
    let multipart = Multipart::new(ranges, "text/plain", length, "cut");
    let heads: usize = (0..multipart.ranges().len()).map(|i| multipart.part_head(i).len()).sum();
    let framing = (heads + multipart.tail().len()) as u64;
    assert_eq!(multipart.content_length(), bytes.saturating_add(framing));
}

/// A Content-Range that our client believes makes sense, and is written back with the same meaning.
pub fn content_range(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(told) = parse_content_range(text) else { return };
    assert!(told.range.start < told.range.end, "{text:?}");
    assert!(told.length.is_none_or(|length| told.range.end <= length), "{text:?}");
    if let Some(length) = told.length {
        assert_eq!(parse_content_range(&write_content_range(told.range, length)), Some(told));
    }
}

/// Tags are read and written the same, and no list of them leads to what it forbids. The input is
/// 25 bytes of numbers (mtime, now, size in eight bytes each; a byte of which fields are there), and
/// lines: If-Match, If-None-Match, If-Range.
pub fn conditional(data: &[u8]) {
    let Some((numbers, text)) = data.split_first_chunk::<25>() else { return };
    let number =
        |at: usize| numbers[at..].first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (mtime_ns, now_ns, size, present) = (number(0), number(8), number(16), numbers[24]);
    let text = String::from_utf8_lossy(text);
    let mut lines = text.split('\n');
    let mut line_if = |bit: u8| lines.next().filter(|_| present & bit != 0);
    let (if_match, if_none_match, if_range_text) = (line_if(1), line_if(2), line_if(4));

    let etag = entity_tag(mtime_ns.into(), size, 7, now_ns.into());
    assert_eq!(EntityTag::parse(&etag.to_string()).as_ref(), Some(&etag));
    for tag in [if_match, if_none_match, if_range_text].into_iter().flatten() {
        assert!(EntityTag::parse(tag).is_none_or(|read| read.to_string() == tag), "{tag:?}");
    }
    let last_modified_s = mtime_ns / 1_000_000_000;
    let if_range = if_range_text
        .map(|text| IfRange::parse(text, |date| date.parse().ok()).unwrap_or_default());
    let known = format!(",{etag} ,{}", if_none_match.unwrap_or_default());
    let date_if = |bit: u8| (present & bit != 0).then_some(now_ns / 1_000_000_000);
    let conditions = Conditions {
        if_match,
        if_none_match,
        if_range,
        if_modified_since_s: date_if(8),
        if_unmodified_since_s: date_if(16),
        safe_method: present & 32 != 0,
    };
    let validators = Validators { etag, last_modified_s };
    holds(&conditions, &validators, size);
    let knows = Conditions { if_none_match: Some(&known), if_match: None, ..conditions };
    holds(&knows, &validators, size);
    let proceeds = matches!(evaluate(&knows, &validators, size), Outcome::Proceed { .. });
    assert!(!proceeds, "the client has this version: {known:?}");
}

/// The rules that stand above the order of RFC 9110 section 13.2.2.
fn holds(conditions: &Conditions<'_>, validators: &Validators, now_s: u64) {
    let outcome = evaluate(conditions, validators, now_s);
    if outcome == Outcome::NotModified {
        assert!(conditions.safe_method, "only a read can be told that nothing has changed");
        assert!(conditions.if_none_match.is_some() || conditions.if_modified_since_s.is_some());
    }
    if conditions.if_match.is_some_and(|list| list.trim_ascii() == "*")
        && conditions.if_none_match.is_none()
    {
        assert_ne!(outcome, Outcome::PreconditionFailed, "the file exists");
    }
    if conditions.if_none_match.is_some_and(|list| list.trim_ascii() == "*") {
        assert!(!matches!(outcome, Outcome::Proceed { .. }), "the file exists");
    }
    if validators.etag.weak && conditions.if_match.is_some_and(|list| list.trim_ascii() != "*") {
        assert_eq!(outcome, Outcome::PreconditionFailed, "a weak tag proves no version");
    }
    if let Outcome::Proceed { honour_range } = outcome {
        let proved = match &conditions.if_range {
            None => true,
            Some(IfRange::Tag(tag)) => !validators.etag.weak && *tag == validators.etag,
            Some(IfRange::Date(date_s)) => *date_s == validators.last_modified_s && now_s > *date_s,
            Some(IfRange::Unreadable) => false,
        };
        assert_eq!(honour_range, proved, "{conditions:?} {validators:?}");
    }
}

/// HTML, JSON and gzip are sent only to those who name them.
pub fn accept(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lower = text.to_ascii_lowercase();
    match negotiate(Some(text)) {
        Wanted::Page => assert!(
            lower.contains("text/html") || lower.contains("application/xhtml+xml"),
            "{text:?}"
        ),
        Wanted::Json => assert!(lower.contains("application/json"), "{text:?}"),
        Wanted::Text => {}
    }
    if accepts_gzip(Some(text)) {
        assert!(lower.contains("gzip") || lower.contains('*'), "{text:?}");
    }
    if !text.contains('"') {
        // Without quoted strings the elements are easy to part, and their order means nothing.
        let backwards = text.rsplit(',').collect::<Vec<_>>().join(",,\t");
        assert_eq!(negotiate(Some(&backwards)), negotiate(Some(text)), "{text:?}");
        assert_eq!(accepts_gzip(Some(&backwards)), accepts_gzip(Some(text)), "{text:?}");
    }
}

/// What every path must be, whichever wire it came by.
fn keeps_the_rules(path: &SharePath) {
    assert!(path.segments().count() <= MAX_SEGMENTS);
    for segment in path.segments() {
        assert!(!segment.is_empty() && segment != b"." && segment != b"..", "{path:?}");
        assert!(!segment.contains(&0) && !segment.contains(&b'/'), "{path:?}");
        assert!(segment.len() <= MAX_SEGMENT_BYTES);
    }
    let relative = path.relative();
    assert!((1..=MAX_PATH_BYTES).contains(&relative.len()) && !relative.starts_with(b"/"));
    let encoded = path.encoded();
    assert!(encoded.starts_with('/') && !encoded.starts_with("//"), "{encoded}");
    assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()), "{encoded}");
    assert!(!encoded.contains(['"', '\'', '<', '>', '&', '?', '#', '\\', ':']), "{encoded}");
    assert_eq!(encoded.ends_with('/'), path.wants_folder());
    assert_eq!(SharePath::parse(&encoded).as_ref(), Ok(path));
    assert!(!path.display().contains(char::is_control));
    assert_eq!(path.as_file().as_folder(), path.as_folder());
}

/// Decodes well-formed percent-encoding, in the plainest way.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if text[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(text[at]);
                at += 1;
            }
        }
    }
    decoded
}

/// Whether a Host is one that the hub of [`guard`] answers to, worked out apart from the guard.
fn is_ours(host: &str) -> bool {
    let (name, _) = host_and_port(host);
    let lower = name.to_ascii_lowercase();
    let literal = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    literal.is_some_and(|literal| literal.parse::<Ipv6Addr>().is_ok())
        || name.parse::<Ipv4Addr>().is_ok()
        || ["localhost", "localhost.", "hub", "hub.", "hub.local", "hub.local."]
            .contains(&lower.as_str())
}

/// Cuts off a port, if what follows the last colon is one.
fn host_and_port(text: &str) -> (&str, Option<u16>) {
    match text.rsplit_once(':') {
        Some((host, "")) => (host, None),
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().map_or((text, None), |port| (host, Some(port)))
        }
        _ => (text, None),
    }
}
