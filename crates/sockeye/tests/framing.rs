//! Where a message over TCP ends when the user says so, `--framing` and `--pause`, for every
//! service that has messages there, on each driver.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

mod support;

use support::{Fixture, Server, connect, read_to_the_end, sockeye};

const DRIVERS: [&str; 3] = ["tasks", "threads", "single"];

/// The services with messages over TCP, and a message with what answers it.
const SERVICES: [(&[&str], &str, &str); 3] = [
    (&["clock", "--utc"], "SEND_MONEY", "Error in request format"),
    (&["echo", "--reply", "Hello"], "whatever", "Hello"),
    (&["files"], "none.txt", "Error: File not found"),
];

fn serve(arguments: &[&str], driver: &str, flags: &[&str]) -> (Fixture, Server) {
    let fixture = Fixture::new();
    let mut command = sockeye();
    command.arg("serve").args(arguments).args(["--on", "tcp://127.0.0.1:0", "--driver", driver]);
    command.args(flags).current_dir(fixture.share());
    (fixture, Server::start(&mut command, 1))
}

fn for_each(flags: &[&str], test: impl Fn(&Server, &str, &str)) {
    for driver in DRIVERS {
        for (arguments, message, answer) in SERVICES {
            let (_fixture, server) = serve(arguments, driver, flags);
            test(&server, message, answer);
        }
    }
}

/// Passes as much time as bytes need to become a message by the usual pause: in another
/// conversation they do, later than whatever was sent before.
fn let_a_pause_pass() {
    let (_fixture, server) = serve(&["echo", "--reply", "."], "threads", &[]);
    let mut other = connect(server.tcp());
    for _ in 0..3 {
        other.write_all(b"a message").unwrap();
        other.read_exact(&mut [0]).unwrap();
    }
}

#[track_caller]
fn assert_nothing_has_come(stream: &mut TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0; 100]);
    assert_eq!(read.map_err(|e| e.kind()), Err(ErrorKind::WouldBlock));
    stream.set_nonblocking(false).unwrap();
}

#[test]
fn by_lines_nothing_is_answered_before_the_line_end() {
    for_each(&["--framing", "line"], |server, message, answer| {
        let mut stream = connect(server.tcp());
        let (first, second) = message.split_at(4);
        stream.write_all(first.as_bytes()).unwrap();
        let_a_pause_pass();
        stream.write_all(second.as_bytes()).unwrap();
        let_a_pause_pass();
        assert_nothing_has_come(&mut stream);
        stream.write_all(b"\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let told = read_to_the_end(&mut stream);
        assert_eq!(String::from_utf8_lossy(&told), format!("{answer}\n"));
    });
}

#[test]
fn by_lines_the_last_one_may_lack_its_end_and_is_answered_in_lines() {
    for_each(&["--framing", "line"], |server, message, answer| {
        let told = server.raw(message.as_bytes());
        assert_eq!(String::from_utf8_lossy(&told), format!("{answer}\n"));
    });
}

#[test]
fn by_pauses_a_line_end_inside_is_part_of_the_message() {
    for_each(&["--framing", "pause"], |server, message, answer| {
        let mut stream = connect(server.tcp());
        stream.write_all(format!("{message}\n{message}\n").as_bytes()).unwrap();
        let mut told = vec![0; answer.len()];
        stream.read_exact(&mut told).unwrap();
        assert_eq!(String::from_utf8_lossy(&told), answer);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_the_end(&mut stream), b"", "one message, and no line end after it");
    });
}

#[test]
fn by_pauses_a_name_may_have_a_line_end_inside() {
    for driver in DRIVERS {
        let (fixture, server) = serve(&["files"], driver, &["--framing", "pause"]);
        fixture.file("two\nlines", "one file");
        assert_eq!(server.raw(b"two\nlines"), b"one file", "{driver}");
    }
}

#[test]
fn a_longer_pause_joins_what_the_usual_one_parts() {
    for driver in DRIVERS {
        let (_fixture, server) = serve(&["clock"], driver, &["--pause", "4s"]);
        let mut stream = connect(server.tcp());
        stream.write_all(b"SEND_").unwrap();
        let_a_pause_pass();
        stream.write_all(b"DATE").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let told = String::from_utf8(read_to_the_end(&mut stream)).unwrap();
        let is_date = told.len() == "YYYY-MM-DD".len() && told.as_bytes()[4] == b'-';
        assert!(is_date, "{driver}: {told:?}");
    }
}

#[test]
fn a_pause_of_the_users_own_ends_a_message() {
    for pause in ["1ms", "200ms"] {
        for_each(&["--pause", pause], |server, message, answer| {
            let mut stream = connect(server.tcp());
            stream.write_all(message.as_bytes()).unwrap();
            let mut told = vec![0; answer.len()];
            stream.read_exact(&mut told).unwrap();
            assert_eq!(String::from_utf8_lossy(&told), answer);
        });
    }
}
