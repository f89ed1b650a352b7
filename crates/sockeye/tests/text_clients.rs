//! `sockeye echo` and `sockeye clock`: what they put on the wire, what they print, and how they
//! end, against our servers and against servers that a beginner would write.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Output, Stdio};
use std::thread::JoinHandle;

use rustix::process::Signal;

mod support;

use support::{HANG, Running, Server, run, sockeye};

fn ours(arguments: &[&str]) -> Output {
    run(sockeye().args(arguments))
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Our client with this on its standard input.
fn piped(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = sockeye();
    command.args(arguments).stdin(Stdio::piped());
    let mut running = Running::spawn(&mut command);
    let mut stdin = running.child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A client that ends early closes its input.
        let _ = stdin.write_all(&input);
    });
    let status = running.wait();
    writer.join().unwrap();
    Output { status, stdout: running.stdout(), stderr: running.stderr().into_bytes() }
}

/// Our server of a service, and its URLs: tcp, udp.
fn serve(service: &str, flags: &[&str]) -> (Server, String, String) {
    let mut command = sockeye();
    command.args(["serve", service, "--on", "tcp://127.0.0.1:0", "--on", "udp://127.0.0.1:0"]);
    command.args(flags);
    let server = Server::start(&mut command, 2);
    let url = |scheme: &str| {
        let line = server.lines.iter().find(|line| line.contains(scheme)).unwrap();
        line.strip_prefix("listening on ").unwrap().to_owned()
    };
    let urls = (url("tcp://"), url("udp://"));
    (server, urls.0, urls.1)
}

/// A server of a few lines, for one caller.
fn beginner<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        serve(stream)
    });
    (url, serving)
}

fn recv(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let n = stream.read(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..n]).into_owned()
}

/// A UDP server that answers each datagram as it is told, nothing for `None`.
fn beginner_udp(
    answers: Vec<Option<&'static str>>,
) -> (String, JoinHandle<Vec<(String, SocketAddr)>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(HANG)).unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let answer = |answer: Option<&str>| {
            let (n, from) = socket.recv_from(&mut buffer).unwrap();
            if let Some(answer) = answer {
                socket.send_to(answer.as_bytes(), from).unwrap();
            }
            (String::from_utf8_lossy(&buffer[..n]).into_owned(), from)
        };
        answers.into_iter().map(answer).collect()
    });
    (url, serving)
}

#[test]
fn an_answer_is_printed_and_the_round_trip_is_told_beside_it() {
    let (_server, tcp, udp) = serve("echo", &[]);
    for url in [&tcp, &udp] {
        let output = ours(&["echo", url, "hello"]);
        assert_eq!((code(&output), stdout(&output).as_str()), (0, "hello\n"));
        let told = stderr(&output);
        assert!(told.starts_with("round trip ") && told.ends_with(" ms\n"), "{told}");
        assert_eq!(stderr(&ours(&["echo", url, "hello", "--quiet"])), "");
    }
    let long = "x".repeat(60_000);
    for url in [&tcp, &udp] {
        assert_eq!(stdout(&ours(&["echo", url, &long])), format!("{long}\n"));
    }
    let too_long = "x".repeat(65_537);
    let output = piped(&["echo", &tcp], too_long.as_bytes());
    assert!(stderr(&output).contains("longer than 65536 bytes"), "{}", stderr(&output));
    assert_eq!(code(&output), 2, "what was left out is no success");
}

#[test]
fn with_json_each_answer_is_one_object() {
    let (_server, tcp, udp) = serve("clock", &["--utc"]);
    for url in [&tcp, &udp] {
        let output = ours(&["clock", "date", url, "--json"]);
        let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(object["url"], *url);
        assert_eq!(object["request"], "SEND_DATE");
        assert_eq!(object["answer"].as_str().unwrap().len(), "2026-11-20".len());
        assert_eq!(object["refused"], false);
        assert!(object["round_trip_ms"].as_f64().unwrap() > 0.0, "{object}");
    }
}

#[test]
fn a_pipe_of_lines_is_answered_in_its_order() {
    let (_server, tcp, udp) = serve("echo", &[]);
    let lines: Vec<String> = (0..200).map(|n| format!("line {n}")).collect();
    let input = lines.join("\n") + "\n";
    for arguments in [&["echo", &tcp][..], &["echo", &tcp, "--lines"], &["echo", &udp]] {
        let output = piped(arguments, input.as_bytes());
        assert_eq!((code(&output), stdout(&output)), (0, input.clone()), "{arguments:?}");
        let told = stderr(&output);
        assert!(told.contains("200 answers to 200 messages, round trip"), "{told}");
    }
    // Faster than they are answered: what waits is bounded, and every answer still counts.
    let lines: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
    let input = lines.join("\n") + "\n";
    let output = piped(&["echo", &tcp, "--lines"], input.as_bytes());
    assert_eq!((code(&output), stdout(&output) == input), (0, true), "{}", stderr(&output));
    // Bytes that are no text, an empty line, and a last line without its end.
    let output = piped(&["echo", &tcp, "--lines"], b"\xff\xfe\r\n\nend");
    assert_eq!(output.stdout, b"\xff\xfe\n\nend\n");
}

#[test]
fn a_refusal_is_exit_1_when_it_was_the_only_request() {
    let (_server, tcp, udp) = serve("clock", &[]);
    for url in [&tcp, &udp] {
        let output = piped(&["clock", url], b"huh\n");
        assert_eq!((code(&output), stdout(&output).as_str()), (1, "Error in request format\n"));
        assert!(stderr(&output).contains("says no"), "{}", stderr(&output));
        let output = piped(&["clock", url], b"huh\nSEND_DATE\nhuh");
        assert_eq!((code(&output), stdout(&output).lines().count()), (0, 3));
    }
    let (_server, tcp, udp) = serve("echo", &[]);
    for url in [&tcp, &udp] {
        for text in ["error: none", "busybox", "COOKIE jar"] {
            let output = ours(&["echo", url, text]);
            assert_eq!((code(&output), stdout(&output)), (0, format!("{text}\n")), "it is echo");
        }
    }
    let (_server, tcp, _) = serve("echo", &["--max-clients", "1", "--idle-timeout", "none"]);
    let address: SocketAddr = tcp.strip_prefix("tcp://").unwrap().parse().unwrap();
    let mut inside = support::connect(address);
    inside.write_all(b"x").unwrap();
    inside.read_exact(&mut [0]).unwrap();
    let output = ours(&["echo", &tcp, "hello"]);
    assert_eq!((code(&output), stdout(&output).starts_with("busy: 1 of 1")), (1, true));
}

#[test]
fn nobody_there_or_no_answer_is_exit_3_with_a_way_out() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["tcp", "udp"] {
        let output = ours(&["clock", "time", &format!("{scheme}://{free}")]);
        assert_eq!(code(&output), 3, "{scheme}");
        assert!(stderr(&output).contains("is the server running"), "{}", stderr(&output));
    }
    let (url, mute) = beginner(|mut stream| {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        (heard, stream)
    });
    let output = ours(&["echo", &url, "hello"]);
    let (heard, _kept_open) = mute.join().unwrap();
    assert_eq!((code(&output), heard), (3, b"hello".to_vec()));
    assert!(stderr(&output).contains("did not answer; if it reads whole lines, try --lines"));
    let (url, leaver) = beginner(|mut stream| recv(&mut stream));
    let output = ours(&["echo", &url, "hello"]);
    assert_eq!((code(&output), leaver.join().unwrap().as_str()), (3, "hello"));
    assert!(stderr(&output).contains("closed the connection"), "{}", stderr(&output));
    assert_eq!(code(&ours(&["clock", "time", "no-such-host.invalid"])), 3);
}

#[test]
fn wrong_usage_is_exit_2() {
    for (arguments, part) in [
        (&["clock", "now", "localhost"][..], "date, time and watch"),
        (&["clock", "date"], "sockeye clock date HOST"),
        (&["clock", "date", "http://localhost"], "tcp://"),
        (&["echo", "tcp://localhost:99999", "x"], "99999"),
        (&["echo", "localhost", ""], "empty message"),
        (&["echo"], "URL"),
        (&["echo", "localhost", "--jsno"], "--json"),
        (&["clock", "localhost", "time"], "sockeye clock time localhost"),
    ] {
        let output = ours(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_pipe_that_is_not_wholly_answered_is_no_success() {
    let (url, server) = beginner(|mut stream| {
        let first = recv(&mut stream);
        stream.write_all(first.as_bytes()).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        (rest, stream)
    });
    let output = piped(&["echo", &url], b"one\ntwo\nthree");
    let (rest, _kept_open) = server.join().unwrap();
    assert_eq!((code(&output), stdout(&output).as_str()), (3, "one\n"));
    assert_eq!(rest, b"twothree", "what is not answered is waited for, and then not for ever");
    assert!(stderr(&output).contains("answered 1 of 3 messages"), "{}", stderr(&output));
    let (_server, tcp, udp) = serve("echo", &["--max-clients", "1"]);
    let _inside = [&tcp, &udp].map(|url| assert_eq!(code(&ours(&["echo", url, "x"])), 0));
    let output = piped(&["echo", &udp], b"one\ntwo\n");
    assert_eq!(code(&output), 1, "busy is a no, however often: {}", stdout(&output));
}

#[test]
fn a_server_that_takes_its_time_is_given_it_and_its_answers_keep_their_requests() {
    let (url, server) = beginner(|mut stream| {
        // The next does not wait for ever: both are here before the first is answered.
        let asked = [recv(&mut stream), recv(&mut stream)];
        for message in &asked {
            stream.write_all(format!("{message}!\n").as_bytes()).unwrap();
        }
        (asked, stream)
    });
    let output = piped(&["echo", &url, "--json"], b"one\ntwo");
    let (asked, _kept_open) = server.join().unwrap();
    assert_eq!((code(&output), asked), (0, ["one".to_owned(), "two".to_owned()]));
    for (line, request) in stdout(&output).lines().zip(["one", "two"]) {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&object["request"], &object["answer"]),
            (&request.into(), &format!("{request}!").into())
        );
    }
}

#[test]
fn a_client_over_udp_is_one_client_however_much_it_asks() {
    let (_server, _, udp) = serve("echo", &["--max-per-address", "2"]);
    let input: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let output = piped(&["echo", &udp], input.join("\n").as_bytes());
    assert_eq!((code(&output), stdout(&output)), (0, input.join("\n") + "\n"));
}

#[test]
fn a_message_of_one_byte_is_answered_before_the_client_closes() {
    for driver in ["tasks", "threads", "single"] {
        let (_server, tcp, _) = serve("echo", &["--reply", "Hello", "--driver", driver]);
        let output = ours(&["echo", &tcp, "x"]);
        assert_eq!((code(&output), stdout(&output).as_str()), (0, "Hello\n"), "{driver}");
        let output = piped(&["echo", &tcp], b"9\n10\n11");
        assert_eq!((code(&output), stdout(&output).lines().count()), (0, 3), "{driver}");
    }
}

#[test]
fn a_beginners_server_gets_one_write_a_message_and_no_line_end() {
    let (url, server) = beginner(|mut stream| {
        let mut heard = Vec::new();
        for _ in 0..3 {
            let message = recv(&mut stream);
            stream.write_all(message.to_uppercase().as_bytes()).unwrap();
            heard.push(message);
        }
        heard
    });
    let output = piped(&["echo", &url], b"one\n two \nthree");
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "ONE\n TWO \nTHREE\n"));
    assert_eq!(server.join().unwrap(), ["one", " two ", "three"]);
    // It closes when it has answered, but there was more to say.
    let (url, server) = beginner(|mut stream| {
        let message = recv(&mut stream);
        stream.write_all(message.as_bytes()).unwrap();
    });
    let output = piped(&["echo", &url], b"one\ntwo\nthree");
    server.join().unwrap();
    assert_eq!((code(&output), stdout(&output).as_str()), (3, "one\n"));
}

#[test]
fn a_server_of_lines_is_spoken_to_in_lines() {
    let (url, server) = beginner(|mut stream| {
        stream.write_all(b"Welcome\n").unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut heard = Vec::new();
        // The first may leave before the greeting is heard.
        let mut first = [0; 3];
        lines.read_exact(&mut first).unwrap();
        stream.write_all(b"1\n").unwrap();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap() == 0 {
                return heard;
            }
            if !line.trim().is_empty() {
                stream.write_all(b"2\n").unwrap();
                heard.push(line);
            }
        }
    });
    let output = piped(&["echo", &url], b"one\ntwo\nthree\n");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).starts_with("Welcome\n1\n2\n"), "{}", stdout(&output));
    assert_eq!(server.join().unwrap(), ["two\n", "three\n"]);
}

#[test]
fn a_request_that_is_lost_is_sent_again_and_a_cookie_is_followed() {
    const COOKIE: &str = "COOKIE AAAAAAAAAAAAAAAAAAAAAA";
    let (url, server) = beginner_udp(vec![None, Some(COOKIE), Some("late but here\n")]);
    let output = ours(&["echo", &url, "hello", "--wire"]);
    assert_eq!((code(&output), stdout(&output).as_str()), (0, "late but here\n"));
    let heard = server.join().unwrap();
    let texts: Vec<&str> = heard.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["hello", "hello", "hello cookie=AAAAAAAAAAAAAAAAAAAAAA"]);
    assert!(heard.windows(2).all(|two| two[0].1 == two[1].1), "one request, one socket");
    let told = stderr(&output);
    assert_eq!(told.matches("-> udp://").count(), 3, "{told}");
    assert_eq!(told.matches("<- udp://").count(), 2, "{told}");
}

#[test]
fn a_name_with_several_addresses_is_tried_until_one_answers() {
    for (host, flags) in [("[::1]", &[][..]), ("127.0.0.1", &[]), ("[::1]", &["--ipv6"])] {
        for scheme in ["tcp", "udp"] {
            let mut command = sockeye();
            command.args(["serve", "echo", "--on", &format!("{scheme}://{host}:0")]);
            let server = Server::start(&mut command, 1);
            let port = server.lines[0].rsplit(':').next().unwrap();
            let url = format!("{scheme}://localhost:{port}");
            let output = ours(&[&["echo", &url, "hi"][..], flags].concat());
            let told = stderr(&output);
            assert_eq!((code(&output), stdout(&output).as_str()), (0, "hi\n"), "{host}: {told}");
        }
    }
}

#[test]
fn watch_prints_what_comes_until_ctrl_c() {
    for scheme in ["tcp", "udp"] {
        let (_server, tcp, udp) = serve("clock", &[]);
        let url = if scheme == "tcp" { tcp } else { udp };
        let mut command = sockeye();
        command.args(["clock", "watch", &url]);
        let mut running = Running::spawn_keeping_stdout(&mut command);
        let mut lines = BufReader::new(running.child.stdout.take().unwrap()).lines();
        for _ in 0..2 {
            let line = lines.next().unwrap().unwrap();
            assert!(line.contains(':') || line.contains('-'), "{line}");
        }
        running.signal(Signal::INT);
        assert_eq!(running.wait().code(), Some(0));
        assert_eq!(running.stderr(), "");
    }
}

#[test]
fn watch_goes_on_when_the_server_was_away() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let mut command = sockeye();
    command.args(["clock", "watch", &url]);
    let mut running = Running::spawn_keeping_stdout(&mut command);
    let mut lines = BufReader::new(running.child.stdout.take().unwrap()).lines();
    for answer in ["first", "second"] {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(recv(&mut stream).starts_with("SEND_"));
        stream.write_all(answer.as_bytes()).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), answer);
        stream.shutdown(Shutdown::Both).unwrap();
    }
    running.signal(Signal::INT);
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn with_wire_every_message_is_shown_with_its_bytes_and_meaning_on_both_sides() {
    let (mut server, tcp, udp) = serve("clock", &["--utc", "--wire"]);
    for url in [&tcp, &udp] {
        let told = stderr(&ours(&["clock", "time", url, "--wire"]));
        assert!(told.contains("9 bytes, asks for the time of day"), "{told}");
        assert!(told.contains("8 bytes, tells the time, hour:minute:second"), "{told}");
    }
    drop(piped(&["clock", &tcp], b"\xff\x00\x01\x02"));
    server.process.signal(Signal::INT);
    server.process.wait();
    let told = server.process.stderr();
    for part in [
        "<- tcp://127.0.0.1:",
        "-> tcp://127.0.0.1:",
        "<- udp://127.0.0.1:",
        "ended by a pause",
        "\"SEND_TIME\"",
        "ff 00 01 02",
        "is not UTF-8",
        "says that the message is no text",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
}
