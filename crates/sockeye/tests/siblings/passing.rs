//! What goes from a client to a sibling and back: which request, which head, which bytes.

use std::net::TcpListener;

use crate::puppet::{Puppet, eventually, missing};
use crate::support::{Answer, Fixture, Http, Server, assert_same_bytes, curl, pattern, run};

/// A hub that has nothing, and asks these.
pub(crate) fn asker(fixture: &Fixture, peers: &[&str], flags: &[&str]) -> Server {
    let mut all: Vec<&str> = peers.iter().flat_map(|peer| ["--peer", peer]).collect();
    all.extend(flags);
    Server::files(&fixture.share(), &all)
}

/// What a hub answers, asked again for as long as it says that a sibling was late: where many tests
/// run at once, the machine may be.
pub(crate) fn get(server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut last = None;
    eventually("the siblings answer in time", || {
        let answer = Http::connect(server.http()).get(path, fields);
        let was_late = answer.field("proxy-status").is_some_and(|s| s.contains("response_timeout"));
        last = Some(answer);
        !was_late
    });
    last.unwrap()
}

/// An address at which nobody listens.
pub(crate) fn nobody_at() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn every_file_comes_from_every_server_whole_and_in_ranges() {
    let houses: Vec<Fixture> = (0..3).map(|_| Fixture::new()).collect();
    let files = [
        ("notes.txt", b"some text\n".to_vec(), "text/plain; charset=utf-8"),
        ("Caf\u{e9} 1.jpg", pattern(300_001), "image/jpeg"),
        ("film.mp4", pattern(5_000_003), "video/mp4"),
    ];
    for (house, (name, bytes, _)) in houses.iter().zip(&files) {
        house.file(name, bytes);
    }
    // Each knows those that began before it, and one asks all of them.
    let plain: Vec<Server> =
        houses.iter().map(|house| Server::files(&house.share(), &[])).collect();
    let urls: Vec<String> = plain.iter().map(|server| server.url("")).collect();
    let urls: Vec<&str> = urls.iter().map(|url| url.trim_end_matches('/')).collect();
    for (at, house) in houses.iter().enumerate() {
        let others: Vec<&str> =
            urls.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, u)| *u).collect();
        let server = asker(house, &others, &[]);
        for (name, bytes, media_type) in &files {
            let path = format!("/{}", name.replace(' ', "%20").replace('\u{e9}', "%C3%A9"));
            let mut http = Http::connect(server.http());
            let whole = get(&server, &path, &[]);
            assert_eq!((whole.status, whole.the("content-type")), (200, *media_type), "{name}");
            assert_same_bytes(&whole.body, bytes, name);
            let length = bytes.len();
            for (range, expected) in [
                ("bytes=0-0".to_owned(), &bytes[..1]),
                (format!("bytes={}-", length / 2), &bytes[length / 2..]),
                ("bytes=-7".to_owned(), &bytes[length - 7..]),
            ] {
                let part = http.get(&path, &[("Range", &range)]);
                assert_eq!(part.status, 206, "{name} {range}");
                assert!(part.the("content-range").ends_with(&format!("/{length}")), "{part:?}");
                assert_same_bytes(&part.body, expected, &range);
            }
            let tag = whole.the("etag").to_owned();
            assert_eq!(http.get(&path, &[("If-None-Match", &tag)]).status, 304, "{name}");
            let head = http.head(&path, &[]);
            assert_eq!((head.status, head.the("etag")), (200, tag.as_str()), "{name}");
            assert_eq!(head.the("content-length"), length.to_string(), "{name}");
        }
    }
}

#[test]
fn a_range_is_asked_for_as_a_range_and_nothing_secret_travels() {
    let fixture = Fixture::new();
    let puppet = Puppet::with("film.mp4", pattern(1000));
    let server = asker(&fixture, &[&puppet.url()], &[]);
    let fields = [
        ("Range", "bytes=10-19"),
        ("If-Range", "\"p\""),
        ("Authorization", "Bearer AAAABBBBCCCC"),
        ("Cookie", "sockeye_1=secret"),
        ("X-Own", "1"),
        ("Via", "1.1 somebody"),
    ];
    get(&server, "/film.mp4?query=1", &fields);
    let asked = puppet.asked();
    assert!(asked.len() >= 2, "{asked:?}");
    for asked in &asked {
        for secret in ["authorization", "cookie", "x-own"] {
            assert_eq!(asked.field(secret), None, "{asked:?}");
        }
        assert_eq!(asked.target(), "/film.mp4");
        assert_eq!(asked.field("cache-control"), Some("only-if-cached"));
        assert_eq!(asked.field("host"), Some(puppet.address.to_string().as_str()));
        assert!(asked.head.contains("via: 1.1 somebody\r\nvia: 1.1 sockeye-"), "{asked:?}");
    }
    assert_eq!((asked[0].method(), asked[0].field("range")), ("HEAD", None));
    let got = asked.last().unwrap();
    assert_eq!((got.method(), got.field("range")), ("GET", Some("bytes=10-19")));
    assert_eq!(got.field("if-range"), Some("\"p\""));
}

#[test]
fn only_get_and_head_of_names_that_may_be_shown_travel() {
    let fixture = Fixture::new();
    let puppet = Puppet::with("x", b"x".to_vec());
    let server = asker(&fixture, &[&puppet.url()], &["--uploads"]);
    for (method, path) in [
        ("GET", "/.hidden/x"),
        ("GET", "/x/"),
        ("GET", "/x?zip"),
        ("DELETE", "/x"),
        ("GET", "/-/x"),
    ] {
        let mut http = Http::connect(server.http());
        http.send(http.request(method, path, &[]));
        assert!(http.answer().status >= 400, "{method} {path}");
    }
    assert_eq!(puppet.asked().len(), 0, "{:?}", puppet.asked());
}

#[test]
fn what_is_here_is_never_asked_for_and_says_that_it_was_here() {
    let fixture = Fixture::new();
    fixture.file("x", "here");
    let puppet = Puppet::with("x", b"there".to_vec());
    let server = asker(&fixture, &[&puppet.url()], &[]);
    let mut http = Http::connect(server.http());
    // Also once it is kept in memory.
    for _ in 0..8 {
        let answer = http.get("/x", &[]);
        assert_eq!(answer.text(), "here");
        assert!(answer.the("cache-status").ends_with("; hit"), "{answer:?}");
        assert!(answer.the("cache-status").starts_with("sockeye-"), "{answer:?}");
    }
    assert_eq!(puppet.asked().len(), 0);
    let metrics = http.get("/-/metrics", &[]).text();
    assert!(metrics.contains("sockeye_files_came_total{how=\"hit\"} 8\n"), "{metrics}");
    assert!(metrics.contains("sockeye_files_came_total{how=\"sibling\"} 0\n"), "{metrics}");
}

#[test]
fn a_siblings_question_is_answered_from_here_alone() {
    let fixture = Fixture::new();
    let puppet = Puppet::with("x", b"x".to_vec());
    let server = asker(&fixture, &[&puppet.url()], &[]);
    let mut http = Http::connect(server.http());
    let only = ("Cache-Control", "max-stale=1, only-if-cached");
    assert_eq!(http.get("/x", &[only]).status, 504);
    // Whoever says that it is a sibling is told the same.
    let claim = "group=\"a\", from=sockeye-aaaaaaaaaaaaa, to=sockeye-bbbbbbbbbbbbb";
    assert_eq!(http.get("/x", &[only, ("Sockeye-Sibling", claim)]).status, 404);
    assert_eq!(puppet.asked().len(), 0);
    let hello = http.get("/-/api/sibling", &[]).json();
    let id = hello["id"].as_str().unwrap();
    let looped = http.get("/x", &[("Via", &format!("1.0 fred, 1.1 {id} (again)"))]);
    assert_eq!(looped.status, 502);
    assert_eq!(looped.the("proxy-status"), format!("{id}; error=proxy_loop_detected"));
    assert_eq!(puppet.asked().len(), 0);
}

#[test]
fn nobody_has_it_is_a_404_only_if_all_have_said_so() {
    let fixture = Fixture::new();
    let empty = Puppet::new(|_, stream| missing(stream));
    let server = asker(&fixture, &[&empty.url()], &[]);
    let mut http = Http::connect(server.http());
    let nobody = get(&server, "/x", &[]);
    assert_eq!(nobody.status, 404);
    assert!(nobody.text().contains("nor at any sibling"), "{nobody:?}");
    assert!(nobody.the("cache-status").ends_with("; fwd=uri-miss"), "{nobody:?}");
    // It is remembered for a moment,
    let asked = empty.asked().len();
    assert_eq!(http.get("/x", &[]).status, 404);
    assert_eq!(empty.asked().len(), asked);
    // but not when the file appears here.
    fixture.file("x", "new");
    assert_eq!(http.get("/x", &[]).text(), "new");

    let gone = nobody_at();
    let server = asker(&fixture, &[&empty.url(), &gone], &[]);
    let unreached = get(&server, "/y", &[]);
    assert_eq!(unreached.status, 504);
    let name = gone.trim_start_matches("http://");
    assert!(unreached.text().contains(&format!("{name} cannot be reached")), "{unreached:?}");
    let status = unreached.the("proxy-status");
    assert!(
        status.ends_with(&format!("; error=connection_refused; next-hop=\"{name}\"")),
        "{status}"
    );
    let browser = get(&server, "/y", &[("Accept", "text/html")]);
    assert_eq!(browser.status, 504);
    assert!(browser.text().contains("<html"), "{browser:?}");
}

#[test]
fn who_had_it_lately_is_asked_at_once() {
    let fixture = Fixture::new();
    let puppet = Puppet::with("x", b"x".to_vec());
    let server = asker(&fixture, &[&puppet.url()], &[]);
    for _ in 0..3 {
        let answer = get(&server, "/x", &[]);
        assert_eq!((answer.status, answer.text().as_str()), (200, "x"));
        let how = format!("fwd=uri-miss; fwd-status=200; detail=\"{}\"", puppet.address);
        assert!(answer.the("cache-status").ends_with(&how), "{answer:?}");
        assert!(answer.the("via").starts_with("1.1 sockeye-"), "{answer:?}");
    }
    assert_eq!(puppet.count("GET"), 3);
    assert!(puppet.count("HEAD") < 3, "it is not asked whether it has it still");
}

#[test]
fn what_a_sibling_says_may_not_act_in_this_hubs_name() {
    let fixture = Fixture::new();
    let puppet = Puppet::new(|_, stream| {
        use std::io::Write as _;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\
                    Set-Cookie: a=b\r\nLocation: /there\r\nRefresh: 0\r\n\
                    Access-Control-Allow-Origin: *\r\nContent-Security-Policy: default-src *\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(b"x"));
        false
    });
    let server = asker(&fixture, &[&puppet.url()], &[]);
    let answer = get(&server, "/x.html", &[]);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.the("content-security-policy"), "sandbox allow-scripts");
    assert_eq!(answer.the("x-content-type-options"), "nosniff");
    for field in ["set-cookie", "location", "refresh", "access-control-allow-origin"] {
        assert_eq!(answer.field(field), None, "{answer:?}");
    }
}

#[test]
fn two_hubs_that_ask_each_other_do_not_ask_in_circles() {
    let (one, other) = (Fixture::new(), Fixture::new());
    let (at_one, at_other) = (nobody_at(), nobody_at());
    let start = |fixture: &Fixture, at: &str, peer: &str| {
        let mut command = crate::support::sockeye();
        command.args(["serve", "files"]).arg(fixture.share());
        Server::start(command.args(["--on", at, "--peer", peer, "--log", "common"]), 1)
    };
    let servers = [start(&one, &at_one, &at_other), start(&other, &at_other, &at_one)];
    for at in [&at_one, &at_other] {
        let output =
            run(curl().args(["-o", "/dev/null", "-w", "%{http_code}"]).arg(format!("{at}/no")));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "404");
    }
    for server in &servers {
        // The client's request, and the other's question.
        eventually("both are logged", || {
            server.process.stderr().matches("/no HTTP/1.1").count() == 2
        });
    }
}
