//! What is kept from one run to the next: the key and the cookies made of it, for nobody else to
//! read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::hub::{Hub, KEY, start, up};
use crate::support::{Fixture, run, sockeye};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// What `sockeye key` says.
fn key(data: &Path, flags: &[&str]) -> String {
    let output = run(sockeye().arg("key").arg("--data").arg(data).args(flags));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.as_ref()), (Some(0), ""));
    let text = String::from_utf8(output.stdout).unwrap();
    text.strip_suffix('\n').unwrap_or_else(|| panic!("{text:?}")).to_owned()
}

#[test]
fn the_key_is_made_once_and_kept_for_its_owner_alone() {
    let fixture = Fixture::new();
    let data = fixture.beside("deep/data");
    let made = key(&data, &[]);
    assert!(
        made.len() == 12 && made.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')),
        "{made}"
    );
    assert_eq!((mode(&data), mode(&fixture.beside("deep"))), (0o700, 0o700));
    assert_eq!(mode(&data.join("key")), 0o600);
    assert_eq!(key(&data, &[]), made);
    let new = key(&data, &["--new-key"]);
    assert!(new != made && key(&data, &[]) == new, "{new}");
    assert_eq!(mode(&data.join("key")), 0o600);
    let names: Vec<_> =
        std::fs::read_dir(&data).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["key"]);
}

#[test]
fn a_data_folder_that_others_may_write_in_is_refused() {
    let fixture = Fixture::new();
    let data = fixture.beside("data");
    key(&data, &[]);
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o770)).unwrap();
    let output = run(sockeye().arg("key").arg("--data").arg(&data));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("chmod 700"), "{stderr}");
}

#[test]
fn a_hub_that_is_started_again_knows_its_guests() {
    let hub = Hub::with(&["--new-key"]);
    let key = hub.kept_key();
    let port = hub.server.http().port().to_string();
    let mut guest = hub.guest(&key);
    // On the same port: the cookie is named after it.
    let same_port = format!("files=http://127.0.0.1:{port}");
    let hub = {
        let mut hub = hub;
        hub.server.process.signal(rustix::process::Signal::INT);
        assert_eq!(hub.server.process.wait().code(), Some(0));
        let mut command = sockeye();
        command.arg("up").arg(hub.fixture.share()).args(["--quiet", "--open=read", "--uploads"]);
        command.args(["--on", &same_port, "--without", "files.tcp", "--without", "echo"]);
        command.args(["--without", "clock", "--data"]).arg(hub.data());
        let server = crate::support::Server::start(&mut command, 1);
        Hub { fixture: hub.fixture, server }
    };
    guest.at = hub.server.http();
    assert_eq!(hub.kept_key(), key, "it was not made anew");
    assert_eq!(guest.ask("PUT", "/new", &[], "x").status, 201);
    assert_eq!(hub.visitor().ask("PUT", "/newer", &[], "x").status, 401);
}

#[test]
fn a_new_key_at_the_start_lets_nobody_in_who_has_the_old_one() {
    let hub = Hub::with(&["--new-key"]);
    let old = hub.kept_key();
    let guest = hub.guest(&old);
    let token = guest.cookie().split_once('=').unwrap().1.to_owned();
    let hub = hub.again(&["--new-key"]);
    let new = hub.kept_key();
    assert_ne!(old, new);
    let cookie = format!("sockeye-{}={token}", hub.server.http().port());
    assert_eq!(hub.visitor().says("Cookie", &cookie).get("/a.txt").status, 401);
    assert_eq!(hub.visitor().bearer(&old).get("/a.txt").status, 401);
    assert_eq!(hub.visitor().bearer(&new).get("/a.txt").status, 200);
    assert_eq!(key(&hub.data(), &[]), new, "`sockeye key` tells the same");
}

/// A key of one's own is for this run, and the machine's own is left as it is.
#[test]
fn a_key_that_is_given_is_not_kept() {
    let hub = Hub::new();
    assert!(!hub.data().join("key").exists());
    assert_eq!(hub.visitor().bearer(KEY).get("/a.txt").status, 200);
    let fixture = Fixture::new();
    for (given, why) in [("short", "8"), ("with space", "made of"), (&"x".repeat(65), "64")] {
        let output = run(&mut up(&fixture, &["--join-key", given]));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("--join-key") && stderr.contains(why), "{stderr}");
        assert!(!stderr.contains(given), "it is not repeated: {stderr}");
    }
}

#[test]
fn an_ephemeral_hub_keeps_nothing() {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello");
    let home = fixture.beside("home");
    std::fs::create_dir(&home).unwrap();
    let mut command = up(&fixture, &["--ephemeral", "--join-key", KEY]);
    let server = crate::support::Server::start(command.env("HOME", &home), 2);
    assert_eq!(server.raw(format!("{KEY}/a.txt\n").as_bytes()), b"hello");
    drop(server);
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0);
    drop(start(&fixture, &["--open"]));
    assert!(!fixture.beside("data").exists());
}
