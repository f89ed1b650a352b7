//! What is found here: files, folders, links, and what is none of these.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use crate::Putter;
use crate::fake::{Fake, Next, asked, field};
use crate::support::pattern;

const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

#[test]
fn what_is_not_sent_is_said_and_the_rest_is_sent() {
    let fake = Fake::saying(CREATED);
    let putter = Putter::new();
    putter.file("f/a", "x");
    putter.file("f/.hidden", "x");
    putter.file("secret", "x");
    std::fs::create_dir(putter.path("f/empty")).unwrap();
    symlink("a", putter.path("f/link")).unwrap();
    symlink("../secret", putter.path("f/out")).unwrap();
    symlink("empty", putter.path("f/folder")).unwrap();
    symlink("none", putter.path("f/nowhere")).unwrap();
    let _listener = UnixListener::bind(putter.path("f/socket")).unwrap();
    let done = putter.put(&["f", &fake.url("/"), "--json"]);
    done.assert_well();
    for (name, why) in [
        ("f/socket", "a socket"),
        ("f/out", "a link that leads out of the folder"),
        ("f/folder", "a link to a folder"),
        ("f/nowhere", "a link that leads nowhere"),
    ] {
        let line = format!("{name} is left out: {why}\n");
        assert!(done.stderr.contains(&line), "{line} in {}", done.stderr);
        let of_it = |said: &&serde_json::Value| said["path"] == name;
        let json = done.json();
        assert_eq!(json.iter().find(of_it).unwrap()["outcome"], "left out", "{json:?}");
    }
    let mut requests = fake.requests();
    requests.retain(|line| !line.starts_with("HEAD"));
    requests.sort();
    assert_eq!(requests, ["MKCOL /f/empty/", "PUT /f/.hidden", "PUT /f/a", "PUT /f/link"]);
}

#[test]
fn what_cannot_be_read_is_exit_2_and_the_rest_is_sent() {
    if rustix::process::geteuid().is_root() {
        // Whoever may read everything is sent what has gone since it was found.
        return what_goes_meanwhile_is_exit_2();
    }
    let fake = Fake::saying(CREATED);
    let putter = Putter::new();
    putter.file("f/a", "x");
    let closed = putter.file("f/closed", "x");
    std::fs::set_permissions(closed, std::fs::Permissions::from_mode(0o0)).unwrap();
    putter.put(&["f", &fake.url("/")]).assert_ended(2, "f/closed: it cannot be read");
    assert!(fake.requests().contains(&"PUT /f/a".to_owned()));
}

fn what_goes_meanwhile_is_exit_2() {
    let putter = Putter::new();
    putter.file("f/a", "x");
    let gone = putter.file("f/b", "x");
    let fake = Fake::new(move |_, head, peer| {
        // The question that comes before all files.
        if asked(head).0 == "HEAD" {
            std::fs::remove_file(&gone).unwrap();
        }
        peer.body(head);
        peer.say(CREATED);
        Next::Keep
    });
    let done = putter.put(&["f", &fake.url("/")]);
    done.assert_ended(2, "f/b: it cannot be read");
    assert!(fake.requests().contains(&"PUT /f/a".to_owned()));
}

#[test]
fn a_file_that_changes_while_it_is_sent_never_looks_whole() {
    let length = 30_000_000;
    for grows in [false, true] {
        let putter = Putter::new();
        let path = putter.file("a.bin", pattern(length));
        let (sender, received) = channel();
        let sender = Mutex::new(sender);
        let fake = Fake::new(move |_, head, peer| {
            if asked(head).0 == "POST" {
                peer.say("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n");
                return Next::Keep;
            }
            assert_eq!(field(head, "Content-Length"), Some(length.to_string().as_str()));
            peer.say("HTTP/1.1 100 Continue\r\n\r\n");
            let first = peer.bytes(100_000).len();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            if grows {
                file.set_len(length as u64 + 1).unwrap();
            } else {
                use std::os::unix::fs::FileExt as _;
                file.write_at(b"other", 0).unwrap();
            }
            // The clock of time stamps may tick in milliseconds.
            let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
            file.set_modified(later).unwrap();
            sender.lock().unwrap().send(first + peer.bytes(length - first).len()).unwrap();
            Next::Close
        });
        let done = putter.put(&["a.bin", &fake.url("/")]);
        done.assert_ended(4, "a.bin: it changed while it was sent");
        let arrived = received.recv().unwrap();
        assert!(arrived < length, "{arrived} of {length} bytes arrived");
    }
}

#[test]
fn wrong_usage_is_exit_2_before_anything_is_sent() {
    let fake = Fake::saying(CREATED);
    let putter = Putter::new();
    putter.file("a", "x");
    putter.file("sub/a", "x");
    let url = fake.url("/");
    for (arguments, part) in [
        (&["none", url.as_str()][..], "cannot read none"),
        (&["a", "sub/a", &url], "one name"),
        (&["a", "-", &url], "standard input"),
        (&["/dev/null", &url], "neither a file nor a folder"),
        (&["a"], "URL"),
        (&["a", "gopher://h/"], "gopher"),
        (&["a", "http://me:pw@h/"], "no user name"),
        (&["a", &url, "--key", "short"], "8 to 64"),
    ] {
        let done = putter.put(arguments);
        done.assert_ended(2, part);
    }
    assert!(fake.heads().is_empty(), "{:?}", fake.heads());
}
