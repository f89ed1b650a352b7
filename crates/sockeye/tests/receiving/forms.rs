//! Forms as browsers write them: each file in them is saved by itself, and the answer tells of all.

use std::io::Write as _;
use std::net::Shutdown;

use serde_json::json;

use crate::house::House;
use crate::support::{Answer, Http, pattern, read_to_the_end};

const JSON: (&str, &str) = ("Accept", "application/json");
/// How three browsers write a boundary.
const BOUNDARIES: [&str; 3] = [
    "----WebKitFormBoundaryx8jO2oVc6SWP3Sad",
    "---------------------------735323031399963166993862150",
    "----geckoformboundary1f5ae7e6d5c8c8a8d8f0a3a6",
];

/// A part: the field's name, the file's name if it is one, and the bytes.
type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

fn form(boundary: &str, parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, filename, bytes) in parts {
        write!(body, "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"").unwrap();
        if let Some(filename) = filename {
            write!(body, "; filename=\"{filename}\"\r\nContent-Type: application/octet-stream")
                .unwrap();
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    write!(body, "--{boundary}--\r\n").unwrap();
    body
}

fn post(house: &House, path: &str, accept: (&str, &str), parts: &[Part<'_>]) -> Answer {
    let boundary = BOUNDARIES[0];
    let content_type = format!("multipart/form-data; boundary={boundary}");
    house.send("POST", path, &[("Content-Type", &content_type), accept], form(boundary, parts))
}

#[test]
fn several_files_of_a_browsers_form_are_saved_and_what_is_no_file_is_not() {
    for boundary in BOUNDARIES {
        let house = House::new();
        let large = pattern(700_000);
        let tricky = format!("\r\n--{boundary}x\r\n--{}\r\n", &boundary[..10]).into_bytes();
        let parts: [Part<'_>; 7] = [
            ("comment", None, b"a field, no file"),
            ("files", Some("große.txt"), b"hello"),
            ("files", Some("a %22quoted%22.bin"), &large),
            ("files", Some("tricky"), &tricky),
            ("files", Some(""), b""),
            ("files", Some("empty"), b""),
            ("files", Some("C:\\Users\\ana\\from windows.txt"), b"ie"),
        ];
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let fields = [("Content-Type", content_type.as_str()), JSON];
        let answer = house.send("POST", "/to/", &fields, form(boundary, &parts));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let told = answer.json();
        let names: Vec<&str> =
            told["files"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
        let paths =
            ["gro%C3%9Fe.txt", "a%20%22quoted%22.bin", "tricky", "empty", "from%20windows.txt"];
        assert_eq!(names, paths.map(|name| format!("/to/{name}")), "{boundary}");
        assert_eq!(told["files"][0], json!({"path": names[0], "bytes": 5, "outcome": "saved"}));
        house.assert_holds(&[
            ("to/", b""),
            ("to/große.txt", b"hello"),
            ("to/a \"quoted\".bin", &large),
            ("to/tricky", &tricky),
            ("to/empty", b""),
            ("to/from windows.txt", b"ie"),
        ]);
    }
}

#[test]
fn a_browser_without_scripts_is_sent_back_to_the_folder() {
    let house = House::new();
    let page = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    for (path, to) in [("/a%20b/", "/a%20b/"), ("/", "/")] {
        let answer = post(&house, path, page, &[("f", Some("x"), b"x")]);
        assert_eq!((answer.status, answer.the("location")), (303, to));
    }
    let refused = post(&house, "/", page, &[("f", Some("x"), b"other")]);
    assert_eq!((refused.status, refused.the("content-type")), (409, "text/html; charset=utf-8"));
}

#[test]
fn one_refused_file_keeps_no_other_from_being_saved_and_the_answer_tells_of_all() {
    let house = House::new();
    house.fixture.file("b", "another");
    let parts: [Part<'_>; 3] =
        [("f", Some("a"), b"first"), ("f", Some("b"), b"taken"), ("f", Some("c"), b"last")];
    let answer = post(&house, "/", JSON, &parts);
    assert_eq!(answer.status, 409, "{}", answer.text());
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    for part in ["/b: there is a file", "saved /a, 5 bytes", "saved /c, 4 bytes"] {
        assert!(detail.contains(part), "no {part} in {detail}");
    }
    house.assert_holds(&[("a", b"first"), ("b", b"another"), ("c", b"last")]);
}

/// What ends the form also tells what came before it and is here.
#[test]
fn a_file_that_ends_the_form_leaves_those_before_it_and_says_so() {
    for (second, contents, status) in [
        (".hidden", &b"x"[..], 403),
        ("..", b"x", 400),
        ("large", &[b'x'; 2000], 413),
        (&"x".repeat(256), b"x", 400),
    ] {
        let house = House::with(&["--uploads", "--max-upload", "1000"]);
        let parts: [Part<'_>; 3] =
            [("f", Some("a"), b"first"), ("f", Some(second), contents), ("f", Some("c"), b"last")];
        let answer = post(&house, "/", JSON, &parts);
        assert_eq!(answer.status, status, "{second}: {}", answer.text());
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("saved /a, 5 bytes"), "{second}: {detail}");
        house.assert_holds(&[("a", b"first")]);
    }
}

#[test]
fn a_form_without_a_file_is_400() {
    let house = House::new();
    for parts in [&[][..], &[("f", Some(""), &b""[..])], &[("f", None, b"text")]] {
        let answer = post(&house, "/", JSON, parts);
        assert_eq!(answer.status, 400, "{parts:?}: {}", answer.text());
        assert!(answer.text().contains("no file"), "{}", answer.text());
    }
    for body in ["", "no form", "--x\r\n", "--x\r\nContent-Disposition: form-data\r\n"] {
        let fields = [("Content-Type", "multipart/form-data; boundary=x")];
        assert_eq!(house.send("POST", "/", &fields, body).status, 400, "{body:?}");
    }
    house.assert_holds(&[]);
}

#[test]
fn to_a_path_goes_one_file_and_to_a_folder_without_its_slash_any() {
    let house = House::new();
    let one: [Part<'_>; 1] = [("f", Some("its own name"), b"one")];
    let answer = post(&house, "/new/path", JSON, &one);
    assert_eq!(
        (answer.status, answer.json()["files"][0]["path"].as_str()),
        (200, Some("/new/path"))
    );
    let two: [Part<'_>; 2] = [("f", Some("a"), b"a"), ("f", Some("b"), b"b")];
    let answer = post(&house, "/new", JSON, &two);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = post(&house, "/single", JSON, &two);
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("saved /single, 1 bytes"), "{}", answer.text());
    house.assert_holds(&[
        ("new/", b""),
        ("new/path", b"one"),
        ("new/a", b"a"),
        ("new/b", b"b"),
        ("single", b"a"),
    ]);
}

#[test]
fn a_form_that_is_cut_leaves_only_its_whole_files() {
    let house = House::new();
    let boundary = BOUNDARIES[1];
    let parts: [Part<'_>; 2] =
        [("f", Some("whole"), b"hello"), ("f", Some("torn"), b"hello world")];
    let body = form(boundary, &parts);
    let end = body.windows(5).rposition(|part| part == b"world").unwrap();
    for is_end_of_connection in [true, false] {
        let length = if is_end_of_connection { body.len() } else { end };
        let mut http = Http::connect(house.server.http());
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let fields =
            [("Content-Type", content_type.as_str()), ("Content-Length", &length.to_string())];
        http.send(http.request("POST", "/", &fields));
        http.send(&body[..end]);
        if is_end_of_connection {
            http.stream.shutdown(Shutdown::Write).unwrap();
            let told = String::from_utf8(read_to_the_end(&mut http.stream)).unwrap();
            assert!(!told.contains(" 200 "), "{told}");
        } else {
            let answer = http.answer();
            assert_eq!(answer.status, 400, "{}", answer.text());
            let told = answer.text();
            assert!(told.contains("/whole was there already, the same 5 bytes"), "{told}");
        }
        house.assert_holds(&[("whole", b"hello")]);
    }
}
