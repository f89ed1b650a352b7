//! Reading heads where they pass, by the parser that hyper itself uses: which requests are simple,
//! and where heads end.

use std::mem::MaybeUninit;

use httparse::{Error, Header, Request, Status};
use sockeye_proto::limits::HEAD_MAX_FIELDS;

/// A simple request has at most so many fields.
const SIMPLE_FIELDS_MAX: usize = 12;
/// Fields that say nothing about what is wanted of a file.
const HARMLESS: [&str; 6] =
    ["user-agent", "accept", "accept-encoding", "accept-language", "cache-control", "pragma"];

/// A GET of all of a file by somebody who says nothing more about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Simple<'a> {
    /// The target, as it was sent.
    pub(super) target: &'a str,
    /// The only Host field.
    pub(super) host: &'a str,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another head, after so many bytes.
    Head(usize),
    /// More of this one.
    More,
    /// Perhaps a body, or something else altogether.
    Unknown,
}

/// Reads bytes that are one whole simple request, and nothing else.
pub(super) fn simple(bytes: &[u8]) -> Option<Simple<'_>> {
    let mut room = [const { MaybeUninit::uninit() }; SIMPLE_FIELDS_MAX];
    let (request, length) = parse(bytes, &mut room).ok()?;
    let is_get = request.method == Some("GET") && request.version == Some(1);
    if length != Some(bytes.len()) || !is_get {
        return None;
    }
    let mut host = None;
    for field in &*request.headers {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("host") {
            if host.is_some() {
                return None;
            }
            host = Some(std::str::from_utf8(field.value).ok()?);
        } else if is("connection") {
            // Anything else asks for the connection's end, or for another protocol.
            if !field.value.eq_ignore_ascii_case(b"keep-alive") {
                return None;
            }
        } else if !HARMLESS.iter().any(|name| is(name)) {
            return None;
        }
    }
    Some(Simple { target: request.path?, host: host? })
}

/// Where the head ends that these bytes begin with.
pub(super) fn end(bytes: &[u8]) -> Next {
    let mut room = [const { MaybeUninit::uninit() }; HEAD_MAX_FIELDS];
    let Ok((request, length)) = parse(bytes, &mut room) else { return Next::Unknown };
    let Some(length) = length else { return Next::More };
    let goes_on = |field: &Header<'_>| {
        ["content-length", "transfer-encoding", "upgrade", "expect"]
            .iter()
            .any(|name| field.name.eq_ignore_ascii_case(name))
    };
    let is_known = request.version == Some(1) && request.method != Some("CONNECT");
    if is_known && !request.headers.iter().any(goes_on) {
        Next::Head(length)
    } else {
        Next::Unknown
    }
}

/// A request, and its head's length if that is all there.
fn parse<'h, 'b>(
    bytes: &'b [u8],
    room: &'h mut [MaybeUninit<Header<'b>>],
) -> Result<(Request<'h, 'b>, Option<usize>), Error> {
    let mut request = Request::new(&mut []);
    Ok(match request.parse_with_uninit_headers(bytes, room)? {
        Status::Complete(length) => (request, Some(length)),
        Status::Partial => (request, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "GET /a%20b HTTP/1.1\r\nHost: hub:8080\r\n\r\n";

    fn with(field: &str) -> String {
        format!("GET / HTTP/1.1\r\nHost: hub\r\n{field}\r\n\r\n")
    }

    #[test]
    fn a_get_that_says_nothing_more_is_simple() {
        let found = Simple { target: "/a%20b", host: "hub:8080" };
        assert_eq!(simple(PLAIN.as_bytes()), Some(found));
        for field in ["Accept: */*", "USER-AGENT: curl/8", "connection: Keep-Alive"] {
            assert!(simple(with(field).as_bytes()).is_some(), "{field}");
        }
    }

    #[test]
    fn anything_that_may_change_the_answer_is_not() {
        let fields = [
            "Host: hub",
            "Range: bytes=0-1",
            "If-None-Match: \"a\"",
            "If-Unheard-Of: 1",
            "Referer: http://hub/",
            "Origin: http://hub",
            "Cookie: a=b",
            "Authorization: Bearer k",
            "Content-Length: 0",
            "Content-Length: 5",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Upgrade: websocket",
            "Connection: close",
            "Connection: keep-alive, upgrade",
            "TE: trailers",
            "X-Forwarded-For: 1.2.3.4",
        ];
        for field in fields {
            assert_eq!(simple(with(field).as_bytes()), None, "{field}");
        }
        for line in ["HEAD / HTTP/1.1", "GET / HTTP/1.0", "POST / HTTP/1.1", "get / HTTP/1.1"] {
            assert_eq!(simple(format!("{line}\r\nHost: hub\r\n\r\n").as_bytes()), None, "{line}");
        }
        assert_eq!(simple(b"GET / HTTP/1.1\r\n\r\n"), None, "without Host");
        assert_eq!(simple(format!("{PLAIN}{PLAIN}").as_bytes()), None, "two at once");
        assert_eq!(simple(&PLAIN.as_bytes()[..20]), None, "half of one");
        assert_eq!(simple(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), None);
        assert_eq!(simple(b"GET / HTTP/1.1\r\nHost: hub\r\n folded: 1\r\n\r\n"), None);
    }

    #[test]
    fn the_end_of_a_head_is_known_where_no_body_can_follow() {
        let length = PLAIN.len();
        assert_eq!(end(PLAIN.as_bytes()), Next::Head(length));
        assert_eq!(end(format!("{PLAIN}GET").as_bytes()), Next::Head(length));
        for at in 0..length {
            assert_eq!(end(&PLAIN.as_bytes()[..at]), Next::More, "{at}");
        }
        for field in ["Content-Length: 0", "Transfer-Encoding: chunked", "Upgrade: h2c"] {
            assert_eq!(end(with(field).as_bytes()), Next::Unknown, "{field}");
        }
        assert_eq!(end(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Next::Unknown);
        assert_eq!(end(b"\x16\x03\x01"), Next::Unknown);
    }
}
