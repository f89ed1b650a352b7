//! Simple requests for files in memory are answered before the HTTP library sees them: in any
//! mixture with other requests, cut into pieces anywhere, every answer is the right one and in its
//! place.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod support;

use std::io::Read as _;
use std::time::{Duration, Instant};

use support::{Fixture, Http, Server, pattern, settle};

const HOT: &str = "/hot.bin";
const HOT_BYTES: usize = 3000;
/// One that the kernel sends by itself.
const SEALED: &str = "/sealed.bin";
const SEALED_BYTES: usize = 200 * 1024;
const LARGE_BYTES: usize = 3 * 1024 * 1024;

struct Stage {
    _fixture: Fixture,
    server: Server,
}

/// A request, and what its answer must be.
#[derive(Clone, Debug)]
struct Turn {
    text: String,
    status: u16,
    /// None where only the status counts.
    body: Option<Vec<u8>>,
}

impl Stage {
    fn new() -> Self {
        let fixture = Fixture::new();
        let files = [(HOT, HOT_BYTES), (SEALED, SEALED_BYTES), ("/large.bin", LARGE_BYTES)];
        for (name, bytes) in files {
            settle(&fixture.file(&name[1..], pattern(bytes)));
        }
        let server = Server::files(&fixture.share(), &["--uploads"]);
        let stage = Self { _fixture: fixture, server };
        let begun = Instant::now();
        let kept = |stage: &Self| {
            let metrics = stage.connect().get("/-/metrics", &[]).text();
            metrics.contains("sockeye_files_kept_files 2\n")
        };
        while !kept(&stage) {
            assert_eq!(stage.connect().get(HOT, &[]).status, 200);
            assert_eq!(stage.connect().get(SEALED, &[]).status, 200);
            assert!(begun.elapsed() < Duration::from_mins(1), "it is never kept");
        }
        stage
    }

    fn connect(&self) -> Http {
        Http::connect(self.server.http())
    }

    /// Requests of all kinds, the simple one among them.
    fn turns(&self) -> Vec<Turn> {
        let http = self.connect();
        let turn = |text: String, status, body: Option<Vec<u8>>| Turn { text, status, body };
        let get = |path: &str, fields: &[(&str, &str)]| http.request("GET", path, fields);
        let with_body = |path: &str, fields: &[(&str, &str)], body: &str| {
            http.request("PUT", path, fields) + body
        };
        vec![
            turn(get(HOT, &[]), 200, Some(pattern(HOT_BYTES))),
            turn(get(HOT, &[("Accept", "*/*")]), 200, Some(pattern(HOT_BYTES))),
            turn(get(HOT, &[("Range", "bytes=0-9")]), 206, Some(pattern(HOT_BYTES)[..10].into())),
            turn(get(HOT, &[("If-None-Match", "*")]), 304, Some(Vec::new())),
            turn(get(SEALED, &[]), 200, Some(pattern(SEALED_BYTES))),
            turn(get(SEALED, &[("Referer", "/")]), 200, Some(pattern(SEALED_BYTES))),
            turn(get("/none", &[]), 404, None),
            turn(get("/large.bin", &[]), 200, Some(pattern(LARGE_BYTES))),
            turn(get("/-/health", &[]), 200, Some(b"ok\n".to_vec())),
            turn(with_body("/a", &[("Content-Length", "5")], "GET /"), 0, None),
            turn(get(HOT, &[("Content-Length", "0")]), 200, Some(pattern(HOT_BYTES))),
        ]
    }

    fn check(http: &mut Http, turn: &Turn) {
        let answer = http.answer();
        let is_put = turn.text.starts_with("PUT");
        // The first time it is made, later it is the same.
        assert!(answer.status == turn.status || (is_put && answer.status / 100 == 2), "{turn:?}");
        assert_eq!(answer.fields.iter().filter(|(name, _)| name == "date").count(), 1);
        if let Some(body) = &turn.body {
            assert!(answer.body == *body, "another body for {:?}", turn.text);
        }
    }
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

#[test]
fn any_mixture_of_requests_one_by_one_is_answered_in_order() {
    let stage = Stage::new();
    let turns = stage.turns();
    let mut dice = Dice(1);
    for _ in 0..8 {
        let mut http = stage.connect();
        for _ in 0..40 {
            let turn = &turns[dice.below(turns.len())];
            http.send(&turn.text);
            Stage::check(&mut http, turn);
        }
    }
}

#[test]
fn any_mixture_sent_ahead_and_cut_anywhere_is_answered_in_order() {
    let stage = Stage::new();
    let turns = stage.turns();
    let mut dice = Dice(2);
    for _ in 0..30 {
        let mut http = stage.connect();
        let chosen: Vec<&Turn> = (0..12).map(|_| &turns[dice.below(turns.len())]).collect();
        let all: String = chosen.iter().map(|turn| turn.text.as_str()).collect();
        let mut rest = all.as_bytes();
        while !rest.is_empty() {
            let cut = 1 + dice.below(rest.len().min(300));
            http.send(&rest[..cut]);
            rest = &rest[cut..];
        }
        for turn in chosen {
            Stage::check(&mut http, turn);
        }
    }
}

#[test]
fn a_simple_request_behind_an_answer_that_is_not_taken_waits_its_turn() {
    let stage = Stage::new();
    let turns = stage.turns();
    let of = |path: &str| turns.iter().find(|turn| turn.text.contains(path)).unwrap();
    let (hot, sealed, large) = (of(HOT), of(SEALED), of("/large.bin"));
    let mut http = stage.connect();
    for _ in 0..3 {
        // What the kernel holds of the answers is soon full; one after the other must wait.
        let asked = [large, hot, sealed, sealed, hot, large, sealed, hot];
        for turn in asked {
            http.send(&turn.text);
        }
        for turn in asked {
            Stage::check(&mut http, turn);
        }
    }
}

#[test]
fn who_ends_their_side_behind_a_simple_request_gets_the_answer_and_the_end() {
    let stage = Stage::new();
    let mut http = stage.connect();
    http.send(&stage.turns()[0].text);
    http.stream.shutdown(std::net::Shutdown::Write).unwrap();
    Stage::check(&mut http, &stage.turns()[0]);
    let mut rest = Vec::new();
    http.stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn the_library_closes_where_it_was_asked_to() {
    let stage = Stage::new();
    let mut http = stage.connect();
    for _ in 0..3 {
        http.send(&stage.turns()[0].text);
        Stage::check(&mut http, &stage.turns()[0]);
    }
    let answer = http.get(HOT, &[("Connection", "close")]);
    assert_eq!((answer.status, answer.the("connection")), (200, "close"));
    let mut rest = Vec::new();
    http.stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn each_is_counted_and_logged_whichever_way_it_went() {
    let stage = Stage::new();
    let count = |stage: &Stage| -> u64 {
        let metrics = stage.connect().get("/-/metrics", &[]).text();
        let line = metrics.lines().find(|line| {
            line.starts_with("sockeye_answers_total{service=\"files\",status=\"2xx\"}")
        });
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    };
    let before = count(&stage);
    let mut http = stage.connect();
    for _ in 0..50 {
        http.send(&stage.turns()[0].text);
        Stage::check(&mut http, &stage.turns()[0]);
    }
    // The first look counts itself when it is over.
    assert_eq!(count(&stage) - before, 51);
}
