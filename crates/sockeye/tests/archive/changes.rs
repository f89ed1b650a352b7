//! What changes, breaks or cannot be read while it is sent.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use crate::look::names;
use crate::support::{
    Fixture, HANG, Http, Server, assert_same_bytes, curl, other_program, pattern, run,
};

/// More than the buffers of both sockets hold.
const LARGE_BYTES: usize = 24 * 1024 * 1024;

/// Asks for an archive over HTTP/1.0, where the bytes stand as they are, and reads its beginning.
fn begun(server: &Server, path: &str) -> (Http, Vec<u8>) {
    let mut http = Http::connect(server.http());
    http.send(format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"));
    assert_eq!(http.answer_head().status, 200);
    let first = http.rest_of(1_000);
    (http, first)
}

/// Waits for a line of the server's log.
#[track_caller]
fn logged(server: &Server, part: &str) -> String {
    let since = Instant::now();
    loop {
        let log = server.process.stderr();
        if let Some(line) = log.lines().find(|line| line.contains(part)) {
            return line.to_owned();
        }
        assert!(since.elapsed() < HANG, "no `{part}` in {log}");
        std::thread::yield_now();
    }
}

#[test]
fn what_cannot_be_read_is_left_out_and_counted_in_the_log() {
    let fixture = Fixture::new();
    fixture.file("good", "x");
    if rustix::process::geteuid().is_root() {
        // Root may read everything; a path that is too long stands for it.
        deep_files(&fixture, &["e", "f"]);
    } else {
        for name in ["bad", "worse"] {
            let path = fixture.file(name, "x");
            fs::set_permissions(path, fs::Permissions::from_mode(0o0)).unwrap();
        }
    }
    left_out(&fixture, 2);
}

#[test]
fn a_folder_whose_files_may_not_be_reached_is_left_out_and_the_others_come() {
    let fixture = Fixture::new();
    fixture.file("good", "x");
    fixture.file("shut/bad", "x");
    let shut = fixture.path("shut");
    // The server gave up root's right to pass here.
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o444)).unwrap();
    left_out(&fixture, 1);
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Empty files whose paths are longer than Linux takes them.
fn deep_files(fixture: &Fixture, letters: &[&str]) {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};
    let long = "d".repeat(200);
    let top = vec![long.as_str(); 17].join("/");
    fs::create_dir_all(fixture.path(&top)).unwrap();
    let mut deepest = std::os::fd::OwnedFd::from(fs::File::open(fixture.path(&top)).unwrap());
    for _ in 0..3 {
        mkdirat(&deepest, &long, Mode::from_raw_mode(0o755)).unwrap();
        deepest = openat(&deepest, &long, OFlags::RDONLY, Mode::empty()).unwrap();
    }
    for letter in letters {
        let flags = OFlags::CREATE | OFlags::WRONLY;
        openat(&deepest, letter.repeat(255), flags, Mode::from_raw_mode(0o644)).unwrap();
    }
}

fn left_out(fixture: &Fixture, count: usize) {
    let server = Server::files(&fixture.share(), &[]);
    for form in ["zip", "tar"] {
        let output = run(curl().arg("-f").arg(server.url(&format!("/?{form}"))));
        assert!(output.status.success());
        let names = names(form, &output.stdout);
        assert!(names.contains(&"share/good".to_owned()), "{names:?}");
        logged(&server, &format!("{count} left out"));
    }
}

#[test]
fn a_file_that_shrinks_or_is_rewritten_on_its_way_breaks_the_connection() {
    let fixture = Fixture::new();
    let server = Server::files(&fixture.share(), &[]);
    for (form, is_cut) in [("zip", true), ("zip", false), ("tar", true), ("tar", false)] {
        let path = fixture.file("large", pattern(LARGE_BYTES));
        let (mut http, _first) = begun(&server, &format!("/?{form}"));
        let file = fs::File::options().write(true).open(&path).unwrap();
        if is_cut {
            file.set_len(1_000_000).unwrap();
        } else {
            std::os::unix::fs::FileExt::write_at(&file, b"other", 0).unwrap();
        }
        let got = http.rest().len();
        assert!(got < LARGE_BYTES, "{form} {is_cut}: {got} bytes, and no whole archive");
        logged(&server, if is_cut { "became shorter" } else { "was rewritten" });
    }
    // With a framing that tells, the reader knows.
    let path = fixture.file("large", pattern(LARGE_BYTES));
    let mut http = Http::connect(server.http());
    http.send(http.request("GET", "/?zip", &[]));
    assert_eq!(http.answer_head().status, 200);
    http.rest_of(1_000);
    fs::write(path, "short").unwrap();
    assert!(!http.rest().ends_with(b"0\r\n\r\n"), "no last chunk");
}

#[test]
fn a_file_that_grows_on_its_way_is_sent_as_it_was() {
    let fixture = Fixture::new();
    let server = Server::files(&fixture.share(), &[]);
    for form in ["zip", "tar"] {
        let path = fixture.file("log", pattern(LARGE_BYTES));
        let (mut http, first) = begun(&server, &format!("/?{form}"));
        let mut file = fs::File::options().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, &vec![b'x'; 100_000]).unwrap();
        let archive = [first, http.rest()].concat();
        let place = fixture.beside("archive");
        fs::write(&place, archive).unwrap();
        let mut unpack = match form {
            "zip" => other_program("unzip", "unzip"),
            _ => other_program("tar", "tar"),
        };
        unpack.arg(if form == "zip" { "-p" } else { "xOf" }).arg(place).arg("share/log");
        assert_same_bytes(&run(&mut unpack).stdout, &pattern(LARGE_BYTES), form);
    }
}

#[test]
fn what_goes_away_before_its_turn_is_not_there() {
    let fixture = Fixture::new();
    fixture.file("a", pattern(LARGE_BYTES));
    fixture.file("b", "x");
    fixture.file("c/d", "x");
    let server = Server::files(&fixture.share(), &[]);
    let (mut http, first) = begun(&server, "/?tar");
    fs::remove_file(fixture.path("b")).unwrap();
    fs::remove_dir_all(fixture.path("c")).unwrap();
    let archive = [first, http.rest()].concat();
    assert_eq!(names("tar", &archive), ["share/", "share/a"]);
}

#[test]
fn a_reader_who_leaves_is_noted_and_one_who_stays_is_not() {
    let fixture = Fixture::new();
    fixture.file("a", pattern(LARGE_BYTES));
    let server = Server::files(&fixture.share(), &[]);
    drop(begun(&server, "/?zip"));
    let line = logged(&server, "GET /?zip");
    assert!(line.contains("the peer left after"), "{line}");
    run(curl().args(["-o", "/dev/null"]).arg(server.url("/?tar")));
    let line = logged(&server, "GET /?tar");
    assert!(!line.contains("left"), "{line}");
}
