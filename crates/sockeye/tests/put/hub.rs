//! Our own hub at the other end.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Fixture, Server, assert_same_bytes, pattern, sockeye};
use crate::{Putter, done};

fn hub(fixture: &Fixture, flags: &[&str]) -> Server {
    let mut command = sockeye();
    command.args(["serve", "files"]).arg(fixture.share());
    command.args(["--on", "http://127.0.0.1:0"]).args(flags);
    Server::start(&mut command, 1)
}

/// All files and empty folders beneath, with what is in them.
fn contents(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(path) = ahead.pop() {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let before = ahead.len();
            ahead.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            if ahead.len() == before {
                found.push((name, None));
            }
        } else {
            found.push((name, Some(std::fs::read(&path).unwrap())));
        }
    }
    found.sort();
    found
}

#[test]
fn a_folder_arrives_as_it_is_with_names_in_every_script() {
    let (fixture, putter) = (Fixture::new(), Putter::new());
    let server = hub(&fixture, &["--uploads", "--hidden"]);
    let longest = "x".repeat(255);
    for (i, name) in [
        "plain.txt",
        "with space and 100%.txt",
        "日本語/文書.txt",
        "Ελληνικά/Ω.txt",
        "русский.txt",
        "العربية.txt",
        "עברית.txt",
        "हिन्दी.txt",
        "ไทย.txt",
        "emoji 🐟🐠.txt",
        "e\u{301} and \u{e9}.txt",
        "#hash?query&amp;=+;.txt",
        "quote'\"`.txt",
        "back\\slash.txt",
        ".hidden/file",
        "-flag",
        &longest,
    ]
    .iter()
    .enumerate()
    {
        putter.file(Path::new("f").join(name), pattern(i * 1_000));
    }
    std::fs::create_dir_all(putter.path("f/empty/emptier")).unwrap();
    let done = putter.put(&["f", &server.url("/in/")]);
    done.assert_well();
    assert!(done.stderr.starts_with("17 files and 1 empty folder at "), "{}", done.stderr);
    assert_eq!(contents(&fixture.path("in/f")), contents(&putter.path("f")));
    let again = putter.put(&["f", &server.url("/in/"), "--json"]);
    again.assert_well();
    assert!(again.json().iter().all(|said| said["outcome"] == "same"), "{}", again.stdout);
    assert!(again.stderr.contains("17 were there already"), "{}", again.stderr);
}

#[test]
fn ten_thousand_small_files_do_not_crawl() {
    let (fixture, putter) = (Fixture::new(), Putter::new());
    let server = hub(&fixture, &["--uploads", "--quiet"]);
    for i in 0..10_000 {
        putter.file(format!("many/{}/{i}", i % 100), format!("{i:0>64}"));
    }
    let mut running = putter.start(&["many", &server.url("/")]);
    let status = running.wait_within(Duration::from_mins(5)).unwrap();
    assert_eq!(status.code(), Some(0), "{}", running.stderr());
    assert_eq!(contents(&fixture.path("many")), contents(&putter.path("many")));
}

/// Passes connections on, and cuts each after so many bytes to the server.
fn cutting(to: SocketAddr, after: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let passed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&passed);
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(to).unwrap();
            let (mut from_far, mut to_near) = (far.try_clone().unwrap(), near.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from_far, &mut to_near));
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || pass(near, far, after, &counted));
        }
    });
    (address, passed)
}

fn pass(mut near: TcpStream, mut far: TcpStream, after: usize, counted: &AtomicUsize) {
    let (mut piece, mut left) = (vec![0; 65_536], after);
    while left > 0 {
        let most = left.min(piece.len());
        let Ok(n @ 1..) = near.read(&mut piece[..most]) else { break };
        if far.write_all(&piece[..n]).is_err() {
            break;
        }
        counted.fetch_add(n, Ordering::Relaxed);
        left -= n;
    }
    let _ = (near.shutdown(std::net::Shutdown::Both), far.shutdown(std::net::Shutdown::Both));
}

#[test]
fn a_large_file_goes_on_where_it_was_after_each_cut() {
    let (fixture, putter) = (Fixture::new(), Putter::new());
    let server = hub(&fixture, &["--uploads"]);
    let large = pattern(60_000_000);
    putter.file("large.bin", &large);
    let (cut, passed) = cutting(server.http(), 9_000_000);
    let done = putter.put(&["large.bin", &format!("http://{cut}/to/"), "--json"]);
    done.assert_well();
    assert_same_bytes(&std::fs::read(fixture.path("to/large.bin")).unwrap(), &large, "large.bin");
    assert_eq!(done.json()[0]["outcome"], "saved");
    let passed = passed.load(Ordering::Relaxed);
    assert!(passed < 80_000_000, "{passed} bytes for a file of 60,000,000");
}

#[test]
fn what_the_hub_refuses_is_said_in_its_words() {
    let putter = Putter::new();
    putter.file("a.txt", "mine");
    putter.file(".hidden", "x");
    putter.file("large.bin", pattern(20_000_000));
    putter.file("middle.bin", pattern(2_000_000));
    for (flags, things, code, part) in [
        (&[][..], &["a.txt"][..], 1, "receiv"),
        (&["--uploads"], &["a.txt"], 1, "with other contents"),
        (&["--uploads"], &[".hidden"], 1, ".hidden"),
        (&["--uploads", "--max-upload", "1M"], &["large.bin"], 1, "larg"),
        (&["--uploads", "--max-upload", "1M"], &["middle.bin"], 1, "larg"),
        (&["--uploads", "--keep-free", "900T"], &["middle.bin"], 1, "space"),
        (&["--uploads", "--keep-free", "900T"], &["large.bin"], 1, "space"),
        (&["--uploads", "--overwrite"], &["a.txt"], 0, "in place of what was"),
        (&["--uploads", "--rename"], &["a.txt"], 0, "a%20(2).txt is there under another name"),
        (&["--uploads", "--max-upload", "1M"], &["large.bin", ".hidden"], 1, "2 of 2 were refused"),
    ] {
        let fixture = Fixture::new();
        fixture.file("a.txt", "theirs");
        let server = hub(&fixture, flags);
        let url = server.url("/");
        let done = putter.put(&[things, &[&url]].concat());
        done.assert_ended(code, part);
        if code == 1 {
            assert_eq!(contents(&fixture.share()).len(), 1, "{flags:?} {things:?}");
        }
    }
}

#[test]
fn a_file_goes_into_the_folder_that_has_its_name() {
    let (fixture, putter) = (Fixture::new(), Putter::new());
    fixture.file("docs/x", "x");
    let server = hub(&fixture, &["--uploads"]);
    putter.file("a.txt", "hello");
    putter.put(&["a.txt", &server.url("/docs")]).assert_well();
    assert_eq!(std::fs::read_to_string(fixture.path("docs/a.txt")).unwrap(), "hello");
    putter.put(&["a.txt", &server.url("/new")]).assert_well();
    assert_eq!(std::fs::read_to_string(fixture.path("new")).unwrap(), "hello");
}

#[test]
fn the_hubs_key_lets_in_and_a_wrong_one_does_not() {
    let (fixture, putter) = (Fixture::new(), Putter::new());
    let mut command = sockeye();
    command.args(["up", "--quiet", "--uploads", "--join-key", "abcdefghijkl"]).arg(fixture.share());
    command.args(["--lan", "--port", "0", "--ipv4", "--addr", "127.0.0.1"]);
    command.args(["--without", "files.tcp", "--without", "echo", "--without", "clock"]);
    let server = Server::start(&mut command, 1);
    let url = format!("http://127.0.0.1:{}/", server.http().port());
    putter.file("a", "x");
    putter.file("large.bin", pattern(9_000_000));
    putter.put(&["a", "large.bin", &url]).assert_ended(1, "the hub wants its key");
    putter.put(&["a", &url, "--key", "wrong-wrong"]).assert_ended(1, "does not take this key");
    assert!(contents(&fixture.share()).len() == 1 && !fixture.path("a").exists());
    putter.put(&["a", "large.bin", &format!("{url}#k=abcdefghijkl")]).assert_well();
    putter.put(&["a", "large.bin", &format!("{url}again/")]).assert_well();
    assert_eq!(contents(&fixture.path("again")).len(), 2);
    let get = crate::support::run(sockeye().args([
        "get",
        &format!("{url}a"),
        "-o",
        "-",
        "--key",
        "abcdefghijkl",
    ]));
    assert_eq!(done(get).stdout, "x");
}
