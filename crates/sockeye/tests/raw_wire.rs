//! The classic raw wire on each driver: a file's name in, its bytes out, as netcat and beginners'
//! scripts in any language speak it.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;

use support::{
    Fixture, HANG, Server, assert_nothing_from_outside, assert_same_bytes, connect, other_program,
    pattern, read_to_the_end, sockeye,
};

const NOT_FOUND: &[u8] = b"Error: File not found";

const DRIVERS: [&str; 3] = ["tasks", "threads", "single"];

fn share(driver: &str, flags: &[&str]) -> (Fixture, Server) {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello");
    fixture.file("sub/b c.txt", "below");
    fixture.file("empty", "");
    fixture.file(".hidden", "hidden");
    fixture.file("100%.txt", "percent");
    fixture.file("übung.txt", "umlaut");
    let mut command = sockeye();
    command.args(["serve", "files"]).arg(fixture.share());
    command.args(["--on", "tcp://127.0.0.1:0", "--driver", driver]).args(flags);
    let server = Server::start(&mut command, 1);
    (fixture, server)
}

/// Shares the same files on each driver, all at once; a failure names the driver by its thread.
fn on_each_driver(test: impl Fn(&Fixture, Server) + Sync) {
    with_flags_on_each_driver(&[], test);
}

fn with_flags_on_each_driver(flags: &[&str], test: impl Fn(&Fixture, Server) + Sync) {
    std::thread::scope(|scope| {
        for driver in DRIVERS {
            let test = || {
                let (fixture, server) = share(driver, flags);
                test(&fixture, server);
            };
            let thread = std::thread::Builder::new().name(driver.into());
            thread.spawn_scoped(scope, test).unwrap();
        }
    });
}

/// Says something, keeps the sending side open as one `send` and one `recv` do, and reads to the
/// end.
fn say(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(server.tcp());
    stream.write_all(bytes).unwrap();
    read_to_the_end(&mut stream)
}

#[test]
fn a_name_is_a_line_with_or_without_a_carriage_return_and_a_leading_slash() {
    on_each_driver(|_fixture, server| {
        for (name, contents) in [
            ("a.txt\n", "hello"),
            ("a.txt\r\n", "hello"),
            ("/a.txt\n", "hello"),
            ("//a.txt\n", "hello"),
            ("./a.txt\n", "hello"),
            ("sub/b c.txt\n", "below"),
            ("/sub//b c.txt\n", "below"),
            ("100%.txt\n", "percent"),
            ("übung.txt\n", "umlaut"),
            ("empty\n", ""),
            ("a.txt\nand what follows is nobody's concern\n", "hello"),
        ] {
            assert_eq!(say(&server, name.as_bytes()), contents.as_bytes(), "{name:?}");
        }
    });
}

#[test]
fn a_name_without_a_line_end_is_taken_after_a_pause() {
    on_each_driver(|_fixture, server| {
        assert_eq!(say(&server, b"a.txt"), b"hello");
        assert_eq!(say(&server, b"/sub/b c.txt"), b"below");
    });
}

#[test]
fn what_stands_when_the_caller_ends_its_side_is_a_name() {
    on_each_driver(|_fixture, server| {
        assert_eq!(server.raw(b"a.txt"), b"hello");
        assert_eq!(server.raw(b"a"), NOT_FOUND);
        assert_eq!(server.raw(b""), b"", "who says nothing is told nothing");
    });
}

#[test]
fn a_name_typed_byte_by_byte_is_waited_for() {
    on_each_driver(|_fixture, server| {
        for end in ["\n", ""] {
            let mut stream = connect(server.tcp());
            for byte in format!("a.txt{end}").bytes() {
                stream.write_all(&[byte]).unwrap();
                // Longer than the pause that ends a name written at once, and than a busy machine
                // takes to read a byte before the next is there.
                std::thread::sleep(std::time::Duration::from_millis(300));
            }
            assert_eq!(read_to_the_end(&mut stream), b"hello", "ended by {end:?}");
        }
    });
}

#[test]
fn what_is_not_there_is_told_to_the_byte_in_kind() {
    on_each_driver(|fixture, server| {
        std::os::unix::fs::symlink("../secret.txt", fixture.path("link-out")).unwrap();
        for name in [
            "none",
            "sub",
            "sub/",
            "/",
            ".",
            ".hidden",
            "/.hidden",
            "sub/../a.txt",
            "../secret.txt",
            "..",
            "/../../etc/passwd",
            "link-out",
            "a.txt/x",
            "A.TXT",
            "%61.txt",
            "a.txt ",
            " a.txt",
            "a.txt\0",
            "\u{feff}a.txt",
            "\\a.txt",
            "a.txt\ta.txt",
        ] {
            let line = say(&server, format!("{name}\n").as_bytes());
            assert_eq!(line, [NOT_FOUND, b"\n"].concat(), "{name:?} as a line");
            let pause = say(&server, name.as_bytes());
            assert_eq!(pause, NOT_FOUND, "{name:?} with a pause");
            assert_nothing_from_outside(&line, name);
        }
        assert_eq!(say(&server, b"\n"), [NOT_FOUND, b"\n"].concat(), "an empty name");
    });
}

#[test]
fn files_come_byte_exact_whatever_their_size() {
    on_each_driver(|fixture, server| {
        for size in [1, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 5 << 20] {
            let contents = pattern(size);
            fixture.file("file", &contents);
            assert_same_bytes(
                &say(&server, b"file\n"),
                &contents,
                &format!("{size} bytes, a line"),
            );
            assert_same_bytes(&say(&server, b"file"), &contents, &format!("{size} bytes, a pause"));
        }
    });
}

#[test]
fn the_longest_message_is_a_name_and_a_longer_one_an_error() {
    on_each_driver(|_fixture, server| {
        let longest = "x".repeat(65_536) + "\n";
        assert_eq!(say(&server, longest.as_bytes()), [NOT_FOUND, b"\n"].concat());
        let too_long = "x".repeat(65_537) + "\n";
        assert_eq!(say(&server, too_long.as_bytes()), b"error: message longer than 65536 bytes\n");
        let endless = server.raw("x".repeat(3_000_000).as_bytes());
        assert_eq!(endless, b"error: message longer than 65536 bytes");
        assert_eq!(say(&server, b"a.txt\n"), b"hello");
    });
}

#[test]
fn a_browser_a_tls_client_and_a_native_wire_are_closed_without_a_word() {
    on_each_driver(|_fixture, server| {
        for opening in [
            &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
            b"GET /a.txt HTTP/1.0\r\n\r\n",
            b"POST /a.txt HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\x16\x03\x03\x00\x7a",
            b"\xfenative",
        ] {
            let shown = String::from_utf8_lossy(opening);
            assert_eq!(say(&server, opening), b"", "{shown}");
        }
    });
}

#[test]
fn netcat_gets_a_file_by_a_line_and_by_printf() {
    on_each_driver(|fixture, server| {
        let contents = pattern(1_000_003);
        fixture.file("f", &contents);
        for (flags, name) in [(&["-N"][..], &b"f\n"[..]), (&["-N"], b"f"), (&[], b"f\n")] {
            let mut netcat = other_program("nc", "netcat-openbsd");
            netcat.args(flags).args(["-w", "20"]).arg(server.tcp().ip().to_string());
            netcat.arg(server.tcp().port().to_string());
            let mut netcat = netcat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            netcat.stdin.take().unwrap().write_all(name).unwrap();
            let mut got = Vec::new();
            netcat.stdout.take().unwrap().read_to_end(&mut got).unwrap();
            netcat.wait().unwrap();
            assert_same_bytes(&got, &contents, &format!("nc {flags:?}"));
        }
    });
}

#[test]
fn many_callers_at_once_each_get_their_own_file() {
    on_each_driver(|fixture, server| {
        for i in 0..8 {
            fixture.file(format!("{i}"), pattern(100_000 * i + i));
        }
        std::thread::scope(|scope| {
            for i in 0..64 {
                let server = &server;
                scope.spawn(move || {
                    let i = i % 8;
                    let got = say(server, format!("{i}\n").as_bytes());
                    assert_same_bytes(&got, &pattern(100_000 * i + i), &format!("file {i}"));
                });
            }
        });
    });
}

#[test]
fn a_caller_who_ends_its_side_at_once_still_gets_all_of_a_large_file() {
    on_each_driver(|fixture, server| {
        let contents = pattern(20_000_000);
        fixture.file("f", &contents);
        let mut stream = connect(server.tcp());
        stream.write_all(b"f\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_same_bytes(&read_to_the_end(&mut stream), &contents, "after a half-close");
    });
}

/// The wire has no length: a reset is the only way to say that this is not all of it.
#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_in_a_reset_and_not_as_if_it_were_whole() {
    on_each_driver(|fixture, server| {
        let file = std::fs::File::create(fixture.path("f")).unwrap();
        file.set_len(64 << 20).unwrap();
        let mut stream = connect(server.tcp());
        stream.write_all(b"f\n").unwrap();
        stream.read_exact(&mut [0; 1000]).unwrap();
        file.set_len(1).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        let end = stream.read_to_end(&mut Vec::new());
        assert!(end.is_err(), "it ended like a whole file after {end:?} bytes");
    });
}

#[test]
fn callers_who_never_read_hold_up_nobody() {
    on_each_driver(|fixture, server| {
        std::fs::File::create(fixture.path("large")).unwrap().set_len(1 << 30).unwrap();
        let contents = pattern(5_000_000);
        fixture.file("f", &contents);
        let _stuck: Vec<TcpStream> = (0..40).map(|_| begun(&server, "large")).collect();
        for _ in 0..5 {
            assert_same_bytes(&say(&server, b"f\n"), &contents, "past those who do not read");
        }
    });
}

#[test]
fn a_caller_who_leaves_in_the_middle_gives_its_place_back() {
    with_flags_on_each_driver(&["--max-clients", "1"], |fixture, mut server| {
        std::fs::File::create(fixture.path("large")).unwrap().set_len(1 << 30).unwrap();
        let leaver = begun(&server, "large");
        let busy = b"busy: 1 of 1 clients are here, try again later\n";
        assert_eq!(say(&server, b"a.txt\n"), busy);
        // What it has not read makes this a reset.
        drop(leaver);
        let mut tries = 0;
        while say(&server, b"a.txt\n") != b"hello" {
            tries += 1;
            assert!(tries < 10_000, "its place was never free again");
        }
        server.process.signal(rustix::process::Signal::INT);
        assert_eq!(server.process.wait().code(), Some(0));
        let stderr = server.process.stderr();
        let line = stderr.lines().find(|line| line.contains(" large 200 ")).unwrap();
        assert!(line.contains("the peer left"), "{stderr}");
    });
}

/// A transfer whose first bytes have come; the rest is not read.
fn begun(server: &Server, name: &str) -> TcpStream {
    let mut caller = connect(server.tcp());
    caller.write_all(format!("{name}\n").as_bytes()).unwrap();
    caller.read_exact(&mut [0]).unwrap();
    caller
}

#[test]
fn each_request_is_a_line_on_stderr_that_cannot_be_forged() {
    on_each_driver(|_fixture, mut server| {
        say(&server, b"a.txt\n");
        say(&server, b"no\x1b[2Jsuch\rfile\n");
        server.process.signal(rustix::process::Signal::INT);
        server.process.wait();
        let stderr = server.process.stderr();
        let requests: Vec<&str> = stderr.lines().filter(|l| l.contains(" 127.0.0.1 ")).collect();
        assert_eq!(requests.len(), 2, "{stderr}");
        // A line is written when its connection is closed, which may come in either order.
        assert!(requests.iter().any(|line| line.contains("a.txt 200 5 B")), "{stderr}");
        assert!(stderr.contains("no\\x1b[2Jsuch\\rfile 404"), "{stderr}");
        assert!(!stderr.contains('\x1b'), "{stderr}");
    });
}
