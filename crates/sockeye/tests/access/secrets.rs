//! What is never shown of a key or a cookie: in the process list, in the log, in answers.

use crate::hub::{FIREFOX, Hub, JSON, KEY, PAGE};
use crate::support::{Fixture, Http, Server, sockeye};

#[test]
fn the_process_list_shows_no_key() {
    let fixture = Fixture::new();
    let with_value = format!("--join-key={KEY}");
    for flags in [&["--join-key", KEY][..], &[&with_value]] {
        for verb in [&["up"][..], &["serve", "files"]] {
            let mut command = sockeye();
            command.args(verb).arg(fixture.share()).arg("--quiet").args(flags);
            if verb == ["up"] {
                command.args(["--on", "files=http://127.0.0.1:0", "--without", "files.tcp"]);
                command.args(["--without", "echo", "--without", "clock"]);
                command.arg("--data").arg(fixture.beside("data"));
            } else {
                command.args(["--on", "http://127.0.0.1:0"]);
            }
            let server = Server::start(&mut command, 1);
            let process = server.process.child.id();
            let arguments = std::fs::read(format!("/proc/{process}/cmdline")).unwrap();
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            assert!(arguments.contains(verb[0]), "{arguments}");
            assert!(!arguments.contains(KEY), "{arguments}");
            let mut http = Http::connect(server.http());
            let authorization = format!("Bearer {KEY}");
            assert_eq!(http.get("/", &[]).status, 401);
            assert_eq!(http.get("/", &[("Authorization", &authorization)]).status, 200);
        }
    }
}

#[test]
fn no_log_shows_a_key_a_cookie_or_a_guess() {
    const GUESS: &str = "spawning-salmoM";
    for flags in [
        &[][..],
        &["--wire"],
        &["--log", "json"],
        &["--log", "common"],
        &["--wire", "--log", "json"],
    ] {
        let fixture = Fixture::new();
        fixture.file("a.txt", "hello");
        let mut command = crate::hub::up(&fixture, &["--join-key", KEY, "--uploads"]);
        // `up` is quiet here, which would hide the log.
        let arguments: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
        let arguments = arguments.into_iter().filter(|argument| argument != "--quiet");
        command = sockeye();
        command.args(arguments).args(flags);
        let mut server = Server::start(&mut command, 1);
        let table: Vec<String> = std::iter::from_fn(|| server.next_line())
            .take_while(|line| !line.contains("Ctrl-C"))
            .collect();
        let port_of = |scheme: &str| -> u16 {
            let start = format!("{scheme}://127.0.0.1:");
            let mut lines = table.iter().filter_map(|line| line.split_once(&start));
            let (_, rest) = lines.next().unwrap_or_else(|| panic!("no {scheme} in {table:?}"));
            rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
        };
        let raw = match table.iter().find(|line| line.contains("nc ") || line.contains("tcp://")) {
            Some(line) if line.contains("tcp://") => Some(port_of("tcp")),
            _ => None,
        };
        let visitor = crate::hub::Visitor {
            at: ([127, 0, 0, 1], port_of("http")).into(),
            from: [127, 0, 0, 1].into(),
            fields: Vec::new(),
        };
        let mut guest = visitor.clone();
        guest.join(KEY);
        assert_eq!(guest.get("/a.txt").status, 200);
        assert_eq!(visitor.clone().bearer(KEY).get("/a.txt").status, 200);
        let basic = "Basic YW5hOnNwYXduaW5nLXNhbG1vbg==";
        assert_eq!(visitor.clone().says("Authorization", basic).get("/a.txt").status, 200);
        assert_eq!(visitor.clone().bearer(GUESS).get("/a.txt").status, 401);
        assert_eq!(visitor.tries_to_join(GUESS).status, 401);
        assert_eq!(guest.ask("PUT", "/new", &[], "x").status, 201);
        // Whoever mistakes the link may ask for it.
        guest.get(&format!("/?k={KEY}"));
        guest.get(&format!("/{KEY}"));
        let raw = raw.expect("a raw wire in the table");
        let at = ([127, 0, 0, 1], raw).into();
        assert_eq!(crate::support::exchange(at, format!("{KEY}/a.txt\n").as_bytes()), b"hello");
        assert_eq!(guest.post("/-/leave", "").status, 204);

        server.process.signal(rustix::process::Signal::INT);
        assert_eq!(server.process.wait().code(), Some(0));
        let log = server.process.stderr();
        assert!(log.contains("a.txt"), "{flags:?} logs what was asked: {log}");
        let token = guest.cookie().split_once('=').unwrap().1;
        for secret in [KEY, token, &token[23..], &basic[6..], GUESS] {
            assert!(!log.contains(secret), "{flags:?} shows {secret}: {log}");
        }
    }
}

#[test]
fn no_answer_repeats_a_key_or_a_cookie() {
    let hub = Hub::new();
    let guest = hub.guest(KEY);
    let token = guest.cookie().split_once('=').unwrap().1.to_owned();
    let visitors = [guest.clone(), hub.visitor().bearer(KEY), hub.visitor()];
    let answers = visitors.iter().flat_map(|visitor| {
        let visitor = visitor.clone().says("User-Agent", FIREFOX);
        let mut answers = Vec::new();
        for accept in [JSON, PAGE, ("Accept", "*/*")] {
            for path in [
                "/",
                "/a.txt",
                "/none",
                "/-/",
                "/-/browse/",
                "/-/join",
                "/-/api/hub",
                "/-/api/here",
                "/-/metrics",
                "/-/health",
                "/-/none",
                "/-/api/list/",
            ] {
                answers.push((path, visitor.ask("GET", path, &[accept], "")));
            }
            for (method, path) in [("PUT", "/new"), ("POST", "/a.txt"), ("MKCOL", "/made/")] {
                answers.push((path, visitor.ask(method, path, &[accept], "")));
            }
        }
        answers
    });
    for (path, answer) in answers {
        let whole = format!("{:?} {}", answer.fields, answer.text());
        assert!(!whole.contains(KEY) && !whole.contains(&token), "{path}: {whole}");
        if answer.the("content-type").starts_with("text/html") {
            assert_eq!(answer.the("referrer-policy"), "same-origin", "{path}");
        }
    }
    let joined = hub.visitor().tries_to_join(KEY);
    let cookies = joined.fields.iter().filter(|(name, _)| name == "set-cookie").count();
    assert_eq!(
        (cookies, joined.field("location"), joined.the("cache-control")),
        (1, None, "no-store")
    );
}
