//! Siblings that die, lie and stall in the middle: the bytes stay right, or the client sees a break.

use std::io::Write as _;
use std::time::Duration;

use crate::passing::{asker, get, nobody_at};
use crate::puppet::{Gate, Puppet, eventually, found, missing};
use crate::support::{Fixture, Http, Server, assert_same_bytes, curl, pattern, run, settle};

const LENGTH: usize = 3_000_000;

/// A puppet that gives all of a body at first, and from then on a half of it, then hangs up.
fn dies_the_second_time(bytes: Vec<u8>, gate: &Gate) -> Puppet {
    let (gate, gets) = (gate.clone(), std::sync::atomic::AtomicUsize::new(0));
    Puppet::new(move |asked, stream| {
        found(stream, bytes.len());
        if asked.method() == "HEAD" {
            return true;
        }
        if gets.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            return stream.write_all(&bytes).is_ok();
        }
        let _ = stream.write_all(&bytes[..bytes.len() / 2]);
        gate.pass();
        false
    })
}

/// What a client gets of a file whose first source dies in the middle, while a second has this.
fn after_a_death(second: &[u8], flags: &[&str]) -> (Result<Vec<u8>, i32>, String) {
    let (here, there, gate) = (Fixture::new(), Fixture::new(), Gate::shut());
    let puppet = dies_the_second_time(pattern(LENGTH), &gate);
    let sibling = Server::files(&there.share(), flags);
    let url = sibling.url("");
    let server = asker(&here, &[&puppet.url(), url.trim_end_matches('/')], &[]);
    // From here on the puppet is asked first, because it had it lately.
    assert_eq!(get(&server, "/film.mp4", &[]).status, 200);
    settle(&there.file("film.mp4", second));
    let fetching = std::thread::spawn({
        let url = server.url("/film.mp4");
        move || run(curl().arg(url))
    });
    eventually("the second fetch is under way", || puppet.count("GET") == 2);
    gate.open();
    let output = fetching.join().unwrap();
    let said = server.process.stderr();
    match output.status.code() {
        Some(0) => (Ok(output.stdout), said),
        code => (Err(code.unwrap()), said),
    }
}

#[test]
fn another_sibling_with_the_same_content_goes_on_at_the_same_byte() {
    let (got, said) = after_a_death(&pattern(LENGTH), &[]);
    assert_same_bytes(&got.unwrap(), &pattern(LENGTH), "film.mp4");
    assert!(said.contains("goes on at byte 1500000"), "{said}");
}

#[test]
fn one_with_another_content_does_not_and_the_client_sees_the_break() {
    // The difference lies in what was passed on already, in what was not, and in the length.
    let mut early = pattern(LENGTH);
    early[7] ^= 1;
    let (got, _) = after_a_death(&early, &[]);
    assert_eq!(got.unwrap_err(), 18, "curl's own: a partial file");
    let (got, _) = after_a_death(&pattern(LENGTH + 1), &[]);
    assert_eq!(got.unwrap_err(), 18);
}

#[test]
fn without_another_the_client_sees_the_break() {
    let (fixture, gate) = (Fixture::new(), Gate::shut());
    gate.open();
    let puppet = dies_the_second_time(pattern(LENGTH), &gate);
    let gone = nobody_at();
    let server = asker(&fixture, &[&puppet.url(), &gone], &[]);
    let url = server.url("/film.mp4");
    assert!(run(curl().arg(&url)).status.success());
    assert_eq!(run(curl().arg(&url)).status.code(), Some(18));
}

#[test]
fn one_that_says_yes_and_then_no_is_passed_over() {
    let fixture = Fixture::new();
    let liar = Puppet::new(|asked, stream| {
        if asked.method() == "HEAD" {
            found(stream, 5);
            return true;
        }
        missing(stream)
    });
    let honest = Puppet::with("x", b"honest".to_vec());
    let server = asker(&fixture, &[&liar.url(), &honest.url()], &[]);
    for _ in 0..3 {
        let answer = get(&server, "/x", &[]);
        assert_eq!((answer.status, answer.text().as_str()), (200, "honest"));
    }
}

#[test]
fn one_that_never_answers_holds_nobody_up_for_long() {
    let (fixture, gate) = (Fixture::new(), Gate::shut());
    let never = {
        let gate = gate.clone();
        Puppet::new(move |_, _| {
            gate.pass();
            false
        })
    };
    let honest = Puppet::with("x", b"honest".to_vec());
    let server = asker(&fixture, &[&never.url(), &honest.url()], &[]);
    let answer = get(&server, "/x", &[]);
    assert_eq!(answer.text(), "honest");
    // What nobody has is then not known.
    let missing = get(&server, "/y", &[]);
    assert_eq!(missing.status, 504, "{missing:?}");
    assert!(missing.the("proxy-status").contains(&never.address.to_string()), "{missing:?}");
    gate.open();
}

#[test]
fn one_that_fails_is_left_out_and_taken_in_again() {
    let (fixture, there) = (Fixture::new(), Fixture::new());
    there.file("x", "x");
    let at = nobody_at();
    let server = asker(&fixture, &[&at], &[]);
    let mut http = Http::connect(server.http());
    for number in 0..4 {
        assert_eq!(http.get(&format!("/{number}"), &[]).status, 504);
    }
    let left_out = http.get("/x", &[]);
    assert!(left_out.the("proxy-status").contains("error=destination_unavailable"), "{left_out:?}");
    let mut command = crate::support::sockeye();
    let _sibling =
        Server::start(command.args(["serve", "files"]).arg(there.share()).args(["--on", &at]), 1);
    eventually("it is back", || http.get("/x", &[]).status == 200);
    assert!(server.process.stderr().contains("is back"), "{}", server.process.stderr());
}

#[test]
fn a_body_whose_end_could_not_be_told_from_a_break_is_not_taken() {
    let fixture = Fixture::new();
    let endless = Puppet::new(|asked, stream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n");
        let _ = asked.method() == "HEAD" || stream.write_all(b"is this all?").is_ok();
        false
    });
    let server = asker(&fixture, &[&endless.url()], &[]);
    let answer = get(&server, "/x", &[]);
    assert_eq!(answer.status, 504, "{answer:?}");
    assert!(answer.the("proxy-status").contains("http_protocol_error"), "{answer:?}");
}

#[test]
fn answers_that_are_none_do_no_harm() {
    for nonsense in [
        &b"\x00\x01\x02\x03"[..],
        b"HTTP/1.1 999 Odd\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: nonsense\r\nContent-Length: 5\r\n\r\nx",
    ] {
        let fixture = Fixture::new();
        let puppet = Puppet::new(move |asked, stream| {
            if asked.method() == "HEAD" {
                found(stream, 5);
                return true;
            }
            let _ = stream.write_all(nonsense);
            false
        });
        let server = asker(&fixture, &[&puppet.url()], &[]);
        let output = run(curl().args(["-f", "-o", "/dev/null"]).arg(server.url("/x")));
        assert!(!output.status.success(), "{nonsense:?}");
        assert_eq!(server.get("/-/health").status, 200);
    }
}

#[test]
fn the_hub_ends_while_something_is_being_fetched() {
    let (fixture, gate) = (Fixture::new(), Gate::shut());
    let held = gate.clone();
    let puppet = Puppet::new(move |asked, stream| {
        found(stream, 1_000_000);
        if asked.method() == "GET" {
            held.pass();
        }
        asked.method() == "HEAD"
    });
    let mut server = asker(&fixture, &[&puppet.url()], &[]);
    let mut client = Http::connect(server.http());
    client.send(client.request("GET", "/x", &[]));
    assert_eq!(client.answer_head().status, 200);
    server.process.signal(rustix::process::Signal::INT);
    server.process.signal(rustix::process::Signal::INT);
    assert!(server.process.wait_within(Duration::from_secs(20)).is_some());
    gate.open();
}
