//! What is served over https, and to whom.

use rustix::process::Signal;

use crate::house::{House, TEXT, curl_trusting, fingerprint, python};
use crate::support::{Server, connect, curl, exchange, pattern, run, sockeye};

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn curl_is_served_by_whichever_version_of_http_the_handshake_agrees_on() {
    let house = House::new();
    let server = house.serve(&[]);
    let url = format!("https://{}/a.txt", server.https());
    for (flag, version) in [("--http1.0", "1"), ("--http1.1", "1.1"), ("--http2", "2")] {
        let flags = [flag, "--write-out", " by %{http_version}"];
        let output = curl_trusting(&house.certificate(), &flags, &url);
        // curl writes 1.0 as 1, or as what our answer says.
        let said = text(output.stdout);
        assert!(said.starts_with(&format!("{TEXT} by {version}")), "{flag}: {said}");
    }
    for tls in ["1.2", "1.3"] {
        let output =
            curl_trusting(&house.certificate(), &[&format!("--tlsv{tls}"), "--tls-max", tls], &url);
        assert_eq!(text(output.stdout), TEXT, "TLS {tls}");
    }
    let by_name = url.replace("127.0.0.1", "localhost");
    assert_eq!(text(curl_trusting(&house.certificate(), &["-4"], &by_name).stdout), TEXT);
    let untrusting = run(curl().arg(&url));
    assert_eq!(untrusting.status.code(), Some(60), "curl's own word for a certificate like ours");
}

#[test]
fn no_version_is_spoken_that_the_handshake_has_not_agreed_on() {
    let house = House::new();
    let server = house.serve(&[]);
    let said = python(
        server.https(),
        "
for offered in [], ['http/1.1'], ['h2']:
    if offered:
        context.set_alpn_protocols(offered)
    for sent in GET, b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\\0\\0\\0\\4\\0\\0\\0\\0\\0':
        stream = talk()
        stream.sendall(sent)
        first = stream.recv(9) if sent is GET or offered == ['h2'] else rest(stream)
        # The fourth byte of a frame is its type: 4 is SETTINGS (RFC 9113, section 6.5).
        print(stream.selected_alpn_protocol(), first[:4] == b'HTTP', first[3:4] == b'\\4')
",
    );
    let expected = "None True False\nNone False False\n\
                    http/1.1 True False\nhttp/1.1 False False\n\
                    h2 False True\nh2 False True\n";
    assert_eq!(said, expected);
}

#[test]
fn a_large_file_and_its_ranges_are_the_same_as_in_the_clear() {
    let house = House::new();
    let contents = pattern(5_000_000);
    house.fixture.file("large", &contents);
    let server = house.serve(&[]);
    let url = format!("https://{}/large", server.https());
    for version in ["--http1.1", "--http2"] {
        let output = curl_trusting(&house.certificate(), &[version], &url);
        crate::support::assert_same_bytes(&output.stdout, &contents, version);
        let part = curl_trusting(&house.certificate(), &[version, "-r", "3999990-3999999"], &url);
        crate::support::assert_same_bytes(&part.stdout, &contents[3_999_990..4_000_000], version);
    }
}

#[test]
fn files_are_received_over_https_too() {
    let house = House::new();
    let server = house.serve(&["--uploads"]);
    let contents = pattern(3_000_000);
    let from = house.fixture.beside("sent");
    std::fs::write(&from, &contents).unwrap();
    for version in ["--http1.1", "--http2"] {
        let url = format!("https://{}/{}", server.https(), &version[2..]);
        let status = ["--write-out", "%{http_code}", version, "-T", from.to_str().unwrap()];
        let output = curl_trusting(&house.certificate(), &status, &url);
        let said = text(output.stdout);
        assert!(said.ends_with("201"), "{version}: {said}");
        let received = std::fs::read(house.fixture.path(&version[2..])).unwrap();
        crate::support::assert_same_bytes(&received, &contents, version);
    }
}

#[test]
fn who_asks_by_plain_http_is_sent_on_to_the_same_by_https() {
    let house = House::new();
    let server = house.serve(&[]);
    let at = server.https();
    let followed =
        curl_trusting(&house.certificate(), &["-L"], &format!("http://{at}/a.txt?b")).stdout;
    assert_eq!(text(followed), TEXT);
    let told = |request: &str| text(exchange(at, request.as_bytes()));
    for method in ["GET", "POST", "HEAD"] {
        let answer = told(&format!("{method} /x%20y?z HTTP/1.1\r\nHost: hub.local:8080\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
        assert!(answer.contains("\r\nLocation: https://hub.local:8080/x%20y?z\r\n"), "{answer}");
        assert!(answer.contains("\r\nCache-Control: no-store\r\n"), "{answer}");
        assert_eq!(answer.ends_with("\r\n\r\n"), method == "HEAD", "{answer}");
    }
    for head in ["GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n", "SEND_TIME\r\n"] {
        let answer = told(&format!("{head}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000));
    assert!(told(&long).starts_with("HTTP/1.1 400 "));
}

#[test]
fn the_hub_speaks_https_at_its_page_with_tls_and_http_without() {
    let house = House::new();
    let up = |flags: &[&str]| {
        let mut command = sockeye();
        command.arg("up").arg(house.fixture.share()).args(["--port", "0", "--ipv4"]);
        command.args(["--without", "echo", "--without", "clock", "--without", "files.tcp"]);
        command.args(["--data".as_ref(), house.data().as_os_str()]).args(flags);
        command
    };
    let quiet = Server::start(&mut up(&["--tls", "--quiet"]), 1);
    let url = format!("https://{}/-/api/hub", quiet.https());
    let hub: serde_json::Value =
        serde_json::from_slice(&curl_trusting(&house.certificate(), &[], &url).stdout).unwrap();
    assert_eq!(hub["services"][0]["url"], format!("https://{}/", quiet.https()));
    assert_eq!(hub["services"].as_array().unwrap().len(), 1, "{hub}");
    drop(quiet);
    let mut shown = Server::start(&mut up(&["--tls"]), 0);
    let mut table = String::new();
    while !table.contains("Ctrl-C") {
        table += &(shown.next_line().unwrap() + "\n");
    }
    assert!(table.contains("  files  https://127.0.0.1:"), "{table}");
    assert!(table.contains(&fingerprint(&house.certificate())), "{table}");
    let both = Server::start(&mut up(&["--quiet", "--on", "files=https://127.0.0.1:0"]), 2);
    let clear = format!("http://{}/a.txt", both.http());
    assert_eq!(text(run(curl().arg(clear)).stdout), TEXT);
    let secure = format!("https://{}/a.txt", both.https());
    assert_eq!(text(curl_trusting(&house.certificate(), &[], &secure).stdout), TEXT);
    let nothing = run(&mut up(&["--tls", "--without", "files"]));
    let nothing = text(nothing.stderr);
    assert!(
        nothing.contains("leaves nothing") || nothing.contains("would do nothing"),
        "{nothing}"
    );
}

#[test]
fn the_wire_is_shown_as_it_is_within_tls() {
    let house = House::new();
    let mut server = house.serve(&["--wire"]);
    let url = format!("https://{}/a.txt", server.https());
    assert_eq!(text(curl_trusting(&house.certificate(), &["--http1.1"], &url).stdout), TEXT);
    server.process.signal(Signal::INT);
    assert!(server.process.wait().success());
    let shown = server.process.stderr();
    for part in ["<- https://127.0.0.1:", "TLS 1.3 with TLS13_", "http/1.1 by ALPN"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.contains("\"GET /a.txt HTTP/1.1\\r\\n\""), "{shown}");
    assert!(shown.contains("\"HTTP/1.1 200 OK\\r\\n\""), "{shown}");
    assert!(shown.contains(&fingerprint(&house.certificate())), "the log tells it: {shown}");
}

#[test]
fn for_whom_there_is_no_place_it_is_said_within_tls() {
    let house = House::new();
    let server = house.serve(&["--max-clients", "1"]);
    let _holder = connect(server.https());
    let url = format!("https://{}/a.txt", server.https());
    let flags = ["--write-out", "%{http_code}"];
    let said = text(curl_trusting(&house.certificate(), &flags, &url).stdout);
    assert_eq!(said, "busy: 1 of 1 clients are here, try again later\n503");
    let clear = exchange(server.https(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(clear.starts_with(b"HTTP/1.1 503 "), "{clear:?}");
}

#[test]
fn a_server_that_ends_says_so_within_tls() {
    let house = House::new();
    let mut server = house.serve(&["--idle-timeout", "none"]);
    let pid = server.process.child.id();
    // A connection that just ends would be told apart from one that was ended (RFC 8446, section
    // 6.1): Python then raises SSLEOFError.
    let program = format!(
        "
import os
stream, silent = talk(), plain()
stream.sendall(GET.replace(b'close', b'keep-alive'))
while b'hello' not in stream.recv(65536):
    pass
os.kill({pid}, 2)
print(rest(stream), rest(silent))
"
    );
    assert_eq!(python(server.https(), &program), "b'' b''\n");
    assert!(server.process.wait().success());
}
