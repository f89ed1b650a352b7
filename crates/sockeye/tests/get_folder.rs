//! `sockeye get` of a folder: everything comes as it is, what is here stays, and nobody who names
//! the files leads out of the folder that they go to.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use support::{Fixture, Running, Server, assert_same_bytes, other_program, pattern, run, sockeye};
use tempfile::TempDir;

/// How a get ended.
struct Done {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Done {
    #[track_caller]
    fn assert_ended(&self, code: i32, part: &str) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert!(self.stderr.contains(part), "`{part}` in: {}", self.stderr);
    }

    /// The outcome of each file, by the end of its name here.
    fn outcome(&self, file: &str) -> String {
        let objects = self.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut found = objects.filter(|said: &serde_json::Value| {
            Path::new(said["file"].as_str().unwrap()).ends_with(file)
        });
        found.next().unwrap_or_else(|| panic!("no {file} in {}", self.stdout))["outcome"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// `sockeye get` in a folder of its own.
struct Getter(TempDir);

impl Getter {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut command = sockeye();
        command.arg("get").args(arguments).current_dir(self.0.path());
        Running::spawn(&mut command)
    }

    fn get(&self, arguments: &[&str]) -> Done {
        let output = run(sockeye().arg("get").args(arguments).current_dir(self.0.path()));
        let stderr = String::from_utf8(output.stderr).unwrap();
        for odd in ["panicked", "Err(", "Os {", "Kind", "hyper::"] {
            assert!(!stderr.contains(odd), "{stderr}");
        }
        let stdout = String::from_utf8(output.stdout).unwrap();
        Done { code: output.status.code(), stdout, stderr }
    }
}

#[track_caller]
fn assert_same_folders(one: &Path, other: &Path) {
    let same = run(other_program("diff", "diffutils").arg("-r").arg(one).arg(other));
    assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stdout));
}

/// A share with names of every kind.
fn house() -> (Fixture, Server) {
    let fixture = Fixture::new();
    for (i, name) in [
        "plain.txt",
        "with space and 100%.txt",
        "日本語/文書.txt",
        "emoji 🐟/e\u{301}.txt",
        "#hash?query&amp;=+;.txt",
        "quote'\"`.txt",
        "back\\slash.txt",
        "-flag",
        "deep/er/and/deeper/file",
        "web/index.html",
        "large.bin",
    ]
    .iter()
    .enumerate()
    {
        fixture.file(name, pattern(if *name == "large.bin" { 3_000_000 } else { i * 900 }));
    }
    fixture.file(std::ffi::OsStr::from_bytes(b"na\xefve"), "x");
    fs::create_dir_all(fixture.path("empty/emptier")).unwrap();
    let server = Server::files(&fixture.share(), &[]);
    (fixture, server)
}

#[test]
fn links_that_lead_back_are_not_followed_round_and_round() {
    let fixture = Fixture::new();
    fixture.file("d/f", "x");
    symlink(".", fixture.path("one")).unwrap();
    symlink("..", fixture.path("d/two")).unwrap();
    symlink("d", fixture.path("beside")).unwrap();
    let server = Server::files(&fixture.share(), &[]);
    let getter = Getter::new();
    let done = getter.get(&[&format!("http://{}/", server.http()), "-o", "out"]);
    done.assert_ended(0, "");
    let here = |name: &str| getter.path("out").join(name).exists();
    assert!(here("d/f") && here("beside/f") && !here("one") && !here("d/two"));
}

#[test]
fn a_folder_arrives_as_it_is_and_a_second_time_nothing_is_fetched() {
    let (fixture, server) = house();
    support::settle(&fixture.path("plain.txt"));
    let getter = Getter::new();
    let done = getter.get(&[&server.url("/")]);
    done.assert_ended(0, "12 files in share");
    assert_same_folders(&getter.path("share"), &fixture.share());
    let modified = |path: PathBuf| {
        let time = path.metadata().unwrap().modified().unwrap();
        time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    };
    for name in ["plain.txt", "deep/er/and/deeper/file"] {
        let (here, there) = (getter.path("share").join(name), fixture.path(name));
        assert_eq!(modified(here), modified(there), "{name}");
    }
    let again = getter.get(&[&server.url("/"), "--json"]);
    again.assert_ended(0, "of which 12 were here already");
    assert_eq!(again.stdout.lines().count(), 12);
    assert_eq!(again.outcome("large.bin"), "same");
}

#[test]
fn it_goes_where_it_is_told_to_with_or_without_the_slash() {
    let (fixture, server) = house();
    let getter = Getter::new();
    for (path, output, place) in [
        ("/deep", None, "deep"),
        ("/deep", None, "deep"),
        ("/deep/?sort=name", None, "deep"),
        ("/deep/", Some("other"), "other"),
        ("/deep", Some("other"), "other"),
        ("/deep", Some("new/er"), "new/er"),
        ("/deep/er/", Some("."), "."),
    ] {
        let url = server.url(path);
        let mut arguments = vec![url.as_str()];
        arguments.extend(output.iter().flat_map(|output| ["-o", output]));
        getter.get(&arguments).assert_ended(0, "1 file in ");
        let file = if place == "." { "and/deeper/file" } else { "er/and/deeper/file" };
        let expected = fs::read(fixture.path("deep/er/and/deeper/file")).unwrap();
        assert_same_bytes(&fs::read(getter.path(place).join(file)).unwrap(), &expected, place);
    }
}

#[test]
fn what_is_here_is_never_replaced_unless_asked_to_and_the_rest_comes() {
    let (fixture, server) = house();
    let getter = Getter::new();
    fs::create_dir_all(getter.path("to/web")).unwrap();
    fs::write(getter.path("to/plain.txt"), "mine").unwrap();
    fs::write(getter.path("to/web/index.html"), "mine").unwrap();
    let url = server.url("/");
    let done = getter.get(&[&url, "-o", "to", "--json"]);
    done.assert_ended(2, "2 could not be written here");
    assert!(done.stderr.contains("--overwrite"), "{}", done.stderr);
    assert_eq!(fs::read_to_string(getter.path("to/plain.txt")).unwrap(), "mine");
    assert_eq!(
        (done.outcome("plain.txt").as_str(), done.outcome("large.bin").as_str()),
        ("unwritable", "saved")
    );
    let done = getter.get(&[&url, "-o", "to", "--overwrite", "--json"]);
    done.assert_ended(0, "12 files");
    assert_eq!(done.outcome("plain.txt"), "replaced");
    assert_same_folders(&getter.path("to"), &fixture.share());
}

#[test]
fn links_that_are_here_lead_nowhere() {
    let (fixture, server) = house();
    let getter = Getter::new();
    fs::create_dir_all(getter.path("to")).unwrap();
    fs::create_dir(getter.path("outside")).unwrap();
    fs::write(getter.path("outside/victim"), "mine").unwrap();
    symlink("../outside", getter.path("to/web")).unwrap();
    symlink("../outside/victim", getter.path("to/plain.txt")).unwrap();
    symlink("../outside/new", getter.path("to/large.bin")).unwrap();
    symlink("../outside/part", getter.path("to/-flag.sockeye-part")).unwrap();
    let done = getter.get(&[&server.url("/"), "-o", "to"]);
    done.assert_ended(2, "4 could not be written here");
    assert_eq!(fs::read_dir(getter.path("outside")).unwrap().count(), 1);
    getter.get(&[&server.url("/"), "-o", "to", "--overwrite"]).assert_ended(2, "2 could not");
    assert_eq!(fs::read_dir(getter.path("outside")).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(getter.path("outside/victim")).unwrap(), "mine");
    let expected = fs::read(fixture.path("plain.txt")).unwrap();
    assert!(getter.path("to/plain.txt").symlink_metadata().unwrap().is_file());
    assert_same_bytes(&fs::read(getter.path("to/plain.txt")).unwrap(), &expected, "plain.txt");
}

/// A hub that says of each path what it is told to; a connection takes several requests.
fn fake(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            std::thread::spawn(move || {
                loop {
                    let (mut head, mut byte) = (Vec::new(), [0]);
                    while !head.ends_with(b"\r\n\r\n") {
                        if stream.read(&mut byte).unwrap_or(0) == 0 {
                            return;
                        }
                        head.push(byte[0]);
                    }
                    let head = String::from_utf8(head).unwrap();
                    let path = head.split(' ').nth(1).unwrap();
                    if stream.write_all(&answer(path)).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn ok(media_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn listing(entries: &str) -> Vec<u8> {
    ok("application/json", format!("{{\"entries\": [{entries}], \"truncated\": false}}"))
}

#[test]
fn a_hostile_hub_writes_nothing_outside() {
    let entries =
        ["../evil", "..%2fevil", "/etc/evil", "%2e%2e", "a%2f..%2f..%2fevil", "evil%00", "", "."]
            .map(|href| {
                format!(
                    r#"{{"href": "{href}", "kind": "file", "size": 4, "modified": null}},
                   {{"href": "{href}/", "kind": "folder", "modified": null}},"#
                )
            })
            .concat();
    let address = fake(move |path| match path {
        "/-/api/list/x/" => listing(&format!(
            r#"{entries} {{"href": "good", "kind": "file", "size": 4, "modified": null}}"#
        )),
        "/-/api/list/x/good/" => listing(""),
        _ => ok("text/plain", "evil"),
    });
    let getter = Getter::new();
    let done = getter.get(&[&format!("http://{address}/x/"), "-o", "in/here"]);
    done.assert_ended(1, "16 were refused");
    let found = run(other_program("find", "findutils").arg(".").current_dir(getter.path(".")));
    let mut found: Vec<String> =
        String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, [".", "./in", "./in/here", "./in/here/good"]);
}

#[test]
fn folders_without_end_come_to_one() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let address = fake(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        listing(r#"{"href": "d/", "kind": "folder", "modified": null}"#)
    });
    let getter = Getter::new();
    getter.get(&[&format!("http://{address}/x/")]).assert_ended(1, "too deep");
    assert_eq!(asked.load(Ordering::Relaxed), 256);
}

#[test]
fn what_does_not_keep_to_its_word_is_a_failure_and_the_others_come() {
    let address = fake(|path| match path {
        "/-/api/list/x/" => listing(
            r#"{"href": "a", "kind": "file", "size": 4, "modified": "2020-01-02T03:04:05Z"},
               {"href": "gone", "kind": "file", "size": 4, "modified": null},
               {"href": "b", "kind": "file", "size": 4, "modified": null},
               {"href": "closed/", "kind": "folder", "modified": null}"#,
        ),
        "/x/gone" => {
            b"HTTP/1.1 404 No\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno".into()
        }
        "/-/api/list/x/closed/" => b"HTTP/1.1 403 No\r\nContent-Type: application/json\r\n\
            Content-Length: 17\r\n\r\n{\"detail\": \"shut\"}"[..]
            .into(),
        _ => ok("text/plain", "good"),
    });
    let getter = Getter::new();
    let done = getter.get(&[&format!("http://{address}/x/"), "--json"]);
    done.assert_ended(1, "2 were refused");
    assert_eq!((done.outcome("a").as_str(), done.outcome("gone").as_str()), ("saved", "refused"));
    assert_eq!(fs::read_to_string(getter.path("x/b")).unwrap(), "good");
    let modified = getter.path("x/a").metadata().unwrap().modified().unwrap();
    let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(modified, 1_577_934_245, "the listing's, where the answer tells none");
}

#[test]
fn who_is_no_hub_is_told_apart() {
    let getter = Getter::new();
    let page = fake(|_| ok("text/html", "<h1>hello</h1>"));
    let url = format!("http://{page}/x/");
    getter.get(&[&url]).assert_ended(1, "no folder of a Sockeye hub");
    getter.get(&[&format!("http://{page}")]).assert_ended(1, "no folder of a Sockeye hub");
    assert_eq!(fs::read_dir(getter.path(".")).unwrap().count(), 0);
    // What it says at this URL would pass for the folder; into a pipe it can be had all the same.
    getter.get(&[&url, "-o", "new"]).assert_ended(1, "no folder of a Sockeye hub");
    assert!(!getter.path("new").exists());
    assert_eq!(getter.get(&[&url, "-o", "-"]).stdout, "<h1>hello</h1>");
    // Behind a question mark stands what is one file.
    assert_eq!(getter.get(&[&format!("{url}?page=2"), "-o", "page"]).code, Some(0));
    let json = fake(|_| ok("application/json", "{\"entries\": 5}"));
    getter.get(&[&format!("http://{json}/x/")]).assert_ended(1, "no folder of a Sockeye hub");
}

#[test]
fn a_broken_listing_is_an_error_and_is_saved_as_nothing() {
    let getter = Getter::new();
    for broken in ["{\"entries\": [", "{\"entries\": [}", ""] {
        let address = fake(move |_| ok("application/json", broken));
        let url = format!("http://{address}/x/");
        for arguments in [&[url.as_str()][..], &[&url, "-o", "new"], &[&url, "-o", "-"]] {
            let done = getter.get(arguments);
            done.assert_ended(4, "is broken: ");
            assert_eq!(done.stdout, "");
        }
    }
    assert_eq!(fs::read_dir(getter.path(".")).unwrap().count(), 0);
}

#[test]
fn an_archive_of_a_folder_is_one_file() {
    let (_fixture, server) = house();
    let getter = Getter::new();
    let done = getter.get(&[&server.url("/deep/?tar"), "-o", "deep.tar"]);
    done.assert_ended(0, "");
    assert!(getter.path("deep.tar").is_file());
}

#[test]
fn a_folder_that_cannot_be_had_is_refused_in_words() {
    let (_fixture, server) = house();
    let getter = Getter::new();
    for path in ["/deep", "/deep/", "/"] {
        let done = getter.get(&[&server.url(path), "-o", "-"]);
        done.assert_ended(2, "?tar'` gives it as one tar");
    }
    getter.get(&[&server.url("/none/")]).assert_ended(1, "there is no /none/ here");
    getter.get(&[&server.url("/plain.txt/")]).assert_ended(1, "is a file, not a folder");
    getter.get(&[&format!("tcp://{}/deep/", server.tcp())]).assert_ended(2, "by http://");
    fs::write(getter.path("deep"), "mine").unwrap();
    getter.get(&[&server.url("/deep/")]).assert_ended(2, "cannot write into deep");
    assert_eq!(fs::read_dir(getter.path(".")).unwrap().count(), 1);
}

#[test]
fn the_key_is_told_and_a_missing_one_is_said() {
    let fixture = Fixture::new();
    fixture.file("a/b", "hello");
    let server = Server::files(&fixture.share(), &["--join-key", "spawning-salmon"]);
    let getter = Getter::new();
    getter.get(&[&server.url("/a/")]).assert_ended(1, "the hub wants its key");
    let url = format!("{}#k=spawning-salmon", server.url("/a"));
    getter.get(&[&url]).assert_ended(0, "1 file in a");
    assert_eq!(fs::read_to_string(getter.path("a/b")).unwrap(), "hello");
}

#[test]
fn ctrl_c_leaves_whole_files_and_a_part_that_is_gone_on_with() {
    let fixture = Fixture::new();
    let contents = pattern(1_000_000);
    fixture.file("a", "first");
    support::settle(&fixture.path("a"));
    let tail = contents.clone();
    // The first time, the large file does not come to its end.
    let times = Arc::new(AtomicUsize::new(0));
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let times = Arc::clone(&times);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, contents, times) = (stream.unwrap(), tail.clone(), Arc::clone(&times));
                std::thread::spawn(move || dawdle(stream, &contents, &times));
            }
        });
        address
    };
    let getter = Getter::new();
    let url = format!("http://{address}/x/");
    let mut running = getter.start(&[&url]);
    let part = getter.path("x/large.sockeye-part");
    let since = std::time::Instant::now();
    while part.metadata().map_or(0, |part| part.len()) < 500_000 || !getter.path("x/small").exists()
    {
        assert!(since.elapsed() < support::HANG, "{}", running.stderr());
        std::thread::yield_now();
    }
    running.signal(Signal::INT);
    assert_eq!(running.wait().code(), Some(130), "{}", running.stderr());
    assert_eq!(fs::read_to_string(getter.path("x/small")).unwrap(), "good");
    assert!(!getter.path("x/large").exists());
    let done = getter.get(&[&url, "--json"]);
    done.assert_ended(0, "2 files in x");
    assert!(done.stdout.contains("\"resumed_from\":500000"), "{}", done.stdout);
    assert_same_bytes(&fs::read(getter.path("x/large")).unwrap(), &contents, "large");
}

/// Serves a folder of two files, of which the large one stops in the middle at first.
fn dawdle(mut stream: TcpStream, contents: &[u8], times: &AtomicUsize) {
    loop {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte).unwrap_or(0) == 0 {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let answer = match head.split(' ').nth(1).unwrap() {
            "/-/api/list/x/" => listing(
                r#"{"href": "large", "kind": "file", "size": 1000000, "modified": null},
                   {"href": "small", "kind": "file", "size": 4, "modified": "2020-01-02T03:04:05Z"}"#,
            ),
            "/x/small" => ok("text/plain", "good"),
            "/x/large" if times.fetch_add(1, Ordering::Relaxed) == 0 => {
                let head = "HTTP/1.1 200 OK\r\nETag: \"t\"\r\nContent-Length: 1000000\r\n\r\n";
                [head.as_bytes(), &contents[..500_000]].concat()
            }
            _ => {
                assert!(head.contains("Range: bytes=500000-"), "{head}");
                let head = "HTTP/1.1 206 Part\r\nETag: \"t\"\r\nContent-Length: 500000\r\n\
                            Content-Range: bytes 500000-999999/1000000\r\n\r\n";
                [head.as_bytes(), &contents[500_000..]].concat()
            }
        };
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

#[test]
fn many_small_files_come_over_few_connections() {
    let fixture = Fixture::new();
    for i in 0..2_000 {
        fixture.file(format!("{}/{i}", i % 20), format!("{i:0>64}"));
    }
    let server = Server::files(&fixture.share(), &["--quiet"]);
    let getter = Getter::new();
    getter.get(&[&server.url("/"), "-o", "to"]).assert_ended(0, "2000 files in to");
    assert_same_folders(&getter.path("to"), &fixture.share());
    let metrics = server.get("/-/metrics").text();
    let accepted = metrics
        .lines()
        .find(|line| {
            line.contains("connections") && line.contains("files") && !line.starts_with('#')
        })
        .unwrap_or_else(|| panic!("{metrics}"));
    let accepted: u32 = accepted.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(accepted <= 5 + 1, "{accepted} connections:\n{metrics}");
}
