//! Bounds: memory, how many at once, the end of a guest's stay and of the server.

use std::fs::{self, File};
use std::time::Duration;

use rustix::process::Signal;

use crate::look::names;
use crate::support::{Fixture, Http, Running, Server, curl, sockeye};

/// As `ARCHIVES_AT_ONCE` has it.
const AT_ONCE: usize = 64;

/// A folder that fits in no socket's buffers.
fn large() -> Fixture {
    let fixture = Fixture::new();
    File::create(fixture.path("large")).unwrap().set_len(64 * 1024 * 1024).unwrap();
    fixture.file("a.txt", "hello");
    fixture
}

/// An archive that has begun and whose reader reads no more.
fn begun(server: &Server) -> Http {
    let mut http = Http::connect(server.http());
    http.send(http.request("GET", "/?zip", &[]));
    assert_eq!(http.answer_head().status, 200);
    http.rest_of(1_000);
    http
}

#[test]
fn one_archive_too_many_is_told_to_wait_and_files_are_not() {
    let fixture = large();
    let server = Server::files(&fixture.share(), &["--quiet"]);
    let mut readers: Vec<Http> = (0..AT_ONCE).map(|_| begun(&server)).collect();
    let refused = server.get("/?tar");
    assert_eq!((refused.status, refused.the("retry-after")), (503, "5"), "{}", refused.text());
    assert!(refused.text().contains("64 archives"), "{}", refused.text());
    assert_eq!(server.get("/a.txt").text(), "hello");
    assert_eq!(Http::connect(server.http()).head("/?zip", &[]).status, 200, "a head is none");
    readers.pop();
    // Its place is free when the server has noticed.
    let again = (0..1_000).find(|_| {
        let mut http = Http::connect(server.http());
        http.send(http.request("GET", "/?zip", &[]));
        http.answer_head().status == 200
    });
    assert!(again.is_some(), "a place that was left is free");
}

#[test]
fn slow_readers_cost_little_and_hold_up_nobody() {
    let fixture = Fixture::new();
    for i in 0..20_000 {
        fixture.file(format!("{}/{i}", i % 20), [b'x'; 200]);
    }
    let server = Server::files(&fixture.share(), &["--quiet"]);
    let before = server.memory_kib("VmRSS");
    let readers: Vec<Http> = (0..AT_ONCE)
        .map(|_| {
            let mut http = Http::connect(server.http());
            http.send(http.request("GET", "/?tar", &[]));
            assert_eq!(http.answer_head().status, 200);
            http
        })
        .collect();
    assert_eq!(server.get("/0/0").body.len(), 200);
    let after = server.memory_kib("VmRSS");
    let each = after.saturating_sub(before) / AT_ONCE as u64;
    assert!(each < 1_024, "{each} KiB a reader");
    drop(readers);
}

#[test]
fn many_files_take_no_more_memory_than_few() {
    let fixture = Fixture::new();
    for folder in 0..10 {
        fs::create_dir(fixture.path(format!("{folder}"))).unwrap();
        for i in 0..2_000 {
            File::create(fixture.path(format!("{folder}/a file of a long name {i:0>60}"))).unwrap();
        }
    }
    let server = Server::files(&fixture.share(), &["--quiet"]);
    let first = server.get("/0?zip").body.len();
    let few = server.memory_kib("VmHWM");
    let archive = fixture.beside("x.zip");
    let mut fetching = Running::spawn(curl().arg("-o").arg(&archive).arg(server.url("/?zip")));
    let ended = fetching.wait_within(Duration::from_mins(3)).unwrap();
    let grown = server.memory_kib("VmHWM").saturating_sub(few);
    assert!(ended.success() && first > 0, "{}", fetching.stderr());
    assert_eq!(names("zip", &fs::read(archive).unwrap()).len(), 20_011);
    assert!(grown < 2 * 1_024, "{grown} KiB more for a directory of {} KiB", 20_011 * 150 / 1_024);
}

#[test]
fn who_is_thrown_out_gets_no_more_of_it() {
    let fixture = large();
    let mut command = sockeye();
    command.args(["up", "--quiet", "--lan", "--port", "0", "--ipv4", "--addr", "127.0.0.1"]);
    command.args(["--join-key", "spawning-salmon", "--without", "files.tcp"]);
    command.args(["--without", "echo", "--without", "clock"]).arg(fixture.share());
    let server = Server::start(&mut command, 1);
    let at = format!("127.0.0.1:{}", server.http().port());
    let join = |name: &str| {
        let mut http = Http::connect(at.parse().unwrap());
        let body = format!("key=spawning-salmon&name={name}");
        let length = body.len().to_string();
        let form = "application/x-www-form-urlencoded";
        let fields = [("Content-Length", length.as_str()), ("Content-Type", form)];
        let request = http.request("POST", "/-/join", &fields);
        http.send(request + &body);
        let cookie = http.answer().the("set-cookie").split(';').next().unwrap().to_owned();
        (http, cookie)
    };
    let (mut host, host_cookie) = join("host");
    let (mut guest, guest_cookie) = join("guest");
    guest.send(guest.request("GET", "/?zip", &[("Cookie", &guest_cookie)]));
    assert_eq!(guest.answer_head().status, 200);
    guest.rest_of(1_000);
    let mut asker = Http::connect(at.parse().unwrap());
    let id = asker.get("/-/api/hub", &[("Cookie", &guest_cookie)]).json()["access"]["guest"]
        .as_str()
        .unwrap()
        .to_owned();
    let fields = [("Cookie", host_cookie.as_str()), ("Content-Length", "2")];
    let out = host.request("POST", &format!("/-/api/guests/{id}/out"), &fields);
    host.send(out + "{}");
    assert_eq!(host.answer().status, 204);
    let rest = guest.rest();
    assert!(rest.len() < 32 * 1024 * 1024, "{} bytes came all the same", rest.len());
    assert!(!rest.ends_with(b"0\r\n\r\n"), "and it does not look whole");
}

#[test]
fn a_server_that_ends_lets_an_archive_come_to_its_end() {
    let fixture = large();
    let mut server = Server::files(&fixture.share(), &["--quiet"]);
    let mut http = begun(&server);
    server.process.signal(Signal::INT);
    let rest = http.rest();
    assert!(rest.ends_with(b"0\r\n\r\n"), "{} bytes, and the last chunk", rest.len());
    assert_eq!(server.process.wait().code(), Some(0));
}
