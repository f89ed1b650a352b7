//! The key on the wires of text and on the raw wire of files, on each driver: what lets in, what is
//! said to who has none or a wrong one, and that no key is ever in what a program writes.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::Stdio;

use rustix::process::Signal;

mod support;

use support::{
    Fixture, HANG, Http, Running, Server, connect, connect_from, other_program, read_to_the_end, run,
    sockeye,
};

const DRIVERS: [&str; 3] = ["tasks", "threads", "single"];
const KEY: &str = "Sesame-street_7";
const WRONG: &str = "sesame-stroll_7";
const WANTED: &str = "error: key wanted";
const IS_WRONG: &str = "error: wrong key";

/// A service that wants the key and shows its wire.
struct Keyed {
    server: Server,
    tcp: SocketAddr,
    udp: SocketAddr,
}

impl Keyed {
    fn serve(service: &str, driver: &str, flags: &[&str]) -> Self {
        let mut command = sockeye();
        command.args(["serve", service, "--driver", driver, "--wire"]).args(flags);
        command.args(["--on", "tcp://127.0.0.1:0", "--on", "udp://127.0.0.1:0"]);
        command.env("SOCKEYE_JOIN_KEY", KEY);
        let server = Server::start(&mut command, 2);
        let address = |scheme: &str| -> SocketAddr {
            let start = format!("listening on {scheme}://");
            server.lines.iter().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
        };
        let (tcp, udp) = (address("tcp"), address("udp"));
        Self { server, tcp, udp }
    }

    /// Ends it, and looks through everything it wrote.
    fn ends_without_a_key_in_sight(mut self) -> String {
        self.server.process.signal(Signal::TERM);
        assert!(self.server.process.wait().success());
        let stderr = self.server.process.stderr();
        assert_no_key(&stderr);
        stderr
    }
}

/// That neither the key nor a wrong one is in a text, however it is written.
#[track_caller]
fn assert_no_key(text: &str) {
    let lower = text.to_lowercase();
    for key in [KEY, WRONG] {
        assert!(!lower.contains(&key.to_lowercase()), "the key is in sight:\n{text}");
    }
}

/// One write, one read.
fn ask(stream: &mut TcpStream, message: &str) -> String {
    stream.write_all(message.as_bytes()).unwrap();
    let mut buffer = [0; 1024];
    let n = stream.read(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..n]).into_owned()
}

/// One datagram from one of this machine's loopback addresses, and the answer.
fn ask_datagram_from(from: [u8; 4], to: SocketAddr, message: &str) -> String {
    let socket = UdpSocket::bind((Ipv4Addr::from(from), 0)).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    socket.send(message.as_bytes()).unwrap();
    let mut buffer = vec![0; 65_536];
    let n = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..n]).into_owned()
}

fn ask_datagram(to: SocketAddr, message: &str) -> String {
    ask_datagram_from([127, 0, 0, 1], to, message)
}

fn exchange(address: SocketAddr, sent: &str) -> String {
    String::from_utf8_lossy(&support::exchange(address, sent.as_bytes())).into_owned()
}

fn is_time(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
}

#[test]
fn over_tcp_the_first_message_is_the_key_by_lines() {
    for driver in DRIVERS {
        let clock = Keyed::serve("clock", driver, &[]);
        let mut stream = connect(clock.tcp);
        assert_eq!(ask(&mut stream, "SEND_TIME\n"), format!("{WANTED}\n"), "{driver}");
        assert_eq!(ask(&mut stream, &format!("KEY {WRONG}\r\n")), format!("{IS_WRONG}\n"));
        assert_eq!(ask(&mut stream, &format!("key {KEY}\n")), format!("{WANTED}\n"));
        assert_eq!(ask(&mut stream, &format!("KEY {}\n", KEY.to_uppercase())), "OK\n");
        assert!(is_time(ask(&mut stream, "SEND_TIME\n").trim_end()), "{driver}");
        let again = ask(&mut stream, &format!("KEY {KEY}\n"));
        assert_eq!(again, "Error in request format\n", "inside, it is a message like any");
        drop(stream);
        let seen = clock.ends_without_a_key_in_sight();
        assert!(seen.contains("\"KEY …\\n\"") && seen.contains("says the key"), "{seen}");
    }
}

#[test]
fn over_tcp_by_pauses_as_scripts_speak() {
    for driver in DRIVERS {
        let clock = Keyed::serve("clock", driver, &[]);
        let mut stream = connect(clock.tcp);
        assert_eq!(ask(&mut stream, "SEND_TIME"), WANTED, "{driver}");
        assert_eq!(ask(&mut stream, &format!("KEY {WRONG}")), IS_WRONG, "{driver}");
        assert_eq!(ask(&mut stream, &format!("KEY {KEY}")), "OK", "{driver}");
        assert!(is_time(&ask(&mut stream, "SEND_TIME")), "{driver}");
        drop(stream);
        clock.ends_without_a_key_in_sight();
    }
}

#[test]
fn everything_in_one_write_is_answered_in_order() {
    for driver in DRIVERS {
        let clock = Keyed::serve("clock", driver, &["--utc"]);
        let sent = format!("what?\nKEY {KEY}\nwhat?\nwhat?");
        let told = format!("{WANTED}\nOK\nError in request format\nError in request format\n");
        assert_eq!(exchange(clock.tcp, &sent), told, "{driver}");
        assert_eq!(exchange(clock.tcp, &format!("KEY {KEY}")), "OK", "{driver}");
        assert_eq!(exchange(clock.tcp, ""), "", "{driver}");
        clock.ends_without_a_key_in_sight();
    }
}

#[test]
fn unframed_echo_has_messages_until_the_key_was_said_and_bytes_from_then_on() {
    for driver in DRIVERS {
        let echo = Keyed::serve("echo", driver, &[]);
        let mut stream = connect(echo.tcp);
        assert_eq!(ask(&mut stream, "hello\n"), format!("{WANTED}\n"), "{driver}");
        assert_eq!(ask(&mut stream, &format!("KEY {KEY}\n")), "OK\n", "{driver}");
        assert_eq!(ask(&mut stream, "hal"), "hal", "{driver}");
        stream.write_all(&[0xff, 0, b'\n']).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_the_end(&mut stream), [0xff, 0, b'\n'], "{driver}");
        let together = format!("KEY {KEY}\r\nabc\r\n\ndef");
        assert_eq!(exchange(echo.tcp, &together), "OK\nabc\r\n\ndef", "{driver}");
        // What the service itself says again hides the key too.
        assert_eq!(exchange(echo.tcp, &format!("KEY {KEY}\n<{KEY}>")), format!("OK\n<{KEY}>"));
        let seen = echo.ends_without_a_key_in_sight();
        assert!(seen.contains("<…>"), "{seen}");
    }
}

#[test]
fn a_fixed_reply_is_for_who_has_the_key() {
    for driver in DRIVERS {
        let echo = Keyed::serve("echo", driver, &["--reply", "hi", "--framing", "line"]);
        assert_eq!(
            exchange(echo.tcp, &format!("x\nKEY {KEY}\nx\n")),
            format!("{WANTED}\nOK\nhi\n")
        );
        assert_eq!(ask_datagram(echo.udp, &format!("x key={KEY}")), "hi", "{driver}");
        assert_eq!(ask_datagram(echo.udp, "x"), WANTED, "{driver}");
        echo.ends_without_a_key_in_sight();
    }
}

#[test]
fn another_protocol_is_closed_without_a_word() {
    for driver in DRIVERS {
        let clock = Keyed::serve("clock", driver, &[]);
        assert_eq!(exchange(clock.tcp, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "", "{driver}");
        assert_eq!(exchange(clock.tcp, "\u{16}\u{3}\u{1}"), "", "{driver}");
    }
}

#[test]
fn over_udp_each_request_says_the_key_at_its_end() {
    for driver in DRIVERS {
        let clock = Keyed::serve("clock", driver, &[]);
        for end in ["", "\n", "\r\n"] {
            let asked = |request: String| ask_datagram(clock.udp, &format!("{request}{end}"));
            let time = asked(format!("SEND_TIME key={KEY}"));
            assert!(time.ends_with(end) && is_time(time.trim_end()), "{driver}: {time:?}");
            assert!(is_time(asked(format!("SEND_TIME key={KEY} cookie=x")).trim_end()));
            assert_eq!(asked("SEND_TIME".into()), format!("{WANTED}{end}"), "{driver}");
            assert_eq!(asked(format!("KEY {KEY}")), format!("{WANTED}{end}"), "{driver}");
            assert_eq!(asked(format!("key={KEY} SEND_TIME")), format!("{WANTED}{end}"));
        }
        assert_eq!(ask_datagram(clock.udp, &format!("SEND_TIME key={WRONG}")), IS_WRONG);
        let seen = clock.ends_without_a_key_in_sight();
        assert!(seen.contains("SEND_TIME key=…") && seen.contains("with the key"), "{seen}");
    }
}

#[test]
fn echo_over_udp_gives_the_datagram_back_without_the_key() {
    for driver in DRIVERS {
        let echo = Keyed::serve("echo", driver, &[]);
        let message = format!("a  b key={KEY}\r\n");
        assert_eq!(ask_datagram(echo.udp, &message), "a  b\r\n", "{driver}");
        assert_eq!(ask_datagram(echo.udp, &format!(" key={KEY}")), "", "{driver}");
        assert_eq!(ask_datagram(echo.udp, "a\n"), format!("{WANTED}\n"), "{driver}");
        echo.ends_without_a_key_in_sight();
    }
}

#[test]
fn five_wrong_keys_on_any_wire_and_that_address_is_heard_on_none() {
    for driver in DRIVERS {
        let clock = Keyed::serve("clock", driver, &[]);
        let mut stream = connect(clock.tcp);
        for _ in 0..3 {
            assert_eq!(ask(&mut stream, &format!("KEY {WRONG}\n")), format!("{IS_WRONG}\n"));
        }
        for _ in 0..2 {
            assert_eq!(ask_datagram(clock.udp, &format!("SEND_TIME key={WRONG}")), IS_WRONG);
        }
        let by_tcp = ask(&mut stream, &format!("KEY {KEY}\n"));
        let by_udp = ask_datagram(clock.udp, &format!("SEND_TIME key={KEY}"));
        for told in [by_tcp.trim_end(), &by_udp] {
            let seconds = told.strip_prefix("error: too many wrong keys; try again in ").unwrap();
            let seconds: u64 = seconds.strip_suffix(" s").unwrap().parse().unwrap();
            assert!((1..=60).contains(&seconds), "{driver}: {told}");
            assert!(told.len() <= 56, "{told}");
        }
        assert_eq!(ask(&mut stream, "SEND_TIME\n"), format!("{WANTED}\n"), "that is no key");
        let mut other = connect_from(Ipv4Addr::new(127, 0, 0, 2), clock.tcp);
        assert_eq!(ask(&mut other, &format!("KEY {KEY}\n")), "OK\n", "{driver}: another address");
        let asked = ask_datagram_from([127, 0, 0, 2], clock.udp, &format!("SEND_TIME key={KEY}"));
        assert!(is_time(&asked), "{driver}: {asked}");
        drop((stream, other));
        clock.ends_without_a_key_in_sight();
    }
}

/// `serve files` on the raw wire alone, with the key.
fn files(fixture: &Fixture, driver: &str) -> Server {
    let mut command = sockeye();
    command.args(["serve", "files"]).arg(fixture.share());
    command.args(["--on", "tcp://127.0.0.1:0", "--driver", driver, "--wire"]);
    Server::start(command.env("SOCKEYE_JOIN_KEY", KEY), 1)
}

#[test]
fn on_the_raw_wire_the_key_stands_before_the_name() {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello\n");
    fixture.file("sub/b.txt", "below\n");
    for driver in DRIVERS {
        let mut server = files(&fixture, driver);
        let tcp = server.tcp();
        let key = KEY.to_uppercase();
        for (name, told) in [
            (format!("{KEY}/a.txt\n"), "hello\n"),
            (format!("/{KEY}/sub/b.txt\r\n"), "below\n"),
            (format!("{key}//a.txt\n"), "hello\n"),
            (format!("{KEY}/none\n"), "Error: File not found\n"),
            (format!("{KEY}/../secret.txt\n"), "Error: File not found\n"),
            (format!("{KEY}/\n"), "Error: File not found\n"),
            ("a.txt\n".into(), "error: key wanted\n"),
            ("sub/b.txt\n".into(), "error: key wanted\n"),
            (format!("{KEY}\n"), "error: key wanted\n"),
            (format!("x{KEY}/a.txt\n"), "error: key wanted\n"),
            (format!("{WRONG}/a.txt\n"), "error: wrong key\n"),
        ] {
            assert_eq!(exchange(tcp, &name), told, "{driver}: {name:?}");
        }
        assert_eq!(exchange(tcp, &format!("{KEY}/a.txt")), "hello\n", "{driver}: by the end");
        server.process.signal(Signal::TERM);
        assert!(server.process.wait().success());
        let seen = server.process.stderr();
        assert_no_key(&seen);
        assert!(seen.contains("sub/b.txt 200") && seen.contains("a.txt 401"), "{seen}");
    }
}

#[test]
fn guesses_on_the_raw_wire_are_counted_and_names_are_none() {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello\n");
    for driver in DRIVERS {
        let server = files(&fixture, driver);
        for _ in 0..10 {
            assert_eq!(exchange(server.tcp(), "sub/a.txt\n"), "error: key wanted\n", "{driver}");
        }
        for _ in 0..5 {
            let told = exchange(server.tcp(), &format!("{WRONG}/a.txt\n"));
            assert_eq!(told, "error: wrong key\n", "{driver}");
        }
        let told = exchange(server.tcp(), &format!("{KEY}/a.txt\n"));
        assert!(told.starts_with("error: too many wrong keys; try again in "), "{driver}: {told}");
    }
}

#[test]
fn the_page_wants_the_same_key_as_the_raw_wire_beside_it() {
    let fixture = Fixture::new();
    let server = Server::files(&fixture.share(), &["--join-key", KEY]);
    assert_eq!(server.get("/").status, 401);
    let bearer = format!("Bearer {KEY}");
    let answer = Http::connect(server.http()).get("/", &[("Authorization", &bearer)]);
    assert_eq!(answer.status, 200);
}

/// A client with the key in its environment: its status, what it printed, what it said.
fn client(arguments: &[&str], key: &str) -> (Option<i32>, String, String) {
    let output = run(sockeye().args(arguments).env("SOCKEYE_KEY", key));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn clients_say_the_key_and_show_it_to_nobody() {
    let (clock, echo) = (Keyed::serve("clock", "tasks", &[]), Keyed::serve("echo", "tasks", &[]));
    for url in [format!("tcp://{}", clock.tcp), format!("udp://{}", clock.udp)] {
        let (status, printed, said) = client(&["clock", "time", &url, "--wire"], KEY);
        assert_eq!(status, Some(0), "{said}");
        assert!(is_time(printed.trim_end()), "{printed}");
        assert_no_key(&said);
        assert!(said.contains('…') && said.contains("$SOCKEYE_KEY"), "{said}");
        let (status, printed, said) = client(&["clock", "time", &url, "--wire"], WRONG);
        assert_eq!(status, Some(1), "{said}");
        assert_no_key(&format!("{said}{printed}"));
        assert!(said.contains("says no: error: wrong key"), "{said}");
        let output = run(sockeye().args(["clock", "time", &url]));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(WANTED), "{url}: {said}");
    }
    for url in [format!("tcp://{}", echo.tcp), format!("udp://{}", echo.udp)] {
        for lines in [&[][..], &["--lines"]] {
            let arguments = [&["echo", &url, "hello", "--json"], lines].concat();
            let (status, printed, said) = client(&arguments, KEY);
            assert_eq!(status, Some(0), "{url}: {said}");
            let answer: serde_json::Value = serde_json::from_str(&printed).unwrap();
            assert_eq!((&answer["request"], &answer["answer"]), (&"hello".into(), &"hello".into()));
            // What begins with error and comes back is no refusal.
            let arguments = [&["echo", &url, "error"], lines].concat();
            assert_eq!(client(&arguments, KEY).0, Some(0), "{url}");
        }
    }
    clock.ends_without_a_key_in_sight();
    echo.ends_without_a_key_in_sight();
}

#[test]
fn a_session_from_a_pipe_says_the_key_once_over_tcp_and_each_time_over_udp() {
    let clock = Keyed::serve("clock", "tasks", &[]);
    for url in [format!("tcp://{}", clock.tcp), format!("udp://{}", clock.udp)] {
        let mut command = sockeye();
        command.args(["clock", &url]).env("SOCKEYE_KEY", KEY).stdin(Stdio::piped());
        let mut client = Running::spawn(&mut command);
        let mut stdin = client.child.stdin.take().unwrap();
        stdin.write_all(b"SEND_TIME\nSEND_TIME\nSEND_TIME\n").unwrap();
        drop(stdin);
        assert!(client.wait().success(), "{url}: {}", client.stderr());
        let printed = String::from_utf8(client.stdout()).unwrap();
        assert_eq!(printed.lines().filter(|line| is_time(line)).count(), 3, "{url}: {printed}");
    }
    clock.ends_without_a_key_in_sight();
}

#[test]
fn a_server_that_wants_no_key_is_told_from_one_that_does() {
    let mut command = sockeye();
    command.args(["serve", "clock", "--on", "tcp://127.0.0.1:0", "--wire"]);
    let mut server = Server::start(&mut command, 1);
    let url = format!("tcp://{}", server.tcp());
    let (status, _, said) = client(&["clock", "time", &url], KEY);
    assert!(status == Some(1) && said.contains("leave --key out"), "{said}");
    assert_eq!(
        exchange(server.tcp(), "KEY x\n"),
        "Error in request format\n",
        "a message like any"
    );
    server.process.signal(Signal::TERM);
    server.process.wait();
    assert_no_key(&server.process.stderr());
}

#[test]
fn what_is_no_key_is_refused_without_being_repeated() {
    for arguments in [
        &["serve", "clock", "--join-key", "sesame street"][..],
        &["serve", "echo", "--join-key=sesame!"],
        &["clock", "time", "127.0.0.1:1", "--key", "sesame street"],
    ] {
        let output = run(sockeye().args(arguments));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("a key is made of") && !said.contains("sesame"), "{said}");
    }
}

#[test]
fn netcat_does_what_the_clients_by_hand_lines_say() {
    drop(other_program("nc", "netcat-openbsd"));
    let clock = Keyed::serve("clock", "tasks", &[]);
    for url in [format!("tcp://{}", clock.tcp), format!("udp://{}", clock.udp)] {
        let (_, _, said) = client(&["clock", "time", &url, "--wire"], KEY);
        let line = said.lines().skip_while(|line| !line.starts_with("The same by hand")).nth(1);
        let mut shell = other_program("sh", "dash");
        let output = run(shell.args(["-c", line.unwrap()]).env("SOCKEYE_KEY", KEY));
        let printed = String::from_utf8(output.stdout).unwrap();
        let time = printed.lines().last().unwrap();
        assert!(is_time(time), "{line:?}: {printed}");
    }
    clock.ends_without_a_key_in_sight();
}
