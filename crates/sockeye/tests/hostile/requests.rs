//! Requests that are wrong, torn or lie about where they end.
//!
//! Each case says how many answers are right. A request hidden in the body of another asks for
//! `/smuggled.txt`, and that file's contents in an answer mean that it was taken for a request.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{Answer, Fixture, Server, answers, assert_nothing_from_outside};

const SMUGGLED: &str = "SMUGGLED-9d0b";
const HIDDEN: &str = "GET /smuggled.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
const HOST: &str = "Host: localhost\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// What must come back.
#[derive(Debug)]
enum Right {
    /// At most one answer, which says no, and then the end.
    No,
    /// These statuses, in this order, and then the end.
    Exactly(&'static [u16]),
    /// One answer with any of these statuses, or none, and then the end: a matter of taste.
    OneOf(&'static [u16]),
}
use Right::{Exactly, No, OneOf};

struct Case(String, Vec<u8>, Right);

fn case(what: &str, sent: impl Into<Vec<u8>>, right: Right) -> Case {
    Case(what.to_owned(), sent.into(), right)
}

fn server() -> (Fixture, Server) {
    server_with(&[])
}

fn server_with(flags: &[&str]) -> (Fixture, Server) {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello");
    fixture.file("smuggled.txt", SMUGGLED);
    let flags = [&["--max-per-address", "none"], flags].concat();
    let server = Server::files(&fixture.share(), &flags);
    (fixture, server)
}

/// Sends all cases, and looks after each whether the server is well.
fn check(cases: &[Case]) {
    check_with(cases, &[]);
}

fn check_with(cases: &[Case], flags: &[&str]) {
    let (_fixture, server) = server_with(flags);
    let mut failures = Vec::new();
    for Case(what, sent, right) in cases {
        let got = server.exchange(sent);
        assert_nothing_from_outside(&got, what);
        let statuses: Vec<u16> = answers_of(&got, what).iter().map(|a| a.status).collect();
        let is_right = match right {
            No => statuses.len() <= 1 && statuses.iter().all(|s| (400..500).contains(s)),
            Exactly(expected) => statuses == *expected,
            OneOf(allowed) => statuses.len() <= 1 && statuses.iter().all(|s| allowed.contains(s)),
        };
        let hidden_was_answered = String::from_utf8_lossy(&got).contains(SMUGGLED);
        if !is_right || hidden_was_answered {
            failures.push(format!("{what}: {statuses:?} is not {right:?}"));
        }
        assert_eq!(server.get("/a.txt").text(), "hello", "after {what}");
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// The answers in what came back; HTTP/2 frames are none.
fn answers_of(got: &[u8], what: &str) -> Vec<Answer> {
    if !got.is_empty() && !got.starts_with(b"HTTP/1.") {
        assert!(got.len() >= 9, "{what}: {got:?}");
        return Vec::new();
    }
    answers(got)
}

#[test]
fn what_is_no_request_line_is_refused() {
    let lines = "G GE GET GET/ GET/a.txt get GET\x20\x20 /a.txt HTTP/1.1 : \\ \x01 \0 \u{7f}";
    let mut cases: Vec<Case> =
        lines.split(' ').map(|line| case(line, format!("{line}\r\n{HOST}\r\n"), No)).collect();
    for line in [
        "GET  /a.txt HTTP/1.1x",
        "GET /a.txt",
        "GET /a.txt ",
        "GET /a.txt HTTP",
        "GET /a.txt HTTP/",
        "GET /a.txt HTTP/1",
        "GET /a.txt HTTP/0.9",
        "GET /a.txt HTTP/1.2",
        "GET /a.txt HTTP/1.10",
        "GET /a.txt HTTP/01.1",
        "GET /a.txt HTTP/2.0",
        "GET /a.txt HTTP/3.0",
        "GET /a.txt HTTP/9.9",
        "GET /a.txt HTTP/-1.1",
        "GET /a.txt http/1.1",
        "GET /a.txt HTTPS/1.1",
        "GET /a.txt ICY/1.1",
        "GET /a.txt HTTP/1.1 x",
        "GET /a.txt\tHTTP/1.1",
        "GET\t/a.txt HTTP/1.1",
        "GET /a b.txt HTTP/1.1",
        "GET /a\0.txt HTTP/1.1",
        "GET /a\x0b.txt HTTP/1.1",
        "GET /a\r.txt HTTP/1.1",
        "GE\0T /a.txt HTTP/1.1",
        "G(ET /a.txt HTTP/1.1",
        "GET; /a.txt HTTP/1.1",
        "\"GET\" /a.txt HTTP/1.1",
        " GET /a.txt HTTP/1.1",
        "\u{feff}GET /a.txt HTTP/1.1",
        "get /a.txt HTTP/1.1",
        "Get /a.txt HTTP/1.1",
        "GETS /a.txt HTTP/1.1",
        "POST /a.txt HTTP/1.1",
        "PUT /a.txt HTTP/1.1",
        "DELETE /a.txt HTTP/1.1",
        "PATCH /a.txt HTTP/1.1",
        "TRACE /a.txt HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "OPTIONS /a.txt HTTP/1.1",
        "PROPFIND / HTTP/1.1",
        "CONNECT evil.example:443 HTTP/1.1",
        "CONNECT localhost:22 HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "PRI * HTTP/1.1",
        "M-SEARCH * HTTP/1.1",
        "GET * HTTP/1.1",
        "GET localhost:80 HTTP/1.1",
        "GET http:// HTTP/1.1",
        "GET http:///a.txt HTTP/1.1",
        "GET http://evil.example/a.txt HTTP/1.1",
        "GET https://evil.example:443/a.txt HTTP/1.1",
        "GET http://user:pw@evil.example/ HTTP/1.1",
        "GET http://[::1/ HTTP/1.1",
        "GET http://localhost:99999/a.txt HTTP/1.1",
    ] {
        cases.push(case(line, format!("{line}\r\n{HOST}\r\n"), No));
    }
    cases.push(case(
        "a long method",
        format!("{} / HTTP/1.1\r\n{HOST}\r\n", "M".repeat(9_000)),
        No,
    ));
    cases.push(case("nothing", "", Exactly(&[])));
    cases.push(case("only line ends", "\r\n\r\n\r\n\n\n", Exactly(&[])));
    check(&cases);
}

#[test]
fn what_is_no_head_is_refused() {
    let get = "GET /a.txt HTTP/1.1\r\n";
    let mut cases = Vec::new();
    for fields in [
        "Host: localhost\r\nno colon\r\n",
        "Host: localhost\r\n: no name\r\n",
        "Host: localhost\r\n : x\r\n",
        "Host : localhost\r\n",
        "Host\t: localhost\r\n",
        " Host: localhost\r\n",
        "Host: localhost\r\nX: a\r\n folded\r\n",
        "Host: localhost\r\nX:\r\n\tfolded\r\n",
        "Host: localhost\r\nX: a\0b\r\n",
        "Host: localhost\r\nX\0: a\r\n",
        "Host: localhost\r\nX: a\x01b\r\n",
        "Host: localhost\r\nX: a\x7fb\r\n",
        "Host: localhost\r\nX: a\rb\r\n",
        "Host: localhost\r\nX: a\rSmuggled: b\r\n",
        "Host: localhost\r\nX\r: a\r\n",
        "Host: localhost\r\nX(: a\r\n",
        "Host: localhost\r\nX y: a\r\n",
        "Host: localhost\r\nX\u{e9}: a\r\n",
        "Host: localhost\r\n\"X\": a\r\n",
        "",
        "Host:\r\n",
        "Host: \r\n",
        "Host: ,\r\n",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: evil.example\r\nHost: localhost\r\n",
        "Host: localhost, evil.example\r\n",
        "Host: localhost evil.example\r\n",
        "Host: evil.example\r\n",
        "Host: localhost@evil.example\r\n",
        "Host: localhost:80:80\r\n",
        "Host: localhost:port\r\n",
        "Host: http://localhost\r\n",
        "Host: /\r\n",
        "Host: \u{ff4c}ocalhost\r\n",
        "Host: localhost\u{0}\r\n",
        "Host: [::1\r\n",
        "Host: \"localhost\"\r\n",
        "X-Forwarded-Host: localhost\r\n",
    ] {
        cases.push(case(&format!("{fields:?}"), format!("{get}{fields}\r\n"), No));
    }
    let many = |n| (0..n).fold(String::new(), |fields, i| fields + &format!("X-{i}: y\r\n"));
    cases.push(case("99 fields", format!("{get}{HOST}{}\r\n", many(99)), Exactly(&[200])));
    cases.push(case("101 fields", format!("{get}{HOST}{}\r\n", many(100)), Exactly(&[431])));
    cases.push(case("5,000 fields", format!("{get}{HOST}{}\r\n", many(5_000)), No));
    for kib in [60, 66, 128, 1024] {
        let right = if kib < 64 { Exactly(&[200]) } else { No };
        let head = format!("{get}{HOST}X: {}\r\n\r\n", "y".repeat(kib * 1024));
        cases.push(case(&format!("a field of {kib} KiB"), head, right));
    }
    cases.push(case("a long name", format!("{get}{HOST}{}: y\r\n\r\n", "x".repeat(70_000)), No));
    let target = format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "x".repeat(70_000));
    cases.push(case("a long target", target, No));
    cases.push(case("an endless head", format!("{get}{}", "X: y\r\n".repeat(100_000)), No));
    cases.push(case("a head without an end", format!("{get}{HOST}"), No));
    cases.push(case("half a line end", format!("{get}{HOST}\r"), No));
    check(&cases);
}

/// A line may end in a bare LF (RFC 9112, section 2.2); either way it is one request.
#[test]
fn bare_line_feeds_make_no_second_request() {
    let one = OneOf(&[200, 400]);
    check(&[
        case("only LF", "GET /a.txt HTTP/1.1\nHost: localhost\n\n", one),
        case("mixed", "GET /a.txt HTTP/1.1\nHost: localhost\r\n\r\n", OneOf(&[200, 400])),
        case("mixed end", "GET /a.txt HTTP/1.1\r\nHost: localhost\n\r\n", OneOf(&[200, 400])),
        case("only CR", "GET /a.txt HTTP/1.1\rHost: localhost\r\r", No),
        case("a CR in between", "GET /a.txt HTTP/1.1\r\nHost: localhost\r\r\n\r\n", No),
        case(
            "line ends before",
            "\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
            one_200(),
        ),
    ]);
}

fn one_200() -> Right {
    Exactly(&[200])
}

#[test]
fn what_hides_in_a_body_is_never_taken_for_a_request() {
    let refused = [("GET", &[200, 0][..]), ("POST", &[403, 200]), ("PUT", &[403, 200])];
    check_hidden("/a.txt", refused, &[]);
    let received = [("GET", &[404, 0][..]), ("POST", &[200, 200]), ("PUT", &[200, 200])];
    check_hidden("/up", received, &["--uploads"]);
}

/// Each method with the status of its own answer, and of the one to a request behind its body, if
/// there is one.
fn check_hidden(path: &str, methods: [(&str, &'static [u16]); 3], flags: &[&str]) {
    let mut cases = Vec::new();
    let length = HIDDEN.len();
    let chunk = format!("{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n");
    for (method, both) in methods {
        let status = &both[..1];
        let start = format!("{method} {path} HTTP/1.1\r\n{HOST}");
        let by_length = format!("{start}Content-Length: {length}\r\n\r\n{HIDDEN}");
        let chunked = format!("{start}{CHUNKED}\r\n{chunk}");
        cases.push(case(&format!("{method} with a length"), by_length.clone(), Exactly(status)));
        cases.push(case(&format!("{method} in a chunk"), chunked.clone(), Exactly(status)));
        // Behind a body where none belongs, and behind chunks, nothing is read: their framing would
        // have to be trusted.
        if method == "GET" {
            let then = format!("{by_length}{HIDDEN}");
            cases.push(case("GET with a length, and more", then, Exactly(status)));
        } else {
            let then = format!("{by_length}GET /a.txt HTTP/1.1\r\n{HOST}\r\n");
            cases.push(case(&format!("{method} with a length, and more"), then, Exactly(both)));
        }
        let then = format!("{chunked}{HIDDEN}");
        cases.push(case(&format!("{method} in a chunk, and more"), then, Exactly(status)));
        let ends = format!("{start}{CHUNKED}\r\n0\r\n\r\n{HIDDEN}");
        cases.push(case(&format!("{method} with no chunk, and more"), ends, one_or_no()));
        for both in [
            format!("Content-Length: {}\r\n{CHUNKED}", length + 5),
            format!("{CHUNKED}Content-Length: {}\r\n", length + 5),
            format!("Content-Length: 5\r\n{CHUNKED}"),
            format!("{CHUNKED}Content-Length: 5\r\n"),
            format!("Content-Length: 0\r\n{CHUNKED}"),
        ] {
            let sent = format!("{start}{both}\r\n0\r\n\r\n{HIDDEN}");
            cases.push(case(&format!("{method} {both:?}"), sent, one_or_no()));
        }
    }
    check_with(&cases, flags);
}

fn one_or_no() -> Right {
    OneOf(&[200, 201, 400, 403, 404, 409, 413, 431, 501])
}

#[test]
fn lengths_that_are_none_are_refused() {
    let mut cases = Vec::new();
    for value in [
        "-1",
        "+5",
        "-0",
        "0x5",
        "5 5",
        "5,6",
        "5, 5, 6",
        "5;5",
        "a",
        "5a",
        " ",
        "",
        "1e3",
        "5.0",
        "99999999999999999999",
        "18446744073709551616",
        "\u{665}",
        "5\u{b}",
        "0,",
        ",0",
        "five",
    ] {
        let sent = format!("POST /a.txt HTTP/1.1\r\n{HOST}Content-Length: {value}\r\n\r\n{HIDDEN}");
        cases.push(case(&format!("Content-Length: {value}"), sent, No));
    }
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 0\r\nContent-Length: 49\r\n",
        "Content-Length: 49\r\nContent-Length: 0\r\n",
        "Content-Length: 5\r\ncontent-length: -5\r\n",
        "Content-Length : 5\r\n",
        "Content-Length\r\n",
    ] {
        let sent = format!("POST /a.txt HTTP/1.1\r\n{HOST}{fields}\r\n{HIDDEN}");
        cases.push(case(&format!("{fields:?}"), sent, No));
    }
    for value in ["18446744073709551615", "18446744073709551614", "9223372036854775807", "049"] {
        let sent = format!("POST /a.txt HTTP/1.1\r\n{HOST}Content-Length: {value}\r\n\r\n{HIDDEN}");
        cases.push(case(&format!("Content-Length: {value}"), sent, one_or_no()));
    }
    check(&cases);
}

#[test]
fn codings_in_disguise_end_the_connection_after_one_answer() {
    let mut cases = Vec::new();
    for value in [
        "xchunked",
        "chunkedx",
        "chunked, identity",
        "identity, chunked",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked, gzip",
        "\"chunked\"",
        "chunked;q=1",
        ",",
        "chunked,",
        ", chunked",
        "CHUNKED",
        "\tchunked",
        "chunked\t",
        "\u{b}chunked",
        "chunked\0",
        "chunked\x0c",
        "ch\u{fc}nked",
        "",
        " ",
        "trailers",
        "chunk",
        "deflate,chunked,br",
    ] {
        for length in ["", "Content-Length: 4\r\n"] {
            let sent = format!(
                "POST /a.txt HTTP/1.1\r\n{HOST}{length}Transfer-Encoding: {value}\r\n\r\n\
                 0\r\n\r\n{HIDDEN}"
            );
            cases.push(case(&format!("{length:?} and {value:?}"), sent, one_or_no()));
        }
    }
    for fields in [
        "Transfer-Encoding : chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "X: y\r\n\tTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
        "TRANSFER-ENCODING: chunked\r\nContent-Length: 3\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\rContent-Length: 3\r\n",
    ] {
        let sent = format!("POST /a.txt HTTP/1.1\r\n{HOST}{fields}\r\n0\r\n\r\n{HIDDEN}");
        cases.push(case(&format!("{fields:?}"), sent, one_or_no()));
    }
    check(&cases);
}

#[test]
fn chunks_that_are_none_end_the_connection_after_one_answer() {
    let mut cases = Vec::new();
    let old = format!("POST /a.txt HTTP/1.0\r\n{CHUNKED}\r\n0\r\n\r\n{HIDDEN}");
    cases.push(case("chunks in HTTP/1.0", old, one_or_no()));
    for chunk in [
        "5\r\nhello\r\n0\r\n\r\n",
        "5;ext=\"x\"\r\nhello\r\n0\r\n\r\n",
        "-1\r\n",
        "0x5\r\nhello",
        "ffffffffffffffffff\r\n",
        "5\nhello\n0\n\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "z\r\n",
        "\r\n",
        "2\r\nhello\r\n0\r\n\r\n",
        "5\r\nhel",
        "0\r\nTrailer: x\r\n\r\n",
        "5;\n\r\nhello\r\n0\r\n\r\n",
    ] {
        let sent = format!("POST /a.txt HTTP/1.1\r\n{HOST}{CHUNKED}\r\n{chunk}{HIDDEN}");
        cases.push(case(&format!("chunks {chunk:?}"), sent, one_or_no()));
    }
    check(&cases);
}

#[test]
fn other_protocols_are_closed() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut cases = vec![
        case("half a preface", &preface[..10], OneOf(&[400])),
        case("a broken preface", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", OneOf(&[400, 505])),
        case("a preface and nothing", &preface[..], Exactly(&[])),
        case("a preface and a request", [preface, HIDDEN.as_bytes()].concat(), Exactly(&[])),
        case("SSH", "SSH-2.0-OpenSSH_9.7\r\n", No),
        case("SMTP", "EHLO localhost\r\n", No),
        case("SOCKS 5", [5, 1, 0], No),
        case("SOCKS 4", [4, 1, 0, 80, 127, 0, 0, 1, 0], No),
        case("RTSP", "OPTIONS rtsp://localhost/a RTSP/1.0\r\nCSeq: 1\r\n\r\n", No),
        case("a PROXY line", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\n\r\n", No),
        case("SMB", b"\0\0\0\x85\xffSMBr\0\0\0\0\x18S\xc8".to_vec(), No),
        case("a TLS hello", tls_hello(), No),
        case("all bytes", (0..=255).collect::<Vec<u8>>(), No),
        case("a mebibyte of zeros", vec![0; 1 << 20], No),
    ];
    // Frames: length, kind, flags, stream.
    let frame = |length: [u8; 3], kind, flags, stream: u32, payload: &[u8]| {
        [preface, &length[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    let settings = |rest: &[u8]| [&frame([0; 3], 4, 0, 0, &[])[..], rest].concat();
    for (what, frames) in [
        ("headers first", frame([0, 0, 1], 1, 5, 1, &[0x82])),
        ("a huge frame", frame([255; 3], 0, 0, 1, &[0; 100])),
        ("data on stream 0", settings(&frame([0, 0, 1], 0, 0, 0, &[1])[preface.len()..])),
        ("an unknown kind", settings(&frame([0, 0, 1], 200, 0, 0, &[1])[preface.len()..])),
        ("torn compression", settings(&frame([0, 0, 3], 1, 5, 1, &[255; 3])[preface.len()..])),
        ("an even stream", settings(&frame([0, 0, 1], 1, 5, 2, &[0x82])[preface.len()..])),
        ("a push", settings(&frame([0, 0, 4], 5, 4, 1, &[0; 4])[preface.len()..])),
        ("a window of 0", settings(&frame([0, 0, 4], 8, 0, 0, &[0; 4])[preface.len()..])),
        ("a continuation", settings(&frame([0, 0, 1], 9, 4, 1, &[0x82])[preface.len()..])),
        ("bad settings", frame([0, 0, 5], 4, 0, 0, &[0; 5])),
    ] {
        cases.push(case(what, frames, Exactly(&[])));
    }
    check(&cases);
}

fn tls_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.resize(517, 0xa5);
    hello
}

/// The refusals above are told with a status, not by silence.
#[test]
fn a_request_that_cannot_be_read_is_told_so() {
    let (_fixture, server) = server();
    for (sent, status) in [
        ("GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("GET /a.txt HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400),
        ("POST /a.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
    ] {
        let got = answers(&server.exchange(sent.as_bytes()));
        let statuses: Vec<u16> = got.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [status], "{sent:?}");
    }
}

#[test]
fn random_bytes_and_torn_requests_harm_nothing() {
    let (_fixture, server) = server();
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, random);
    let whole = format!("GET /a.txt HTTP/1.1\r\n{HOST}Range: bytes=0-1\r\nIf-Range: \"x\"\r\n\r\n");
    let torn = (
        prop::collection::vec((0..whole.len(), any::<u8>()), 0..4),
        0..=whole.len(),
        prop::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(move |(changes, end, more)| {
            let mut bytes = whole.clone().into_bytes();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            bytes.truncate(end);
            bytes.extend(more);
            bytes
        });
    let any_bytes = prop::collection::vec(any::<u8>(), 0..3000);
    runner
        .run(&prop_oneof![any_bytes, torn], |sent| {
            let got = server.exchange(&sent);
            assert_nothing_from_outside(&got, "random bytes");
            let right = answers_of(&got, "random bytes").iter().all(|a| a.status < 500);
            prop_assert!(right, "{}", String::from_utf8_lossy(&got));
            let raw = server.raw(&sent);
            assert_nothing_from_outside(&raw, "random bytes on the raw wire");
            Ok(())
        })
        .unwrap();
    assert_eq!(server.get("/a.txt").text(), "hello");
    assert_eq!(server.raw(b"a.txt\n"), b"hello");
}
