//! What is said, and what is made of what comes back.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Putter;
use crate::fake::{Fake, Next, asked, field};
use crate::support::{assert_same_bytes, pattern};

const CREATED: &str = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

#[test]
fn a_put_is_written_as_the_textbooks_have_it() {
    let fake = Fake::saying(CREATED);
    let putter = Putter::new();
    putter.file("a b.txt", "hello");
    let done = putter.put(&["a b.txt", &fake.url("/to/"), "--quiet"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "", ""));
    let head = &fake.heads()[0];
    assert!(head.starts_with("PUT /to/a%20b.txt HTTP/1.1\r\n"), "{head}");
    assert_eq!(field(head, "Host"), Some(fake.address.to_string().as_str()), "{head}");
    assert_eq!(field(head, "Content-Length"), Some("5"), "{head}");
    for name in ["Expect", "Transfer-Encoding", "Authorization"] {
        assert_eq!(field(head, name), None, "{head}");
    }
}

#[test]
fn a_large_body_waits_for_the_word_and_goes_without_it_after_a_second() {
    for waits in [false, true] {
        let body = pattern(1_500_000);
        let sent = body.clone();
        let fake = Fake::new(move |_, head, peer| {
            assert_eq!(field(head, "Expect"), Some("100-continue"));
            let since = Instant::now();
            if !waits {
                peer.say("HTTP/1.1 100 Continue\r\n\r\n");
            }
            let first = peer.bytes(1);
            let came_late = since.elapsed() > Duration::from_millis(900);
            assert_eq!(came_late, waits, "after {:?}", since.elapsed());
            let rest = peer.bytes(sent.len() - 1);
            assert_same_bytes(&[first, rest].concat(), &sent, "the body");
            peer.say(CREATED);
            Next::Keep
        });
        let putter = Putter::new();
        putter.file("a.bin", &body);
        putter.put(&["a.bin", &fake.url("/")]).assert_well();
    }
}

#[test]
fn standard_input_goes_in_chunks() {
    let (sender, received) = channel();
    let sender = Mutex::new(sender);
    let fake = Fake::new(move |_, head, peer| {
        assert_eq!(field(head, "Transfer-Encoding"), Some("chunked"), "{head}");
        sender.lock().unwrap().send(peer.body(head)).unwrap();
        peer.say(CREATED);
        Next::Keep
    });
    let putter = Putter::new();
    for size in [0, 5, 3_000_000] {
        let done = putter.put_with_input(&["-", &fake.url("/x.bin"), "--json"], pattern(size));
        done.assert_well();
        assert_same_bytes(&received.recv().unwrap(), &pattern(size), "what arrived");
        assert_eq!(done.json()[0]["bytes"], size);
    }
    putter.put(&["-", &fake.url("/folder/")]).assert_ended(2, "no name");
}

#[test]
fn a_no_before_the_body_ends_that_file_and_the_others_go_on() {
    let fake = Fake::new(|_, head, peer| {
        if asked(head).1.ends_with("large.bin") && asked(head).0 == "PUT" {
            let body = r#"{"status":413,"error":"too large","detail":"at most 1 MB"}"#;
            peer.answer("413 Too Large", "Content-Type: application/json\r\n", body);
            return Next::Close;
        }
        peer.body(head);
        peer.say(CREATED);
        Next::Keep
    });
    let putter = Putter::new();
    putter.file("large.bin", pattern(5_000_000));
    for name in ["a", "b", "c"] {
        putter.file(name, name);
    }
    let done = putter.put(&["a", "large.bin", "b", "c", &fake.url("/"), "--json"]);
    done.assert_ended(1, "large.bin: at most 1 MB\n");
    done.assert_ended(1, "sockeye: 1 of 4 were refused\n");
    let mut outcomes: Vec<String> =
        done.json().iter().map(|said| format!("{} {}", said["path"], said["outcome"])).collect();
    outcomes.sort();
    assert_eq!(
        outcomes,
        ["\"a\" \"saved\"", "\"b\" \"saved\"", "\"c\" \"saved\"", "\"large.bin\" \"refused\""]
    );
}

/// The server hangs up with bytes unread, so that its last words come together with a reset.
#[test]
fn a_no_in_the_middle_of_the_body_is_heard() {
    let fake = Fake::new(|_, head, peer| {
        if asked(head).0 == "POST" {
            peer.say("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n");
            return Next::Keep;
        }
        peer.say("HTTP/1.1 100 Continue\r\n\r\n");
        peer.bytes(300_000);
        let body = r#"{"status":507,"error":"full","detail":"the disk is full"}"#;
        peer.answer("507 Full", "Content-Type: application/json\r\n", body);
        Next::Close
    });
    let putter = Putter::new();
    putter.file("large.bin", pattern(30_000_000));
    for _ in 0..3 {
        let done = putter.put(&["large.bin", &fake.url("/x.bin")]);
        done.assert_ended(1, "/x.bin: the disk is full\n");
        assert!(!done.stderr.contains("30.0 MB"), "{}", done.stderr);
    }
}

#[test]
fn a_broken_connection_is_tried_again_three_times() {
    for (cuts, code) in [(1, 0), (3, 0), (9, 3)] {
        let fake = Fake::new(move |number, head, peer| {
            if number < cuts {
                peer.bytes(100_000);
                return Next::Close;
            }
            peer.body(head);
            peer.say(CREATED);
            Next::Keep
        });
        let putter = Putter::new();
        putter.file("a.bin", pattern(500_000));
        let done = putter.put(&["a.bin", &fake.url("/")]);
        assert_eq!(done.code, Some(code), "{cuts} cuts: {}", done.stderr);
        assert_eq!(fake.heads().len(), (cuts + 1).min(4));
    }
}

#[test]
fn a_connection_that_was_kept_and_is_gone_costs_nothing() {
    let fake = Fake::new(|_, head, peer| {
        peer.body(head);
        peer.say(CREATED);
        // Without a word: each answer is the last of its connection.
        Next::Close
    });
    let putter = Putter::new();
    let names: Vec<String> = (0..40).map(|i| format!("f{i}")).collect();
    for name in &names {
        putter.file(name, name);
    }
    let url = fake.url("/");
    let mut arguments: Vec<&str> = names.iter().map(String::as_str).collect();
    arguments.push(&url);
    putter.put(&arguments).assert_well();
    let puts = fake.requests().iter().filter(|line| line.starts_with("PUT")).count();
    assert!(puts >= 40, "{puts}");
}

#[test]
fn many_small_files_go_over_four_connections() {
    let fake = Fake::saying(CREATED);
    let putter = Putter::new();
    for i in 0..500 {
        putter.file(format!("many/{i}"), format!("{i}"));
    }
    let done = putter.put(&["many", &fake.url("/")]);
    done.assert_well();
    assert!(done.stderr.starts_with("500 files at "), "{}", done.stderr);
    assert!(fake.connections() <= 4, "{}", fake.connections());
    let mut puts: Vec<String> = fake.requests();
    puts.retain(|line| line.starts_with("PUT"));
    puts.sort();
    puts.dedup();
    assert_eq!(puts.len(), 500);
}

#[test]
fn what_cannot_be_reached_is_exit_3_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let putter = Putter::new();
    putter.file("a", "x");
    putter.file("b", "x");
    let since = Instant::now();
    for things in [&["a"][..], &["a", "b"]] {
        let url = format!("http://{free}/");
        let done = putter.put(&[things, &[&url]].concat());
        done.assert_ended(3, "is the server running");
    }
    let foreign = Fake::saying("SSH-2.0-OpenSSH\r\n");
    putter.put(&["a", &foreign.url("/")]).assert_ended(3, "does not speak HTTP");
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}

#[test]
fn redirects_are_followed_with_the_body() {
    let (sender, received) = channel();
    let sender = Mutex::new(sender);
    let fake = Fake::new(move |_, head, peer| {
        let body = peer.body(head);
        match asked(head).1 {
            "/old/a" => peer.answer("307 Elsewhere", "Location: /new/a\r\n", ""),
            "/round/a" => peer.answer("308 Elsewhere", "Location: /round/a\r\n", ""),
            _ => {
                sender.lock().unwrap().send(body).unwrap();
                peer.say(CREATED);
            }
        }
        Next::Keep
    });
    let putter = Putter::new();
    putter.file("a", "hello");
    let done = putter.put(&["a", &fake.url("/old/"), "--json"]);
    done.assert_well();
    assert_eq!(received.recv().unwrap(), b"hello");
    assert_eq!(done.json()[0]["url"], fake.url("/new/a"));
    putter.put(&["a", &fake.url("/round/")]).assert_ended(1, "redirects");
}

#[test]
fn ctrl_c_is_exit_130_and_says_what_is_there() {
    let (reached, is_reached) = channel();
    let reached = Mutex::new(reached);
    let (_release, held): (_, Receiver<()>) = channel();
    let held = Mutex::new(held);
    let fake = Fake::new(move |_, head, peer| {
        if asked(head).1 == "/b" {
            reached.lock().unwrap().send(()).unwrap();
            let _ = held.lock().unwrap().recv();
        }
        peer.body(head);
        peer.say(CREATED);
        Next::Keep
    });
    let putter = Putter::new();
    putter.file("b", "x");
    let mut running = putter.start(&["b", &fake.url("/")]);
    is_reached.recv().unwrap();
    running.signal(Signal::INT);
    assert_eq!(running.wait().code(), Some(130));
    assert_eq!(running.stderr(), "sockeye: interrupted\n");
}

#[test]
fn servers_that_are_barely_http_are_understood() {
    let cases: &[(&str, &'static str)] = &[
        ("HTTP/1.0 and no reason", "HTTP/1.0 200\r\n\r\n"),
        ("bare line feeds", "HTTP/1.1 201 Created\nContent-Length: 0\n\n"),
        ("a page", "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<h1>Thanks</h1>"),
        ("no body", "HTTP/1.1 204 No Content\r\n\r\n"),
    ];
    for (what, answer) in cases {
        let fake = Fake::new(move |_, head, peer| {
            peer.body(head);
            peer.say(answer);
            Next::Close
        });
        let putter = Putter::new();
        putter.file("a", "hello");
        let done = putter.put(&["a", &fake.url("/")]);
        assert_eq!(done.code, Some(0), "{what}: {}", done.stderr);
    }
}

#[test]
fn another_length_than_was_sent_is_exit_4() {
    let putter = Putter::new();
    putter.file("a", "hello");
    let fake = Fake::new(|_, head, peer| {
        peer.body(head);
        peer.answer("200 OK", "", r#"{"path":"/a","bytes":4,"outcome":"saved"}"#);
        Next::Keep
    });
    putter.put(&["a", &fake.url("/")]).assert_ended(4, "5 bytes were sent, and 4 arrived");
}

#[test]
fn with_wire_what_passes_is_shown_and_how_to_do_it_by_hand() {
    let fake = Fake::saying(CREATED);
    let putter = Putter::new();
    putter.file("it's.txt", "hello");
    let url = fake.url("/to/");
    let done = putter.put(&["it's.txt", &url, "--wire"]);
    done.assert_well();
    for part in [
        "\"PUT /to/it%27s.txt HTTP/1.1\\r\\n\"",
        "\"HTTP/1.1 201 Created\\r\\n\"",
        "curl -T 'it'\\''s.txt' ",
        "or in Python:",
    ] {
        assert!(done.stderr.contains(part), "{part} in\n{}", done.stderr);
    }
    let (_, program) = done.stderr.split_once("Python:\n").unwrap();
    let lines = program.lines().map_while(|line| line.strip_prefix("    "));
    let program = lines.collect::<Vec<_>>().join("\n");
    let mut python = crate::support::other_program("python3", "python3");
    let output = python.args(["-c", &program]).current_dir(putter.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.trim(), "201", "{}", String::from_utf8_lossy(&output.stderr));
    let (_, curl) = done.stderr.split_once("by hand:\n    ").unwrap();
    let shell = format!("{} -s -q --noproxy '*'", curl.lines().next().unwrap());
    let output = crate::support::run(
        crate::support::other_program("sh", "dash")
            .args(["-c", &shell])
            .current_dir(putter.path("")),
    );
    assert!(output.status.success());
    assert_eq!(fake.requests(), ["PUT /to/it%27s.txt"; 3]);
}
