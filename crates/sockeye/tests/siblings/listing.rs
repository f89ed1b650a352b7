//! A folder as all siblings have it, whatever they tell of it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Answer, Fixture, HANG, Http, Server};

const JSON: (&str, &str) = ("Accept", "application/json");
const PAGE: (&str, &str) = ("Accept", "text/html");

/// A sibling that is no Sockeye and answers all that is asked for a listing in one way.
struct Teller {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Teller {
    fn new(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let (noted, answer) = (Arc::clone(&heads), Arc::new(answer));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let head = read_head(&mut stream);
                    if head.starts_with("GET /-/api/sibling") {
                        say(&mut stream, "404 Not Found", "text/plain", "");
                    } else {
                        noted.lock().unwrap().push(head);
                        answer(&mut stream);
                    }
                });
            }
        });
        Self { address, heads }
    }

    /// One that tells of these entries.
    fn of(entries: &Value) -> Self {
        let body = json!({ "entries": entries }).to_string();
        Self::new(move |stream| say(stream, "200 OK", "application/json", &body))
    }

    fn saying(status: &'static str, media_type: &'static str, body: &'static str) -> Self {
        Self::new(move |stream| say(stream, status, media_type, body))
    }

    fn name(&self) -> String {
        self.address.to_string()
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(n @ 1..) => bytes.extend_from_slice(&piece[..n]),
            _ => break,
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn say(stream: &mut TcpStream, status: &str, media_type: &str, body: &str) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    // Who asked may rightly have gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

/// A hub with a folder, and siblings of it.
fn hub(fixture: &Fixture, siblings: &[String], flags: &[&str]) -> Server {
    let urls: Vec<String> = siblings.iter().map(|name| format!("http://{name}")).collect();
    let mut all: Vec<&str> = urls.iter().flat_map(|url| ["--peer", url]).collect();
    all.extend(flags);
    Server::files(&fixture.share(), &all)
}

fn name_of(server: &Server) -> String {
    server.http().to_string()
}

fn ask(server: &Server, path: &str, field: (&str, &str)) -> Answer {
    Http::connect(server.http()).get(path, &[field])
}

/// `NAME at PLACE, PLACE` for each entry, in order.
fn entries(listing: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entries = listing["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let at: Vec<String> = entry["at"].as_array().unwrap().iter().map(text).collect();
            format!("{} at {}", text(&entry["href"]), at.join(", "))
        })
        .collect()
}

/// Of each sibling, whether it was reached and what was wrong.
fn told(listing: &Value) -> Vec<(bool, bool, String)> {
    let nodes = listing["nodes"].as_array().unwrap();
    assert_eq!(nodes[0]["name"], "here");
    let told = nodes[1..].iter().map(|node| {
        let is = |what: &str| node[what].as_bool().unwrap();
        (is("reached"), is("has"), node["why"].as_str().unwrap_or_default().to_owned())
    });
    told.collect()
}

#[test]
fn a_folder_is_listed_as_all_have_it_and_each_entry_says_where_it_lies() {
    let houses: Vec<Fixture> = (0..3).map(|_| Fixture::new()).collect();
    houses[0].file("notes.txt", "text");
    houses[0].file("films/here.mp4", "1");
    houses[1].file("harbour.jpg", "photo");
    houses[1].file("notes.txt", "longer text");
    houses[2].file("films/there.mp4", "22");
    let [b, c] = [1, 2].map(|at: usize| Server::files(&houses[at].share(), &[]));
    let a = hub(&houses[0], &[name_of(&b), name_of(&c)], &[]);
    let (at_b, at_c) = (name_of(&b), name_of(&c));

    for path in ["/-/api/list/?all", "/?all", "/-/browse/?x=1&all="] {
        let listing = ask(&a, path, JSON).json();
        let expected = [
            format!("films/ at here, {at_c}"),
            format!("harbour.jpg at {at_b}"),
            format!("notes.txt at here, {at_b}"),
        ];
        assert_eq!(entries(&listing), expected, "{path}");
        let notes = &listing["entries"][2];
        assert_eq!((notes["size"].as_u64(), notes["differs"].as_bool()), (Some(4), Some(true)));
        assert_eq!(listing["entries"][1]["type"], "image/jpeg");
        assert_eq!(told(&listing), [(true, true, String::new()), (true, true, String::new())]);
        assert_eq!(listing["nodes"][1]["name"], at_b.as_str());
    }
    let plain = ask(&a, "/-/api/list/", JSON).json();
    assert_eq!(plain["total"], 2);
    assert!(plain.get("nodes").is_none() && plain["entries"][0].get("at").is_none());

    let text = ask(&a, "/films/?all", ("Accept", "*/*")).text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("  here ") && lines[0].ends_with("  here.mp4"), "{text}");
    assert!(lines[1].ends_with(&format!("  {at_c}  there.mp4")), "{text}");

    let page = ask(&a, "/films/?all", PAGE).text();
    assert!(page.contains("<a href=\"../?all\">..</a>"), "folders keep it: {page}");
    assert!(page.contains("<a href=\"./there.mp4\"><bdi>there.mp4</bdi></a>"), "{page}");
    assert!(page.contains(&format!("at {at_c}")), "{page}");
    let described = ask(&a, "/-/api/hub", JSON).json()["siblings"].clone();
    let (b, c) = (json!({"name": at_b, "reached": true}), json!({"name": at_c, "reached": true}));
    assert_eq!(described, json!([b, c]));
}

#[test]
fn a_folder_that_only_a_sibling_has_is_shown_where_all_are_asked() {
    let (here, there) = (Fixture::new(), Fixture::new());
    there.file("films/old/one.mp4", "1");
    there.file(".hidden/x", "1");
    let sibling = Server::files(&there.share(), &["--hidden"]);
    let server = hub(&here, &[name_of(&sibling)], &[]);
    for path in ["/films/old/?all", "/-/api/list/films/old/?all", "/-/browse/films/old/?all"] {
        let listing = ask(&server, path, JSON).json();
        assert_eq!(entries(&listing), [format!("one.mp4 at {}", name_of(&sibling))], "{path}");
        assert_eq!(listing["nodes"][0]["has"], false);
    }
    for path in ["/films/old/", "/-/api/list/films/old/", "/films/none/?all", "/.hidden/?all"] {
        assert_eq!(ask(&server, path, JSON).status, 404, "{path}");
    }
    let root = ask(&server, "/?all", JSON).json();
    assert_eq!(entries(&root), [format!("films/ at {}", name_of(&sibling))], "hidden ones are not");
}

#[test]
fn a_folder_that_nobody_has_is_missing_only_if_all_could_be_asked() {
    let (here, there) = (Fixture::new(), Fixture::new());
    let sibling = Server::files(&there.share(), &[]);
    let denying = Teller::saying("403 Forbidden", "text/plain", "no");
    let server = hub(&here, &[name_of(&sibling)], &[]);
    let answer = ask(&server, "/none/?all", JSON);
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("nor at any sibling"), "{}", answer.text());

    let server = hub(&here, &[name_of(&sibling), denying.name()], &[]);
    let answer = ask(&server, "/none/?all", JSON);
    assert_eq!(answer.status, 504);
    let why = format!("{} does not let us in", denying.name());
    assert!(answer.text().contains(&why), "{}", answer.text());
    assert!(answer.the("proxy-status").contains(&format!("next-hop=\"{}\"", denying.name())));
    let page = ask(&server, "/none/?all", PAGE).text();
    assert!(page.contains("<a class=\"button\" href=\"\">Try again</a>"), "{page}");
    let page = ask(&server, "/none/", PAGE).text();
    assert!(page.contains("<a class=\"button\" href=\"?all\">Look at all hubs</a>"), "{page}");
    // What is here is shown all the same.
    let listing = ask(&server, "/?all", JSON).json();
    assert_eq!(told(&listing)[1], (false, false, "does not let us in".to_owned()));
    let text = ask(&server, "/?all", ("Accept", "*/*")).text();
    assert!(text.ends_with(&format!("without {}, which does not let us in\n", denying.name())));
}

#[test]
fn names_from_siblings_are_believed_as_far_as_they_can_be() {
    let file = |href: &str| json!({"name": "nice.txt", "href": href, "kind": "file", "size": 1});
    let liar = Teller::of(&json!([
        file("../passwd"), file("%2e%2e%2fpasswd"), file("/etc/passwd"), file("a/b"), file(""),
        file("."), file(".hidden"), file("nul%00"), file(&"x".repeat(300)),
        {"href": "pipe", "kind": "fifo", "size": 0},
        {"href": "no-size", "kind": "file"},
        {"href": "too-large", "kind": "file", "size": u64::MAX},
        {"href": "../", "kind": "folder"},
        {"href": "<script>", "kind": "file", "size": 1, "type": "text/html", "at": ["here"]},
        {"href": "good%20one", "kind": "file", "size": 2, "modified": "2026-11-21T00:00:00Z"},
    ]));
    let here = Fixture::new();
    let server = hub(&here, &[liar.name()], &[]);
    let answer = ask(&server, "/?all", JSON);
    let (listing, name) = (answer.json(), liar.name());
    let expected = [format!("%3Cscript%3E at {name}"), format!("good%20one at {name}")];
    assert_eq!(entries(&listing), expected);
    assert_eq!(
        listing["entries"][0]["type"], "application/octet-stream",
        "its name says what it is"
    );
    assert_eq!(listing["entries"][1]["name"], "good one");
    let page = ask(&server, "/?all", PAGE).text();
    assert!(!page.contains("<script>\n") && !page.contains("<bdi><script>"), "{page}");
}

#[test]
fn a_sibling_that_shows_no_listing_is_told_and_keeps_nobody_from_the_others() {
    let (here, there) = (Fixture::new(), Fixture::new());
    there.file("harbour.jpg", "photo");
    let sibling = Server::files(&there.share(), &[]);
    let plain = Teller::saying("404 Not Found", "text/html", "<h1>nginx</h1>");
    let page = Teller::saying("200 OK", "text/html", "<h1>Index of /</h1>");
    let other = Teller::saying("200 OK", "application/json", "{\"files\": []}");
    let broken = Teller::saying("502 Bad Gateway", "text/html", "");
    let cut = Teller::new(|stream| {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
        let _ = stream.write_all(head.as_bytes());
    });
    let endless = Teller::new(|stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"entries\":[";
        let entry = r#"{"href":"x","kind":"file","size":1},"#.repeat(1000);
        let mut sent = stream.write_all(head.as_bytes());
        while sent.is_ok() {
            sent = stream.write_all(entry.as_bytes());
        }
    });
    let silent = Teller::new(|stream| {
        stream.set_read_timeout(Some(HANG)).unwrap();
        let _ = stream.read(&mut [0; 1]);
    });
    let tellers = [&plain, &page, &other, &broken, &cut, &endless, &silent];
    let mut names: Vec<String> = tellers.iter().map(|teller| teller.name()).collect();
    names.push(name_of(&sibling));
    let server = hub(&here, &names, &[]);
    let listing = ask(&server, "/?all", JSON).json();
    assert_eq!(entries(&listing), [format!("harbour.jpg at {}", name_of(&sibling))]);
    let expected = [
        (true, "shows no listing"),
        (true, "shows no listing"),
        (true, "shows no listing"),
        (false, "says that it cannot answer"),
        (false, "does not answer as it should"),
        (true, "lists more than is read of a sibling"),
        (false, "does not answer in time"),
    ];
    for (at, (told, expected)) in told(&listing).iter().zip(expected).enumerate() {
        assert_eq!((told.0, told.2.as_str()), expected, "sibling {at}");
    }
    assert_eq!(ask(&server, "/none/?all", JSON).status, 504, "some of them could not be asked");
    for (teller, status) in [(&plain, 404), (&other, 404), (&endless, 504), (&cut, 504)] {
        let answer = ask(&hub(&here, &[teller.name()], &[]), "/none/?all", JSON);
        assert_eq!(answer.status, status, "{}", answer.text());
        let is_open = answer.text().contains("nor at any sibling that shows listings");
        assert_eq!(is_open, status == 404, "{}", answer.text());
    }
}

#[test]
fn a_sibling_is_asked_for_what_it_has_itself_and_gets_no_word_of_who_asks() {
    let teller = Teller::of(&json!([]));
    let here = Fixture::new();
    let server = hub(&here, &[teller.name()], &[]);
    let fields = [JSON, ("Cookie", "a=b"), ("Authorization", "Basic eDp5"), ("Via", "1.1 proxy")];
    assert_eq!(Http::connect(server.http()).get("/a%20b/?all&x=secret", &fields).status, 200);
    let heads = teller.heads.lock().unwrap();
    let [head] = &heads[..] else { panic!("asked once: {heads:?}") };
    assert!(head.starts_with("GET /-/api/list/a%20b/ HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("cache-control: only-if-cached\r\n"), "{head}");
    assert!(head.contains("via: 1.1 proxy\r\n") && head.contains("via: 1.1 sockeye-"), "{head}");
    assert!(!head.contains("cookie") && !head.contains("authorization"), "{head}");
}

#[test]
fn who_wants_only_what_is_here_gets_no_more_and_nobody_is_asked() {
    let teller = Teller::of(&json!([{"href": "there", "kind": "file", "size": 1}]));
    let here = Fixture::new();
    here.file("here.txt", "1");
    let server = hub(&here, &[teller.name()], &[]);
    let only = [JSON, ("Cache-Control", "only-if-cached")];
    let listing = Http::connect(server.http()).get("/?all", &only).json();
    assert_eq!(entries(&listing), ["here.txt at here"]);
    assert_eq!(Http::connect(server.http()).get("/none/?all", &only).status, 504);
    assert!(teller.heads.lock().unwrap().is_empty());

    // Nor is there anybody to ask where there are no siblings.
    let alone = Server::files(&here.share(), &[]);
    assert_eq!(entries(&ask(&alone, "/?all", JSON).json()), ["here.txt at here"]);
    assert!(ask(&alone, "/-/api/hub", JSON).json().get("siblings").is_none());
}

#[test]
fn what_needs_the_key_is_listed_for_members_of_the_group_alone() {
    let (here, there) = (Fixture::new(), Fixture::new());
    there.file("kept.txt", "1");
    let key = there.beside("group.key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    let group = ["--group", "boats", "--group-key-file", key.to_str().unwrap()];
    let keyed = [&["--join-key", "spawning-salmon"][..], &group].concat();
    let sibling = Server::files(&there.share(), &keyed);
    let stranger = hub(&here, &[name_of(&sibling)], &[]);
    let told_to_stranger = ask(&stranger, "/?all", JSON).json();
    assert_eq!(told(&told_to_stranger), [(false, false, "does not let us in".to_owned())]);
    let member = hub(&here, &[name_of(&sibling)], &group);
    let expected = [format!("kept.txt at {}", name_of(&sibling))];
    assert_eq!(entries(&ask(&member, "/?all", JSON).json()), expected);
}

#[test]
fn a_web_page_of_the_folders_own_does_not_stand_in_the_way() {
    let here = Fixture::new();
    here.file("index.html", "<h1>own</h1>");
    let server = hub(&here, &["127.0.0.1:9".to_owned()], &[]);
    assert_eq!(ask(&server, "/", PAGE).text(), "<h1>own</h1>");
    assert_eq!(entries(&ask(&server, "/?all", JSON).json()), ["index.html at here"]);
}
