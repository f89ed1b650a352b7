//! Bodies that are not as long as they say, that are cut, or that come while the hub ends.

use std::io::Write as _;
use std::net::Shutdown;
use std::time::Duration;

use rustix::process::Signal;

use crate::frames::{PREFACE, frame, post, read_frame};
use crate::house::{House, send, wait_until};
use crate::support::{Http, answers, assert_same_bytes, connect, pattern, read_to_the_end};

/// An upload of which half was sent.
fn half_sent(house: &House, path: &str, contents: &[u8]) -> Http {
    let mut http = Http::connect(house.server.http());
    let length = contents.len().to_string();
    http.send(http.request("PUT", path, &[("Content-Length", &length)]));
    http.send(&contents[..contents.len() / 2]);
    http
}

/// Closes a connection as a machine does that was switched off and on again.
fn reset(http: Http) {
    rustix::net::sockopt::set_socket_linger(&http.stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_body_shorter_than_it_said_leaves_nothing() {
    let house = House::new();
    let contents = pattern(400_000);
    for length in [2, 1000, 400_000] {
        let mut http = half_sent(&house, "/a", &contents[..length]);
        http.stream.shutdown(Shutdown::Write).unwrap();
        let told = String::from_utf8(read_to_the_end(&mut http.stream)).unwrap();
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 400 "), "{length}: {told}");
        reset(half_sent(&house, "/deep/in/b", &contents[..length]));
        drop(half_sent(&house, "/c", &contents[..length]));
    }
    // Folders are made before the first byte, and are no half file.
    house.assert_holds(&[("deep/", b""), ("deep/in/", b"")]);
}

#[test]
fn a_cut_body_leaves_the_file_of_that_name_as_it_was() {
    for flags in [&["--uploads"][..], &["--uploads", "--overwrite"], &["--uploads", "--rename"]] {
        let house = House::with(flags);
        let contents = pattern(400_000);
        house.fixture.file("a", &contents);
        let mut other = contents.clone();
        other[10_000] ^= 1;
        reset(half_sent(&house, "/a", &other));
        reset(half_sent(&house, "/a", &contents));
        house.assert_holds(&[("a", &contents)]);
    }
}

#[test]
fn what_comes_behind_a_body_is_the_next_request() {
    let house = House::new();
    let mut http = Http::connect(house.server.http());
    let put = http.request("PUT", "/a", &[("Content-Length", "5")]);
    let get = http.request("GET", "/a", &[]);
    http.send(format!("{put}hello{get}{put}hello{get}"));
    let told: Vec<(u16, String)> =
        (0..4).map(|_| http.answer()).map(|answer| (answer.status, answer.text())).collect();
    assert_eq!((told[0].0, told[2].0), (201, 200));
    assert_eq!((told[1].1.as_str(), told[3].1.as_str()), ("hello", "hello"));
    http.send(format!("{put}hello and more\r\n\r\n"));
    let rest = answers(&http.rest());
    let statuses: Vec<u16> = rest.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 400], "what is no request ends it");
    house.assert_holds(&[("a", b"hello")]);
}

#[test]
fn chunks_are_put_together_and_the_connection_ends_behind_them() {
    let house = House::new();
    let contents = pattern(300_000);
    let mut body = Vec::new();
    for (n, chunk) in contents.chunks(77_777).enumerate() {
        let extension = if n == 1 { ";a=b" } else { "" };
        body.extend(format!("{:X}{extension}\r\n", chunk.len()).into_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\nX-Trailer: y\r\n\r\n");
    let mut http = Http::connect(house.server.http());
    http.send(http.request("PUT", "/a", &[("Transfer-Encoding", "chunked")]));
    http.send(&body);
    let answer = http.answer();
    assert_eq!((answer.status, answer.the("connection")), (201, "close"), "{}", answer.text());
    assert!(http.rest().is_empty());
    house.assert_holds(&[("a", &contents)]);
}

#[test]
fn chunks_that_are_cut_or_none_leave_nothing() {
    let house = House::new();
    for chunks in [
        "5\r\nhel",
        "5\r\nhello",
        "5\r\nhello\r\n",
        "5\r\nhello\r\n0\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "5\r\nhello\r\nx\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello",
    ] {
        let mut http = Http::connect(house.server.http());
        http.send(http.request("PUT", "/a", &[("Transfer-Encoding", "chunked")]));
        http.send(chunks);
        http.stream.shutdown(Shutdown::Write).unwrap();
        let told = String::from_utf8(read_to_the_end(&mut http.stream)).unwrap();
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 400 "), "{chunks:?}: {told}");
        house.assert_holds(&[]);
    }
}

/// A stream may end before its length, behind it, by a reset, or with its connection.
#[test]
fn on_http_2_a_body_of_another_length_leaves_nothing_and_the_connection_goes_on() {
    let house = House::new();
    let head = |stream, path: &str, length| frame(1, 4, stream, &post(path, Some(length)));
    let mut http2 = connect(house.server.http());
    let shorter = [head(1, "/shorter", 10), frame(0, 1, 1, b"hello")].concat();
    let longer = [head(3, "/longer", 3), frame(0, 1, 3, b"hello")].concat();
    let reset = [head(5, "/reset", 10), frame(0, 0, 5, b"hello"), frame(3, 0, 5, &[0, 0, 0, 8])];
    let right = [head(7, "/right", 5), frame(0, 1, 7, b"hello")].concat();
    let all = [&frame(4, 0, 0, &[])[..], &shorter, &longer, &reset.concat(), &right].concat();
    http2.write_all(&[PREFACE, &all].concat()).unwrap();
    loop {
        let (kind, stream, payload) = read_frame(&mut http2).expect("an answer to the right one");
        if (kind, stream) == (1, 7) {
            // 200 stands in the table at 8.
            assert_eq!(payload[0], 0x88, "{payload:?}");
            break;
        }
        assert!(kind != 1 || payload[0] != 0x88, "stream {stream} was told 200");
    }
    let cut = [head(9, "/cut", 10), frame(0, 0, 9, b"hello")].concat();
    http2.write_all(&cut).unwrap();
    http2.shutdown(Shutdown::Both).unwrap();
    house.assert_holds(&[("right", b"hello")]);
}

#[test]
fn an_http_1_0_sender_without_a_length_has_sent_nothing() {
    let house = House::new();
    let mut http = Http::connect(house.server.http());
    http.send("PUT /a HTTP/1.0\r\nHost: localhost\r\n\r\nhello");
    http.stream.shutdown(Shutdown::Write).unwrap();
    let told = answers(&http.rest());
    assert_eq!(told[0].status, 201, "{told:?}");
    house.assert_holds(&[("a", b"")]);
    let mut http = Http::connect(house.server.http());
    http.send("POST /b HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(http.answer().status, 200);
    house.assert_holds(&[("a", b""), ("b", b"hello")]);
}

#[test]
fn ctrl_c_lets_an_upload_finish() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut house = House::new();
        let contents = pattern(400_000);
        let mut sender = half_sent(&house, "/a", &contents);
        wait_until("it is being received", || house.received_bytes() >= 200_000);
        let mut idle = Http::connect(house.server.http());
        assert_eq!(idle.get("/-/health", &[]).status, 200);
        house.server.process.signal(signal);
        assert!(idle.rest().is_empty(), "the signal was heard");
        sender.send(&contents[contents.len() / 2..]);
        assert_eq!(sender.answer().status, 201);
        assert!(sender.rest().is_empty());
        assert_eq!(house.server.process.wait().code(), Some(0), "{signal:?}");
        assert_same_bytes(&house.everything()["a"], &contents, "after the end");
    }
}

#[test]
fn a_hub_that_is_killed_leaves_no_half_file() {
    let house = House::new();
    let contents = pattern(4_000_000);
    let senders: Vec<Http> =
        (0..10).map(|n| half_sent(&house, &format!("/{n}"), &contents)).collect();
    let mut last = Http::connect(house.server.http());
    assert_eq!(send(&mut last, ("PUT", "/whole"), &[], &contents).status, 201);
    house.server.process.signal(Signal::KILL);
    assert!(last.rest().is_empty());
    drop(senders);
    let found = house.everything();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["whole"]);
    assert_same_bytes(&found["whole"], &contents, "the acknowledged one");
}
