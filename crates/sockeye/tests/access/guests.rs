//! Who is here, and what the person at the hub's own machine may do about it.

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::hub::{Hub, JSON, KEY, Visitor};
use crate::support::{Http, assert_same_bytes, pattern};

/// More than the sockets' buffers hold on their way.
const LARGE_BYTES: usize = 20 * 1024 * 1024;

fn here(visitor: &Visitor) -> Vec<Value> {
    visitor.get("/-/api/here").json()["guests"].as_array().unwrap().clone()
}

/// Fields that a proxy at the hub's machine adds.
const PASSED_ON: [(&str, &str); 4] = [
    ("X-Forwarded-For", "192.0.2.7"),
    ("Forwarded", "for=192.0.2.7"),
    ("X-Real-IP", "192.0.2.7"),
    ("Via", "1.1 proxy"),
];

#[test]
fn those_who_are_here_see_each_other_by_name_address_and_device() {
    let hub = Hub::new();
    let mut ana = hub.visitor().browser();
    ana.join(KEY);
    let script = hub.visitor().says("User-Agent", "curl/8.5.0").from([127, 0, 0, 9].into());
    let script = script.bearer(KEY);
    assert_eq!(script.get("/a.txt").status, 200);
    let guests = here(&ana);
    let shown = |guest: &Value| {
        let mut guest = guest.clone();
        for time in ["since", "last_seen"] {
            let time = guest[time].take();
            let text = time.as_str().unwrap();
            assert!(text.len() == 20 && text.ends_with('Z') && &text[10..11] == "T", "{text}");
        }
        guest
    };
    let expected = [
        json!({"id": "g1", "name": "Ana ß", "address": "127.0.0.1", "device": "Firefox on Linux",
               "since": null, "last_seen": null, "is_you": true, "is_host": true}),
        json!({"id": "g2", "name": "", "address": "127.0.0.9", "device": "curl",
               "since": null, "last_seen": null, "is_you": false, "is_host": true}),
    ];
    assert_eq!(guests.iter().map(shown).collect::<Vec<_>>(), expected);
    assert_eq!((ana.id(), script.id()), ("g1".into(), "g2".into()));
    let (_, proof) = ana.cookie().split_once('.').unwrap();
    let told = ana.get("/-/api/here").text();
    assert!(!told.contains(proof) && !told.contains(KEY), "{told}");
}

#[test]
fn a_name_is_kept_short_and_without_what_is_no_text() {
    let hub = Hub::new();
    let form = [JSON, ("Content-Type", "application/x-www-form-urlencoded")];
    for (name, kept) in [
        ("%20+Ana%20+", "Ana".to_owned()),
        ("a%0D%0Ab%00c%1B%5B31m", "abc[31m".to_owned()),
        (&"%F0%9F%90%9F".repeat(50), "🐟".repeat(40)),
        ("%3Cb%3E", "<b>".to_owned()),
        ("%FF", "\u{fffd}".to_owned()),
    ] {
        let body = format!("key={KEY}&name={name}");
        let joined = hub.visitor().ask("POST", "/-/join", &form, &body);
        assert_eq!(joined.status, 204, "{name}");
        let mut guest = hub.visitor();
        guest.keep_cookie(&joined);
        let own = here(&guest).into_iter().find(|guest| guest["is_you"] == true).unwrap();
        assert_eq!(own["name"].as_str(), Some(kept.as_str()), "{name}");
    }
}

#[test]
fn what_a_proxy_passed_on_is_not_from_the_hubs_own_machine() {
    let hub = Hub::new();
    let host = hub.guest(KEY);
    assert_eq!(host.get("/-/api/hub").json()["access"]["is_host"], true);
    for (name, value) in PASSED_ON {
        let guest = host.clone().says(name, value);
        assert_eq!(guest.get("/-/api/hub").json()["access"]["is_host"], false, "{name}");
        for path in ["/-/api/invite", "/-/invite.svg"] {
            assert_eq!(guest.get(path).status, 403, "{name} {path}");
        }
        for (path, body) in [
            ("/-/api/receiving", r#"{"on": false}"#),
            ("/-/api/key", "{}"),
            ("/-/api/guests/g1/out", "{}"),
        ] {
            assert_eq!(guest.post(path, body).status, 403, "{name} {path}");
        }
        assert_eq!(guest.ask("PUT", "/new", &[], "x").status / 100, 2, "{name} may still send");
    }
    assert_eq!(host.get("/-/api/invite").json()["key"], KEY);
    assert_eq!(host.get("/-/api/hub").json()["receiving"]["on"], true);
}

#[test]
fn the_host_turns_receiving_on_and_off() {
    let hub = Hub::with(&["--join-key", KEY]);
    let (host, put) = (hub.guest(KEY), |hub: &Hub| hub.guest(KEY).ask("PUT", "/new", &[], "x"));
    assert_eq!(put(&hub).status, 403);
    let on = host.post("/-/api/receiving", r#"{"on": true}"#);
    assert_eq!(
        (on.status, &on.json()["on"], &on.json()["existing"]),
        (200, &json!(true), &json!("refuse"))
    );
    assert_eq!(put(&hub).status, 201);
    let off = host.post("/-/api/receiving", r#"{"on": false}"#);
    assert_eq!((off.status, &off.json()["on"]), (200, &json!(false)));
    assert_eq!(put(&hub).status, 403);
    for body in ["", "on", "{}", r#"{"on": 1}"#, r#"{"on": "true"}"#] {
        assert_eq!(host.post("/-/api/receiving", body).status, 400, "{body}");
    }
    assert_eq!(host.post("/-/api/receiving", &" ".repeat(20_000)).status, 413);
    for (method, path, status) in [
        ("GET", "/-/api/receiving", 404),
        ("PUT", "/-/api/receiving", 405),
        ("POST", "/-/api/none", 404),
        ("POST", "/-/api/guests/none/out", 404),
    ] {
        assert_eq!(host.ask(method, path, &[], "").status, status, "{method} {path}");
    }
}

#[test]
fn a_new_key_is_for_newcomers_and_who_is_here_stays() {
    let hub = Hub::with(&["--new-key", "--uploads"]);
    let old = hub.kept_key();
    let (host, guest) = (hub.guest(&old), hub.guest(&old));
    let script = hub.visitor().bearer(&old);
    assert_eq!(script.get("/a.txt").status, 200);
    let told = host.post("/-/api/key", "{}").json();
    let new = told["key"].as_str().unwrap().to_owned();
    assert!(new != old && hub.kept_key() == new, "{told}");
    assert_eq!(host.get("/-/api/invite").json(), told);
    for stays in [&host, &guest] {
        assert_eq!(stays.get("/a.txt").text(), "hello");
    }
    assert_eq!(script.get("/a.txt").status, 401);
    assert_eq!(hub.visitor().tries_to_join(&old).status, 401);
    assert_eq!(hub.visitor().tries_to_join(&new).status, 204);
    assert_eq!(hub.server.raw(format!("{new}/a.txt\n").as_bytes()), b"hello");
    assert!(hub.server.raw(format!("{old}/a.txt\n").as_bytes()).starts_with(b"error: "));
}

#[test]
fn who_changes_the_key_that_they_came_with_is_told_the_new_one() {
    let hub = Hub::with(&["--new-key"]);
    let old = hub.kept_key();
    let script = hub.visitor().bearer(&old);
    let new = script.post("/-/api/key", "{}").json()["key"].as_str().unwrap().to_owned();
    assert_eq!((hub.kept_key(), script.get("/a.txt").status), (new.clone(), 401));
    assert_eq!(hub.visitor().bearer(&new).get("/a.txt").text(), "hello");
}

/// A transfer that has begun, of which some has come.
fn begun_download(guest: &Visitor) -> Http {
    let (mut http, request) = guest.request("GET", "/large", &[]);
    http.send(request);
    assert_eq!(http.answer_head().the("content-length"), LARGE_BYTES.to_string());
    http.rest_of(100_000);
    http
}

fn begun_upload(guest: &Visitor, path: &str) -> Http {
    let (mut http, request) = guest.request("PUT", path, &[("Content-Length", "1000000")]);
    http.send(request);
    http.send(pattern(500_000));
    http
}

#[test]
fn who_is_thrown_out_is_cut_off_and_cannot_come_back_and_the_others_stay() {
    let hub = Hub::with(&["--new-key", "--uploads"]);
    let key = hub.kept_key();
    let contents = pattern(LARGE_BYTES);
    hub.fixture.file("large", &contents);
    let (host, guest, other) = (hub.guest(&key), hub.guest(&key), hub.guest(&key));
    let id = guest.id();
    let (mut cut, mut whole) = (begun_download(&guest), begun_download(&other));
    let mut upload = begun_upload(&guest, "/cut");
    let begin = [("Upload-Complete", "?0")];
    let place = guest.ask("POST", "/pieces", &begin, "begun").the("location").to_owned();

    let answer = host.post(&format!("/-/api/guests/{id}/out"), "{}");
    assert_eq!(answer.status, 204, "{}", answer.text());

    let got = cut.rest().len();
    assert!(got < LARGE_BYTES - 100_000, "all {got} bytes of the download came");
    let mut told = Vec::new();
    let _ = upload.stream.read_to_end(&mut told);
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 401 "), "{told}");
    assert!(!hub.fixture.path("cut").exists());
    for visitor in [&guest, &hub.visitor().bearer(&key)] {
        assert_eq!(visitor.get("/a.txt").status, 401);
        assert_eq!(visitor.ask("HEAD", &place, &[], "").status, 401);
    }
    assert_eq!(hub.visitor().tries_to_join(&key).status, 401);
    assert_eq!(host.ask("HEAD", &place, &[], "").status, 404, "what it had begun is given up");

    assert_same_bytes(&whole.rest_of(LARGE_BYTES - 100_000), &contents[100_000..], "the other's");
    assert_eq!((other.get("/a.txt").status, host.get("/a.txt").status), (200, 200));
    assert!(!here(&host).iter().any(|guest| guest["id"] == id.as_str()));
    assert_eq!(host.post(&format!("/-/api/guests/{id}/out"), "{}").status, 404, "once is enough");
    let new = hub.kept_key();
    assert_ne!(new, key);
    assert_eq!(hub.visitor().tries_to_join(&new).status, 204, "with the new key anybody can");
}

/// A page asks all the time; none of its requests may slip in between.
#[test]
fn who_asks_while_being_thrown_out_is_out_as_well() {
    let hub = Hub::with(&["--new-key"]);
    let host = hub.guest(&hub.kept_key());
    for round in 0..15 {
        let guest = hub.guest(&hub.kept_key());
        let path = format!("/-/api/guests/{}/out", guest.id());
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let (mut http, request) = guest.request("GET", "/a.txt", &[]);
                    while !over.load(Ordering::Relaxed) {
                        http.send(&request);
                        http.answer();
                    }
                });
            }
            assert_eq!(host.post(&path, "{}").status, 204);
            let after = guest.get("/a.txt").status;
            over.store(true, Ordering::Relaxed);
            assert_eq!(after, 401, "round {round}");
        });
        assert_eq!(guest.get("/a.txt").status, 401, "round {round}");
    }
}

#[test]
fn an_open_hub_throws_nobody_out() {
    let hub = Hub::with(&["--open"]);
    let visitor = hub.visitor();
    let id = visitor.id();
    let answer = visitor.post(&format!("/-/api/guests/{id}/out"), "{}");
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert_eq!(visitor.get("/a.txt").status, 200);
}
