//! Never more than 3 times to an unproven address: requests drawn and changed at random, from many
//! addresses and ports, against the real servers.

use std::net::{SocketAddr, UdpSocket};

use crate::lab::{Lab, Side, address, ask};

/// Requests of one seed to one server.
const REQUESTS: usize = 2_000;
/// Requests under way at once.
const BATCH: usize = 50;
const HEADERS_BYTES: usize = 28;

/// Numbers from a seed (xorshift64, Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(0x9E37_79B9_7F4A_7C15 ^ seed.wrapping_mul(0xD129_0B26_53A4_4E8B))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    /// What a request may be: a right one, one with something changed, or noise.
    fn request(&mut self) -> Vec<u8> {
        const RIGHT: [&str; 14] = [
            "",
            "\n",
            "\r\n",
            "SEND_DATE",
            "SEND_TIME\n",
            "SEND_TIME\r\n",
            "GET",
            "POST \"x\"",
            "POST x cookie=AAAAAAAAAAAAAAAAAAAAAA",
            "SEND_TIME cookie=AAAAAAAAAAAAAAAAAAAAAA",
            "SEND_DATE cookie=\n",
            "SEND_DATE key=ABCDEF234567 cookie=x",
            "COOKIE AAAAAAAAAAAAAAAAAAAAAA",
            "Error in request format",
        ];
        let mut request = RIGHT[self.below(RIGHT.len())].as_bytes().to_vec();
        match self.below(4) {
            0 => {}
            1 => {
                let length = [4, 40, 400, 1400, 9000][self.below(5)];
                let length = self.below(length);
                request = self.bytes(length);
            }
            _ => {
                for _ in 0..=self.below(3) {
                    let at = self.below(request.len() + 1);
                    let long = self.below(30);
                    let piece = self.bytes(long);
                    match self.below(3) {
                        0 => drop(request.splice(at..at, piece)),
                        1 => request.truncate(at),
                        _ => request.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x20),
                    }
                }
            }
        }
        request
    }
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
    };
    match (number("SOCKEYE_SEED"), number("SOCKEYE_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(2),
    }
}

/// What went to a server and what came back, headers counted.
#[derive(Debug, Default)]
struct Sum {
    answers: usize,
    sent_bytes: usize,
    received_bytes: usize,
}

/// Asks from new ports of many addresses, and holds each answer to its request.
fn fuzz(lab: &Lab, server: SocketAddr, seed: u64) -> Sum {
    let mut numbers = Numbers::new(seed);
    let mut sum = Sum::default();
    // Its answer tells that those of what was asked before it have left.
    let marker = lab.socket(Side::B, 199);
    for _ in 0..REQUESTS / BATCH {
        let addresses: Vec<u8> = (0..BATCH).map(|_| 1 + numbers.below(190) as u8).collect();
        let sockets: Vec<UdpSocket> = lab.on(Side::B, || {
            let bind = |n: &u8| UdpSocket::bind((address(Side::B, *n), 0)).unwrap();
            addresses.iter().map(bind).collect()
        });
        let requests: Vec<Vec<u8>> = sockets.iter().map(|_| numbers.request()).collect();
        for (socket, request) in sockets.iter().zip(&requests) {
            socket.set_nonblocking(true).unwrap();
            socket.send_to(request, server).unwrap();
            sum.sent_bytes += HEADERS_BYTES + request.len();
        }
        ask(&marker, server, b"SEND_DATE");
        for (socket, request) in sockets.iter().zip(&requests) {
            let mut buffer = vec![0; 65_536];
            let mut received_bytes = 0;
            while let Ok((n, from)) = socket.recv_from(&mut buffer) {
                assert_eq!(from, server);
                received_bytes += HEADERS_BYTES + n;
                sum.answers += 1;
            }
            let bound = 3 * (HEADERS_BYTES + request.len());
            assert!(
                received_bytes <= bound,
                "seed {seed}: {server} answered {received_bytes} > {bound} bytes to {:?}",
                String::from_utf8_lossy(request)
            );
            sum.received_bytes += received_bytes;
        }
    }
    sum
}

#[test]
fn no_answer_to_an_unproven_address_is_more_than_3_times_the_request() {
    let lab = Lab::new();
    let at = SocketAddr::from((address(Side::A, 1), 45_000));
    let on = format!("udp://{at}");
    let long = "x".repeat(1000);
    let all: &[&str] = &["--max-clients", "none", "--max-per-address", "none"];
    for seed in seeds() {
        println!("seed {seed}");
        for (service, flags) in [
            (&["clock"][..], all),
            (&["echo"], all),
            (&["echo", "--reply", &long], all),
            (&["clock", "--join-key", "ABCDEF234567"], all),
            (&["echo", "--join-key", "ABCDEF234567"], all),
            // Most are one too many, and told so.
            (&["clock"], &["--max-clients", "100", "--max-per-address", "2"]),
        ] {
            let _server = lab.serve(Side::A, &[service, &["--on", &on], flags].concat());
            let sum = fuzz(&lab, at, seed);
            assert!(sum.received_bytes <= 3 * sum.sent_bytes, "seed {seed}: {service:?} {sum:?}");
            // What begins like an answer is dropped, and is a small part of what is drawn.
            assert!(sum.answers > REQUESTS / 2, "seed {seed}: {service:?} {sum:?}");
        }
    }
}

#[test]
fn a_long_answer_wants_a_cookie_which_no_other_port_can_use() {
    let lab = Lab::new();
    let at = SocketAddr::from((address(Side::A, 1), 45_000));
    let long = "x".repeat(1000);
    let on = format!("udp://{at}");
    let _server = lab.serve(Side::A, &["echo", "--reply", &long, "--on", &on]);
    let (ana, ben) = (lab.socket(Side::B, 1), lab.socket(Side::B, 1));
    let demanded = |socket: &UdpSocket, request: &str| {
        let answer = String::from_utf8(ask(socket, at, request.as_bytes())).unwrap();
        assert!(HEADERS_BYTES + answer.len() <= 3 * (HEADERS_BYTES + request.len()));
        let cookie = answer.strip_prefix("COOKIE ").unwrap_or_else(|| panic!("{answer:?}"));
        assert_eq!(cookie.len(), 22);
        cookie.to_owned()
    };
    let cookie = demanded(&ana, "");
    for again in [format!(" cookie={cookie}"), format!("hello cookie={cookie}")] {
        assert_eq!(ask(&ana, at, again.as_bytes()), long.as_bytes());
        assert_ne!(demanded(&ben, &again), cookie, "another port has another cookie");
    }
    let in_kind = format!("{long}\n");
    assert_eq!(ask(&ana, at, format!("hi cookie={cookie}\n").as_bytes()), in_kind.as_bytes());
    for wrong in ["hi cookie=AAAAAAAAAAAAAAAAAAAAAA", "hi cookie=", "hi cookie=no"] {
        let new = demanded(&ana, wrong);
        assert_eq!(ask(&ana, at, format!("hi cookie={new}").as_bytes()), long.as_bytes());
    }
    let enough = "y".repeat(400);
    assert_eq!(ask(&ben, at, enough.as_bytes()), long.as_bytes(), "no cookie where none is needed");
}
