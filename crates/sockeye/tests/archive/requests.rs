//! How an archive is asked for, what stands in its head, and what is refused.

use serde_json::json;

use crate::look::names;
use crate::support::{Fixture, Http, Server, curl, run, sockeye};

fn house() -> (Fixture, Server) {
    let fixture = Fixture::new();
    for name in ["a b.txt", "c+d.txt", "sub/x", "sub/y", "Été/page", "web/index.html"] {
        fixture.file(name, name);
    }
    let server = Server::files(&fixture.share(), &["--uploads"]);
    (fixture, server)
}

#[track_caller]
fn fetch(server: &Server, arguments: &[&str], path: &str) -> Vec<u8> {
    let output = run(curl().arg("-f").args(arguments).arg(server.url(path)));
    assert!(output.status.success(), "{arguments:?} {path}: {output:?}");
    output.stdout
}

#[test]
fn the_head_names_the_download_and_offers_no_ranges() {
    let (_fixture, server) = house();
    for (path, media_type, disposition) in [
        ("/?zip", "application/zip", "filename=\"share.zip\"; filename*=UTF-8''share.zip"),
        ("/sub/?tar", "application/x-tar", "filename=\"sub.tar\"; filename*=UTF-8''sub.tar"),
        ("/sub?tar", "application/x-tar", "filename=\"sub.tar\"; filename*=UTF-8''sub.tar"),
        (
            "/%C3%89t%C3%A9/?zip&name=page",
            "application/zip",
            "filename=\"_t_.zip\"; filename*=UTF-8''%C3%89t%C3%A9.zip",
        ),
    ] {
        let conditions = [
            ("Range", "bytes=0-9"),
            ("If-None-Match", "*"),
            ("If-Modified-Since", "Sun, 06 Nov 2044 08:49:37 GMT"),
            ("Accept-Encoding", "gzip"),
        ];
        let head = Http::connect(server.http()).head(path, &conditions);
        let got = {
            let mut http = Http::connect(server.http());
            http.send(http.request("GET", path, &conditions));
            http.answer_head()
        };
        for answer in [&head, &got] {
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            assert_eq!(answer.the("content-type"), media_type);
            assert_eq!(answer.the("content-disposition"), format!("attachment; {disposition}"));
            assert_eq!(answer.the("accept-ranges"), "none");
            assert_eq!(answer.the("cache-control"), "no-store");
            assert_eq!(answer.the("x-content-type-options"), "nosniff");
            for absent in ["content-length", "etag", "last-modified", "content-encoding"] {
                assert_eq!(answer.field(absent), None, "{path} {absent}");
            }
        }
        assert_eq!(got.the("transfer-encoding"), "chunked");
    }
}

#[test]
fn a_connection_goes_on_after_an_archive_and_after_its_head() {
    let (_fixture, server) = house();
    let mut both = curl();
    let (archive, file) = (server.url("/sub/?zip"), server.url("/sub/x"));
    both.args(["-w", "%{num_connects} ", "-o", "/dev/null", &archive, "-o", "/dev/null", &file]);
    let output = run(&mut both);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1 0 ");
    let mut http = Http::connect(server.http());
    assert_eq!(http.head("/?zip", &[]).status, 200);
    assert_eq!(http.get("/sub/x", &[]).text(), "sub/x");
}

#[test]
fn it_comes_over_http_1_0_and_2_too() {
    let (_fixture, server) = house();
    let over_1_1 = fetch(&server, &[], "/sub/?tar");
    assert_eq!(fetch(&server, &["--http1.0"], "/sub/?tar"), over_1_1);
    assert_eq!(fetch(&server, &["--http2-prior-knowledge"], "/sub/?tar"), over_1_1);
}

#[test]
fn a_folder_with_an_index_page_comes_as_a_folder() {
    let (_fixture, server) = house();
    assert_eq!(names("zip", &fetch(&server, &[], "/web/?zip")), ["web/", "web/index.html"]);
}

#[test]
fn what_is_chosen_comes_and_nothing_else() {
    let (_fixture, server) = house();
    let chosen =
        ["share/", "share/a b.txt", "share/c+d.txt", "share/sub/", "share/sub/x", "share/sub/y"];
    let query = "name=a%20b.txt&name=c+d.txt&name=sub/&name=sub&name=a%20b.txt";
    let form = "name=a+b.txt&name=c%2Bd.txt&name=sub%2F";
    for kind in ["zip", "tar"] {
        let archive = fetch(&server, &[], &format!("/?{kind}&{query}"));
        assert_eq!(names(kind, &archive), chosen);
        for place in ["", "/"] {
            let path = format!("/-/archive/{kind}{place}");
            assert_eq!(names(kind, &fetch(&server, &["-d", form], &path)), chosen, "{path}");
        }
        let archive = fetch(&server, &["-d", "name=y"], &format!("/-/archive/{kind}/sub/"));
        assert_eq!(names(kind, &archive), ["sub/", "sub/y"]);
    }
}

#[test]
fn a_selection_too_long_for_a_url_comes_as_a_form() {
    let fixture = Fixture::new();
    let many: Vec<String> = (0..5_000).map(|i| format!("{i:0>50}")).collect();
    for name in &many {
        fixture.file(name, name);
    }
    fixture.file("not chosen", "x");
    let server = Server::files(&fixture.share(), &["--quiet"]);
    let form = fixture.beside("form");
    std::fs::write(&form, format!("name={}", many.join("&name="))).unwrap();
    let data = format!("@{}", form.display());
    let archive = fetch(&server, &["--data-binary", &data], "/-/archive/zip/");
    assert_eq!(names("zip", &archive).len(), 5_001);
    std::fs::write(&form, format!("name={}", "x".repeat(1024 * 1024))).unwrap();
    let refused = run(curl().args(["--data-binary", &data]).arg(server.url("/-/archive/zip/")));
    assert!(refused.stdout.starts_with(b"413 "), "{refused:?}");
}

#[test]
fn what_cannot_be_is_refused_in_words() {
    let (fixture, server) = house();
    fixture.file(".hidden", "x");
    for (path, status, part) in [
        ("/sub/x?zip", 400, "/sub/x is a file"),
        ("/sub/x/?tar", 400, "is a file"),
        ("/?zip&tar", 400, "ask for one of them"),
        ("/?zip=sub", 400, "takes no value"),
        ("/?tar&level=9", 400, "no `level`"),
        ("/?zip&name=none", 404, "there is no /none here"),
        ("/?zip&name=.hidden", 404, "there is no"),
        ("/?zip&name=..", 400, "'..'"),
        ("/?zip&name=sub/x", 400, "slash"),
        ("/?zip&name=%00", 400, "NUL"),
        ("/none/?zip", 404, "there is no /none/ here"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().contains(part), "{path}: {}", answer.text());
    }
    for (path, arguments, status) in [
        ("/-/archive/zip/", &["-d", "x=1"][..], "400"),
        ("/-/archive/zip/", &["-d", ""], "400"),
        ("/-/archive/zip/", &["-F", "name=sub"], "415"),
        ("/-/archive/rar/", &["-d", "name=sub"], "404"),
        ("/-/archive/", &["-d", "name=sub"], "404"),
        ("/-/archive/zip/none/", &["-d", "name=sub"], "404"),
        ("/-/archive/zip/sub/x", &["-d", "name=sub"], "400"),
        ("/-/archive/zip/", &["-H", "Origin: http://evil.example", "-d", "name=sub"], "403"),
    ] {
        let output = run(curl().args(arguments).arg(server.url(path)));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with(status), "{path} {arguments:?}: {said}");
    }
    let asked = [("Accept", "application/json")];
    let told = Http::connect(server.http()).get("/?zip&tar", &asked).json();
    assert_eq!((&told["status"], &told["error"]), (&json!(400), &json!("Bad request")));
}

#[test]
fn a_query_that_asks_for_none_changes_nothing() {
    let (_fixture, server) = house();
    for path in ["/?sort=name", "/?name=zip", "/?zipper"] {
        assert!(server.get(path).text().contains("a b.txt"), "{path}");
    }
    assert_eq!(server.get("/sub/x?v=2").text(), "sub/x");
}

#[test]
fn who_may_not_read_gets_none() {
    let fixture = Fixture::new();
    fixture.file("a", "x");
    let flags = ["--join-key", "spawning-salmon"];
    let server = Server::files(&fixture.share(), &flags);
    assert_eq!(server.get("/?zip").status, 401);
    let key = "Authorization: Bearer spawning-salmon";
    for arguments in [&["-d", "name=a"][..], &["-d", "name=a", "-H", key]] {
        let output = run(curl().args(arguments).arg(server.url("/-/archive/zip/")));
        let is_let_in = arguments.len() > 2;
        assert_eq!(output.stdout.starts_with(b"PK"), is_let_in, "{output:?}");
        assert_eq!(output.stdout.starts_with(b"401 "), !is_let_in, "{output:?}");
    }
    // Who may read and not write chooses as well: nothing is changed by it.
    let mut command = sockeye();
    command.args(["up", "--quiet", "--lan", "--open=read", "--port", "0", "--addr", "127.0.0.1"]);
    command.args(["--ipv4", "--without", "files.tcp", "--without", "echo", "--without", "clock"]);
    let hub = Server::start(command.arg(fixture.share()), 1);
    let url = format!("http://127.0.0.1:{}/-/archive/tar/", hub.http().port());
    let output = run(curl().args(["-d", "name=a", &url]));
    assert_eq!(names("tar", &output.stdout), ["share/", "share/a"]);
}
