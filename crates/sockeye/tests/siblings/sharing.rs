//! One fetch for all who want the same at the same time.

use std::io::Write as _;

use crate::passing::{asker, get};
use crate::puppet::{Gate, Puppet, eventually, found, until_closed};
use crate::support::{Fixture, Http, Server, assert_same_bytes, pattern};

const CLIENTS: usize = 50;

/// A puppet that has everything, and goes on with a body when the gate is open.
fn slow(gate: &Gate, bytes: Vec<u8>) -> Puppet {
    let gate = gate.clone();
    Puppet::new(move |asked, stream| {
        found(stream, bytes.len());
        if asked.method() == "HEAD" {
            return true;
        }
        gate.pass();
        stream.write_all(&bytes).is_ok()
    })
}

/// Has a hub find out who has a file, however late a probe is: from here on it is asked for at once.
fn know(server: &Server, path: &str) {
    eventually("a sibling has it", || Http::connect(server.http()).head(path, &[]).status == 200);
}

#[test]
fn many_who_want_the_same_at_once_cause_one_fetch() {
    let (fixture, gate) = (Fixture::new(), Gate::shut());
    let bytes = pattern(6_000_001);
    let puppet = slow(&gate, bytes.clone());
    let server = asker(&fixture, &[&puppet.url()], &[]);
    know(&server, "/film.mp4");
    let mut clients: Vec<Http> = (0..CLIENTS).map(|_| Http::connect(server.http())).collect();
    for client in &mut clients {
        client.send(client.request("GET", "/film.mp4", &[("Connection", "close")]));
        // All have their place before a byte of the body is there.
        let head = client.answer_head();
        assert_eq!((head.status, head.the("content-length")), (200, "6000001"));
    }
    gate.open();
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                let got = client.rest();
                let said = server.process.stderr();
                assert!(got == bytes, "{} of {} bytes: {said}", got.len(), bytes.len());
            });
        }
    });
    assert_eq!(puppet.count("GET"), 1);
    let metrics = server.get("/-/metrics").text();
    let collapsed =
        format!("sockeye_files_came_total{{how=\"sibling-collapsed\"}} {}\n", CLIENTS - 1);
    assert!(metrics.contains(&collapsed), "{metrics}");
}

#[test]
fn whoever_asked_first_may_leave_and_the_last_ends_the_fetch() {
    let (fixture, head, body) = (Fixture::new(), Gate::shut(), Gate::shut());
    let gates = (head.clone(), body.clone());
    let puppet = Puppet::new(move |asked, stream| {
        if asked.method() == "GET" {
            gates.0.pass();
        }
        found(stream, 10_000_000);
        if asked.method() == "GET" {
            gates.1.pass();
            until_closed(stream);
            return false;
        }
        true
    });
    let server = asker(&fixture, &[&puppet.url()], &[]);
    know(&server, "/film.mp4");
    let mut first = Http::connect(server.http());
    first.send(first.request("GET", "/film.mp4", &[]));
    eventually("the fetch is under way", || puppet.count("GET") == 1);
    let mut second = Http::connect(server.http());
    second.send(second.request("GET", "/film.mp4", &[]));
    // Its request has been taken when the one after it is.
    let mut third = Http::connect(server.http());
    third.get("/-/health", &[]);
    drop(first);
    head.open();
    assert_eq!(second.answer_head().status, 200);
    assert_eq!(puppet.count("GET"), 1);
    drop(second);
    // The puppet waits for this, and would hang.
    body.open();
}

#[test]
fn who_reads_slowly_does_not_hold_up_the_others() {
    let fixture = Fixture::new();
    let bytes = pattern(40_000_000);
    let there = Fixture::new();
    there.file("film.mp4", &bytes);
    let sibling = Server::files(&there.share(), &[]);
    let url = sibling.url("");
    let server = asker(&fixture, &[url.trim_end_matches('/')], &[]);
    know(&server, "/film.mp4");
    let mut slow = Http::connect(server.http());
    slow.send(slow.request("GET", "/film.mp4", &[]));
    assert_eq!(slow.answer_head().status, 200);
    // The slow one has read nothing of the body, and what it has taken up elsewhere is bounded.
    let fast = get(&server, "/film.mp4", &[]);
    assert_same_bytes(&fast.body, &bytes, "film.mp4 of the fast");
    // It gets all of it all the same.
    assert_same_bytes(&slow.rest_of(bytes.len()), &bytes, "film.mp4 of the slow");
}

#[test]
fn too_many_fetches_from_one_sibling_are_told_to_come_again() {
    let (fixture, gate) = (Fixture::new(), Gate::shut());
    let puppet = slow(&gate, pattern(1000));
    let server = asker(&fixture, &[&puppet.url()], &[]);
    let mut under_way: Vec<Http> = Vec::new();
    for number in 0..64 {
        let path = format!("/film%20{number}.mp4");
        know(&server, &path);
        let mut client = Http::connect(server.http());
        client.send(client.request("GET", &path, &[]));
        assert_eq!(client.answer_head().status, 200, "{number}");
        under_way.push(client);
    }
    know(&server, "/another.mp4");
    let busy = get(&server, "/another.mp4", &[]);
    assert_eq!((busy.status, busy.the("retry-after")), (503, "1"));
    gate.open();
    for client in &mut under_way {
        assert_eq!(client.rest_of(1000).len(), 1000);
    }
    eventually("there is room again", || get(&server, "/another.mp4", &[]).status == 200);
}
