//! Who is let in, how long a silent or slow client is kept, and how a server ends.
//!
//! Deadlines are waited for side by side, in one test, so that together they take as long as the
//! longest. Only their order and generous bounds are asserted.
#![allow(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

mod support;

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{
    Answer, Fixture, HANG, Http, Server, answers, assert_same_bytes, connect, connect_from,
    ends_after, exchange, pattern, read_to_the_end, run, sockeye,
};

const LARGE_BYTES: u64 = 64 * 1024 * 1024;

/// A share with a small file and one that fits in no socket's buffers.
fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.file("a.txt", "hello");
    File::create(fixture.path("large")).unwrap().set_len(LARGE_BYTES).unwrap();
    fixture
}

#[track_caller]
fn assert_between(took: Duration, from_s: u64, to_s: u64) {
    let bounds = Duration::from_secs(from_s)..Duration::from_secs(to_s);
    assert!(bounds.contains(&took), "{took:?} is not within {from_s} s and {to_s} s");
}

/// A connection that has been served once and is idle from now on.
fn idle_client(server: &Server) -> Http {
    let mut http = Http::connect(server.http());
    assert_eq!(http.get("/a.txt", &[]).text(), "hello");
    http
}

/// A transfer that has begun and waits for its reader.
fn begun_transfer(server: &Server) -> Http {
    let mut http = Http::connect(server.http());
    http.send(http.request("GET", "/large", &[]));
    assert_eq!(http.answer_head().the("content-length"), LARGE_BYTES.to_string());
    http
}

#[track_caller]
fn assert_rest_of_transfer(mut http: Http) {
    assert_eq!(http.rest_of(LARGE_BYTES as usize).len() as u64, LARGE_BYTES);
}

/// Sends a piece again and again, slowly, until the peer has gone, and says when that was.
fn dribble_until_closed(
    mut stream: TcpStream,
    piece: &[u8],
    every: Duration,
) -> (Duration, Vec<u8>) {
    let since = Instant::now();
    let over = AtomicBool::new(false);
    let mut sending = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) && sending.write_all(piece).is_ok() {
                std::thread::sleep(every);
            }
        });
        let (mut got, mut piece) = (Vec::new(), [0; 4096]);
        // The peer may go on answering, so that no single read shows how long this takes.
        while let Ok(n @ 1..) = stream.read(&mut piece) {
            got.extend_from_slice(&piece[..n]);
            if since.elapsed() > HANG {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
        (since.elapsed(), got)
    })
}

#[test]
fn deadlines_are_kept() {
    let cases: &[(&str, fn())] = &[
        ("alone", alone_an_idle_connection_is_closed_after_about_19_s),
        ("among twenty", among_twenty_an_idle_connection_is_closed_after_about_5_s),
        ("fixed", a_fixed_idle_time_counts_from_the_last_answer),
        ("none", without_an_idle_time_nobody_is_closed),
        ("raw idle", a_raw_caller_who_says_nothing_is_closed),
        ("dribbled head", a_dribbled_head_gets_408_while_others_are_served),
        ("torn head", a_head_that_stops_gets_408),
        ("slow HTTP/2", a_slow_http_2_reader_gets_all_of_its_answer),
        ("pings", pings_keep_no_http_2_connection_open),
        ("raw dribble", a_raw_name_that_never_ends_is_not_waited_for),
        ("raw linger", a_raw_caller_who_goes_on_talking_gives_its_place_back),
        ("exit", a_server_nobody_asks_ends_by_itself),
        ("drain", a_transfer_that_does_not_move_is_cut_at_the_end_of_the_drain),
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

fn alone_an_idle_connection_is_closed_after_about_19_s() {
    let fixture = fixture();
    let server = Server::files(&fixture.share(), &[]);
    let mut http = idle_client(&server);
    assert_between(ends_after(&mut http.stream, Instant::now()), 17, 25);
}

fn among_twenty_an_idle_connection_is_closed_after_about_5_s() {
    let fixture = fixture();
    let server = Server::files(&fixture.share(), &[]);
    let since = Instant::now();
    let mut first = idle_client(&server);
    let _others: Vec<Http> = (0..19).map(|_| idle_client(&server)).collect();
    // The others go later and leave more time to who is left, so that only the first is timed.
    assert_between(ends_after(&mut first.stream, since), 4, 9);
}

fn a_fixed_idle_time_counts_from_the_last_answer() {
    let fixture = fixture();
    let server = Server::files(&fixture.share(), &["--idle-timeout", "3s"]);
    let mut silent = connect(server.http());
    let (begun, mut active) = (Instant::now(), Http::connect(server.http()));
    while begun.elapsed() < Duration::from_secs(5) {
        assert_eq!(active.get("/a.txt", &[]).text(), "hello");
        std::thread::sleep(Duration::from_millis(300));
    }
    let last = Instant::now();
    assert_eq!(read_to_the_end(&mut silent), b"", "it was closed without a word");
    assert_between(begun.elapsed(), 2, 8);
    assert_between(ends_after(&mut active.stream, last), 2, 8);
}

fn without_an_idle_time_nobody_is_closed() {
    let fixture = fixture();
    let server = Server::files(&fixture.share(), &["--idle-timeout", "none"]);
    let mut http = idle_client(&server);
    http.stream.set_read_timeout(Some(Duration::from_secs(22))).unwrap();
    let waited = http.stream.read(&mut [0]).unwrap_err();
    assert_eq!(waited.kind(), ErrorKind::WouldBlock, "longer than the longest dynamic time");
    http.stream.set_read_timeout(Some(HANG)).unwrap();
    assert_eq!(http.get("/a.txt", &[]).text(), "hello");
}

fn a_raw_caller_who_says_nothing_is_closed() {
    let fixture = fixture();
    let server = Server::files(&fixture.share(), &["--idle-timeout", "2s"]);
    let mut caller = connect(server.tcp());
    assert_between(ends_after(&mut caller, Instant::now()), 1, 7);
}

fn a_dribbled_head_gets_408_while_others_are_served() {
    let fixture = fixture();
    let server = Server::files(&fixture.share(), &["--idle-timeout", "none"]);
    let mut slow = connect(server.http());
    slow.write_all(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\nX: ").unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut served = 0;
            while !over.load(Ordering::Relaxed) {
                drop(idle_client(&server));
                served += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            served
        });
        let (took, got) = dribble_until_closed(slow, b"y", Duration::from_millis(300));
        over.store(true, Ordering::Relaxed);
        assert_between(took, 9, 16);
        let got = answers(&got);
        assert_eq!((got.len(), got[0].status), (1, 408));
        assert!(others.join().unwrap() > 10);
    });
}

fn a_head_that_stops_gets_408() {
    let fixture = fixture();
    let server = Server::files(&fixture.share(), &["--idle-timeout", "none"]);
    let since = Instant::now();
    let mut torn = connect(server.http());
    torn.write_all(b"G").unwrap();
    let got = read_to_the_end(&mut torn);
    assert_between(since.elapsed(), 9, 16);
    assert_eq!(answers(&got).iter().map(|a| a.status).collect::<Vec<_>>(), [408]);
}

fn pings_keep_no_http_2_connection_open() {
    let fixture = fixture();
    let server = Server::files(&fixture.share(), &["--idle-timeout", "2s"]);
    let mut http2 = connect(server.http());
    http2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let ping = b"\0\0\x08\x06\0\0\0\0\0sockeye!";
    let (took, _frames) = dribble_until_closed(http2, ping, Duration::from_millis(500));
    assert_between(took, 1, 12);
}

fn a_slow_http_2_reader_gets_all_of_its_answer() {
    const LENGTH: usize = 250_000;
    const STEP_BYTES: u32 = 20_000;
    let fixture = fixture();
    let contents = pattern(LENGTH);
    fixture.file("f", &contents);
    let server = Server::files(&fixture.share(), &["--idle-timeout", "2s"]);
    let mut http2 = connect(server.http());
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    // RFC 7541, appendix A: 2 is GET, 6 http, 4 the path's and 1 the authority's name.
    let head = b"\x82\x86\x04\x02/f\x01\x09localhost";
    http2.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    http2.write_all(&[frame(4, 0, 0, &[]), frame(1, 5, 1, head)].concat()).unwrap();
    let (mut got, mut room) = (Vec::new(), 65_535);
    while got.len() < LENGTH {
        let mut start = [0; 9];
        http2.read_exact(&mut start).unwrap_or_else(|e| panic!("{e} after {} bytes", got.len()));
        let length = u32::from_be_bytes([0, start[0], start[1], start[2]]) as usize;
        let mut payload = vec![0; length];
        http2.read_exact(&mut payload).unwrap();
        assert_ne!((start[3], start[8]), (3, 1), "the stream was reset");
        if start[3] == 0 {
            got.extend_from_slice(&payload);
        }
        if got.len() == room && room < LENGTH {
            // Slower than the idle time as a whole, and never silent for that long.
            std::thread::sleep(Duration::from_millis(700));
            let step = STEP_BYTES.to_be_bytes();
            http2.write_all(&[frame(8, 0, 0, &step), frame(8, 0, 1, &step)].concat()).unwrap();
            room += STEP_BYTES as usize;
        }
    }
    assert_same_bytes(&got, &contents, "over HTTP/2");
}

fn a_raw_name_that_never_ends_is_not_waited_for() {
    let fixture = fixture();
    let server = Server::files(&fixture.share(), &["--idle-timeout", "2s"]);
    let slow = connect(server.tcp());
    let (took, _answer) = dribble_until_closed(slow, b"x", Duration::from_millis(500));
    assert_between(took, 1, 25);
}

/// Its answer is out; that it still talks is no reason to keep its place.
fn a_raw_caller_who_goes_on_talking_gives_its_place_back() {
    let fixture = fixture();
    let server = Server::files(&fixture.share(), &["--max-clients", "1"]);
    let mut talker = connect(server.tcp());
    talker.write_all(b"a.txt\n").unwrap();
    assert_eq!(read_to_the_end(&mut talker), b"hello");
    let (since, over) = (Instant::now(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) && talker.write_all(b"more\n").is_ok() {
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        let is_served = served_within(server.http(), Duration::from_secs(20));
        over.store(true, Ordering::Relaxed);
        assert!(is_served, "its place was not free after {:?}", since.elapsed());
    });
}

/// Asks until there is a place.
fn served_within(address: SocketAddr, bound: Duration) -> bool {
    let since = Instant::now();
    while since.elapsed() < bound {
        let got = exchange(address, b"GET /a.txt HTTP/1.0\r\n\r\n");
        if answers(&got).iter().any(|answer| answer.status == 200) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn a_server_nobody_asks_ends_by_itself() {
    let fixture = fixture();
    let mut server = Server::files(&fixture.share(), &["--exit-after-idle", "1s"]);
    let transfer = begun_transfer(&server);
    let early = server.process.wait_within(Duration::from_secs(3));
    assert_eq!(early, None, "a transfer is running");
    // A connection that only stands there asks for nothing.
    let _idle = connect(server.http());
    assert_rest_of_transfer(transfer);
    assert_eq!(server.process.wait().code(), Some(0), "{}", server.process.stderr());
}

fn a_transfer_that_does_not_move_is_cut_at_the_end_of_the_drain() {
    let fixture = fixture();
    let mut server = Server::files(&fixture.share(), &[]);
    let _transfer = begun_transfer(&server);
    let since = Instant::now();
    server.process.signal(Signal::INT);
    assert_eq!(server.process.wait().code(), Some(0));
    assert_between(since.elapsed(), 9, 18);
}

#[test]
fn who_comes_when_it_is_full_is_told_so_at_once_though_the_others_idle() {
    let fixture = fixture();
    let flags = ["--max-clients", "2", "--idle-timeout", "none"];
    let server = Server::files(&fixture.share(), &flags);
    let mut clients = [idle_client(&server), idle_client(&server)];
    for _ in 0..3 {
        let mut third = Http::connect(server.http());
        let refusal = third.answer();
        assert_eq!((refusal.status, refusal.the("retry-after")), (503, "5"));
        assert_eq!(refusal.text(), "busy: 2 of 2 clients are here, try again later\n");
        assert!(third.rest().is_empty());
        let mut caller = connect(server.tcp());
        let told = read_to_the_end(&mut caller);
        assert_eq!(told, b"busy: 2 of 2 clients are here, try again later\n");
        // Also if it has asked already, the answer arrives.
        let asked = exchange(server.http(), b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(answers(&asked)[0].status, 503);
        assert_eq!(server.raw(b"a.txt\n"), told);
    }
    for client in &mut clients {
        assert_eq!(client.get("/a.txt", &[]).text(), "hello", "who is in is not disturbed");
    }
    let [first, _second] = clients;
    drop(first);
    assert!(served_within(server.http(), HANG), "who leaves makes room");
}

#[test]
fn one_address_cannot_take_every_place() {
    let fixture = fixture();
    let flags = ["--max-per-address", "2", "--idle-timeout", "none"];
    let server = Server::files(&fixture.share(), &flags);
    let _clients = [idle_client(&server), idle_client(&server)];
    let refusal = Http::connect(server.http()).answer();
    let text = "busy: 2 of 2 from your address, try again later\n";
    assert_eq!((refusal.status, refusal.text().as_str()), (503, text));
    let elsewhere: Answer = {
        let mut other = Http::connect(server.http());
        other.stream = connect_from([127, 0, 0, 2].into(), server.http());
        other.get("/a.txt", &[])
    };
    assert_eq!(elsewhere.text(), "hello");
}

#[test]
fn clients_that_never_read_hold_up_nobody() {
    let fixture = fixture();
    let contents = pattern(5_000_000);
    fixture.file("f", &contents);
    let server = Server::files(&fixture.share(), &[]);
    let _stuck: Vec<Http> = (0..40).map(|_| begun_transfer(&server)).collect();
    let _stuck_raw: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut caller = connect(server.tcp());
            caller.write_all(b"large\n").unwrap();
            caller.read_exact(&mut [0]).unwrap();
            caller
        })
        .collect();
    for _ in 0..5 {
        assert_same_bytes(&server.get("/f").body, &contents, "over http");
        assert_same_bytes(&server.raw(b"f\n"), &contents, "over the raw wire");
    }
}

#[test]
fn running_out_of_descriptors_is_waited_out() {
    let fixture = fixture();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 48; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_sockeye")]);
    command.args(["serve", "files"]).arg(fixture.share());
    command.args(["--on", "http://127.0.0.1:0", "--max-clients", "none"]);
    command.args(["--max-per-address", "none", "--idle-timeout", "none"]);
    let server = Server::start(&mut command, 1);
    let crowd: Vec<TcpStream> = (0..200).map(|_| connect(server.http())).collect();
    drop(crowd);
    assert!(served_within(server.http(), HANG));
    let metrics = server.get("/-/metrics").text();
    let failures =
        metrics.lines().find(|l| l.starts_with("sockeye_accept_failures_total")).unwrap();
    assert!(!failures.ends_with(" 0"), "the stage was not set: {failures}");
}

#[test]
fn ctrl_c_closes_the_idle_at_once_and_lets_a_transfer_finish() {
    for signal in [Signal::INT, Signal::TERM] {
        let fixture = fixture();
        let mut server = Server::files(&fixture.share(), &["--idle-timeout", "none"]);
        let mut idle = idle_client(&server);
        let mut silent = connect(server.http());
        let mut caller = connect(server.tcp());
        let transfer = begun_transfer(&server);
        server.process.signal(signal);
        assert!(idle.rest().is_empty());
        assert!(read_to_the_end(&mut silent).is_empty());
        assert!(read_to_the_end(&mut caller).is_empty());
        assert_rest_of_transfer(transfer);
        assert_eq!(server.process.wait().code(), Some(0), "{}", server.process.stderr());
    }
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let fixture = fixture();
    let mut server = Server::files(&fixture.share(), &[]);
    let mut idle = idle_client(&server);
    let _transfer = begun_transfer(&server);
    server.process.signal(Signal::INT);
    assert!(idle.rest().is_empty(), "the first has been heard");
    server.process.signal(Signal::INT);
    let status = server.process.wait_within(Duration::from_secs(7));
    assert_eq!(status.expect("sooner than the drain's 10 s").code(), Some(130));
}

/// Whoever has read the line may stop the server in good order, however soon.
#[test]
fn a_server_that_has_said_where_it_is_can_be_stopped_in_good_order() {
    let fixture = fixture();
    for _ in 0..20 {
        let mut server = Server::files(&fixture.share(), &[]);
        server.process.signal(Signal::INT);
        assert_eq!(server.process.wait().code(), Some(0), "{}", server.process.stderr());
    }
}

#[test]
fn a_taken_port_is_told_with_its_owner_and_what_to_type() {
    let fixture = fixture();
    let owner = Server::files(&fixture.share(), &[]);
    let port = owner.http().port();
    let process = format!("by sockeye (process {})", owner.process.child.id());
    let tell = |arguments: &[&str]| {
        let output = run(sockeye().args(arguments));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(output.stdout.is_empty());
        assert!(stderr.contains(&format!("127.0.0.1:{port} is taken by ")), "{stderr}");
        assert!(stderr.contains(&process), "{stderr}");
        stderr
    };
    let share = fixture.share();
    let share = share.to_str().unwrap();
    for scheme in ["http", "tcp"] {
        let url = format!("{scheme}://127.0.0.1:{port}");
        let told = tell(&["serve", "files", share, "--on", &url]);
        assert!(told.contains("--on") && told.contains("port 0"), "{told}");
    }
    let told = tell(&["up", share, "--port", &port.to_string(), "--without", "files.tcp"]);
    let command =
        format!("`sockeye up {share} --port {}`", port.checked_add(1).unwrap_or(port - 1));
    assert!(told.contains(&command), "{told}");
}

/// The page's port is the only one that may not move.
#[test]
fn another_taken_port_moves_to_a_free_one_and_the_table_says_so() {
    let fixture = fixture();
    let (base, _owner) = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0").unwrap())
        .find_map(|owner| {
            let port = owner.local_addr().unwrap().port();
            (10_000..60_000).contains(&port).then(|| (port - 8, owner))
        })
        .unwrap();
    let mut command = sockeye();
    command.arg("up").arg(fixture.share());
    command.args(["--port", "0", "--base-port", &base.to_string()]);
    let mut server = Server::start(&mut command, 1);
    let table: Vec<String> = std::iter::from_fn(|| server.next_line())
        .take_while(|line| !line.contains("Ctrl-C"))
        .collect();
    let moved = format!("Port {} is taken", base + 8);
    assert!(table.iter().any(|line| line.contains(&moved)), "{table:?}");
}

/// A chunk or two each, whatever the file's length, and nobody else waits.
#[test]
fn twenty_readers_who_stop_reading_a_large_file_cost_little_memory() {
    let fixture = fixture();
    let large = File::create(fixture.path("large")).unwrap();
    large.set_len(1 << 30).unwrap();
    let server = Server::files(&fixture.share(), &[]);
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let mut reader = connect(server.http());
            reader.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            // Some of the body has come, so that the transfer is under way.
            reader.read_exact(&mut vec![0; 100_000]).unwrap();
            reader
        })
        .collect();
    assert_eq!(server.get("/a.txt").text(), "hello");
    let peak_kib = server.memory_kib("VmHWM");
    assert!(peak_kib < 64 * 1024, "{peak_kib} KiB at the peak, with {} readers", readers.len());
}
