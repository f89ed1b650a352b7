//! Whom `sockeye get` trusts over https, and what it says of whom it does not.

use std::path::Path;
use std::process::{Command, Output};

use crate::house::{House, TEXT, fingerprint, foreign_server, made};
use crate::support::{Server, run, sockeye};

fn get(url: &str, flags: &[&str]) -> Command {
    let mut command = sockeye();
    // Roots of this machine are none of this test's.
    command.env("SSL_CERT_FILE", "/nowhere").env_remove("SSL_CERT_DIR");
    command.args(["get", "-o", "-", url]).args(flags);
    command
}

fn get_trusting(roots: &Path, url: &str, flags: &[&str]) -> Output {
    run(get(url, flags).env("SSL_CERT_FILE", roots))
}

fn url(server: &Server) -> String {
    format!("https://{}/a.txt", server.https())
}

#[track_caller]
fn assert_fetched(output: Output) {
    assert_eq!(String::from_utf8_lossy(&output.stdout), TEXT, "{output:?}");
    assert!(output.status.success());
}

/// That it failed as the network fails, without a byte, and what it said.
#[track_caller]
fn assert_not_trusted(output: Output) -> String {
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_one_certificate_is_trusted_whose_fingerprint_was_given() {
    let house = House::new();
    let server = house.serve(&[]);
    let right = fingerprint(&house.certificate());
    assert_fetched(run(&mut get(&url(&server), &["--fingerprint", &right])));
    let typed = right.to_lowercase().replace(':', "");
    assert_fetched(run(&mut get(&url(&server), &["--fingerprint", &typed])));
    assert_fetched(run(get(&url(&server), &[]).env("SOCKEYE_FINGERPRINT", &right)));

    let wrong = format!("00:11:22{}", &right[8..]);
    let said = assert_not_trusted(run(&mut get(&url(&server), &["--fingerprint", &wrong])));
    for part in [wrong.as_str(), right.as_str(), "not the one that was asked for"] {
        assert!(said.contains(part), "{said}");
    }
    // Not even where this machine's roots would vouch for it.
    let flags = ["--fingerprint", wrong.as_str()];
    assert_not_trusted(get_trusting(&house.certificate(), &url(&server), &flags));
}

#[test]
fn files_are_put_to_the_one_certificate_too() {
    let house = House::new();
    let server = house.serve(&["--uploads"]);
    let right = fingerprint(&house.certificate());
    let large = crate::support::pattern(9_000_000);
    std::fs::write(house.fixture.beside("large.bin"), &large).unwrap();
    let put = |flags: &[&str]| {
        let mut command = sockeye();
        command.env("SSL_CERT_FILE", "/nowhere").env_remove("SSL_CERT_DIR");
        let to = format!("https://{}/", server.https());
        command.args(["put", "secret.txt", "large.bin", &to]).args(flags);
        run(command.current_dir(house.fixture.beside("")))
    };
    assert_not_trusted(put(&[]));
    let done = put(&["--fingerprint", &right]);
    assert!(done.status.success(), "{done:?}");
    let arrived = std::fs::read(house.fixture.path("large.bin")).unwrap();
    crate::support::assert_same_bytes(&arrived, &large, "large.bin");
    assert!(house.fixture.path("secret.txt").exists());
}

#[test]
fn a_fingerprint_stands_for_the_server_whatever_its_names_and_dates() {
    let house = House::new();
    // What the server would refuse of the user's own: an old one that is kept is made anew there.
    let (certificate, key) = made(&["elsewhere.example"], (2020, 4000));
    let certificate = house.write("other.pem", &certificate, 0o600);
    let key = house.write("other.key", &key, 0o600);
    let server = house.serve(&["--tls-cert", &certificate, "--tls-key", &key]);
    let right = fingerprint(certificate.as_ref());
    assert_fetched(run(&mut get(&url(&server), &["--fingerprint", &right])));

    let said = assert_not_trusted(get_trusting(certificate.as_ref(), &url(&server), &[]));
    assert!(said.contains("not for that name, but for elsewhere.example"), "{said}");
    assert!(said.contains(&right), "{said}");
}

#[test]
fn whom_the_systems_roots_vouch_for_is_trusted_and_others_are_shown_with_the_way_out() {
    let house = House::new();
    let server = house.serve(&[]);
    let right = fingerprint(&house.certificate());
    assert_fetched(get_trusting(&house.certificate(), &url(&server), &[]));
    let by_name = url(&server).replace("127.0.0.1", "localhost");
    assert_fetched(get_trusting(&house.certificate(), &by_name, &["--ipv4"]));

    let (other, _) = made(&["localhost"], (2020, 4000));
    let other = house.write("roots.pem", &other, 0o644);
    let said = assert_not_trusted(get_trusting(other.as_ref(), &url(&server), &[]));
    for part in ["nobody whom this machine trusts", "compared pair by pair", "hub itself shows"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(said.contains(&format!("--fingerprint {right}")), "{said}");

    let said = assert_not_trusted(run(&mut get(&url(&server), &[])));
    assert!(said.contains("no roots") && said.contains(&right), "{said}");
}

#[test]
fn what_is_sent_on_from_http_to_https_is_fetched() {
    let house = House::new();
    let server = house.serve(&[]);
    let plain = url(&server).replace("https", "http");
    assert_fetched(get_trusting(&house.certificate(), &plain, &[]));
    assert_not_trusted(run(&mut get(&plain, &[])));
}

#[test]
fn a_fingerprint_that_nothing_would_be_compared_with_is_refused() {
    let some = "00".repeat(32);
    for url in ["http://127.0.0.1:1/a", "tcp://127.0.0.1:1/a"] {
        let output = run(&mut get(url, &["--fingerprint", &some]));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("write https://"), "{said}");
    }
    let output = run(&mut get("https://127.0.0.1:1/a", &["--fingerprint", "AB:CD"]));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("64 hexadecimal digits"));
}

#[test]
fn who_is_pinned_may_not_lead_on_to_the_clear() {
    let house = House::new();
    let clear = Server::files(&house.fixture.share(), &[]);
    let (certificate, key) = made(&["127.0.0.1"], (2020, 4000));
    let certificate = house.write("own.pem", &certificate, 0o600);
    let key = house.write("own.key", &key, 0o600);
    let location = clear.url("/a.txt");
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let server = foreign_server(&certificate, &key, &answer);
    let flags = ["--fingerprint", &fingerprint(certificate.as_ref())];
    let output = run(&mut get(&url(&server), &flags));
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&location) && said.contains("--fingerprint"), "{said}");
    assert_fetched(get_trusting(certificate.as_ref(), &url(&server), &[]));
}

#[test]
fn a_certificate_out_of_its_time_is_told_with_the_clock() {
    let house = House::new();
    for (years, word) in [((2001, 2002), "any more"), ((3000, 3001), "yet")] {
        let (certificate, key) = made(&["127.0.0.1"], years);
        let certificate = house.write("own.pem", &certificate, 0o600);
        let key = house.write("own.key", &key, 0o600);
        let server = foreign_server(&certificate, &key, "");
        let said = assert_not_trusted(get_trusting(certificate.as_ref(), &url(&server), &[]));
        assert!(said.contains(&format!("not valid {word}, if this machine's clock")), "{said}");
    }
}

#[test]
fn an_end_that_tls_does_not_vouch_for_is_a_cut() {
    let house = House::new();
    let (certificate, key) = made(&["127.0.0.1"], (2020, 4000));
    let certificate = house.write("own.pem", &certificate, 0o600);
    let key = house.write("own.key", &key, 0o600);
    let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{TEXT}");
    let server = foreign_server(&certificate, &key, &answer);
    let output = get_trusting(certificate.as_ref(), &url(&server), &[]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let length = TEXT.len();
    let with_length = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{TEXT}");
    let server = foreign_server(&certificate, &key, &with_length);
    assert_fetched(get_trusting(certificate.as_ref(), &url(&server), &[]));
}

#[test]
fn what_is_put_goes_only_to_whom_is_trusted() {
    let house = House::new();
    let server = house.serve(&["--uploads"]);
    let from = house.write("sent.txt", "to be sent", 0o600);
    let right = fingerprint(&house.certificate());
    let wrong = format!("00:11:22{}", &right[8..]);
    let to = format!("https://{}/", server.https());
    let put = |flags: &[&str]| {
        let mut command = sockeye();
        command.env("SSL_CERT_FILE", "/nowhere").env_remove("SSL_CERT_DIR");
        run(command.args(["put", "--ephemeral", &from, &to]).args(flags))
    };
    assert_eq!(put(&["--fingerprint", &wrong]).status.code(), Some(3));
    assert_eq!(put(&[]).status.code(), Some(3));
    assert!(!house.fixture.path("sent.txt").exists());
    let output = put(&["--fingerprint", &right]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(std::fs::read(house.fixture.path("sent.txt")).unwrap(), b"to be sent");
}

#[test]
fn a_server_that_speaks_no_tls_is_told_apart() {
    let house = House::new();
    let server = Server::files(&house.fixture.share(), &[]);
    let address = server.http();
    let said = assert_not_trusted(run(&mut get(&format!("https://{address}/a.txt"), &[])));
    assert!(said.contains("does not speak TLS") && said.contains("http://"), "{said}");
}

#[test]
fn get_shows_the_wire_within_tls() {
    let house = House::new();
    let server = house.serve(&[]);
    let output = get_trusting(&house.certificate(), &url(&server), &["--wire"]);
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(shown.contains("-> https://127.0.0.1:"), "{shown}");
    assert!(shown.contains("\"GET /a.txt HTTP/1.1\\r\\n\""), "{shown}");
    assert_fetched(output);
}
