//! The ways in: the key with a request, the form, the cookie; and the way out.

use serde_json::{Value, json};

use crate::hub::{Hub, JSON, KEY, PAGE};
use crate::support::{curl, run};

/// What is answered whoever asks.
const FREE: [&str; 4] = ["/-/health", "/-/join", "/-/api/clock", "/-/api/echo?message=x"];
const CLOSED: [&str; 11] = [
    "/",
    "/a.txt",
    "/none",
    "/-/",
    "/-/browse/",
    "/-/api/list/",
    "/-/api/hub",
    "/-/api/here",
    "/-/api/invite",
    "/-/invite.svg",
    "/-/metrics",
];

#[test]
fn without_the_key_nothing_is_told_but_that_it_is_wanted() {
    let hub = Hub::new();
    let visitor = hub.visitor();
    for path in FREE {
        let answer = visitor.get(path);
        assert_ne!(answer.status, 401, "{path}: {}", answer.text());
    }
    assert_eq!(visitor.get("/-/health").text(), "ok\n");
    for path in CLOSED {
        let answer = visitor.get(path);
        assert_eq!(answer.status, 401, "{path}: {}", answer.text());
        let told = answer.text();
        assert!(!told.contains("a.txt") && !told.contains("hello"), "{path}: {told}");
        assert_eq!(visitor.ask("HEAD", path, &[], "").status, 401, "{path}");
    }
    for (method, path) in [
        ("PUT", "/new"),
        ("POST", "/new"),
        ("POST", "/"),
        ("MKCOL", "/new/"),
        ("POST", "/-/leave"),
        ("POST", "/-/api/receiving"),
        ("POST", "/-/api/key"),
        ("POST", "/-/api/guests/g1/out"),
        ("PATCH", "/-/upload/x"),
        ("HEAD", "/-/upload/x"),
        ("DELETE", "/-/upload/x"),
        ("POST", "/-/none"),
    ] {
        let answer = visitor.ask(method, path, &[], "{}");
        assert_eq!(answer.status, 401, "{method} {path}");
        answer.the("www-authenticate");
    }
    assert_eq!(visitor.ask("DELETE", "/a.txt", &[], "").status, 405);
    assert!(!hub.fixture.path("new").exists());
}

/// Basic would have a browser ask for a user and a password before the page can ask for the key.
#[test]
fn a_program_is_told_of_basic_and_a_browser_is_shown_the_way_in() {
    let hub = Hub::new();
    let (program, browser) = (hub.visitor(), hub.visitor().browser());
    let answer = program.get("/a.txt");
    let challenge = "Basic realm=\"Sockeye\", Bearer realm=\"Sockeye\"";
    assert_eq!(answer.the("www-authenticate"), challenge);
    assert!(answer.text().contains("Authorization: Bearer KEY"), "{}", answer.text());
    let script = browser.ask("GET", "/-/api/hub", &[JSON], "");
    assert_eq!((script.status, script.the("www-authenticate")), (401, "Bearer realm=\"Sockeye\""));
    assert_eq!(script.json()["error"], "The key is wanted");
    for path in ["/", "/a.txt", "/deep/in/side"] {
        let page = browser.ask("GET", path, &[PAGE], "");
        assert_eq!((page.status, page.the("www-authenticate")), (401, "Bearer realm=\"Sockeye\""));
        assert!(page.text().contains("action=\"/-/join\""), "{path}: {}", page.text());
        assert_eq!(page.the("cache-control"), "no-store", "{path}");
    }
}

#[test]
fn the_key_lets_in_with_each_request_as_bearer_or_as_any_users_password() {
    let hub = Hub::new();
    for (authorization, is_right) in [
        (format!("Bearer {KEY}"), true),
        (format!("bearer {}", KEY.to_uppercase()), true),
        // ":spawning-salmon", "ana:spawning-salmon"
        ("Basic OnNwYXduaW5nLXNhbG1vbg==".to_owned(), true),
        ("Basic YW5hOnNwYXduaW5nLXNhbG1vbg==".to_owned(), true),
        // "spawning-salmon:" and "spawning-salmon"
        ("Basic c3Bhd25pbmctc2FsbW9uOg==".to_owned(), false),
        ("Basic c3Bhd25pbmctc2FsbW9u".to_owned(), false),
        (format!("Digest {KEY}"), false),
        (KEY.to_owned(), false),
        ("Bearer".to_owned(), false),
    ] {
        let visitor = hub.visitor().says("Authorization", &authorization);
        let answer = visitor.get("/a.txt");
        let status = if is_right { 200 } else { 401 };
        assert_eq!(answer.status, status, "{authorization}: {}", answer.text());
        assert_eq!(answer.field("www-authenticate").is_some(), !is_right, "{authorization}");
    }
    let twice = hub.visitor().bearer(KEY).bearer(KEY);
    assert_eq!(twice.get("/a.txt").status, 401, "of two, nobody knows which was meant");
    for arguments in [&["-u", &format!(":{KEY}")][..], &["-u", &format!("ana:{KEY}")]] {
        let output = run(curl().args(arguments).arg(hub.server.url("/a.txt")));
        assert_eq!(output.stdout, b"hello", "{arguments:?}");
        let sent = run(curl().args(arguments).args(["-T", "-"]).arg(hub.server.url("/sent")));
        assert!(sent.stdout.starts_with(b"s") || sent.stdout.starts_with(b"/sent"), "{sent:?}");
    }
    let wrong = hub.visitor().bearer("another-key").get("/a.txt");
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains("not the key"), "{}", wrong.text());
    wrong.the("www-authenticate");
}

#[test]
fn the_raw_wire_wants_the_key_before_the_name() {
    let hub = Hub::new();
    assert_eq!(hub.server.raw(format!("{KEY}/a.txt\n").as_bytes()), b"hello");
    let upper = KEY.to_uppercase();
    assert_eq!(hub.server.raw(format!("{upper}/a.txt").as_bytes()), b"hello");
    for name in ["a.txt\n", "/a.txt\n", "another-key/a.txt\n", "\n", &format!("{KEY}\n")] {
        let told = String::from_utf8(hub.server.raw(name.as_bytes())).unwrap();
        assert!(told.to_lowercase().starts_with("error: "), "{name:?}: {told}");
        assert!(!told.contains("hello"), "{name:?}: {told}");
    }
}

#[test]
fn joining_gives_a_cookie_that_only_this_hub_gets_and_no_script() {
    let hub = Hub::new();
    let port = hub.server.http().port();
    let answer = hub.visitor().tries_to_join(KEY);
    assert_eq!((answer.status, answer.field("location")), (204, None));
    let cookie = answer.the("set-cookie");
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    let token =
        pair.strip_prefix(&format!("sockeye-{port}=")).unwrap_or_else(|| panic!("{cookie}"));
    assert_eq!(token.len(), 45, "{cookie}");
    assert!(!cookie.contains(KEY), "{cookie}");
    let mut attributes: Vec<&str> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=31536000", "Path=/", "SameSite=Strict"]);
    let again = hub.visitor().tries_to_join(KEY);
    assert_ne!(again.the("set-cookie").split(';').next(), Some(pair), "each guest has another");
    let guest = hub.visitor().says("Cookie", &format!("theme=dark; {pair}; x=y"));
    assert_eq!(guest.get("/a.txt").text(), "hello");
    assert_eq!(guest.ask("PUT", "/sent", &[], "x").status, 201);
}

#[test]
fn a_form_without_scripts_leads_to_the_page_and_a_wrong_key_back_to_the_form() {
    let hub = Hub::new();
    let browser = hub.visitor().browser();
    let form = [PAGE, ("Content-Type", "application/x-www-form-urlencoded")];
    let joined = browser.ask("POST", "/-/join", &form, &format!("key={KEY}&name="));
    assert_eq!((joined.status, joined.the("location")), (303, "/"));
    let mut guest = browser.clone();
    guest.keep_cookie(&joined);
    let page = guest.ask("GET", "/", &[PAGE], "");
    assert!(page.status == 200 && page.text().contains("a.txt"), "{}", page.text());
    for body in ["key=another-key", "key=", "name=x", "", "key"] {
        // Each from an address of its own: these are guesses.
        let from = [127, 0, 1, body.len() as u8].into();
        let refused = browser.clone().from(from).ask("POST", "/-/join", &form, body);
        assert_eq!(refused.status, 401, "{body:?}");
        assert_eq!(refused.field("set-cookie"), None, "{body:?}");
        assert_eq!(refused.the("www-authenticate"), "Bearer realm=\"Sockeye\"", "{body:?}");
        assert!(refused.text().contains("that is not the key"), "{}", refused.text());
        assert!(!refused.text().contains("another-key"), "{}", refused.text());
    }
    let told = browser.clone().from([127, 0, 2, 1].into()).tries_to_join("another-key");
    assert_eq!((told.status, &told.json()["status"]), (401, &json!(401)));
    let long = format!("key={}", "x".repeat(20_000));
    assert_eq!(browser.ask("POST", "/-/join", &form, &long).status, 413);
}

#[test]
fn people_may_type_the_key_in_groups_and_in_capitals() {
    let hub = Hub::with(&["--new-key"]);
    let key = hub.kept_key();
    assert_eq!(key.len(), 12, "{key}");
    let typed = [
        key.to_uppercase(),
        format!("{}-{}-{}", &key[..4], &key[4..8], &key[8..]),
        format!("+{}+{}%20{}%0D%0A", &key[..4], &key[4..8], &key[8..]),
    ];
    for typed in typed {
        assert_eq!(hub.visitor().tries_to_join(&typed).status, 204, "{typed}");
    }
    let own = Hub::new();
    let grouped = KEY.replace('-', "");
    assert_eq!(own.visitor().tries_to_join(&grouped).status, 401, "its hyphen is its own");
}

#[test]
fn the_cookies_of_two_hubs_do_not_mix() {
    let (one, other) = (Hub::new(), Hub::with(&["--join-key", "another-salmon"]));
    let (at_one, at_other) = (one.guest(KEY), other.guest("another-salmon"));
    // A browser sends all cookies of a machine to each of its ports.
    let both = format!("{}; {}", at_one.cookie(), at_other.cookie());
    assert_eq!(one.visitor().says("Cookie", &both).get("/a.txt").status, 200);
    assert_eq!(other.visitor().says("Cookie", &both).get("/a.txt").status, 200);
    assert_eq!(other.visitor().says("Cookie", at_one.cookie()).get("/a.txt").status, 401);
    let token = at_one.cookie().split_once('=').unwrap().1;
    let renamed = format!("sockeye-{}={token}", other.server.http().port());
    assert_eq!(other.visitor().says("Cookie", &renamed).get("/a.txt").status, 401, "renamed");
    let (id, _proof) = token.split_once('.').unwrap();
    for forged in [format!("{id}."), format!("{id}.{id}"), id.to_owned(), "x".repeat(45)] {
        let cookie = format!("sockeye-{}={forged}", one.server.http().port());
        assert_eq!(one.visitor().says("Cookie", &cookie).get("/a.txt").status, 401, "{forged}");
    }
}

#[test]
fn who_leaves_is_no_longer_here_and_has_no_cookie() {
    let hub = Hub::new();
    let (stays, leaves) = (hub.guest(KEY), hub.guest(KEY));
    let left = leaves.post("/-/leave", "");
    assert_eq!(left.status, 204);
    let port = hub.server.http().port();
    let cookie = left.the("set-cookie");
    assert!(cookie.starts_with(&format!("sockeye-{port}=; Path=/; Max-Age=0;")), "{cookie}");
    let here = stays.get("/-/api/here").json();
    assert_eq!(here["guests"].as_array().map(Vec::len), Some(1), "{here}");
}

#[test]
fn what_a_visitor_may_is_told_to_the_page() {
    let told = |hub: &Hub, guest: bool| {
        let visitor = if guest { hub.guest(KEY) } else { hub.visitor() };
        let mut access = visitor.get("/-/api/hub").json()["access"].take();
        let id = access["guest"].take();
        assert_eq!(id.is_string(), access["may_write"] == json!(true), "{id}");
        access
    };
    let access = |wanted: &str, may_write: bool| -> Value {
        json!({"wanted": wanted, "may_read": true, "may_write": may_write,
               "is_host": may_write, "guest": null, "tls": false})
    };
    assert_eq!(told(&Hub::new(), true), access("key", true));
    assert_eq!(told(&Hub::with(&["--open"]), false), access("nothing", true));
    assert_eq!(told(&Hub::with(&[]), false), access("nothing", true));
    let to_write = Hub::with(&["--open=read"]);
    assert_eq!(told(&to_write, false), access("key to write", false));
}

#[test]
fn open_wants_no_key_and_open_to_read_wants_it_for_the_rest() {
    let open = Hub::with(&["--open", "--uploads"]);
    let visitor = open.visitor();
    assert_eq!(visitor.ask("PUT", "/new", &[], "x").status, 201);
    assert_eq!(open.server.raw(b"a.txt\n"), b"hello");
    for path in ["/-/api/invite", "/-/invite.svg"] {
        assert_eq!(visitor.get(path).status, 404, "{path}");
    }
    assert_eq!(visitor.post("/-/api/key", "{}").status, 404);
    assert_eq!(visitor.tries_to_join(KEY).status, 404);
    assert!(!open.data().exists(), "no key was needed, and none was made");

    let to_read = Hub::with(&["--open=read", "--uploads"]);
    let visitor = to_read.visitor();
    assert_eq!(visitor.get("/a.txt").text(), "hello");
    assert_eq!(visitor.get("/-/api/list/").status, 200);
    assert_eq!(to_read.server.raw(b"a.txt\n"), b"hello");
    for (method, path) in
        [("PUT", "/new"), ("POST", "/new"), ("MKCOL", "/new/"), ("POST", "/-/api/receiving")]
    {
        let answer = visitor.ask(method, path, &[], "");
        assert_eq!(answer.status, 401, "{method} {path}");
        assert!(answer.text().contains("to change anything"), "{}", answer.text());
    }
    for path in ["/-/api/invite", "/-/invite.svg"] {
        assert_eq!(visitor.get(path).status, 403, "{path}");
    }
    let key = to_read.kept_key();
    assert_eq!(visitor.bearer(&key).ask("PUT", "/new", &[], "x").status, 201);
}

#[test]
fn over_tls_the_cookie_is_for_tls_alone() {
    let hub = Hub::new();
    let fixture = &hub.fixture;
    let mut command = crate::support::sockeye();
    command.arg("up").arg(fixture.share()).args(["--quiet", "--tls", "--join-key", KEY]);
    command.args(["--on", "files=https://127.0.0.1:0", "--without", "files.tcp"]);
    command.args(["--without", "echo", "--without", "clock", "--data"]).arg(hub.data());
    let server = crate::support::Server::start(&mut command, 1);
    let at = server.lines[0].strip_prefix("listening on ").unwrap();
    let form = format!("key={KEY}");
    let output = run(curl().args(["-k", "-i", "-d", &form]).arg(format!("{at}/-/join")));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.to_lowercase().contains("; httponly; samesite=strict; secure"), "{told}");
}
