//! Files and folders over http, as browsers, curl and scripts ask for them.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod support;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{
    Answer, Fixture, Http, Server, answers, assert_same_bytes, curl, pattern, run, settle,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// Where reading and sending change their ways, one byte before and behind.
const SIZES: [usize; 9] =
    [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 5 * MIB];

fn ask(server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    Http::connect(server.http()).get(path, fields)
}

#[test]
fn files_of_every_size_come_byte_exact_and_head_says_the_same_without_the_bytes() {
    let fixture = Fixture::new();
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    for size in SIZES {
        let contents = pattern(size);
        let path = fixture.file(format!("{size}.bin"), &contents);
        settle(&path);
        let got = http.get(&format!("/{size}.bin"), &[]);
        assert_eq!((got.status, got.the("content-length")), (200, size.to_string().as_str()));
        assert_same_bytes(&got.body, &contents, &format!("{size} bytes"));
        let head = http.head(&format!("/{size}.bin"), &[]);
        let fields = |answer: Answer| -> BTreeSet<(String, String)> {
            answer.fields.into_iter().filter(|(name, _)| name != "date").collect()
        };
        assert_eq!((head.status, fields(head)), (got.status, fields(got)), "{size}");
    }
}

#[test]
fn names_in_any_script_and_with_any_character_are_served() {
    let fixture = Fixture::new();
    let server = Server::files(&fixture.share(), &[]);
    for (name, path) in [
        ("naïve café.txt", "/na%C3%AFve%20caf%C3%A9.txt"),
        ("日本語.txt", "/日本語.txt"),
        ("שלום.txt", "/%D7%A9%D7%9C%D7%95%D7%9D.txt"),
        ("🐟.txt", "/%F0%9F%90%9F.txt"),
        ("100% & more?#.txt", "/100%25%20%26%20more%3F%23.txt"),
        ("back\\slash.txt", "/back\\slash.txt"),
        ("a+b;c=d.txt", "/a+b;c=d.txt"),
        ("line\nbreak.txt", "/line%0Abreak.txt"),
        ("-", "/%2D%2F"),
    ] {
        fixture.file(name, name);
        let answer = ask(&server, path, &[]);
        if name == "-" {
            assert_eq!(answer.status, 400, "an encoded slash is no slash");
        } else {
            assert_eq!((answer.status, answer.text().as_str()), (200, name), "{path}");
        }
    }
}

#[test]
fn a_sparse_file_of_3_gib_tells_its_length_and_gives_its_end() {
    let fixture = Fixture::new();
    let length = 3 * 1024 * MIB as u64;
    let file = File::create(fixture.path("sparse")).unwrap();
    file.set_len(length).unwrap();
    file.write_all_at(b"the very end", length - 12).unwrap();
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    assert_eq!(http.head("/sparse", &[]).the("content-length"), length.to_string());
    let end = http.get("/sparse", &[("Range", "bytes=-12")]);
    assert_eq!((end.status, end.text().as_str()), (206, "the very end"));
    let from = length - 2_000_000;
    let tail = http.get("/sparse", &[("Range", &format!("bytes={from}-"))]);
    assert_eq!(
        tail.the("content-range"),
        format!("bytes {from}-{}/{length}", length - 1),
        "beyond 32 bits"
    );
    assert_eq!(tail.body.len(), 2_000_000);
    assert!(tail.body.ends_with(b"\0the very end"));
}

#[test]
fn a_large_file_is_sent_in_flat_memory_also_when_another_request_waits_behind() {
    let fixture = Fixture::new();
    let large = 512 * MIB as u64;
    File::create(fixture.path("large")).unwrap().set_len(large).unwrap();
    let server = Server::files(&fixture.share(), &[]);
    let mut clients: Vec<Http> = (0..4).map(|_| Http::connect(server.http())).collect();
    for (i, http) in clients.iter_mut().enumerate() {
        let request = http.request("GET", "/large", &[]);
        http.send(request.repeat(i + 1));
        assert_eq!(http.answer_head().the("content-length"), large.to_string());
        let mut piece = vec![0; 16 * MIB];
        http.stream.read_exact(&mut piece).unwrap();
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.child.id()));
    let status = status.unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < 128 * KIB, "{peak_kib} KiB were held at the peak");
}

#[test]
fn each_file_says_its_type_and_that_it_is_not_to_be_guessed() {
    let fixture = Fixture::new();
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    for (name, media_type) in [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.json", "application/json; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("README", "text/plain; charset=utf-8"),
        ("a.svg", "image/svg+xml; charset=utf-8"),
        ("a.PNG", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.pdf", "application/pdf"),
        ("a.mp4", "video/mp4"),
        ("a.mkv", "video/x-matroska"),
        ("a.mp3", "audio/mpeg"),
        ("a.wasm", "application/wasm"),
        ("a.tar.gz", "application/gzip"),
        ("unknown", "application/octet-stream"),
    ] {
        fixture.file(name, "x");
        let answer = http.get(&format!("/{name}"), &[]);
        assert_eq!(answer.the("content-type"), media_type, "{name}");
        assert_eq!(answer.the("x-content-type-options"), "nosniff", "{name}");
        assert_eq!(answer.field("content-encoding"), None, "{name}");
    }
}

#[test]
fn one_range_is_answered_with_206_and_exactly_those_bytes() {
    let fixture = Fixture::new();
    let contents = pattern(300_000);
    fixture.file("f", &contents);
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    for (range, start, end) in [
        ("0-0", 0, 1),
        ("0-", 0, 300_000),
        ("0-299999", 0, 300_000),
        ("5-9", 5, 10),
        ("299999-", 299_999, 300_000),
        ("299990-999999999", 299_990, 300_000),
        ("100000-199999", 100_000, 200_000),
        ("-1", 299_999, 300_000),
        ("-299999", 1, 300_000),
        ("-99999999999999999999999", 0, 300_000),
        ("0-99999999999999999999999", 0, 300_000),
    ] {
        let answer = http.get("/f", &[("Range", &format!("bytes={range}"))]);
        assert_eq!(answer.status, 206, "{range}");
        let told = format!("bytes {start}-{}/300000", end - 1);
        assert_eq!(answer.the("content-range"), told, "{range}");
        assert_same_bytes(&answer.body, &contents[start..end], range);
    }
}

#[test]
fn several_ranges_come_as_parts_each_with_its_place() {
    let fixture = Fixture::new();
    let contents = pattern(300_000);
    fixture.file("f.pdf", &contents);
    let server = Server::files(&fixture.share(), &[]);
    let ranges = [(0, 1), (10, 20), (100_000, 180_000), (299_999, 300_000)];
    let answer = ask(&server, "/f.pdf", &[("Range", "bytes=0-0, 10-19 ,100000-179999,-1")]);
    assert_eq!(answer.status, 206);
    assert_eq!(answer.field("content-range"), None);
    let boundary = answer.the("content-type").strip_prefix("multipart/byteranges; boundary=");
    let boundary = boundary.unwrap();
    let mut expected = Vec::new();
    for (i, (start, end)) in ranges.iter().enumerate() {
        let line_end = if i == 0 { "" } else { "\r\n" };
        write!(
            expected,
            "{line_end}--{boundary}\r\nContent-Type: application/pdf\r\n\
             Content-Range: bytes {start}-{}/300000\r\n\r\n",
            end - 1
        )
        .unwrap();
        expected.extend_from_slice(&contents[*start..*end]);
    }
    write!(expected, "\r\n--{boundary}--\r\n").unwrap();
    assert_same_bytes(&answer.body, &expected, "the parts");
}

#[test]
fn a_range_beyond_the_file_is_416_and_a_malformed_one_is_no_range() {
    let fixture = Fixture::new();
    fixture.file("f", "0123456789");
    fixture.file("empty", "");
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    for range in
        ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-", "bytes=10-,11-"]
    {
        let answer = http.get("/f", &[("Range", range)]);
        assert_eq!((answer.status, answer.the("content-range")), (416, "bytes */10"), "{range}");
        assert!(answer.text().contains("the file has 10 bytes"), "{}", answer.text());
    }
    // Some clients ask for a range each time, and an empty file has none to give.
    let empty = http.get("/empty", &[("Range", "bytes=0-")]);
    assert_eq!((empty.status, empty.the("content-length")), (200, "0"));
    for range in [
        "bytes=5-2",
        "bytes=a-b",
        "bytes=",
        "bytes=-",
        "bytes",
        "lines=1-2",
        "bytes 1-2",
        "1-2",
        "bytes=0x1-2",
        "bytes=1-2;3-4",
        "bytes=+1-2",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=1-2 x",
    ] {
        let answer = http.get("/f", &[("Range", range)]);
        assert_eq!((answer.status, answer.text().as_str()), (200, "0123456789"), "{range}");
    }
    // More than the file in small overlapping pieces would be an attack.
    let many = format!("bytes={}", vec!["0-"; 500].join(","));
    assert_eq!(http.get("/f", &[("Range", &many)]).text(), "0123456789");
    let on_head = http.head("/f", &[("Range", "bytes=0-1")]);
    assert_eq!((on_head.status, on_head.the("content-length")), (200, "10"));
}

#[test]
fn validators_tell_whether_a_copy_is_current() {
    let fixture = Fixture::new();
    let path = fixture.file("f", "0123456789");
    settle(&path);
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    let answer = http.get("/f", &[]);
    let tag = answer.the("etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() > 2, "a strong tag: {tag}");
    let date = "Tue, 14 Nov 2023 22:13:20 GMT";
    assert_eq!(answer.the("last-modified"), date);
    assert_eq!(answer.the("accept-ranges"), "bytes");
    let (before, after) = ("Tue, 14 Nov 2023 22:13:19 GMT", "Tue, 14 Nov 2023 22:13:21 GMT");
    let weak = format!("W/{tag}");
    let list = format!("\"x\", {tag}, \"y\"");
    for (name, value, status) in [
        ("If-None-Match", tag.as_str(), 304),
        ("If-None-Match", &weak, 304),
        ("If-None-Match", &list, 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", "\"other\"", 200),
        ("If-None-Match", "garbage", 200),
        ("If-Modified-Since", date, 304),
        ("If-Modified-Since", after, 304),
        ("If-Modified-Since", before, 200),
        ("If-Modified-Since", "Tuesday, 14-Nov-23 22:13:20 GMT", 304),
        ("If-Modified-Since", "Tue Nov 14 22:13:20 2023", 304),
        ("If-Modified-Since", "yesterday", 200),
        ("If-Match", &tag, 200),
        ("If-Match", &list, 200),
        ("If-Match", "*", 200),
        ("If-Match", &weak, 412),
        ("If-Match", "\"other\"", 412),
        ("If-Unmodified-Since", date, 200),
        ("If-Unmodified-Since", before, 412),
    ] {
        for method in ["GET", "HEAD"] {
            let request = http.request(method, "/f", &[(name, value)]);
            http.send(request);
            let answer = if method == "GET" { http.answer() } else { http.answer_head() };
            assert_eq!(answer.status, status, "{method} {name}: {value}");
            if status == 304 {
                assert_eq!(answer.the("etag"), tag);
                assert!(answer.body.is_empty());
            }
        }
    }
    let both = [("If-None-Match", "\"other\""), ("If-Modified-Since", date)];
    assert_eq!(http.get("/f", &both).status, 200, "a tag counts before a date");
    std::fs::write(&path, "9876543210").unwrap();
    // It may be kept in memory, for a moment.
    let begun = Instant::now();
    while http.get("/f", &[("If-None-Match", &tag)]).text() != "9876543210" {
        assert!(begun.elapsed() < Duration::from_mins(1), "the new contents are never given out");
    }
}

#[test]
fn if_range_gives_the_part_only_of_the_same_file() {
    let fixture = Fixture::new();
    let path = fixture.file("f", "0123456789");
    settle(&path);
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    let tag = http.head("/f", &[]).the("etag").to_owned();
    let weak = format!("W/{tag}");
    for (value, status) in [
        (tag.as_str(), 206),
        ("Tue, 14 Nov 2023 22:13:20 GMT", 206),
        ("\"other\"", 200),
        (&weak, 200),
        ("Tue, 14 Nov 2023 22:13:21 GMT", 200),
        ("garbage", 200),
        ("", 200),
    ] {
        let answer = http.get("/f", &[("Range", "bytes=2-3"), ("If-Range", value)]);
        let text = if status == 206 { "23" } else { "0123456789" };
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{value}");
    }
}

#[test]
fn a_folder_is_its_index_or_the_form_that_was_asked_for() {
    let fixture = Fixture::new();
    fixture.file("site/index.html", "<p>index");
    settle(&fixture.file("box/b.txt", "12345"));
    fixture.file("box/.hidden", "x");
    fixture.file("box/inner/x", "x");
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    let index = http.get("/site/", &[("Accept", "application/json")]);
    assert_eq!(index.text(), "<p>index");
    assert_eq!(index.the("content-type"), "text/html; charset=utf-8");
    for (from, to) in [("/site", "/site/"), ("/box?a=b", "/box/?a=b"), ("//box", "/box/")] {
        let answer = http.get(from, &[]);
        assert_eq!((answer.status, answer.the("location")), (301, to), "{from}");
    }
    let text = http.get("/box/", &[]);
    assert_eq!(text.the("content-type"), "text/plain; charset=utf-8");
    let lines: Vec<Vec<String>> = text
        .text()
        .lines()
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect();
    assert_eq!(lines.len(), 2, "hidden names are not listed");
    assert_eq!(
        (lines[0].last().unwrap().as_str(), lines[1].last().unwrap().as_str()),
        ("inner/", "b.txt")
    );
    assert_eq!(lines[1][2], "5");
    let json = http.get("/box/", &[("Accept", "application/json")]);
    assert_eq!(json.the("content-type"), "application/json");
    let expected = serde_json::json!({
        "name": "b.txt", "href": "b.txt", "kind": "file", "size": 5,
        "modified": "2023-11-14T22:13:20Z", "type": "text/plain; charset=utf-8",
    });
    assert_eq!(json.json()["entries"][1], expected);
    assert_eq!(json.json()["total"], 2);
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let page = http.get("/box/", &[("Accept", browser)]);
    assert_eq!(page.the("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("href=\"./b.txt\""), "readable without scripts");
    assert_eq!(http.get("/box/b.txt/", &[]).status, 404, "a file is no folder");
    assert_eq!(http.get("/box/.hidden", &[]).status, 404);
}

#[test]
fn hidden_names_are_served_when_asked_to() {
    let fixture = Fixture::new();
    fixture.file(".well-known/x", "x");
    let server = Server::files(&fixture.share(), &["--hidden"]);
    assert_eq!(server.get("/.well-known/x").text(), "x");
    assert!(server.get("/").text().contains(".well-known/"));
}

#[test]
fn a_no_has_a_short_body_that_says_why_in_the_form_that_was_asked_for() {
    let fixture = Fixture::new();
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    let text = http.get("/none.txt", &[]);
    assert_eq!(
        (text.status, text.text().as_str()),
        (404, "404 Not found: there is no /none.txt here\n")
    );
    let json = http.get("/none.txt", &[("Accept", "application/json")]);
    assert_eq!(json.json()["status"], 404);
    assert_eq!(json.json()["detail"], "there is no /none.txt here");
    http.send(http.request("DELETE", "/none.txt", &[]));
    let not_allowed = http.answer();
    assert_eq!(
        (not_allowed.status, not_allowed.the("allow")),
        (405, "GET, HEAD, POST, PUT, MKCOL")
    );
}

#[test]
fn http_1_0_ends_after_one_answer_unless_it_asks_to_go_on() {
    let fixture = Fixture::new();
    fixture.file("f", "0123456789");
    let server = Server::files(&fixture.share(), &[]);
    let mut plain = Http::connect(server.http());
    plain.send("GET /f HTTP/1.0\r\n\r\n");
    assert_eq!(plain.answer().text(), "0123456789");
    assert!(plain.rest().is_empty());
    let mut keeps = Http::connect(server.http());
    for _ in 0..3 {
        keeps.send("GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = keeps.answer();
        assert_eq!(answer.the("connection").to_lowercase(), "keep-alive");
        assert_eq!(answer.text(), "0123456789");
    }
    let mut closes = Http::connect(server.http());
    closes.send("GET /f HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(closes.answer().the("connection").to_lowercase(), "close");
    assert!(closes.rest().is_empty());
}

#[test]
fn twenty_pipelined_requests_are_answered_in_order() {
    let fixture = Fixture::new();
    for i in 0..20 {
        fixture.file(format!("{i}"), pattern(i * 20_000));
    }
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    let all: String = (0..20).map(|i| http.request("GET", &format!("/{i}"), &[])).collect();
    http.send(all);
    for i in 0..20 {
        assert_same_bytes(&http.answer().body, &pattern(i * 20_000), &format!("answer {i}"));
    }
    let last = "GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
    assert_eq!(answers(&server.exchange(last.as_bytes())).len(), 20, "also after a half-close");
}

#[test]
fn an_answer_does_not_wait_for_what_comes_behind_its_request() {
    let fixture = Fixture::new();
    fixture.file("f", "0123456789");
    let server = Server::files(&fixture.share(), &["--idle-timeout", "none"]);
    for behind in ["\r\n", "G", "GET /f HTTP/1.1\r\nHost: loc"] {
        let mut http = Http::connect(server.http());
        http.send(http.request("GET", "/f", &[]) + behind);
        let answer = http.answer();
        assert_eq!((answer.status, answer.text().as_str()), (200, "0123456789"), "{behind:?}");
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_breaks_the_connection() {
    let fixture = Fixture::new();
    let length = 64 * MIB;
    let file = File::create(fixture.path("f")).unwrap();
    file.set_len(length as u64).unwrap();
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    http.send(http.request("GET", "/f", &[]));
    assert_eq!(http.answer_head().the("content-length"), length.to_string());
    file.set_len(1).unwrap();
    let got = http.rest().len();
    assert!(got < length, "{got} of {length} bytes, and yet the file had shrunk");
}

#[test]
fn a_file_replaced_while_it_is_sent_arrives_whole_as_it_was() {
    let fixture = Fixture::new();
    let old = pattern(32 * MIB);
    fixture.file("f", &old);
    std::fs::write(fixture.beside("new"), "new").unwrap();
    let server = Server::files(&fixture.share(), &[]);
    let mut http = Http::connect(server.http());
    http.send(http.request("GET", "/f", &[]));
    let head = http.answer_head();
    assert_eq!(head.the("content-length"), old.len().to_string());
    std::fs::rename(fixture.beside("new"), fixture.path("f")).unwrap();
    let rest = http.rest_of(old.len());
    assert_same_bytes(&rest, &old, "the old file");
    assert_eq!(http.get("/f", &[]).text(), "new");
}

#[test]
fn curl_fetches_ranges_resumes_and_asks_only_for_what_changed() {
    let fixture = Fixture::new();
    let contents = pattern(700_001);
    settle(&fixture.file("f.bin", &contents));
    let server = Server::files(&fixture.share(), &[]);
    let url = server.url("/f.bin");
    let part = run(curl().args(["-r", "100-199999", &url]));
    assert_same_bytes(&part.stdout, &contents[100..200_000], "curl -r");
    let copy = fixture.beside("copy");
    std::fs::write(&copy, &contents[..300_000]).unwrap();
    assert!(run(curl().args(["-C", "-", "-o"]).arg(&copy).arg(&url)).status.success());
    assert_same_bytes(&std::fs::read(&copy).unwrap(), &contents, "curl -C -");
    let tags = fixture.beside("tags");
    let status = |arguments: &[&str]| {
        let mut command = curl();
        command.args(["-o", "/dev/null", "-w", "%{http_code}"]).args(arguments);
        String::from_utf8(run(&mut command).stdout).unwrap()
    };
    let tags = tags.to_str().unwrap();
    assert_eq!(status(&["--etag-save", tags, &url]), "200");
    assert_eq!(status(&["--etag-compare", tags, &url]), "304");
    assert_eq!(status(&["-z", "Tue, 14 Nov 2023 22:13:20 GMT", &url]), "304");
    let two = run(curl()
        .args(["-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects} "])
        .args([&url, &url]));
    assert_eq!(String::from_utf8(two.stdout).unwrap(), "1 0 ", "one connection for both");
}

#[test]
fn http_2_by_prior_knowledge_is_spoken_with_curl() {
    let fixture = Fixture::new();
    let server = Server::files(&fixture.share(), &[]);
    let mut command = curl();
    // A connection each: curl 7.88 fails to use one of prior knowledge twice, with any server.
    command.args(["--http2-prior-knowledge", "--parallel", "--parallel-immediate"]);
    command.args(["-w", "%{http_version} %{http_code}\n"]);
    for (i, size) in SIZES.iter().enumerate() {
        fixture.file(format!("{i}"), pattern(*size));
        command
            .arg("-o")
            .arg(fixture.beside(format!("copy-{i}")))
            .arg(server.url(&format!("/{i}")));
    }
    let done = run(&mut command);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8(done.stdout).unwrap(), "2 200\n".repeat(SIZES.len()));
    for (i, size) in SIZES.iter().enumerate() {
        let copy = std::fs::read(fixture.beside(format!("copy-{i}"))).unwrap();
        assert_same_bytes(&copy, &pattern(*size), &format!("{size} bytes"));
    }
    let head = run(curl().args(["--http2-prior-knowledge", "-I", &server.url("/8")]));
    let head = String::from_utf8(head.stdout).unwrap();
    assert!(head.starts_with("HTTP/2 200"), "{head}");
    assert!(head.contains(&format!("content-length: {}", 5 * MIB)), "{head}");
    let foreign = run(curl().args([
        "--http2-prior-knowledge",
        "-H",
        "Host: evil.example",
        "-w",
        "%{http_code}",
        "-o",
        "/dev/null",
        &server.url("/8"),
    ]));
    assert_eq!(foreign.stdout, b"421");
}

#[test]
fn one_http_2_connection_carries_many_transfers_at_once_and_one_that_stalls_holds_up_none() {
    let fixture = Fixture::new();
    for (i, size) in SIZES.iter().enumerate() {
        fixture.file(format!("{i}"), pattern(*size));
    }
    let server = Server::files(&fixture.share(), &[]);
    let address = server.http();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let work = async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let ask = |name: String| {
            let mut sender = sender.clone();
            let request = hyper::Request::get(format!("http://{address}/{name}"));
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            async move { sender.send_request(request).await.unwrap() }
        };
        // Its body is never read, so that its window fills up and stays full.
        let stalled = ask("8".into()).await;
        let transfers: Vec<_> = (0..40)
            .map(|i| {
                let answer = ask(format!("{}", i % SIZES.len()));
                tokio::spawn(async move { answer.await.collect().await.unwrap().to_bytes() })
            })
            .collect();
        for (i, transfer) in transfers.into_iter().enumerate() {
            let size = SIZES[i % SIZES.len()];
            assert_same_bytes(&transfer.await.unwrap(), &pattern(size), &format!("transfer {i}"));
        }
        let late = stalled.collect().await.unwrap().to_bytes();
        assert_same_bytes(&late, &pattern(SIZES[8]), "the one that stalled");
    };
    runtime.block_on(async { tokio::time::timeout(support::HANG, work).await.unwrap() });
}
