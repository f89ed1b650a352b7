//! The key: how it is given, to whom it is told, and where it never is.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use crate::fake::{Fake, Next, field};
use crate::support::{run, sockeye};
use crate::{Done, Putter, done};

const KEY: &str = "abcdefghijkl";
const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

/// A hub that wants a key, which may be changed.
fn hub() -> (Fake, Arc<Mutex<String>>) {
    let key = Arc::new(Mutex::new(KEY.to_owned()));
    let wanted = Arc::clone(&key);
    let fake = Fake::new(move |_, head, peer| {
        peer.body(head);
        let right = format!("Bearer {}", wanted.lock().unwrap());
        if field(head, "Authorization") == Some(&right) {
            peer.say(CREATED);
        } else {
            peer.answer("401 No", "Content-Type: text/plain\r\n", "error: key wanted\n");
        }
        Next::Keep
    });
    (fake, key)
}

fn putter() -> Putter {
    let putter = Putter::new();
    putter.file("a", "x");
    putter.file("b", "x");
    putter
}

fn put_with(putter: &Putter, arguments: &[&str], variable: &str) -> Done {
    done(run(putter.command(arguments).env("SOCKEYE_KEY", variable)))
}

#[test]
fn it_is_given_by_a_flag_a_variable_or_the_link() {
    let (hub, _) = hub();
    let url = hub.url("/");
    putter().put(&["a", &url, "--key", KEY]).assert_well();
    put_with(&putter(), &["a", "b", &url], KEY).assert_well();
    let link = format!("{url}#k={KEY}");
    for done in
        [putter().put(&["a", &link, "--wire"]), put_with(&putter(), &["a", &link], "aaaabbbbcccc")]
    {
        done.assert_well();
        assert!(!done.stderr.contains(KEY), "{}", done.stderr);
    }
    for head in hub.heads() {
        assert!(!head.lines().next().unwrap().contains('#'), "{head}");
    }
}

#[test]
fn without_it_the_hub_s_wish_is_said_once_and_nothing_more_is_sent() {
    let (hub, _) = hub();
    let putter = putter();
    for i in 0..100 {
        putter.file(format!("many/{i}"), "x");
    }
    let one = putter.put(&["a", &hub.url("/")]);
    one.assert_ended(1, "the hub wants its key: --key KEY or SOCKEYE_KEY\n");
    putter.put(&["many", &hub.url("/")]).assert_ended(1, "the hub wants its key");
    assert!(hub.heads().len() < 10, "{}", hub.heads().len());
}

#[test]
fn a_wrong_one_is_told_once() {
    let (hub, _) = hub();
    let putter = putter();
    let done = putter.put(&["a", "b", &hub.url("/"), "--key", "wrong-wrong"]);
    done.assert_ended(1, "does not take this key");
    assert_eq!(hub.heads().len(), 1, "wrong ones are counted there");
    assert!(!done.stderr.contains("wrong-wrong"), "{}", done.stderr);
}

#[test]
fn one_that_was_taken_is_remembered_for_that_hub_alone() {
    let (hub, key) = hub();
    let (other, _) = self::hub();
    let putter = putter();
    putter.put(&["a", &hub.url("/"), "--key", KEY]).assert_well();
    let kept = putter.path("data-home/sockeye/keys");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), format!("{} {KEY}\n", hub.url("")));
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    putter.put(&["a", &hub.url("/")]).assert_well();
    putter.put(&["a", &other.url("/")]).assert_ended(1, "the hub wants its key");
    let get = run(sockeye()
        .args(["get", &hub.url("/x"), "-o", "-"])
        .env("XDG_DATA_HOME", putter.path("data-home")));
    assert_eq!(get.status.code(), Some(0), "{}", String::from_utf8_lossy(&get.stderr));
    *key.lock().unwrap() = "another-key".to_owned();
    let refused = putter.put(&["a", &hub.url("/")]);
    refused.assert_ended(1, "it is forgotten");
    refused.assert_ended(1, "--key KEY or SOCKEYE_KEY");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "");
    assert!(field(other.heads().last().unwrap(), "Authorization").is_none());
}

#[test]
fn with_ephemeral_nothing_is_remembered() {
    let (hub, _) = hub();
    let putter = putter();
    putter.put(&["a", &hub.url("/"), "--key", KEY, "--ephemeral"]).assert_well();
    assert!(!putter.path("data-home").exists());
    putter.put(&["a", &hub.url("/"), "--key", KEY, "--data", "elsewhere"]).assert_well();
    assert!(putter.path("elsewhere/keys").exists() && !putter.path("data-home").exists());
}

/// The server is of this user and on a loopback address, as this machine's own hub is.
#[test]
fn this_machine_s_own_hub_is_told_its_own_key() {
    let (hub, _) = hub();
    let putter = putter();
    putter.file("data-home/sockeye/key", format!("{KEY}\n"));
    putter.put(&["a", "b", &hub.url("/")]).assert_well();
    let heads = hub.heads();
    assert_eq!(field(&heads[0], "Authorization"), None, "it is told when it is asked for");
    assert!(!putter.path("data-home/sockeye/keys").exists(), "it stands there already");
}

#[test]
fn no_redirect_leads_it_to_somebody_else() {
    let stranger = Fake::saying(CREATED);
    let to = stranger.url("/stolen");
    let hub = Fake::new(move |_, head, peer| {
        peer.body(head);
        peer.answer("307 Elsewhere", &format!("Location: {to}\r\n"), "");
        Next::Keep
    });
    putter().put(&["a", &hub.url("/x"), "--key", KEY]).assert_well();
    let get = run(sockeye().args(["get", &hub.url("/x"), "-o", "-", "--key", KEY]));
    assert_eq!(get.status.code(), Some(0));
    assert_eq!(field(&hub.heads()[0], "Authorization"), Some("Bearer abcdefghijkl"));
    for head in stranger.heads() {
        assert_eq!(field(&head, "Authorization"), None, "{head}");
    }
}

#[test]
fn no_output_holds_it() {
    let (hub, _) = hub();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let putter = putter();
    for url in [hub.url("/"), hub.url("/#k=abcdefghijkl"), format!("http://{closed}/#k={KEY}")] {
        for flags in [&["--wire"][..], &["--json"], &[]] {
            let arguments = [&["a", &url, "--key", KEY], flags].concat();
            let done = putter.put(&arguments);
            assert!(!done.stderr.contains(KEY) && !done.stdout.contains(KEY), "{}", done.stderr);
        }
    }
    let shown = putter.put(&["a", &hub.url("/"), "--key", KEY, "--wire"]);
    assert!(shown.stderr.contains("Authorization: …"), "{}", shown.stderr);
    assert!(shown.stderr.contains("-H \"Authorization: Bearer $SOCKEYE_KEY\""), "{}", shown.stderr);
    for wrong in ["http://h:99999/#k=abcdefghijkl", "#k=abcdefghijkl", "http://h/#k=abc"] {
        let done = putter.put(&["a", wrong]);
        assert_eq!(done.code, Some(2));
        assert!(!done.stderr.contains(KEY), "{}", done.stderr);
    }
}

#[test]
fn too_many_wrong_keys_are_said_and_not_waited_for() {
    let fake = Fake::new(|_, head, peer| {
        peer.body(head);
        let body =
            r#"{"status":429,"error":"x","detail":"too many wrong keys; try again in 60 s"}"#;
        peer.answer("429 No", "Retry-After: 60\r\nContent-Type: application/json\r\n", body);
        Next::Keep
    });
    let putter = putter();
    for things in [&["a"][..], &["a", "b"]] {
        let done = putter.put(&[things, &[&fake.url("/"), "--key", KEY]].concat());
        done.assert_ended(1, "try again in 60 s");
    }
    let get = run(sockeye().args(["get", &fake.url("/x"), "-o", "-", "--key", KEY]));
    assert_eq!(get.status.code(), Some(1));
    let said = String::from_utf8_lossy(&get.stderr).into_owned();
    assert!(said.contains("try again in 60 s"), "{said}");
}

#[test]
fn over_the_raw_wire_it_is_told_when_it_is_asked_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut asked = [0; 100];
            let n = stream.read(&mut asked).unwrap();
            let answer: &[u8] = match &asked[..n] {
                b"abcdefghijkl/a.txt" => b"hello",
                said if said.contains(&b'/') => b"error: wrong key\n",
                _ => b"error: key wanted\n",
            };
            stream.write_all(answer).unwrap();
        }
    });
    let get = |arguments: &[&str]| {
        let url = format!("tcp://{address}/a.txt");
        done(run(sockeye().args(["get", &url, "-o", "-"]).args(arguments)))
    };
    let right = get(&["--key", KEY, "--wire"]);
    assert_eq!((right.code, right.stdout.as_str()), (Some(0), "hello"));
    assert!(!right.stderr.contains(KEY) && right.stderr.contains("…/a.txt"), "{}", right.stderr);
    get(&[]).assert_ended(1, "the hub wants its key: --key KEY or SOCKEYE_KEY");
    get(&["--key", "wrong-wrong"]).assert_ended(1, "does not take this key");
}
