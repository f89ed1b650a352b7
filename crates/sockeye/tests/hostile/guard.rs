//! Pages of other sites in a visitor's browser: they may neither read the hub nor drive it, and
//! what is shared may not act as the hub.

use crate::support::{Answer, Fixture, Http, Server};

fn server() -> (Fixture, Server) {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello");
    let server = Server::files(&fixture.share(), &["--host", "hub.example"]);
    (fixture, server)
}

fn ask(server: &Server, method: &str, fields: &str) -> Answer {
    let mut http = Http::connect(server.http());
    http.send(format!("{method} /a.txt HTTP/1.1\r\n{fields}\r\n"));
    if method == "HEAD" { http.answer_head() } else { http.answer() }
}

#[test]
fn a_name_that_was_rebound_to_this_address_gets_421_and_no_byte_of_a_file() {
    let (_fixture, server) = server();
    for host in [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "localhostx",
        "hub.example.evil.example",
        "xhub.example",
        "127.0.0.1.nip.io",
        "localhost.localdomain",
        "1.1",
        "127.1",
        "0x7f000001",
        "2130706433",
    ] {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE"] {
            let answer = ask(&server, method, &format!("Host: {host}\r\n"));
            assert!(matches!(answer.status, 400 | 421), "{method} {host}: {answer:?}");
            assert!(!answer.text().contains("hello"));
        }
    }
    let answer = ask(&server, "GET", "Host: evil.example\r\n");
    assert_eq!(answer.status, 421);
    assert!(answer.text().contains("--host NAME"), "{}", answer.text());
    let mut http = Http::connect(server.http());
    for own in ["/-/health", "/-/metrics", "/-/api/hub", "/-/", "/-/api/list/"] {
        http.send(format!("GET {own} HTTP/1.1\r\nHost: evil.example\r\n\r\n"));
        assert_eq!(http.answer().status, 421, "{own}");
    }
}

#[test]
fn addresses_localhost_and_names_that_were_given_are_let_in() {
    let (_fixture, server) = server();
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1",
        "127.0.0.1:8080",
        "10.1.2.3",
        "[::1]",
        "[::1]:8080",
        "hub.example",
        "Hub.Example.:80",
    ] {
        assert_eq!(ask(&server, "GET", &format!("Host: {host}\r\n")).text(), "hello", "{host}");
    }
}

#[test]
fn the_host_of_an_absolute_target_counts_and_not_the_field() {
    let (_fixture, server) = server();
    let mut http = Http::connect(server.http());
    http.send("GET http://evil.example/a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(http.answer().status, 421);
    http.send("GET http://localhost/a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(http.answer().text(), "hello");
    http.send("GET http://localhost@evil.example/a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(matches!(http.answer().status, 400 | 421));
}

/// RFC 9112, section 3.2: also where the target is absolute.
#[test]
fn a_missing_or_repeated_host_is_400_whatever_the_target() {
    let (_fixture, server) = server();
    for target in ["/a.txt", "http://localhost/a.txt"] {
        for hosts in ["", "Host: localhost\r\nHost: localhost\r\n", "Host: a b\r\n"] {
            let mut http = Http::connect(server.http());
            http.send(format!("GET {target} HTTP/1.1\r\n{hosts}\r\n"));
            assert_eq!(http.answer().status, 400, "{target} with {hosts:?}");
        }
    }
}

#[test]
fn a_page_of_another_origin_may_not_ask_for_more_than_to_read() {
    let (_fixture, server) = server();
    let own = format!("http://{}", server.http());
    let host = format!("Host: {}\r\n", server.http());
    for fields in [
        "Origin: null\r\n",
        "Origin: http://evil.example\r\n",
        "Origin: http://localhost\r\n",
        "Origin: https://evil.example\r\nSec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: http://127.0.0.1\r\nOrigin: http://127.0.0.1\r\n",
    ] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let answer = ask(&server, method, &format!("{host}{fields}"));
            assert_eq!(answer.status, 403, "{method} {fields}");
        }
        let socket = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let answer = ask(&server, "GET", &format!("{host}{fields}{socket}"));
        assert_eq!(answer.status, 403, "a WebSocket with {fields}");
    }
    // The hub's own page gets as far as the method, and what is received, which is nothing here.
    for (method, status) in [("POST", 403), ("PUT", 403), ("DELETE", 405)] {
        let answer = ask(&server, method, &format!("{host}Origin: {own}\r\n"));
        assert_eq!(answer.status, status, "{method}");
        assert_eq!(answer.field("allow").is_some(), status == 405, "{method}");
    }
}

#[test]
fn nothing_lets_another_origin_read_an_answer() {
    let (_fixture, server) = server();
    let mut http = Http::connect(server.http());
    for path in ["/a.txt", "/", "/-/health", "/-/metrics", "/-/api/hub", "/-/", "/none"] {
        let evil = [("Origin", "http://evil.example"), ("Referer", "http://evil.example/")];
        let answer = http.get(path, &evil);
        assert_eq!(answer.field("access-control-allow-origin"), None, "{path}");
        assert_eq!(answer.the("cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(answer.the("x-content-type-options"), "nosniff", "{path}");
    }
}

#[test]
fn the_hubs_own_pages_may_load_nothing_from_elsewhere_and_stand_in_no_frame() {
    let (_fixture, server) = server();
    let mut http = Http::connect(server.http());
    for path in ["/", "/-/", "/none", "/..", "/-/none"] {
        let answer = http.get(path, &[("Accept", "text/html")]);
        assert_eq!(answer.the("content-type"), "text/html; charset=utf-8", "{path}");
        let policy = answer.the("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
}

#[test]
fn shared_html_svg_and_xml_run_in_a_sandbox_and_other_files_need_none() {
    let (fixture, server) = server();
    let mut http = Http::connect(server.http());
    for name in
        ["p.html", "p.htm", "P.HTML", "p.xhtml", "p.svg", "p.xml", "p.xsl", "p.rss", "p.atom"]
    {
        fixture.file(name, "<x/>");
        let answer = http.get(&format!("/{name}"), &[]);
        assert_eq!(answer.the("content-security-policy"), "sandbox allow-scripts", "{name}");
        let tag = answer.the("last-modified").to_owned();
        let unchanged = http.get(&format!("/{name}"), &[("If-Modified-Since", &tag)]);
        assert_eq!(unchanged.status, 304);
        assert_eq!(unchanged.the("content-security-policy"), "sandbox allow-scripts", "{name}");
        let part = http.get(&format!("/{name}"), &[("Range", "bytes=0-1")]);
        assert_eq!(part.status, 206);
        assert_eq!(part.the("content-security-policy"), "sandbox allow-scripts", "{name}");
    }
    fixture.file("sub/index.html", "<p>");
    let index = http.get("/sub/", &[]);
    assert_eq!(index.the("content-security-policy"), "sandbox allow-scripts");
    for name in ["p.txt", "p.png", "p.unknown", "noending"] {
        fixture.file(name, "<script>alert(1)</script>");
        let answer = http.get(&format!("/{name}"), &[]);
        assert_eq!(answer.field("content-security-policy"), None, "{name}");
        assert_eq!(answer.the("x-content-type-options"), "nosniff", "{name}");
        assert!(!answer.the("content-type").contains("html"), "{name}");
    }
}

#[test]
fn names_that_are_markup_come_out_escaped() {
    let (fixture, server) = server();
    let name = "<img src=x onerror=alert(1)>\"'&.txt";
    fixture.file(name, "x");
    fixture.file("</script><script>alert(1)<", "x");
    let mut http = Http::connect(server.http());
    let page = http.get("/", &[("Accept", "text/html")]).text();
    assert!(!page.contains("<img src=x"), "{page}");
    assert!(!page.contains("<script>alert"), "{page}");
    let missing = http.get("/%3Cscript%3Ealert(1)%3C/script%3E", &[("Accept", "text/html")]);
    assert_eq!(missing.status, 404);
    assert!(!missing.text().contains("<script>alert"), "{}", missing.text());
}

#[test]
fn a_redirect_never_leads_to_another_host() {
    let (fixture, server) = server();
    std::fs::create_dir_all(fixture.path("evil.example/sub")).unwrap();
    let mut http = Http::connect(server.http());
    for path in ["//evil.example", "///evil.example", "/%5cevil.example", "/./evil.example/sub"] {
        let answer = http.get(path, &[]);
        if answer.status == 301 {
            let to = answer.the("location");
            assert!(to.starts_with('/') && !to.starts_with("//"), "{path} leads to {to}");
            assert!(!to.contains('\\'), "{path} leads to {to}");
        }
    }
    let answer = http.get("//evil.example?a=%0d%0aSet-Cookie:x", &[]);
    assert_eq!(answer.the("location"), "/evil.example/?a=%0d%0aSet-Cookie:x");
    assert_eq!(answer.field("set-cookie"), None);
}
