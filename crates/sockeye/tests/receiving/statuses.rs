//! Each status that a sender can get, and what it goes with.

use std::os::unix::fs::MetadataExt as _;

use serde_json::json;

use crate::house::{House, MIB};
use crate::support::{Answer, Http, pattern, settle};

const JSON: (&str, &str) = ("Accept", "application/json");

/// Where reading and writing change their ways, one byte before and behind.
const SIZES: [usize; 8] =
    [0, 1, 64 * 1024 - 1, 64 * 1024 + 1, 256 * 1024, 256 * 1024 + 1, MIB + 1, 5 * MIB];

fn place(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    (answer.status, answer.field("location"), answer.field("content-location"))
}

#[test]
fn whichever_way_curl_sends_a_file_it_is_saved_whole() {
    let house = House::new();
    let mut expected = vec![("in/".to_owned(), Vec::new())];
    for size in SIZES {
        let contents = pattern(size);
        let source = house.fixture.beside(format!("{size}.bin"));
        std::fs::write(&source, &contents).unwrap();
        let source = source.to_str().unwrap();
        let (data, form) = (format!("@{source}"), format!("f=@{source};filename=form-{size}"));
        let http2 = "--http2-prior-knowledge";
        let ways: &[(&str, &[&str], u16)] = &[
            ("put", &["-T", source], 201),
            ("pipe", &["-T", "-"], 201),
            ("post", &["--data-binary", &data], 200),
            ("expect", &["-T", source, "-H", "Expect: 100-continue"], 201),
            ("http2-put", &["-T", source, http2], 201),
            ("http2-post", &["--data-binary", &data, http2], 200),
        ];
        for (way, arguments, status) in ways {
            let path = format!("/in/{way}-{size}");
            let answer = match *way {
                "pipe" => {
                    let shell = format!("curl -q -s -i -T - {} <{source}", house.server.url(&path));
                    let mut command = crate::support::other_program("sh", "dash");
                    let output = crate::support::run(command.args(["-c", &shell]));
                    crate::support::answers(&output.stdout).pop().unwrap()
                }
                _ => house.curl(arguments, &path),
            };
            let location = (*status == 201).then_some(path.as_str());
            assert_eq!(place(&answer), (*status, location, Some(path.as_str())), "{way} {size}");
            let line = format!("saved {path}, {size} bytes\n");
            assert_eq!(answer.text(), line, "{way} {size}");
            expected.push((format!("in/{way}-{size}"), contents.clone()));
        }
        let answer = house.curl(&["-F", &form], "/in/");
        assert_eq!(answer.status, 200, "a form of {size}: {}", answer.text());
        expected.push((format!("in/form-{size}"), contents));
    }
    let expected: Vec<(&str, &[u8])> =
        expected.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    house.assert_holds(&expected);
}

#[test]
fn the_same_bytes_again_are_200_and_nothing_is_written() {
    for flags in [&["--uploads"][..], &["--uploads", "--overwrite"], &["--uploads", "--rename"]] {
        let house = House::with(flags);
        let contents = pattern(300_000);
        let path = house.fixture.file("a", &contents);
        settle(&path);
        let facts = || std::fs::metadata(&path).map(|m| (m.ino(), m.mtime(), m.ctime())).unwrap();
        let before = facts();
        for method in ["PUT", "POST"] {
            let answer = house.send(method, "/a", &[JSON], &contents);
            assert_eq!(place(&answer), (200, None, Some("/a")), "{method} with {flags:?}");
            let told = json!({"path": "/a", "bytes": 300_000, "outcome": "same"});
            assert_eq!(answer.json(), told, "{method} with {flags:?}");
        }
        assert_eq!(facts(), before, "{flags:?}");
        house.assert_holds(&[("a", &contents)]);
    }
}

#[test]
fn another_content_is_409_unless_it_is_to_replace_or_to_be_renamed() {
    let others: [&[u8]; 6] = [b"hellO", b"jello", b"hell", b"hello world", b"", b"h"];
    for other in others {
        let house = House::new();
        house.fixture.file("a.txt", "hello");
        for method in ["PUT", "POST"] {
            let answer = house.send(method, "/a.txt", &[JSON], other);
            assert_eq!(answer.status, 409, "{method} {other:?}");
            let told = answer.json();
            assert_eq!((&told["status"], &told["error"]), (&json!(409), &json!("Taken")));
            let detail = told["detail"].as_str().unwrap();
            assert!(detail.contains("/a.txt") && detail.contains("--overwrite"), "{detail}");
        }
        house.assert_holds(&[("a.txt", b"hello")]);

        let house = House::with(&["--uploads", "--overwrite"]);
        for (method, status, outcome) in [("PUT", 204, ""), ("POST", 200, "replaced")] {
            house.fixture.file("a.txt", "hello");
            let answer = house.send(method, "/a.txt", &[JSON], other);
            assert_eq!(place(&answer), (status, None, Some("/a.txt")), "{method} {other:?}");
            assert!(answer.text().contains(outcome), "{}", answer.text());
            assert_eq!(answer.body.is_empty(), status == 204);
            house.assert_holds(&[("a.txt", other)]);
        }

        let house = House::with(&["--uploads", "--rename"]);
        house.fixture.file("a.txt", "hello");
        let answer = house.send("PUT", "/a.txt", &[], other);
        let renamed = Some("/a%20(2).txt");
        assert_eq!(place(&answer), (201, renamed, renamed), "{other:?}");
        let answer = house.send("POST", "/a.txt", &[JSON], [other, b"!"].concat());
        assert_eq!(place(&answer), (200, None, Some("/a%20(3).txt")), "{other:?}");
        assert_eq!(answer.json()["outcome"], "renamed");
        let third = [other, b"!"].concat();
        house.assert_holds(&[("a.txt", b"hello"), ("a (2).txt", other), ("a (3).txt", &third)]);
    }
}

#[test]
fn a_folder_keeps_its_name_and_a_file_is_no_folder() {
    for flags in [&["--uploads"][..], &["--uploads", "--overwrite"]] {
        let house = House::with(flags);
        house.fixture.file("folder/inner", "x");
        house.fixture.file("file", "x");
        for method in ["PUT", "POST"] {
            for (path, status) in [("/folder", 409), ("/file/below", 409), ("/file/a/b", 409)] {
                assert_eq!(house.send(method, path, &[], "y").status, status, "{method} {path}");
            }
            for path in ["/", "/folder/", "/new/"] {
                let answer = house.send(method, path, &[], "y");
                assert_eq!(answer.status, 400, "{method} {path}");
                assert!(answer.text().contains("MKCOL"), "{}", answer.text());
            }
        }
        house.assert_holds(&[("file", b"x"), ("folder/", b""), ("folder/inner", b"x")]);
    }
}

#[test]
fn where_nothing_is_received_the_answer_is_403() {
    let house = House::with(&[]);
    house.fixture.file("a.txt", "hello");
    for (method, path) in [("PUT", "/a.txt"), ("POST", "/b"), ("POST", "/"), ("MKCOL", "/c/")] {
        let body = if method == "MKCOL" { "" } else { "hello" };
        let answer = house.send(method, path, &[], body);
        assert_eq!(answer.status, 403, "{method} {path}");
        assert!(answer.text().contains("receives nothing"), "{}", answer.text());
    }
    assert_eq!(house.curl(&["-F", "f=@-;filename=x"], "/").status, 403);
    house.assert_holds(&[("a.txt", b"hello")]);
}

#[test]
fn other_methods_are_405_with_those_that_are_answered() {
    let house = House::new();
    house.fixture.file("a.txt", "hello");
    for method in ["DELETE", "PATCH", "OPTIONS", "PROPFIND", "MOVE", "COPY", "LOCK", "put", "X"] {
        let answer = house.send(method, "/a.txt", &[], "");
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.the("allow"), "GET, HEAD, POST, PUT, MKCOL", "{method}");
    }
    house.assert_holds(&[("a.txt", b"hello")]);
}

#[test]
fn conditions_that_do_not_hold_are_412_and_nothing_is_changed() {
    let house = House::with(&["--uploads", "--overwrite"]);
    settle(&house.fixture.file("a", "hello"));
    let tag = house.server.get("/a").the("etag").to_owned();
    let old = ("If-Unmodified-Since", "Tue, 14 Nov 2023 22:13:19 GMT");
    for (path, condition, status) in [
        ("/a", ("If-None-Match", "*"), 412),
        ("/a", ("If-None-Match", tag.as_str()), 412),
        ("/a", ("If-Match", "\"other\""), 412),
        ("/a", old, 412),
        ("/new", ("If-Match", "*"), 412),
        ("/new", ("If-Match", tag.as_str()), 412),
    ] {
        for method in ["PUT", "POST"] {
            let answer = house.send(method, path, &[condition], "other");
            assert_eq!(answer.status, status, "{method} {path} {condition:?}");
        }
    }
    house.assert_holds(&[("a", b"hello")]);
    for (path, condition, status) in [
        ("/new", ("If-None-Match", "*"), 201),
        ("/a", ("If-Match", tag.as_str()), 204),
        ("/new", ("If-Match", "*"), 204),
    ] {
        let body = format!("other for {condition:?}");
        let answer = house.send("PUT", path, &[condition], &body);
        assert_eq!(answer.status, status, "{path} {condition:?}");
        assert_eq!(house.server.get(path).text(), body);
    }
}

#[test]
fn more_than_may_be_sent_is_413_whether_announced_or_not() {
    let house = House::with(&["--uploads", "--max-upload", "1000"]);
    let source = house.fixture.beside("1001");
    std::fs::write(&source, pattern(1001)).unwrap();
    let source = source.to_str().unwrap();
    for arguments in [
        &["-T", source][..],
        &["-T", source, "-H", "Transfer-Encoding: chunked"],
        &["--data-binary", &format!("@{source}")],
        &["-F", &format!("f=@{source}")],
        &["-T", source, "--http2-prior-knowledge"],
    ] {
        let path = if arguments[0] == "-F" { "/" } else { "/a" };
        let answer = house.curl(arguments, path);
        assert_eq!(answer.status, 413, "{arguments:?}: {}", answer.text());
    }
    house.assert_holds(&[]);
    let exactly = pattern(1000);
    assert_eq!(house.send("PUT", "/a", &[], &exactly).status, 201);
    assert_eq!(house.server.get("/-/api/hub").json()["receiving"]["max_bytes"], 1000);
    house.assert_holds(&[("a", &exactly)]);
}

#[test]
fn a_coded_body_or_a_part_of_a_file_is_not_kept() {
    let house = House::new();
    for coding in ["gzip", "br", "deflate", "gzip, identity", "x"] {
        let answer = house.send("PUT", "/a", &[("Content-Encoding", coding)], "x");
        assert_eq!((answer.status, answer.the("accept-encoding")), (415, "identity"), "{coding}");
    }
    let answer = house.send("PUT", "/a", &[("Content-Range", "bytes 0-0/5")], "x");
    assert_eq!(answer.status, 400, "{}", answer.text());
    house.assert_holds(&[]);
    let answer = house.send("PUT", "/a", &[("Content-Encoding", "Identity")], "x");
    assert_eq!(answer.status, 201);
}

#[test]
fn a_disk_that_would_become_too_full_is_507() {
    let house = House::with(&["--uploads", "--keep-free", "1000000T"]);
    house.fixture.file("there", "hello");
    for arguments in [
        &["-T", "-"][..],
        &["--data-binary", "x"],
        &["--data-binary", "x", "-H", "Expect: 100-continue"],
    ] {
        let answer = house.curl(arguments, "/a");
        assert_eq!(answer.status, 507, "{arguments:?}");
        assert!(answer.text().contains("too little space"), "{}", answer.text());
    }
    assert_eq!(house.curl(&["-F", "f=x;filename=a"], "/").status, 507);
    // Nothing is written for what is here already.
    assert_eq!(house.send("PUT", "/there", &[], "hello").status, 200);
    assert_eq!(house.server.get("/-/api/hub").json()["receiving"]["free_bytes"], 0);
    house.assert_holds(&[("there", b"hello")]);
}

#[test]
fn mkcol_makes_a_folder_and_those_on_the_way() {
    let house = House::new();
    house.fixture.file("file", "x");
    let made = house.curl(&["-X", "MKCOL"], "/a/b/c%20d/");
    assert_eq!(place(&made), (201, Some("/a/b/c%20d/"), None), "{}", made.text());
    let bare = house.send("MKCOL", "/e", &[JSON], "");
    assert_eq!((bare.status, bare.json()["path"].as_str()), (201, Some("/e/")));
    for path in ["/a/b/c%20d/", "/a", "/a/", "/", "/file", "/file/"] {
        let answer = house.send("MKCOL", path, &[], "");
        assert_eq!(answer.status, 405, "{path}: {}", answer.text());
        assert!(answer.text().contains("there already"), "{path}: {}", answer.text());
        answer.the("allow");
    }
    for (path, body, status) in [
        ("/file/below/", "", 409),
        ("/new/", "<mkcol/>", 415),
        ("/.hidden/", "", 403),
        ("/../out/", "", 400),
        (&format!("/{}/", "x".repeat(256)), "", 400),
    ] {
        assert_eq!(house.send("MKCOL", path, &[], body).status, status, "{path}");
    }
    house.assert_holds(&[
        ("a/", b""),
        ("a/b/", b""),
        ("a/b/c d/", b""),
        ("e/", b""),
        ("file", b"x"),
    ]);
}

#[test]
fn answers_are_json_for_a_script_and_a_line_for_a_terminal() {
    let house = House::new();
    let told = house.send("POST", "/x%20y/a", &[JSON], "hello");
    assert_eq!(told.the("content-type"), "application/json");
    assert_eq!(told.json(), json!({"path": "/x%20y/a", "bytes": 5, "outcome": "saved"}));
    assert_eq!(told.the("cache-control"), "no-store");
    let line = house.send("POST", "/x%20y/b", &[], "hello");
    assert_eq!(line.text(), "saved /x y/b, 5 bytes\n");
    let refused = house.send("POST", "/x%20y/b", &[], "other");
    assert!(refused.text().starts_with("409 Taken: /x y/b: there is a file of that name already"));
}

#[test]
fn many_uploads_on_one_connection_stay_apart() {
    let house = House::new();
    let mut http = Http::connect(house.server.http());
    for n in 0..40_usize {
        let body = pattern(n * 997);
        let put = crate::house::send(&mut http, ("PUT", &format!("/{n}")), &[], &body);
        assert_eq!(put.status, 201, "{n}: {}", put.text());
        let taken = crate::house::send(&mut http, ("POST", &format!("/{n}")), &[], "a short other");
        assert_eq!((taken.status, taken.field("connection")), (409, None), "{n}");
        let got = http.get(&format!("/{n}"), &[]);
        assert_eq!((got.status, got.body), (200, body), "{n}");
    }
}
