//! The certificate: made once, kept, or the user's own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::house::{House, TEXT, curl_trusting, fingerprint, made};
use crate::support::{Server, run};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn it_is_made_once_and_is_the_same_after_a_restart() {
    let house = House::new();
    assert!(!house.data().exists());
    drop(house.serve(&[]));
    let first = fingerprint(&house.certificate());
    let key = house.data().join("tls-key.pem");
    assert_eq!(
        (mode(&house.data()), mode(&house.certificate()), mode(&key)),
        (0o700, 0o600, 0o600)
    );
    drop(house.serve(&["--host", "another.example"]));
    assert_eq!(fingerprint(&house.certificate()), first);

    std::fs::remove_file(house.certificate()).unwrap();
    let key_before = std::fs::read(&key).unwrap();
    drop(house.serve(&[]));
    assert_ne!(fingerprint(&house.certificate()), first);
    assert_eq!(std::fs::read(&key).unwrap(), key_before, "its key is kept");
}

#[test]
fn one_that_has_expired_makes_way_for_another_and_the_log_says_so() {
    let house = House::new();
    drop(house.serve(&[]));
    let (certificate, key) = made(&["localhost"], (2001, 2002));
    std::fs::write(house.certificate(), certificate).unwrap();
    std::fs::write(house.data().join("tls-key.pem"), &key).unwrap();
    let old = fingerprint(&house.certificate());
    let mut server = house.serve(&[]);
    assert_ne!(fingerprint(&house.certificate()), old);
    server.process.signal(rustix::process::Signal::INT);
    server.process.wait();
    let said = server.process.stderr();
    assert!(
        said.contains("valid until 2002-01-01") && said.contains("a new one was made"),
        "{said}"
    );
}

#[test]
fn without_a_data_folder_there_is_one_for_this_run() {
    let house = House::new();
    let mut command = crate::support::sockeye();
    command.args(["serve", "files"]).arg(house.fixture.share());
    command.args(["--tls", "--ephemeral", "--on", "https://127.0.0.1:0"]);
    command.env("HOME", house.data()).env_remove("XDG_DATA_HOME");
    let server = Server::start(&mut command, 1);
    let url = format!("https://{}/a.txt", server.https());
    let output = run(crate::support::curl().args(["-k", &url]));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), TEXT);
    assert!(!house.data().exists(), "nothing is kept");
}

#[test]
fn the_users_own_is_taken_with_those_that_vouch_for_it() {
    let house = House::new();
    let (certificate, key) = made(&["127.0.0.1"], (2020, 4000));
    let (another, _) = made(&["another"], (2020, 4000));
    let certificate = house.write("own.pem", &(certificate + &another), 0o644);
    let key = house.write("own.key", &key, 0o600);
    let server = house.serve(&["--tls-cert", &certificate, "--tls-key", &key]);
    let url = format!("https://{}/a.txt", server.https());
    let output = curl_trusting(certificate.as_ref(), &[], &url);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), TEXT);
    assert!(!house.data().exists(), "none is made");
}

#[test]
fn what_is_wrong_with_the_users_own_is_said_with_its_file() {
    let house = House::new();
    let (good, good_key) = made(&["localhost"], (2020, 4000));
    let (_, other_key) = made(&["localhost"], (2020, 4000));
    let (old, old_key) = made(&["localhost"], (2001, 2002));
    let cert = house.write("a.pem", &good, 0o644);
    let key = house.write("a.key", &good_key, 0o600);
    let other = house.write("b.key", &other_key, 0o600);
    let old_cert = house.write("old.pem", &old, 0o644);
    let old_key = house.write("old.key", &old_key, 0o600);
    let text = house.write("text.txt", "hello\n", 0o644);
    let cut = house.write("cut.pem", &good[..good.len() / 2], 0o644);
    let missing = house.fixture.beside("missing.pem").to_str().unwrap().to_owned();
    let cases = [
        (&missing, &key, &missing, "No such file"),
        (&cert, &missing, &missing, "No such file"),
        (&text, &key, &text, "no certificate"),
        (&cut, &key, &cut, "was it cut?"),
        (&cert, &text, &text, "no private key"),
        (&cert, &other, &other, "belongs to another certificate"),
        (&old_cert, &old_key, &old_cert, "valid until 2002-01-01T00:00:00Z"),
    ];
    for (certificate, key, blamed, why) in cases {
        let flags = ["--on", "https://127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key];
        let said = house.refused(&flags);
        assert!(said.contains(blamed) && said.contains(why), "{blamed}, {why}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let said = house.refused(&["--on", "https://127.0.0.1:0", "--tls-cert", &cert]);
    assert!(said.contains("--tls-cert and --tls-key go together"), "{said}");
    let said = house.refused(&["--on", "http://127.0.0.1:0", "--tls"]);
    assert!(said.contains("--tls would do nothing"), "{said}");
    let said = house.refused(&["--on", "https://127.0.0.1:0", "--driver", "single"]);
    assert!(said.contains("tokio tasks alone"), "{said}");
}

#[test]
fn a_key_that_everybody_may_read_is_warned_of() {
    let house = House::new();
    let (certificate, key) = made(&["localhost"], (2020, 4000));
    let certificate = house.write("own.pem", &certificate, 0o644);
    for (mode, is_warned) in [(0o644, true), (0o640, false), (0o600, false)] {
        let key = house.write("own.key", &key, mode);
        let mut server = house.serve(&["--tls-cert", &certificate, "--tls-key", &key]);
        server.process.signal(rustix::process::Signal::INT);
        server.process.wait();
        let said = server.process.stderr();
        assert_eq!(said.contains("chmod 600"), is_warned, "{mode:o}: {said}");
    }
}
