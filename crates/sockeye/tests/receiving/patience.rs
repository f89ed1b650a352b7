//! How slowly a body may come. The waits stand side by side in one test, so that together they take
//! as long as the longest.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::frames::{PREFACE, frame, post, read_frame};
use crate::house::{House, send, wait_until};
use crate::support::{Answer, Http, answers, connect, pattern, read_to_the_end};

#[test]
fn slow_bodies_hold_no_place_for_long() {
    let cases: &[(&str, fn())] = &[
        ("floor", a_body_below_the_floor_gets_408_while_others_are_received),
        ("silence", a_body_that_stops_gets_408),
        ("pieces", a_slow_piece_gets_408_and_is_kept_as_far_as_it_came),
        ("http 2", a_slow_body_on_http_2_is_given_up_alone),
        ("drain", an_upload_that_does_not_move_is_cut_at_the_end_of_the_drain),
    ];
    std::thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|(what, case)| (what, scope.spawn(case))).collect();
        let failed: Vec<_> = running
            .into_iter()
            .filter_map(|(what, case)| case.join().is_err().then_some(what))
            .collect();
        assert!(failed.is_empty(), "these failed, for reasons told above: {failed:?}");
    });
}

#[track_caller]
fn assert_between(took: Duration, from_s: u64, to_s: u64) {
    let bounds = Duration::from_secs(from_s)..Duration::from_secs(to_s);
    assert!(bounds.contains(&took), "{took:?} is not within {from_s} s and {to_s} s");
}

/// Begins an upload, and sends pieces of it every now and then until the answer comes.
fn dribbled(http: &mut Http, piece: &[u8], every: Duration) -> (Answer, Duration) {
    let (since, over) = (Instant::now(), AtomicBool::new(false));
    let mut sending = http.stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) && sending.write_all(piece).is_ok() {
                std::thread::sleep(every);
            }
        });
        let answer = http.answer();
        over.store(true, Ordering::Relaxed);
        (answer, since.elapsed())
    })
}

fn a_body_below_the_floor_gets_408_while_others_are_received() {
    // Larger than the floor by little: 2 KiB/s, and 24 s in all.
    const PIECE_BYTES: usize = 512;
    const PIECES: usize = 96;
    let house = House::new();
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| {
            let contents = pattern(PIECE_BYTES * PIECES);
            let mut http = Http::connect(house.server.http());
            let length = contents.len().to_string();
            http.send(http.request("PUT", "/steady", &[("Content-Length", &length)]));
            for piece in contents.chunks(PIECE_BYTES) {
                http.send(piece);
                std::thread::sleep(Duration::from_millis(250));
            }
            http.answer().status
        });
        let mut http = Http::connect(house.server.http());
        http.send(http.request("PUT", "/slow", &[("Content-Length", "1000000")]));
        let (answer, took) = dribbled(&mut http, b"drop", Duration::from_millis(200));
        assert_eq!((answer.status, answer.the("connection")), (408, "close"), "{}", answer.text());
        assert!(answer.text().contains("20 KiB in 20 s"), "{}", answer.text());
        assert_between(took, 18, 28);
        assert_eq!(house.send("PUT", "/quick", &[], "hello").status, 201);
        assert_eq!(patient.join().unwrap(), 201, "the steady one");
    });
    let steady = pattern(PIECE_BYTES * PIECES);
    house.assert_holds(&[("quick", b"hello"), ("steady", &steady)]);
}

fn a_body_that_stops_gets_408() {
    let house = House::new();
    let since = Instant::now();
    let mut http = Http::connect(house.server.http());
    http.send(http.request("PUT", "/a", &[("Transfer-Encoding", "chunked")]));
    http.send("5\r\nhello\r\n");
    assert_eq!(http.answer().status, 408);
    assert_between(since.elapsed(), 18, 28);
    house.assert_holds(&[]);
}

fn a_slow_piece_gets_408_and_is_kept_as_far_as_it_came() {
    let house = House::new();
    let mut http = Http::connect(house.server.http());
    let begun = send(&mut http, ("POST", "/a"), &[("Upload-Complete", "?0")], "begun,");
    let place = begun.the("location").to_owned();
    let fields = [
        ("Content-Type", "application/partial-upload"),
        ("Upload-Complete", "?0"),
        ("Upload-Offset", "6"),
        ("Content-Length", "1000000"),
    ];
    http.send(http.request("PATCH", &place, &fields));
    http.send("slowly");
    assert_eq!(http.answer().status, 408);
    let head = house.send("HEAD", &place, &[], "");
    assert_eq!((head.status, head.the("upload-offset")), (204, "12"));
}

/// On HTTP/2 one connection carries several requests, of which only the slow one ends.
fn a_slow_body_on_http_2_is_given_up_alone() {
    let house = House::new();
    let mut http2 = connect(house.server.http());
    let begin = [frame(4, 0, 0, &[]), frame(1, 4, 1, &post("/s", None)), frame(0, 0, 1, b"hello")];
    let quick = [frame(1, 4, 3, &post("/q", None)), frame(0, 1, 3, b"quick")];
    http2.write_all(&[PREFACE, &begin.concat(), &quick.concat()].concat()).unwrap();
    let since = Instant::now();
    let mut statuses = Vec::new();
    while statuses.len() < 2 {
        let (kind, stream, payload) = read_frame(&mut http2).unwrap();
        if kind == 1 {
            statuses.push((stream, payload, since.elapsed().as_secs()));
        }
    }
    let (quick, slow) = (&statuses[0], &statuses[1]);
    // 200 stands in the table at 8, and 408 does not, so that it is spelt out.
    assert_eq!((quick.0, quick.1[0]), (3, 0x88), "the quick one is saved");
    let spelt = slow.1.windows(3).any(|part| part == b"408") || slow.1[0] != 0x88;
    assert!(slow.0 == 1 && spelt, "{slow:?}");
    assert_between(Duration::from_secs(slow.2), 18, 28);
    house.assert_holds(&[("q", b"quick")]);
}

fn an_upload_that_does_not_move_is_cut_at_the_end_of_the_drain() {
    let mut house = House::new();
    let mut http = Http::connect(house.server.http());
    http.send(http.request("PUT", "/a", &[("Content-Length", "1000000")]));
    http.send(pattern(400_000));
    wait_until("it is being received", || house.received_bytes() >= 400_000);
    let since = Instant::now();
    house.server.process.signal(Signal::INT);
    assert_eq!(house.server.process.wait().code(), Some(0));
    assert_between(since.elapsed(), 9, 18);
    let told = answers(&read_to_the_end(&mut http.stream));
    assert!(told.iter().all(|answer| answer.status >= 400), "{told:?}");
    assert!(house.everything().is_empty(), "{:?}", house.everything().keys());
}
