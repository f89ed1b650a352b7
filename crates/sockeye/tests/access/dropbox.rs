//! A box to drop files into: whoever has no key may put something there, and learns nothing of what
//! is there.

use crate::hub::{Hub, JSON, KEY, PAGE, Visitor};
use crate::support::Answer;

fn dropbox(more: &[&str]) -> Hub {
    let hub = Hub::with(&[&["--join-key", KEY, "--dropbox"], more].concat());
    hub.fixture.file("folder/inner.txt", "inner");
    hub
}

type Fields<'a> = &'a [(&'a str, &'a str)];

/// All that an answer tells, but for when it was given.
fn told(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let fields = answer.fields.iter().filter(|(name, _)| name != "date").cloned().collect();
    (answer.status, fields, answer.text())
}

#[test]
fn strangers_put_and_do_not_see() {
    let hub = dropbox(&[]);
    let stranger = hub.visitor();
    for (method, body) in [("PUT", "one"), ("POST", "another")] {
        let answer = stranger.ask(method, "/gift.txt", &[], body);
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(answer.text(), format!("received, {} bytes\n", body.len()));
        assert_eq!((answer.field("location"), answer.field("content-location")), (None, None));
        for path in ["/gift.txt", "/", "/a.txt", "/-/api/here", "/-/api/list/", "/-/api/hub"] {
            assert_eq!(stranger.get(path).status, 401, "{path}");
        }
    }
    assert_eq!(hub.server.raw(b"gift.txt\n").len(), b"error: key wanted\n".len());
    for (method, path, status) in [
        ("MKCOL", "/new/", 403),
        ("POST", "/-/api/receiving", 401),
        ("POST", "/-/api/key", 401),
        ("DELETE", "/gift.txt", 405),
        ("PUT", "/.hidden", 403),
        ("PUT", "/../x", 400),
    ] {
        assert_eq!(stranger.ask(method, path, &[], "").status, status, "{method} {path}");
    }
    let guest = hub.guest(KEY);
    assert_eq!(guest.get("/gift.txt").text(), "one");
    assert_eq!(guest.get("/gift%20(2).txt").text(), "another");
    let sent = guest.ask("PUT", "/own.txt", &[], "x");
    assert_eq!((sent.status, sent.the("location")), (201, "/own.txt"), "a guest is told all");
}

/// Whatever name a stranger tries, the answer is the same whether something has it or not.
#[test]
fn strangers_never_learn_which_names_are_taken() {
    for flags in [&[][..], &["--overwrite"], &["--rename"]] {
        let hub = dropbox(flags);
        let stranger = hub.visitor();
        std::os::unix::fs::symlink("/tmp", hub.fixture.path("link")).unwrap();
        let tries: [(&str, &str, Fields<'_>); 9] = [
            ("/a.txt", "/free.txt", &[]),
            ("/folder", "/free-folder", &[]),
            ("/folder/inner.txt", "/free/inner.txt", &[]),
            ("/a.txt/below", "/free-file/below", &[]),
            ("/link/below", "/free-link/below", &[]),
            ("/link", "/free-too", &[]),
            ("/a.txt", "/free-2.txt", &[("If-None-Match", "*")]),
            ("/a.txt", "/free-3.txt", &[("If-Match", "*")]),
            ("/a.txt", "/free-4.txt", &[("Expect", "100-continue")]),
        ];
        for (taken, free, fields) in tries {
            for method in ["PUT", "POST"] {
                for body in ["hello", "other", ""] {
                    let fields = [fields, &[JSON]].concat();
                    let [told_taken, told_free] = [taken, free]
                        .map(|path| stranger.ask(method, path, &fields, body))
                        .map(|answer| told(&answer));
                    let what = format!("{method} {taken} and {free} {fields:?} {body:?} {flags:?}");
                    assert_eq!(told_taken, told_free, "{what}");
                }
            }
        }
        assert_eq!(hub.fixture.path("a.txt").metadata().unwrap().len(), 5);
        assert_eq!(std::fs::read(hub.fixture.path("a.txt")).unwrap(), b"hello");
        assert_eq!(std::fs::read(hub.fixture.path("folder/inner.txt")).unwrap(), b"inner");
    }
}

fn form(stranger: &Visitor, path: &str, names: &[&str]) -> Answer {
    let part = |name: &&str| {
        format!("--x\r\nContent-Disposition: form-data; name=f; filename={name}\r\n\r\nnew\r\n")
    };
    let body: String = names.iter().map(part).collect();
    let fields = [JSON, ("Content-Type", "multipart/form-data; boundary=x")];
    stranger.ask("POST", path, &fields, &(body + "--x--\r\n"))
}

#[test]
fn a_strangers_form_tells_no_names_either() {
    let hub = dropbox(&[]);
    let stranger = hub.visitor();
    for (path, names) in [("/", &["a.txt", "folder"][..]), ("/folder/", &["inner.txt"])] {
        let answer = form(&stranger, path, names);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let expected: Vec<_> =
            names.iter().map(|_| serde_json::json!({"bytes": 3, "outcome": "saved"})).collect();
        assert_eq!(answer.json(), serde_json::json!({ "files": expected }));
    }
    let [taken, free] = ["/folder", "/free"].map(|path| form(&stranger, path, &["a", "b"]));
    assert_eq!(told(&taken).0, told(&free).0, "{} and {}", taken.text(), free.text());
    assert_eq!(std::fs::read(hub.fixture.path("a.txt")).unwrap(), b"hello");
}

#[test]
fn a_strangers_file_in_pieces_is_not_another_persons() {
    let hub = dropbox(&["--overwrite"]);
    let (stranger, guest) = (hub.visitor(), hub.guest(KEY));
    let begin = [("Upload-Complete", "?0"), ("Upload-Length", "5")];
    let begun = stranger.ask("POST", "/a.txt", &begin, "");
    assert_eq!(begun.status, 201, "{}", begun.text());
    let fields = [
        ("Content-Type", "application/partial-upload"),
        ("Upload-Offset", "0"),
        ("Upload-Complete", "?1"),
    ];
    let ended = stranger.ask("PATCH", begun.the("location"), &fields, "HELLO");
    assert_eq!((ended.status, ended.field("content-location")), (200, None));
    assert_eq!(std::fs::read(hub.fixture.path("a.txt")).unwrap(), b"hello");
    // And a guest's may not be ended by a stranger, who may not write over what is there.
    let begun = guest.ask("POST", "/a.txt", &begin, "");
    assert_eq!(stranger.ask("PATCH", begun.the("location"), &fields, "HELLO").status, 404);
    assert_eq!(guest.ask("PATCH", begun.the("location"), &fields, "HELLO").status, 200);
    assert_eq!(std::fs::read(hub.fixture.path("a.txt")).unwrap(), b"HELLO");
}

#[test]
fn a_strangers_browser_is_shown_where_to_drop_and_nothing_else() {
    let hub = dropbox(&[]);
    let browser = hub.visitor().browser();
    let page = browser.ask("GET", "/", &[PAGE], "");
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(!page.text().contains("a.txt") && !page.text().contains("inner"), "{}", page.text());
    assert_eq!(page.field("set-cookie"), None);
    assert_eq!(browser.ask("GET", "/folder/", &[PAGE], "").status, 401);
    // Turned off, the way in is all that is left.
    let host = hub.guest(KEY);
    assert_eq!(host.post("/-/api/receiving", r#"{"on": false}"#).status, 200);
    assert_eq!(browser.ask("GET", "/", &[PAGE], "").status, 401);
    assert_eq!(hub.visitor().ask("PUT", "/gift", &[], "x").status, 401);
    assert_eq!(host.post("/-/api/receiving", r#"{"on": true}"#).status, 200);
    assert_eq!(hub.visitor().ask("PUT", "/gift", &[], "x").status, 200);
}

#[test]
fn a_box_that_everybody_can_see_into_is_refused() {
    let fixture = crate::support::Fixture::new();
    for flags in [&["--dropbox"][..], &["--dropbox", "--open"]] {
        let output = crate::support::run(&mut crate::hub::up(&fixture, flags));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains("--dropbox is for those who have no key"), "{stderr}");
    }
}
