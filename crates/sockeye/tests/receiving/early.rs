//! What is refused is refused before its bytes are read, and the sender hears it.

use std::fs::File;
use std::io::Write as _;

use crate::house::{House, MIB};
use crate::support::{Answer, Http};

const LARGE_BYTES: usize = 30 * MIB;

type Fields = &'static [(&'static str, &'static str)];

/// Each reason to refuse that is known from the head, with what comes of it.
const REASONS: [(&str, Fields, u16); 8] = [
    ("/taken", &[], 409),
    ("/folder", &[], 409),
    ("/taken/below", &[], 409),
    ("/.hidden", &[], 403),
    ("/folder/", &[], 400),
    ("/new", &[("Content-Encoding", "gzip")], 415),
    ("/taken", &[("If-None-Match", "*")], 412),
    ("/new", &[("Origin", "http://elsewhere.example")], 403),
];

fn house(flags: &[&str]) -> House {
    let house = House::with(flags);
    house.fixture.file("taken", "hello");
    house.fixture.file("folder/x", "x");
    house
}

fn holds_what_it_held(house: &House) {
    house.assert_holds(&[("folder/", b""), ("folder/x", b"x"), ("taken", b"hello")]);
}

/// Says that a large body will come if it is wanted, and returns the first answer.
fn expecting(house: &House, path: &str, fields: &[(&str, &str)]) -> (Http, Answer) {
    let mut http = Http::connect(house.server.http());
    let length = LARGE_BYTES.to_string();
    let own = [("Content-Length", length.as_str()), ("Expect", "100-continue")];
    http.send(http.request("PUT", path, &[fields, &own].concat()));
    let answer = http.answer();
    (http, answer)
}

#[test]
fn who_waits_for_100_is_refused_before_a_byte_of_the_body() {
    let house = house(&["--uploads"]);
    for (path, fields, status) in REASONS {
        let (mut http, answer) = expecting(&house, path, fields);
        assert_eq!(answer.status, status, "{path} {fields:?}: {}", answer.text());
        assert_eq!(answer.the("connection"), "close", "{path}");
        assert!(http.rest().is_empty(), "{path}");
    }
    holds_what_it_held(&house);
    for (flags, status) in [
        (&["--uploads", "--max-upload", "1M"][..], 413),
        (&["--uploads", "--keep-free", "1000000T"], 507),
        (&[], 403),
    ] {
        let house = House::with(flags);
        let (_http, answer) = expecting(&house, "/new", &[]);
        assert_eq!(answer.status, status, "{flags:?}: {}", answer.text());
    }
}

#[test]
fn who_is_wanted_gets_100_and_then_sends() {
    let house = House::new();
    let mut http = Http::connect(house.server.http());
    for n in 0..3 {
        let path = format!("/{n}");
        let fields = [("Content-Length", "5"), ("Expect", "100-continue")];
        http.send(http.request("PUT", &path, &fields));
        assert_eq!(http.answer().status, 100);
        http.send("hello");
        assert_eq!(http.answer().status, 201);
    }
    // Another of the same length may have the same contents.
    let fields = [("Content-Length", "5"), ("Expect", "100-continue")];
    http.send(http.request("PUT", "/0", &fields));
    assert_eq!(http.answer().status, 100);
    http.send("other");
    assert_eq!(http.answer().status, 409);
    house.assert_holds(&[("0", b"hello"), ("1", b"hello"), ("2", b"hello")]);
}

/// A simple sender writes all it has before it reads a word.
#[test]
fn a_sender_that_only_writes_finds_its_refusal_behind_the_body() {
    let house = house(&["--uploads"]);
    let body = vec![0; LARGE_BYTES];
    for (path, fields, status) in REASONS {
        let mut http = Http::connect(house.server.http());
        let length = LARGE_BYTES.to_string();
        let fields = [fields, &[("Content-Length", length.as_str())]].concat();
        http.send(http.request("PUT", path, &fields));
        let written = http.stream.write_all(&body);
        assert!(written.is_ok(), "{path}: {written:?}");
        assert_eq!(http.answer().status, status, "{path}");
        assert!(http.rest().is_empty(), "{path}: the connection ends");
    }
    holds_what_it_held(&house);
}

#[test]
fn what_is_found_out_in_the_middle_is_heard_behind_the_body_too() {
    let house = House::with(&["--uploads", "--max-upload", "2M"]);
    let contents = vec![7; MIB];
    house.fixture.file("other", [&contents[..], &[8]].concat());
    let mut body = format!("{LARGE_BYTES:x}\r\n").into_bytes();
    body.resize(body.len() + LARGE_BYTES, 7);
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    for (path, status) in [("/large", 413), ("/other", 409)] {
        let mut http = Http::connect(house.server.http());
        http.send(http.request("PUT", path, &[("Transfer-Encoding", "chunked")]));
        let written = http.stream.write_all(&body);
        assert!(written.is_ok(), "{path}: {written:?}");
        assert_eq!(http.answer().status, status, "{path}");
    }
    house.wait_for_quiet();
    assert_eq!(house.everything().keys().collect::<Vec<_>>(), ["other"]);
}

#[test]
fn curl_shows_the_refusal_of_a_large_file_on_http_1_and_2() {
    let house = house(&["--uploads", "--max-upload", "200M"]);
    let large = |name: &str, bytes: usize| {
        let path = house.fixture.beside(name);
        File::create(&path).unwrap().set_len(bytes as u64).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let (large, larger) = (large("large", 150 * MIB), large("larger", 300 * MIB));
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        for (file, path, status) in
            [(&large, "/taken", 409), (&larger, "/new", 413), (&large, "/.hidden", 403)]
        {
            for expect in ["Expect:", "Expect: 100-continue"] {
                let answer = house.curl(&[version, "-T", file, "-H", expect], path);
                assert_eq!(answer.status, status, "{version} {path} {expect}");
                assert!(!answer.body.is_empty(), "{version} {path} {expect}");
            }
        }
    }
    holds_what_it_held(&house);
}

#[test]
fn a_short_body_that_is_refused_does_not_end_its_connection() {
    let house = house(&["--uploads"]);
    let mut http = Http::connect(house.server.http());
    for (path, fields, status) in REASONS {
        let answer = crate::house::send(&mut http, ("PUT", path), fields, vec![0; 60_000]);
        assert_eq!((answer.status, answer.field("connection")), (status, None), "{path}");
    }
    assert_eq!(http.get("/taken", &[]).text(), "hello");
}
