//! `sockeye get`: fetching a file whichever wire the URL names, also from servers that cut, change
//! their minds or are barely HTTP.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::process::Signal;
use support::{Fixture, HANG, Running, Server, assert_same_bytes, pattern, run, sockeye};
use tempfile::TempDir;

/// How a get ended.
struct Done {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

/// `sockeye get` in a folder of its own.
struct Getter(TempDir);

impl Getter {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn start(&self, arguments: &[&str]) -> Running {
        Running::spawn(sockeye().arg("get").args(arguments).current_dir(self.0.path()))
    }

    fn get(&self, arguments: &[&str]) -> Done {
        let output = run(sockeye().arg("get").args(arguments).current_dir(self.0.path()));
        let stderr = String::from_utf8(output.stderr).unwrap();
        for odd in ["panicked", "Err(", "Os {", "Kind", "hyper::"] {
            assert!(!stderr.contains(odd), "{stderr}");
        }
        Done { code: output.status.code(), stdout: output.stdout, stderr }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// All names in the folder, in order.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[track_caller]
    fn assert_got(&self, done: &Done, name: &str, contents: &[u8]) {
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{name}");
        assert_same_bytes(&fs::read(self.path(name)).unwrap(), contents, name);
    }
}

/// A server that answers as it is told, and remembers the head of each request.
struct Fake {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// `answer` is given the request's number from 0 on and its head.
    fn new(mut answer: impl FnMut(usize, &str, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&heads);
        std::thread::spawn(move || {
            for (i, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                noted.lock().unwrap().push(head.clone());
                answer(i, &head, &mut stream);
            }
        });
        Self { address, heads }
    }

    /// Always the same bytes, and then the end.
    fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::new(move |_, _, stream| {
            let _ = stream.write_all(&bytes);
        })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Sends a file the way a real server does, but no more than `most` bytes of its body.
fn serve(stream: &mut TcpStream, head: &str, contents: &[u8], tag: &str, most: usize) {
    let from = field(head, "Range").filter(|_| field(head, "If-Range") == Some(tag)).map(|range| {
        let from = range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap();
        from.parse::<usize>().unwrap()
    });
    let body = &contents[from.unwrap_or(0)..];
    let (status, place) = match from {
        Some(from) => {
            let (last, all) = (contents.len() - 1, contents.len());
            ("206 Partial Content", format!("Content-Range: bytes {from}-{last}/{all}\r\n"))
        }
        None => ("200 OK", String::new()),
    };
    let start = format!(
        "HTTP/1.1 {status}\r\n{place}ETag: {tag}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(start.as_bytes());
    let _ = stream.write_all(&body[..body.len().min(most)]);
}

/// Waits until a file has so many bytes.
fn wait_for_length(path: &Path, length: u64) {
    let since = Instant::now();
    while fs::metadata(path).map_or(0, |facts| facts.len()) < length {
        assert!(since.elapsed() < HANG, "{} did not grow to {length}", path.display());
        std::thread::yield_now();
    }
}

#[test]
fn a_file_is_saved_under_the_urls_name_over_either_wire() {
    let fixture = Fixture::new();
    let server = Server::files(&fixture.share(), &[]);
    for (name, path, size) in
        [("a.bin", "/a.bin", 3_000_000), ("b c.txt", "/sub/b%20c.txt", 5), ("empty", "/empty", 0)]
    {
        let contents = pattern(size);
        fixture.file(path.replace("%20", " ").trim_start_matches('/'), &contents);
        for base in [format!("http://{}", server.http()), format!("tcp://{}", server.tcp())] {
            let getter = Getter::new();
            let done = getter.get(&[&format!("{base}{path}")]);
            getter.assert_got(&done, name, &contents);
            assert!(done.stdout.is_empty());
            assert_eq!(getter.names(), [name], "no part is left");
        }
    }
}

#[test]
fn it_is_written_where_it_is_told_to() {
    let fixture = Fixture::new();
    let contents = pattern(700_000);
    fixture.file("a.bin", &contents);
    let server = Server::files(&fixture.share(), &[]);
    for url in [server.url("/a.bin?x=y#k=abcdefghijkl"), format!("tcp://{}/a.bin", server.tcp())] {
        let getter = Getter::new();
        fs::create_dir(getter.path("folder")).unwrap();
        getter.assert_got(&getter.get(&[&url, "-o", "other"]), "other", &contents);
        if url.starts_with("http") {
            getter.assert_got(&getter.get(&[&url, "-o", "folder"]), "folder/a.bin", &contents);
        }
        let piped = getter.get(&[&url, "-o", "-"]);
        assert_eq!((piped.code, piped.stderr.as_str()), (Some(0), ""));
        assert_same_bytes(&piped.stdout, &contents, "standard output");
    }
}

#[test]
fn a_file_that_exists_is_never_replaced_unless_asked_to() {
    let fixture = Fixture::new();
    fixture.file("a.txt", "new");
    let server = Server::files(&fixture.share(), &[]);
    for url in [server.url("/a.txt"), format!("tcp://{}/a.txt", server.tcp())] {
        let getter = Getter::new();
        fs::write(getter.path("a.txt"), "mine").unwrap();
        for arguments in [&[url.as_str()][..], &[&url, "-o", "a.txt"], &[&url, "-o", "."]] {
            let done = getter.get(arguments);
            assert_eq!(done.code, Some(2), "{}", done.stderr);
            assert!(done.stderr.contains("--overwrite"), "{}", done.stderr);
            assert_eq!(fs::read_to_string(getter.path("a.txt")).unwrap(), "mine");
        }
        getter.assert_got(&getter.get(&[&url, "--overwrite"]), "a.txt", b"new");
        assert_eq!(getter.names(), ["a.txt"]);
    }
}

#[test]
fn a_no_is_exit_1_with_the_servers_words_and_leaves_nothing() {
    let fixture = Fixture::new();
    let server = Server::files(&fixture.share(), &[]);
    let getter = Getter::new();
    let missing = getter.get(&[&server.url("/none.txt")]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("there is no /none.txt here"), "{}", missing.stderr);
    let missing = getter.get(&[&format!("tcp://{}/none.txt", server.tcp())]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.contains("Error: File not found"), "{}", missing.stderr);
    let busy =
        Fake::saying("HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\n\r\nbusy: \x1b[2Jlater");
    let refused = getter.get(&[&busy.url("/x")]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("busy: \\x1b[2Jlater"), "{}", refused.stderr);
    assert!(getter.names().is_empty(), "{:?}", getter.names());
}

#[test]
fn what_cannot_be_reached_is_exit_3_with_a_hint() {
    let getter = Getter::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "tcp"] {
        let done = getter.get(&[&format!("{scheme}://{free}/x")]);
        assert_eq!(done.code, Some(3));
        assert!(done.stderr.contains("is the server running"), "{}", done.stderr);
    }
    let done = getter.get(&["http://no-such-host.invalid/x"]);
    assert_eq!(done.code, Some(3));
    assert!(done.stderr.contains("is the name right?"), "{}", done.stderr);
    let foreign = Fake::saying("SSH-2.0-OpenSSH\r\n");
    let done = getter.get(&[&foreign.url("/x")]);
    assert_eq!(done.code, Some(3));
    assert!(done.stderr.contains("does not speak HTTP"), "{}", done.stderr);
    assert!(getter.names().is_empty(), "{:?}", getter.names());
}

#[test]
fn a_url_that_is_none_or_names_no_file_is_exit_2() {
    let getter = Getter::new();
    for url in [
        "gopher://h/x",
        "http://",
        "http://h:99999/x",
        "http://me:pw@h/x",
        "http://[::1/x",
        "http://h/..",
        "http://h/%2e%2e",
        "http://h/.",
        "http://h/..%2fevil",
        "http://h/a%2fb",
        "http://h/a%00b",
        "tcp://h",
        "tcp://h/",
    ] {
        let done = getter.get(&[url]);
        assert_eq!(done.code, Some(2), "{url}: {}", done.stderr);
        assert!(getter.names().is_empty(), "{url}: {:?}", getter.names());
    }
    let both = getter.get(&["http://h/x", "--json", "-o", "-"]);
    assert_eq!(both.code, Some(2));
}

#[test]
fn a_body_that_is_cut_is_asked_for_from_where_it_broke() {
    let contents = pattern(1_000_000);
    let sent = contents.clone();
    let fake = Fake::new(move |_, head, stream| serve(stream, head, &sent, "\"v1\"", 300_000));
    for output in ["copy", "-"] {
        let getter = Getter::new();
        let done = getter.get(&[&fake.url("/a.bin"), "-o", output]);
        if output == "-" {
            assert_eq!(done.code, Some(0), "{}", done.stderr);
            assert_same_bytes(&done.stdout, &contents, "standard output");
        } else {
            getter.assert_got(&done, "copy", &contents);
        }
    }
    let heads = fake.heads();
    assert_eq!(heads.len(), 8);
    assert_eq!(field(&heads[0], "Range"), None);
    for (i, head) in heads[1..4].iter().enumerate() {
        let range = format!("bytes={}-", 300_000 * (i + 1));
        assert_eq!(field(head, "Range"), Some(range.as_str()));
        assert_eq!(field(head, "If-Range"), Some("\"v1\""));
    }
}

/// A get that was killed after 400,000 bytes of the state `"v1"`.
fn killed(getter: &Getter, contents: &[u8], second: Vec<u8>, second_tag: &'static str) -> Fake {
    let (release, held): (_, Receiver<()>) = channel();
    let first = contents.to_vec();
    let fake = Fake::new(move |i, head, stream| {
        if i == 0 {
            serve(stream, head, &first, "\"v1\"", 400_000);
            let _ = held.recv();
        } else {
            serve(stream, head, &second, second_tag, usize::MAX);
        }
    });
    let mut running = getter.start(&[&fake.url("/a.bin")]);
    wait_for_length(&getter.path("a.bin.sockeye-part"), 400_000);
    running.signal(Signal::KILL);
    running.wait();
    assert!(!getter.path("a.bin").exists(), "no half file under its name");
    drop(release);
    fake
}

#[test]
fn a_get_that_was_killed_is_taken_up_by_the_same_command() {
    let contents = pattern(1_000_000);
    let getter = Getter::new();
    let fake = killed(&getter, &contents, contents.clone(), "\"v1\"");
    let done = getter.get(&[&fake.url("/a.bin"), "--json"]);
    getter.assert_got(&done, "a.bin", &contents);
    assert_eq!(getter.names(), ["a.bin"]);
    let heads = fake.heads();
    assert_eq!(field(&heads[1], "Range"), Some("bytes=400000-"));
    assert_eq!(field(&heads[1], "If-Range"), Some("\"v1\""));
    let said: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&said["bytes"], &said["resumed_from"]), (&1_000_000.into(), &400_000.into()));
}

#[test]
fn a_file_that_changed_in_between_is_fetched_anew() {
    let changed = pattern(600_000);
    let getter = Getter::new();
    let fake = killed(&getter, &pattern(1_000_000), changed.clone(), "\"v2\"");
    let done = getter.get(&[&fake.url("/a.bin")]);
    getter.assert_got(&done, "a.bin", &changed);
    assert_eq!(field(&fake.heads()[1], "If-Range"), Some("\"v1\""));
}

#[test]
fn a_real_server_is_resumed_too_and_notices_a_change() {
    let fixture = Fixture::new();
    let contents = pattern(900_000);
    support::settle(&fixture.file("a.bin", &contents));
    let server = Server::files(&fixture.share(), &[]);
    let url = server.url("/a.bin");
    let tag = server.get("/a.bin").the("etag").to_owned();
    let note = serde_json::json!({ "url": url, "validator": tag }).to_string();
    for (part, expected_from) in [(&contents[..500_000], 500_000), (&contents[..], 0)] {
        let getter = Getter::new();
        fs::write(getter.path("a.bin.sockeye-part"), part).unwrap();
        fs::write(getter.path("a.bin.sockeye-note"), &note).unwrap();
        let done = getter.get(&[&url, "--json"]);
        getter.assert_got(&done, "a.bin", &contents);
        let said: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        if part.len() < contents.len() {
            assert_eq!(said["resumed_from"], expected_from);
        }
    }
    let getter = Getter::new();
    fs::write(getter.path("a.bin.sockeye-part"), pattern(500_000)).unwrap();
    fs::write(getter.path("a.bin.sockeye-note"), &note).unwrap();
    fixture.file("a.bin", "changed");
    getter.assert_got(&getter.get(&[&url]), "a.bin", b"changed");
}

#[test]
fn ctrl_c_keeps_the_part_and_says_so() {
    let getter = Getter::new();
    let (_release, held): (_, Receiver<()>) = channel();
    let fake = Fake::new(move |_, head, stream| {
        serve(stream, head, &pattern(1_000_000), "\"v1\"", 400_000);
        let _ = held.recv();
    });
    let mut running = getter.start(&[&fake.url("/a.bin")]);
    wait_for_length(&getter.path("a.bin.sockeye-part"), 400_000);
    running.signal(Signal::INT);
    assert_eq!(running.wait().code(), Some(130));
    assert!(running.stderr().contains("400000 bytes are kept"), "{}", running.stderr());
    assert_eq!(getter.names(), ["a.bin.sockeye-note", "a.bin.sockeye-part"]);
}

#[test]
fn servers_that_are_barely_http_are_understood() {
    let cases: &[(&str, &str)] = &[
        ("no length", "HTTP/1.1 200 OK\r\n\r\nhello"),
        ("HTTP/1.0 and no reason", "HTTP/1.0 200\r\n\r\nhello"),
        ("a blank reason", "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"),
        ("bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
        ("lower case", "HTTP/1.1 200 ok\r\ncontent-length: 5\r\nserver: x\r\n\r\nhello"),
        ("no space behind colons", "HTTP/1.1 200 OK\r\nContent-Length:5\r\nX:\r\n\r\nhello"),
        ("a space before a colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello"),
        ("more than it said", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more"),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        ),
        (
            "a hint first",
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello",
        ),
        ("a strange tag", "HTTP/1.1 200 OK\r\nETag: not quoted\r\nContent-Length: 5\r\n\r\nhello"),
    ];
    for (what, answer) in cases {
        let fake = Fake::saying(*answer);
        let getter = Getter::new();
        let done = getter.get(&[&fake.url("/x")]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{what}");
        getter.assert_got(&done, "x", b"hello");
    }
}

#[test]
fn requests_are_written_as_the_textbooks_have_them() {
    let fake = Fake::saying("HTTP/1.0 200 OK\r\n\r\nhello");
    assert_eq!(Getter::new().get(&[&fake.url("/a%20b/c?d=e#f")]).code, Some(0));
    let head = &fake.heads()[0];
    assert!(head.starts_with("GET /a%20b/c?d=e HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(head, "Host"), Some(fake.address.to_string().as_str()), "{head}");
    for name in ["User-Agent", "Accept", "Connection"] {
        assert!(field(head, name).is_some(), "{name} in {head}");
    }
}

#[test]
fn redirects_are_followed_as_browsers_do_and_loops_are_not() {
    let fake = Fake::new(|_, head, stream| {
        let path = head.split(' ').nth(1).unwrap();
        let host = field(head, "Host").unwrap();
        let to = match path {
            "/absolute" => format!("http://{host}/goal"),
            "/path" => "/goal".to_owned(),
            "/a/b/relative" => "goal".to_owned(),
            "/a/b/up" => "../goal".to_owned(),
            "/no-scheme" => format!("//{host}/goal"),
            "/a/query" => "/goal?from=http://elsewhere/".to_owned(),
            "/only-query" => "?goal".to_owned(),
            "/1" => "/2".to_owned(),
            "/2" => "/goal#part".to_owned(),
            "/loop" => "/loop".to_owned(),
            "/far" => "gopher://localhost/x".to_owned(),
            path if path.contains("goal") => {
                let body = format!("{} bytes of {path}", path.len());
                let length = body.len();
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                return;
            }
            _ => {
                let _ = stream.write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
                return;
            }
        };
        let _ = write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    });
    for (from, to) in [
        ("/absolute", "/goal"),
        ("/path", "/goal"),
        ("/a/b/relative", "/a/b/goal"),
        ("/a/b/up", "/a/goal"),
        ("/no-scheme", "/goal"),
        ("/a/query", "/goal?from=http://elsewhere/"),
        ("/only-query", "/only-query?goal"),
        ("/1", "/goal"),
    ] {
        let done = Getter::new().get(&[&fake.url(from), "-o", "-"]);
        let expected = format!("{} bytes of {to}", to.len());
        let got = String::from_utf8(done.stdout).unwrap();
        assert_eq!((done.code, got), (Some(0), expected), "{from}: {}", done.stderr);
    }
    for (from, part) in [("/loop", "redirects"), ("/far", "cannot follow")] {
        let done = Getter::new().get(&[&fake.url(from)]);
        assert_eq!(done.code, Some(1), "{}", done.stderr);
        assert!(done.stderr.contains(part), "{}", done.stderr);
    }
    let getter = Getter::new();
    let done = getter.get(&[&fake.url("/path")]);
    assert_eq!(done.code, Some(0));
    assert_eq!(getter.names(), ["path"], "the name is of the URL that was typed");
}

#[test]
fn a_length_that_is_never_reached_is_exit_3_and_what_came_is_kept() {
    let fake = Fake::saying("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 100\r\n\r\nhello");
    let getter = Getter::new();
    let done = getter.get(&[&fake.url("/x")]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("5 bytes are kept"), "{}", done.stderr);
    assert_eq!(getter.names(), ["x.sockeye-note", "x.sockeye-part"]);
    assert_eq!(fs::read(getter.path("x.sockeye-part")).unwrap(), b"hello");
    // Without anything that proves what the part is of, it is of no use.
    let unnamed = Fake::saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
    let getter = Getter::new();
    assert_eq!(getter.get(&[&unnamed.url("/x")]).code, Some(3));
    assert!(getter.names().is_empty(), "{:?}", getter.names());
}

#[test]
fn a_part_that_was_not_asked_for_is_not_taken_for_the_whole() {
    let fake = Fake::saying(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/100\r\nContent-Length: 5\r\n\r\nhello",
    );
    let getter = Getter::new();
    let done = getter.get(&[&fake.url("/x")]);
    assert_ne!(done.code, Some(0), "5 of 100 bytes passed for the file");
    assert!(!getter.path("x").exists());
}

#[test]
fn a_length_that_no_disk_holds_is_refused_before_it_comes() {
    let fake = Fake::saying(
        "HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 9000000000000000000\r\n\r\nhello",
    );
    let getter = Getter::new();
    let done = getter.get(&[&fake.url("/x")]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("there is no room for x"), "{}", done.stderr);
    assert!(getter.names().is_empty(), "{:?}", getter.names());
}

#[test]
fn a_part_that_goes_on_behind_its_end_is_not_followed() {
    let fake = Fake::new(|i, head, stream| match i {
        0 => serve(stream, head, b"0123456789", "\"v1\"", 4),
        1 => {
            let start = "HTTP/1.1 206 Part\r\nETag: \"v1\"\r\nContent-Range: bytes 4-9/10\r\n\
                         Transfer-Encoding: chunked\r\n\r\n";
            let _ = stream.write_all(start.as_bytes());
            // Until nobody reads any more.
            while stream.write_all(b"5\r\nhello\r\n").is_ok() {}
        }
        _ => serve(stream, head, b"0123456789", "\"v1\"", usize::MAX),
    });
    let getter = Getter::new();
    getter.assert_got(&getter.get(&[&fake.url("/x")]), "x", b"0123456789");
}

#[test]
fn json_says_what_was_done_in_one_object() {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello");
    let server = Server::files(&fixture.share(), &[]);
    for url in [server.url("/a.txt"), format!("tcp://{}/a.txt", server.tcp())] {
        let done = Getter::new().get(&[&url, "--json"]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
        assert!(done.stdout.ends_with(b"}\n"));
        let said: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(said["url"], url);
        assert_eq!((&said["file"], &said["bytes"]), (&"a.txt".into(), &5.into()));
        assert_eq!(said["resumed_from"], 0);
        assert!(said["took_ms"].is_u64());
    }
}

#[test]
fn of_two_gets_of_one_name_the_second_is_refused() {
    let contents = pattern(1_000_000);
    let getter = Getter::new();
    let (release, held): (_, Receiver<()>) = channel();
    let sent = contents.clone();
    let fake = Fake::new(move |_, _, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", sent.len());
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&sent[..1000]);
        let _ = held.recv();
        let _ = stream.write_all(&sent[1000..]);
    });
    let url = fake.url("/a.bin");
    let mut first = getter.start(&[&url]);
    wait_for_length(&getter.path("a.bin.sockeye-part"), 1000);
    let second = getter.get(&[&url]);
    assert_eq!(second.code, Some(2));
    assert!(second.stderr.contains("another get is fetching"), "{}", second.stderr);
    release.send(()).unwrap();
    assert_eq!(first.wait().code(), Some(0), "{}", first.stderr());
    assert_same_bytes(&fs::read(getter.path("a.bin")).unwrap(), &contents, "the first");
}

#[test]
fn with_wire_a_get_and_its_server_show_heads_and_count_what_follows() {
    let fixture = Fixture::new();
    fixture.file("a.bin", pattern(100_000));
    let mut server = Server::files(&fixture.share(), &["--wire"]);
    let http = format!("http://{}/a.bin", server.http());
    let tcp = format!("tcp://{}/a.bin", server.tcp());
    let mut told = Vec::new();
    for url in [&http, &tcp] {
        let output = run(sockeye().args(["get", url, "-o", "-", "--wire"]));
        assert_eq!(output.stdout.len(), 100_000, "{url}");
        told.push(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    server.process.signal(Signal::INT);
    server.process.wait();
    told.push(server.process.stderr());
    for (told, parts) in told.iter().zip([
        &["\"GET /a.bin HTTP/1.1\\r\\n\"", "100000 bytes of body"][..],
        &["\"a.bin\"", "<- tcp://"],
        &["\"GET /a.bin HTTP/1.1\\r\\n\"", "100000 bytes of body", "100000 bytes, the file"],
    ]) {
        for part in parts {
            assert!(told.contains(part), "{part} in\n{told}");
        }
    }
}
