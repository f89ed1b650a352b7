//! Pages in a guest's browser: the hub's own may do what the guest may, and no other may do
//! anything, though the browser sends the cookie along.

use crate::hub::{Hub, KEY, Visitor};

/// Who makes a browser ask, by what three browsers then say. `OWN` stands for the hub's origin.
type Said = &'static [(&'static str, &'static str)];

const OWN: &str = "OWN";

/// Chrome and Firefox say Sec-Fetch-Site only to what they trust (https, and this machine); Safari
/// says it since 16.4.
const OWN_PAGE: [(&str, Said); 6] = [
    (
        "Chrome, fetch",
        &[
            ("Origin", OWN),
            ("Sec-Fetch-Site", "same-origin"),
            ("Sec-Fetch-Mode", "cors"),
            ("Sec-Fetch-Dest", "empty"),
        ],
    ),
    (
        "Chrome, a form",
        &[
            ("Origin", OWN),
            ("Sec-Fetch-Site", "same-origin"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-User", "?1"),
            ("Sec-Fetch-Dest", "document"),
        ],
    ),
    (
        "Firefox, fetch",
        &[("Origin", OWN), ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors")],
    ),
    ("Safari before 16.4", &[("Origin", OWN)]),
    ("at an address of the network", &[("Origin", OWN)]),
    ("typed by the user", &[("Sec-Fetch-Site", "none")]),
];

const OTHER_PAGES: [(&str, Said); 14] = [
    (
        "Chrome, another site's fetch",
        &[
            ("Origin", "http://evil.example"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Mode", "no-cors"),
        ],
    ),
    (
        "Chrome, another site's form",
        &[
            ("Origin", "https://evil.example"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Mode", "navigate"),
        ],
    ),
    (
        "Chrome, another port of this machine",
        &[("Origin", "http://127.0.0.1:1"), ("Sec-Fetch-Site", "same-site")],
    ),
    (
        "Chrome, a shared page in its sandbox",
        &[("Origin", "null"), ("Sec-Fetch-Site", "cross-site")],
    ),
    ("Chrome, over the network", &[("Origin", "http://evil.example")]),
    (
        "Firefox, another site's fetch",
        &[
            ("Origin", "http://evil.example"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Mode", "no-cors"),
        ],
    ),
    ("Firefox, a form of a data: page", &[("Origin", "null"), ("Sec-Fetch-Site", "cross-site")]),
    ("Firefox, over the network", &[("Origin", "null")]),
    ("Firefox, privacy.resistFingerprinting", &[("Sec-Fetch-Site", "cross-site")]),
    (
        "Safari, another site's form",
        &[("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")],
    ),
    ("Safari before 16.4", &[("Origin", "http://evil.example")]),
    ("Safari, a sandboxed frame", &[("Origin", "null")]),
    ("the other scheme", &[("Origin", "https://localhost")]),
    ("a value that is none", &[("Sec-Fetch-Site", "same-origin, cross-site")]),
];

/// All that changes something, with a body that would be right.
const CHANGES: [(&str, &str, &str); 11] = [
    ("PUT", "/put", "x"),
    ("POST", "/post", "x"),
    ("MKCOL", "/made/", ""),
    ("POST", "/-/join", "key=spawning-salmon"),
    ("POST", "/-/leave", ""),
    ("POST", "/-/api/receiving", r#"{"on": false}"#),
    ("POST", "/-/api/key", "{}"),
    ("POST", "/-/api/guests/g1/out", "{}"),
    ("PATCH", "/-/upload/x", "x"),
    ("DELETE", "/-/upload/x", ""),
    ("POST", "/-/none", ""),
];

fn saying(hub: &Hub, said: Said, who: &Visitor) -> Visitor {
    let own = format!("http://{}", hub.server.http());
    said.iter().fold(who.clone(), |who, (name, value)| {
        who.says(name, if *value == OWN { own.as_str() } else { value })
    })
}

#[test]
fn no_other_page_can_change_anything_whatever_the_browser_sends_along() {
    let hub = Hub::new();
    let guest = hub.guest(KEY).browser();
    for (who, said) in OTHER_PAGES {
        for visitor in [saying(&hub, said, &guest), saying(&hub, said, &hub.visitor().bearer(KEY))]
        {
            for (method, path, body) in CHANGES {
                let answer = visitor.ask(method, path, &[], body);
                assert_eq!(answer.status, 403, "{who}: {method} {path}");
                assert!(answer.text().contains("another site"), "{who}: {}", answer.text());
                for field in ["set-cookie", "access-control-allow-origin", "location"] {
                    assert_eq!(answer.field(field), None, "{who}: {method} {path}");
                }
            }
        }
    }
    assert_eq!(guest.get("/-/api/hub").json()["receiving"]["on"], true);
    assert_eq!(guest.get("/-/api/invite").json()["key"], KEY);
    let names: Vec<_> = std::fs::read_dir(hub.fixture.share()).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn the_hubs_own_page_does_what_its_user_may_in_each_browser() {
    for (who, said) in OWN_PAGE {
        let hub = Hub::new();
        let guest = saying(&hub, said, &hub.guest(KEY).browser());
        for ((method, path, body), status) in [
            (CHANGES[0], 201),
            (CHANGES[1], 200),
            (CHANGES[2], 201),
            (("POST", "/-/api/receiving", r#"{"on": true}"#), 200),
            (CHANGES[8], 404),
            (CHANGES[9], 404),
            (CHANGES[10], 404),
            (CHANGES[3], 204),
            (("POST", "/-/api/guests/g99/out", "{}"), 404),
            (CHANGES[6], 200),
            (CHANGES[4], 204),
        ] {
            let answer = guest.ask(method, path, &[], body);
            assert_eq!(answer.status, status, "{who}: {method} {path}: {}", answer.text());
        }
    }
}

/// A name that was made to lead to this address: its page is of the same origin to the browser.
#[test]
fn a_rebound_name_gets_nothing_with_or_without_the_key() {
    let hub = Hub::new();
    let paths =
        ["/", "/a.txt", "/-/join", "/-/api/hub", "/-/api/here", "/-/api/invite", "/-/health"];
    let reads = paths.map(|path| ("GET", path, ""));
    for (method, path, body) in CHANGES.into_iter().chain(reads) {
        for authorization in ["", &format!("Authorization: Bearer {KEY}\r\n")] {
            let mut http = crate::support::Http::connect(hub.server.http());
            http.send(format!(
                "{method} {path} HTTP/1.1\r\nHost: rebound.example:8080\r\n\
                 Origin: http://rebound.example:8080\r\nSec-Fetch-Site: same-origin\r\n\
                 {authorization}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ));
            let answer = http.answer();
            assert_eq!(answer.status, 421, "{method} {path}");
            assert_eq!(answer.field("set-cookie"), None, "{method} {path}");
        }
    }
}
