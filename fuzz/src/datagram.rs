//! The target of `sockeye_proto::datagram`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use sockeye_proto::datagram::cookie::CookieKey;
use sockeye_proto::datagram::guard::{Guard, GuardRules, Leaving, Proof, Request, Verdict};
use sockeye_proto::machine::Tick;

/// The port that stands for a service of ours.
const OWN_PORT: u16 = 7001;

/// No unproven address is sent more than 3 times what came, nothing that can loop is served, and
/// the demand for a cookie leads to the answer. The input is one byte of choices, two bytes of the
/// source's port, the answer's length in two bytes, and the datagram.
pub fn datagram_guard(data: &[u8]) {
    let Some((&[choices, port_high, port_low, long_high, long_low], datagram)) =
        data.split_first_chunk::<5>()
    else {
        return;
    };
    let from = source(choices, u16::from_be_bytes([port_high, port_low]));
    let answer = vec![b'x'; usize::from(u16::from_be_bytes([long_high, long_low]))];
    let rules = GuardRules {
        own_ports: vec![OWN_PORT],
        trusted: vec!["198.51.100.0/24".parse().expect("this is a network")],
        takes_any_text: choices & 4 != 0,
        is_ntp_client: choices & 8 != 0,
        ..GuardRules::default()
    };
    let takes_any_text = rules.takes_any_text;
    let key = CookieKey::new([choices; 32]);
    let mut guard = Guard::new(rules, key.clone());
    let Verdict::Serve(request) = guard.admit(Tick::START, from, datagram) else {
        let verdict = guard.admit_raw(Tick::START, from, datagram);
        assert!(matches!(verdict, Verdict::Drop(_)), "the same is dropped raw: {verdict:?}");
        return;
    };
    assert!(![0, 7, 13, 19, 53, 1900, OWN_PORT].contains(&from.port()), "{from}");
    let lower = datagram.to_ascii_lowercase();
    let is_answer = [&b"error"[..], b"busy", b"cookie"].iter().any(|word| lower.starts_with(word));
    assert!(takes_any_text || !is_answer, "{datagram:?}");
    holds(&request, datagram);

    let mut out = b"of before".to_vec();
    let leaving = guard.answer(Tick::START, &request, &answer, &mut out);
    assert!(out.ends_with(request.line_end.as_bytes()));
    if request.room_bytes.is_some() {
        assert!(28 + out.len() <= 3 * (28 + datagram.len()), "{} for {datagram:?}", out.len());
    }
    match leaving {
        Leaving::Answer => assert!(out.starts_with(&answer)),
        Leaving::TooLong => assert!(request.room_bytes.is_none() && answer.len() > 65_000),
        Leaving::Nothing => panic!("a demand for a cookie always fits: {datagram:?}"),
        Leaving::Cookie => {
            let cookie = out.strip_prefix(b"COOKIE ").expect("this is the demand");
            let cookie = &cookie[..22];
            assert!(key.is_valid(cookie, from, Tick::START), "{out:?}");
            if request.text == b"POST" || request.text.starts_with(b"POST ") {
                return; // It would be a POST of ` cookie=c`.
            }
            let again = [request.text, b" cookie=", cookie, request.line_end.as_bytes()].concat();
            let Verdict::Serve(proven) = guard.admit(Tick::START, from, &again) else {
                panic!("{again:?} is served as {datagram:?} was")
            };
            assert_eq!((proven.text, proven.proof), (request.text, Proof::Cookie));
            let leaving = guard.answer(Tick::START, &proven, &answer, &mut out);
            assert!(matches!(leaving, Leaving::Answer | Leaving::TooLong), "{leaving:?}");
        }
    }
}

/// What every request keeps to.
fn holds(request: &Request<'_>, datagram: &[u8]) {
    assert!(datagram.starts_with(request.text), "the text is the datagram's beginning");
    assert!(datagram.ends_with(request.line_end.as_bytes()));
    let is_proven = matches!(request.proof, Proof::Address | Proof::Cookie);
    assert_eq!(request.room_bytes.is_none(), is_proven);
    let parted = datagram.len() - request.text.len() - request.line_end.as_bytes().len();
    match request.proof {
        Proof::Address | Proof::None => assert_eq!(parted, 0, "{datagram:?}"),
        Proof::Cookie => assert_eq!(parted, 30, "{datagram:?}"),
        Proof::WrongCookie => assert!((8..=72).contains(&parted), "{datagram:?}"),
    }
    if datagram.starts_with(b"POST ") {
        assert_eq!(parted, 0, "a POST is never searched for a cookie");
    }
}

fn source(choices: u8, port: u16) -> SocketAddr {
    match choices & 3 {
        0 => (Ipv4Addr::LOCALHOST, port).into(),
        1 => (Ipv4Addr::new(192, 0, 2, 1), port).into(),
        2 => (Ipv4Addr::new(198, 51, 100, 1), port).into(),
        _ => (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), port).into(),
    }
}
