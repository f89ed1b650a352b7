//! Two servers pointed at each other by forged datagrams fall silent: every pair of services, on
//! their default ports and on others, trusting each other's addresses or not, between two machines
//! and on one.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use crate::lab::{Lab, Side, address, ask};
use crate::support::Server;

/// What is served, on which port by default, and what the service says to `SEND_TIME`.
const KINDS: [(&[&str], u16); 5] = [
    (&["clock", "--utc"], 7002),
    (&["echo"], 7001),
    (&["echo", "--reply", "Hello UDP Client"], 7001),
    (&["echo", "--reply", "SEND_TIME"], 7001),
    (&["echo", "--join-key", "sesame-street"], 7001),
];

/// What is forged: a request to each of the services.
const FORGED: [&[u8]; 3] = [b"SEND_TIME", b"", b"hello\r\n"];

/// Servers that are running on one side, and where each of them is.
struct Standing {
    _servers: Vec<Server>,
    side: Side,
    at: Vec<SocketAddrV4>,
}

impl Standing {
    /// One of each kind, each at an address of its own.
    fn new(lab: &Lab, side: Side, ports: Option<u16>, flags: &[&str]) -> Self {
        let places = (0..KINDS.len() as u8).map(|n| address(side, 1 + n)).collect::<Vec<_>>();
        Self::at(lab, side, &places, ports, flags)
    }

    /// The same at given addresses; on the default ports, or from `ports` on.
    fn at(lab: &Lab, side: Side, places: &[Ipv4Addr], ports: Option<u16>, flags: &[&str]) -> Self {
        let (mut servers, mut at) = (Vec::new(), Vec::new());
        for (n, ((service, usual), place)) in KINDS.iter().zip(places).enumerate() {
            let port = ports.map_or(*usual, |first| first + n as u16);
            let here = SocketAddrV4::new(*place, port);
            let on = format!("udp://{here}");
            servers.push(lab.serve(side, &[*service, &["--on", &on], flags].concat()));
            at.push(here);
        }
        Self { _servers: servers, side, at }
    }

    /// Asks each of them, from a machine, at an address of its own.
    fn ask_all(&self, client: &UdpSocket) {
        for at in &self.at {
            ask(client, (*at).into(), b"SEND_TIME");
        }
    }
}

/// Points every server of one at every server of the other, in both directions, and waits for
/// silence: until nothing is sent but what is asked for. Says how many datagrams it took.
fn point_at_each_other(
    lab: &Lab,
    one: &Standing,
    other: &Standing,
    clients: &[UdpSocket; 2],
) -> u64 {
    let sent = || match (one.side, other.side) {
        (Side::A, Side::A) => lab.sent(Side::A),
        (one, other) => lab.sent(one) + lab.sent(other),
    };
    // A datagram to one comes from the machine of the other, as far as anybody can tell.
    let forgers = [lab.forger(other.side), lab.forger(one.side)];
    let before = sent();
    for first in &one.at {
        for second in other.at.iter().filter(|second| *second != first) {
            for bytes in FORGED {
                forgers[0].send(*second, *first, bytes);
                forgers[1].send(*first, *second, bytes);
            }
        }
    }
    // Each answer to us was given after what had come before; a loop would have gone on meanwhile.
    let (mut quiet_rounds, mut last, mut asked) = (0, sent(), 0);
    while quiet_rounds < 3 {
        one.ask_all(&clients[0]);
        other.ask_all(&clients[1]);
        let (now, of_us) = (sent(), 2 * (one.at.len() + other.at.len()) as u64);
        quiet_rounds = if now - last == of_us { quiet_rounds + 1 } else { 0 };
        (last, asked) = (now, asked + of_us);
        let theirs = now - before - asked;
        assert!(theirs < 100_000, "they do not fall silent: {theirs} datagrams so far");
    }
    last - before - asked
}

/// How many datagrams [`point_at_each_other`] forges.
fn forged(one: &Standing, other: &Standing) -> u64 {
    let pairs = one.at.iter().flat_map(|a| other.at.iter().map(move |b| a != b));
    2 * (pairs.filter(|differ| *differ).count() * FORGED.len()) as u64
}

#[test]
fn every_pair_on_two_machines_is_silent_after_one_answer_to_each_forged_datagram() {
    let lab = Lab::new();
    let clients = [lab.socket(Side::B, 100), lab.socket(Side::A, 100)];
    for plain in [&[][..], &["--plain", "10.77.0.0/16"]] {
        for ports in [None, Some(45_000)] {
            let one = Standing::new(&lab, Side::A, ports, plain);
            let other = Standing::new(&lab, Side::B, ports, plain);
            let (took, forged) =
                (point_at_each_other(&lab, &one, &other, &clients), forged(&one, &other));
            let what = format!("{plain:?} {ports:?}: {took} answers to {forged} forged datagrams");
            match ports {
                None => assert_eq!(took, 0, "{what}: nothing from a service's port is answered"),
                Some(_) => assert!(took > 0 && took <= forged, "{what}"),
            }
        }
    }
}

#[test]
fn every_pair_on_one_machine_is_silent_after_one_answer_to_each_forged_datagram() {
    let lab = Lab::new();
    let loopback = |n| Ipv4Addr::new(127, 0, 0, n);
    for ports in [None, Some(45_000)] {
        let one = Standing::at(&lab, Side::A, &[1, 2, 3, 4].map(loopback), ports, &[]);
        let client = || {
            lab.on(Side::A, || {
                let socket = UdpSocket::bind((loopback(1), 0)).unwrap();
                socket.set_read_timeout(Some(crate::support::HANG)).unwrap();
                socket
            })
        };
        let clients = [client(), client()];
        let other =
            Standing::at(&lab, Side::A, &[5, 6, 7, 8].map(loopback), ports.map(|p| p + 4), &[]);
        let took = point_at_each_other(&lab, &one, &other, &clients);
        let forged = forged(&one, &other);
        let what = format!("{ports:?}: {took} answers to {forged} forged datagrams");
        match ports {
            None => assert_eq!(took, 0, "{what}: nothing from a service's port is answered"),
            Some(_) => assert!(took > 0 && took <= forged, "{what}"),
        }
    }
}

/// Somebody else's server has no mark on its answers and no rules.
#[test]
#[ignore = "takes more than a minute; crates/sim/tests/loops.rs has it on virtual time"]
fn with_an_echo_that_answers_everything_ours_is_silent_after_half_a_minute() {
    const SILENCE: Duration = Duration::from_secs(5);
    let lab = Lab::new();
    for plain in [&[][..], &["--plain", "10.77.0.0/16"]] {
        let ours = SocketAddrV4::new(address(Side::A, 1), 45_000);
        let on = format!("udp://{ours}");
        let _server = lab.serve(Side::A, &[&["echo", "--on", &on], plain].concat());
        let lawless = lab.socket(Side::B, 1);
        lawless.set_read_timeout(Some(SILENCE)).unwrap();
        let begun = std::time::Instant::now();
        lawless.send_to(b"x", ours).unwrap();
        let (mut rounds, mut buffer) = (0_u64, [0; 16]);
        while let Ok((n, from)) = lawless.recv_from(&mut buffer) {
            lawless.send_to(&buffer[..n], from).unwrap();
            rounds += 1;
            assert!(rounds < 100_000_000, "it does not fall silent");
        }
        let took = begun.elapsed().saturating_sub(SILENCE);
        println!("{plain:?}: {rounds} rounds, silent after {took:?}");
    }
}
