//! The targets of `sockeye_proto::datagram`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sockeye_proto::clients::{ClientLimits, Full};
use sockeye_proto::datagram::cookie::CookieKey;
use sockeye_proto::datagram::guard::{Guard, GuardRules, Leaving, Proof, Request, Verdict};
use sockeye_proto::datagram::roster::{Heard, Roster};
use sockeye_proto::idle::IdleTimeout;
use sockeye_proto::limits::{REFRAIN_TIMES, ROSTER_IDLE};
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
    one_too_many(&rules, &key, from, datagram);
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

/// Where somebody else has the only place, who asks is told so within the 3 times, in words that no
/// server of ours answers.
fn one_too_many(rules: &GuardRules, key: &CookieKey, from: SocketAddr, datagram: &[u8]) {
    let clients = ClientLimits { max_clients: Some(1), max_per_address: None };
    let mut guard = Guard::new(GuardRules { clients, ..rules.clone() }, key.clone());
    let other = (Ipv4Addr::new(203, 0, 113, 1), 4000).into();
    assert!(matches!(guard.admit(Tick::START, other, b"x"), Verdict::Serve(_)));
    let Verdict::Refuse(request, full) = guard.admit(Tick::START, from, datagram) else { return };
    let mut out = b"of before".to_vec();
    let leaving = guard.refuse(Tick::START, &request, full, &mut out);
    assert!(matches!(leaving, Leaving::Answer | Leaving::Cookie), "{leaving:?}");
    assert!(28 + out.len() <= 3 * (28 + datagram.len()), "{} for {datagram:?}", out.len());
    let mut another = Guard::new(GuardRules::default(), key.clone());
    let back = another.admit(Tick::START, from, &out);
    assert!(matches!(back, Verdict::Drop(_)), "{back:?}");
}

/// The roster seats and refuses as a plain list of clients does, which is searched from end to end,
/// and nobody is ignored who has not said the same often enough. The input is one byte for the
/// limits, one for the idle timeout, and two for each datagram: who sent it and what, and how long
/// after the one before.
pub fn datagram_roster(data: &[u8]) {
    let Some((&[limits, idle], datagrams)) = data.split_first_chunk::<2>() else { return };
    let limit = |bits: u8| (bits > 0).then_some(usize::from(bits));
    let limits =
        ClientLimits { max_clients: limit(limits & 15), max_per_address: limit((limits >> 4) & 3) };
    let idle = match idle {
        0 => IdleTimeout::None,
        1..=127 => IdleTimeout::Dynamic,
        _ => IdleTimeout::Fixed(Duration::from_millis(u64::from(idle - 127) * 100)),
    };
    let mut roster = Roster::new(limits, idle);
    let mut list: Vec<Listed> = Vec::new();
    let mut now = Tick::START;
    for datagram in datagrams.chunks_exact(2) {
        let [who, after] = *datagram else { continue };
        now = now + Duration::from_millis(u64::from(after) * u64::from(after));
        let address = Ipv4Addr::new(192, 0, 2, who & 3);
        let from = (address, u16::from((who >> 2) & 3) + 4000).into();
        let (is_proven, text) = (who & 16 != 0, [who >> 5]);
        let seated = list_enter(&mut list, &limits, idle, (now, from, is_proven));
        let entered = roster.enter(now, from, is_proven, &text);
        assert_eq!(entered.map(|_| ()), seated, "{from} at {now:?} among {list:?}");
        assert_eq!(roster.clients(), list.len());
        let is_long = datagrams.len() > 2 * REFRAIN_TIMES as usize;
        assert!(is_long || entered != Ok(Heard::Ignored), "said less than often enough");
    }
}

#[derive(Clone, Copy, Debug)]
struct Listed {
    from: SocketAddr,
    heard: Tick,
    is_proven: bool,
}

fn list_enter(
    list: &mut Vec<Listed>,
    limits: &ClientLimits,
    idle: IdleTimeout,
    (now, from, is_proven): (Tick, SocketAddr, bool),
) -> Result<(), Full> {
    if let Some(listed) = list.iter_mut().find(|listed| listed.from == from) {
        listed.heard = now;
        listed.is_proven |= is_proven;
        return Ok(());
    }
    let oldest = |list: &[Listed], is_proven| {
        let of_kind = list.iter().filter(|listed| listed.is_proven == is_proven);
        of_kind.min_by_key(|listed| (listed.heard, listed.from)).copied()
    };
    for is_proven in [false, true] {
        while let Some(listed) = oldest(list, is_proven) {
            let span = idle.span(list.len()).unwrap_or(ROSTER_IDLE);
            if now.since(listed.heard) < span {
                break;
            }
            list.retain(|other| other.from != listed.from);
        }
    }
    let here = list.iter().filter(|listed| listed.from.ip() == from.ip()).count();
    if let Some(limit) = limits.max_per_address.filter(|limit| here >= *limit) {
        return Err(Full::Address { here, limit });
    }
    let here = list.len();
    if let Some(limit) = limits.max_clients.filter(|limit| here >= *limit) {
        match oldest(list, false).filter(|_| is_proven) {
            Some(listed) => list.retain(|other| other.from != listed.from),
            None => return Err(Full::Clients { here, limit }),
        }
    }
    list.push(Listed { from, heard: now, is_proven });
    Ok(())
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
