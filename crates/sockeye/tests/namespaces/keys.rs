//! The key between two machines, where anybody can guess in anybody's name: nobody is shut out by
//! that, and nobody guesses more than is allowed.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, SocketAddrV4, TcpStream, UdpSocket};

use crate::lab::{Lab, Side, address, ask};
use crate::support::{HANG, Server};

const KEY: &str = "sesame-street";
const PORT: u16 = 45_000;

/// A clock that wants the key, on tcp and udp.
fn keyed_clock(lab: &Lab) -> (Server, SocketAddr) {
    let at = SocketAddr::from((address(Side::A, 1), PORT));
    let (tcp, udp) = (format!("tcp://{at}"), format!("udp://{at}"));
    let arguments = ["clock", "--utc", "--join-key", KEY, "--on", &tcp, "--on", &udp];
    (lab.serve(Side::A, &arguments), at)
}

fn said(socket: &UdpSocket, server: SocketAddr, request: &str) -> String {
    String::from_utf8(ask(socket, server, request.as_bytes())).unwrap()
}

/// The cookie that is asked for; all of it fits what an unproven address may be sent.
fn demanded(socket: &UdpSocket, server: SocketAddr, request: &str) -> String {
    let told = said(socket, server, request);
    let cookie = told.strip_prefix("COOKIE ").unwrap_or_else(|| panic!("{request}: {told}"));
    assert!(28 + told.len() <= 3 * (28 + request.len()));
    cookie.to_owned()
}

fn is_time(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
}

/// Guesses in somebody's name, until that name is heard no more.
fn forge_guesses(lab: &Lab, from: SocketAddrV4, server: SocketAddr) {
    let SocketAddr::V4(to) = server else { panic!("the lab has IPv4") };
    let forger = lab.forger(Side::B);
    lab.on(Side::B, || {
        for _ in 0..100 {
            forger.send(from, to, b"SEND_TIME key=wrong-key");
        }
    });
}

#[test]
fn who_is_guessed_for_by_somebody_else_proves_the_address_and_is_heard() {
    let lab = Lab::new();
    let (_server, at) = keyed_clock(&lab);
    let ana = lab.socket(Side::B, 1);
    let right = format!("SEND_TIME key={KEY}");
    assert!(is_time(&said(&ana, at, &right)), "no cookie is wanted at first");
    forge_guesses(&lab, SocketAddrV4::new(address(Side::B, 1), 4_000), at);
    let cookie = demanded(&ana, at, &right);
    assert!(is_time(&said(&ana, at, &format!("{right} cookie={cookie}"))));
    let ben = lab.socket(Side::B, 2);
    assert!(is_time(&said(&ben, at, &right)), "another address has nothing to do with it");
    // Over TCP an address is whose it is.
    let mut stream = lab.on(Side::B, || TcpStream::connect(at).unwrap());
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.write_all(format!("KEY {KEY}\n").as_bytes()).unwrap();
    let mut told = [0; 64];
    let n = stream.read(&mut told).unwrap();
    assert_eq!(&told[..n], b"OK\n");
}

#[test]
fn a_guesser_is_heard_five_times_as_anybody_and_five_times_as_who_it_is() {
    let lab = Lab::new();
    let (_server, at) = keyed_clock(&lab);
    let ana = lab.socket(Side::B, 1);
    for _ in 0..5 {
        assert_eq!(said(&ana, at, "SEND_TIME key=wrong-key"), "error: wrong key");
    }
    let cookie = demanded(&ana, at, "SEND_TIME key=wrong-key");
    let proven = format!("SEND_TIME key=wrong-key cookie={cookie}");
    for _ in 0..5 {
        assert_eq!(said(&ana, at, &proven), "error: wrong key");
    }
    let told = said(&ana, at, &format!("SEND_TIME key={KEY} cookie={cookie}"));
    assert!(told.starts_with("error: too many wrong keys; try again in "), "{told}");
    assert!(told.len() <= 56, "{told}");
}
