//! Groups: who may read what strangers may not, and what proves it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::passing::{asker, get};
use crate::support::{Fixture, Http, Server, exchange};

const JOIN_KEY: &str = "AAAABBBBCCCC";

fn key_file(fixture: &Fixture, text: &str) -> PathBuf {
    let file = fixture.beside(format!("{text}.key"));
    std::fs::write(&file, text).unwrap();
    file
}

/// A hub that wants a key, has a file, and belongs to a group.
fn keeper(fixture: &Fixture, flags: &[&str]) -> Server {
    fixture.file("x", "kept");
    let mut all = vec!["--join-key", JOIN_KEY];
    all.extend(flags);
    Server::files(&fixture.share(), &all)
}

/// What a client gets that asks a hub with these flags for a file of a keeper with those.
fn through(keepers: &[&str], askers: &[&str]) -> (u16, String) {
    let (there, here) = (Fixture::new(), Fixture::new());
    let sibling = keeper(&there, keepers);
    let url = sibling.url("");
    let server = asker(&here, &[url.trim_end_matches('/')], askers);
    let answer = get(&server, "/x", &[]);
    (answer.status, answer.field("proxy-status").unwrap_or_default().to_owned())
}

#[test]
fn members_read_by_the_groups_key_and_others_do_not() {
    let fixture = Fixture::new();
    let (key, other) =
        (key_file(&fixture, "the key of the group"), key_file(&fixture, "another key, as long"));
    let (key, other) = (key.to_str().unwrap(), other.to_str().unwrap());
    let lab = ["--group", "lab", "--group-key-file", key];
    assert_eq!(through(&lab, &lab).0, 200);
    for askers in [
        &["--group", "lab", "--group-key-file", other][..],
        &["--group", "lab"],
        &["--group", "another", "--group-key-file", key],
        &[],
    ] {
        let (status, why) = through(&lab, askers);
        assert_eq!(status, 504, "{askers:?}");
        assert!(why.contains("proxy_configuration_error"), "{askers:?}: {why}");
    }
}

#[test]
fn on_one_machine_the_groups_name_is_enough_where_it_has_no_key() {
    assert_eq!(through(&["--group", "lab"], &["--group", "lab"]).0, 200);
    assert_eq!(through(&["--group", "lab"], &["--group", "another"]).0, 504);
    assert_eq!(through(&["--group", "lab"], &[]).0, 504);
    assert_eq!(through(&[], &["--group", "lab"]).0, 504);
}

#[test]
fn to_be_a_sibling_lets_nobody_write_or_see_the_hubs_own() {
    let fixture = Fixture::new();
    let server = keeper(&fixture, &["--group", "lab", "--uploads"]);
    let mut http = Http::connect(server.http());
    let id = http.get("/-/api/sibling", &[]).json()["id"].as_str().unwrap().to_owned();
    let claim = format!("group=\"lab\", from=sockeye-aaaaaaaaaaaaa, to={id}");
    let claim = [("Sockeye-Sibling", claim.as_str())];
    assert_eq!(http.get("/x", &claim).text(), "kept");
    for path in ["/-/api/here", "/-/api/invite"] {
        assert!(matches!(http.get(path, &claim).status, 401 | 403), "{path}");
    }
    let put = format!(
        "PUT /new HTTP/1.1\r\nHost: {}\r\nSockeye-Sibling: {}\r\nContent-Length: 1\r\n\r\nx",
        server.http(),
        claim[0].1
    );
    assert!(exchange(server.http(), put.as_bytes()).starts_with(b"HTTP/1.1 401"));
    assert!(!fixture.path("new").exists());
}

/// Stands between two hubs, passes all on, and notes what the asker said.
fn listener_to(server: &Server) -> (String, Arc<Mutex<Vec<u8>>>) {
    let (listener, to) = (TcpListener::bind("127.0.0.1:0").unwrap(), server.http());
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
    let notes = Arc::clone(&heard);
    std::thread::spawn(move || {
        for mut from in listener.incoming().map_while(Result::ok) {
            let mut to = TcpStream::connect(to).unwrap();
            let (mut back, mut answers) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
            let notes = Arc::clone(&notes);
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(n @ 1..) = from.read(&mut piece) {
                    notes.lock().unwrap().extend_from_slice(&piece[..n]);
                    if to.write_all(&piece[..n]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, heard)
}

#[test]
fn what_a_member_said_counts_once_and_for_nothing_else() {
    let (there, here) = (Fixture::new(), Fixture::new());
    there.file("y", "secret");
    let key = key_file(&here, "the key of the group");
    let lab = ["--group", "lab", "--group-key-file", key.to_str().unwrap()];
    let sibling = keeper(&there, &lab);
    let (url, heard) = listener_to(&sibling);
    let server = asker(&here, &[&url], &lab);
    let got = get(&server, "/x", &[("Range", "bytes=0-1")]);
    assert_eq!((got.status, got.text().as_str()), (206, "ke"));
    let heard = String::from_utf8(heard.lock().unwrap().clone()).unwrap();
    let said = heard.split_inclusive("\r\n\r\n").find(|said| said.starts_with("GET /x")).unwrap();
    // The same again, and with anything in it changed.
    for changed in [
        said.to_owned(),
        said.replace("GET /x", "GET /y"),
        said.replace("GET /x", "HEAD /x"),
        said.replace("bytes=0-1", "bytes=0-3"),
        said.replace("count=2", "count=3"),
        said.replace("group=\"lab\"", "group=\"lab2\""),
    ] {
        let answer = exchange(sibling.http(), changed.as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 401"), "{changed}\n{answer}");
        assert!(!answer.contains("secret") && !answer.contains("kept"), "{answer}");
    }
    // No key of either kind went over the wire.
    for key in [JOIN_KEY, "the key of the group"] {
        assert!(!heard.contains(key), "{heard}");
    }
}

#[test]
fn wrong_flags_say_what_to_do() {
    let fixture = Fixture::new();
    let short = key_file(&fixture, "short");
    let gone = fixture.beside("gone").to_str().unwrap().to_owned();
    let share = fixture.share();
    let share = share.to_str().unwrap();
    for (flags, why) in [
        (vec!["--group", "a\"b"], "--group"),
        (vec!["--group", "lab", "--group-key-file", short.to_str().unwrap()], "head -c 32"),
        (vec!["--group", "lab", "--group-key-file", &gone], "No such file"),
        (vec!["--group", "lab", "--group-key-file", "/dev/zero"], "--group-key-file"),
        (vec!["--find-peers"], "--group"),
        (vec!["--peer", "http://127.0.0.1:1", "--peer", "http://127.0.0.1:1"], "twice"),
        (vec!["--peer", "http://127.0.0.1:1/films/"], "leave"),
    ] {
        let mut command = crate::support::sockeye();
        let output = crate::support::run(
            command.args(["serve", "files", share, "--on", "http://127.0.0.1:0"]).args(&flags),
        );
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(why), "{flags:?}: {said}");
    }
}
