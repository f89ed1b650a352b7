//! The guard's promises, one by one; those for any input are in `tests/datagram.rs`.

use super::*;
use crate::limits::{
    COOKIE_SLOT, ERROR_TEXT_MAX_BYTES, REFRAIN_REST, REFRAIN_TIMES, UNPROVEN_BURST,
    UNPROVEN_RATE_PER_S, UNPROVEN_TOTAL_BURST,
};
use std::time::Duration;

const NOW: Tick = Tick::START;
const ANA: &str = "192.0.2.1:4000";

fn guard(rules: GuardRules) -> Guard {
    Guard::new(rules, CookieKey::new([5; 32]))
}

fn plain() -> Guard {
    guard(GuardRules::default())
}

/// A guard for so many clients.
fn of(max_clients: Option<usize>) -> Guard {
    let clients = ClientLimits { max_clients, max_per_address: None };
    guard(GuardRules { clients, ..GuardRules::default() })
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn served<'a>(guard: &mut Guard, from: &str, datagram: &'a [u8]) -> Request<'a> {
    match guard.admit(NOW, at(from), datagram) {
        Verdict::Serve(request) => request,
        verdict => panic!("{from} {datagram:?}: {verdict:?}"),
    }
}

fn dropped(guard: &mut Guard, from: &str, datagram: &[u8]) -> Option<DropReason> {
    match guard.admit(NOW, at(from), datagram) {
        Verdict::Serve(_) | Verdict::Refuse(..) => None,
        Verdict::Drop(reason) => Some(reason),
    }
}

fn answer(guard: &Guard, request: &Request<'_>, bytes: usize) -> (Leaving, Vec<u8>) {
    let mut out = b"of before".to_vec();
    let leaving = guard.answer(NOW, request, &vec![b'x'; bytes], &mut out);
    (leaving, out)
}

fn with_cookie(text: &str, now: Tick) -> Vec<u8> {
    let mut datagram = text.as_bytes().to_vec();
    CookieKey::new([5; 32]).make(at(ANA), now).append_to(&mut datagram);
    datagram
}

#[test]
fn reflectors_are_in_order_for_the_search() {
    assert!(REFLECTOR_PORTS.is_sorted());
    assert!(REFLECTOR_PORTS.iter().all(|port| *port < 32_768), "no port that Linux picks itself");
}

#[test]
fn a_trailing_line_end_is_ignored_and_answered_in_kind() {
    let mut guard = plain();
    for (datagram, ending) in [(&b"x"[..], &b""[..]), (b"x\n", b"\n"), (b"x\r\n", b"\r\n")] {
        let request = served(&mut guard, ANA, datagram);
        assert_eq!(request.text, b"x");
        let (leaving, out) = answer(&guard, &request, 2);
        assert_eq!((leaving, out), (Leaving::Answer, [b"xx", ending].concat()));
    }
    assert_eq!(served(&mut guard, ANA, b"").text, b"", "an empty datagram is an empty message");
    assert_eq!(served(&mut guard, ANA, b"\n").text, b"");
}

#[test]
fn never_more_than_3_times_headers_counted() {
    let mut guard = plain();
    for received in [0, 1, 2, 3, 10, 100, 1472] {
        for ending in ["", "\n", "\r\n"] {
            let datagram = [&vec![b'G'; received][..], ending.as_bytes()].concat();
            let room = 3 * (28 + datagram.len()) - 28;
            let request = served(&mut guard, ANA, &datagram);
            assert_eq!(request.room_bytes, Some(room));
            let (leaving, out) = answer(&guard, &request, room - ending.len());
            assert_eq!((leaving, out.len()), (Leaving::Answer, room));
            let (leaving, out) = answer(&guard, &request, room - ending.len() + 1);
            assert_eq!((leaving, out.len()), (Leaving::Cookie, 29 + ending.len()));
        }
    }
}

#[test]
fn an_error_text_and_the_demand_for_a_cookie_fit_the_answer_to_any_datagram() {
    let mut guard = plain();
    for datagram in [&b""[..], b"\n", b"\r\n", b"x"] {
        let request = served(&mut guard, ANA, datagram);
        assert_eq!(answer(&guard, &request, ERROR_TEXT_MAX_BYTES).0, Leaving::Answer);
        assert_eq!(answer(&guard, &request, 60_000).0, Leaving::Cookie);
    }
    assert!(TOO_LONG.len() <= ERROR_TEXT_MAX_BYTES);
}

#[test]
fn the_cookie_proves_the_address_and_the_service_does_not_see_it() {
    let mut guard = plain();
    for ending in ["", "\n", "\r\n"] {
        let request = served(&mut guard, ANA, b"GET");
        let (_, demand) = answer(&guard, &request, 1000);
        let cookie = demand.strip_prefix(b"COOKIE ").unwrap();
        let again = [b"GET cookie=", cookie, ending.as_bytes()].concat();
        let request = served(&mut guard, ANA, &again);
        assert_eq!((request.text, request.proof), (&b"GET"[..], Proof::Cookie));
        let (leaving, out) = answer(&guard, &request, 1000);
        assert_eq!((leaving, out.len()), (Leaving::Answer, 1000 + ending.len()));
    }
}

#[test]
fn a_wrong_or_expired_cookie_gets_a_new_one_if_the_answer_is_too_long() {
    let mut guard = plain();
    let expired = with_cookie("GET", NOW);
    let now = NOW + 2 * COOKIE_SLOT;
    for datagram in [&expired[..], b"GET cookie=AAAAAAAAAAAAAAAAAAAAAA", b"GET cookie=x"] {
        let Verdict::Serve(request) = guard.admit(now, at(ANA), datagram) else { panic!("served") };
        assert_eq!((request.text, request.proof), (&b"GET"[..], Proof::WrongCookie));
        assert_eq!(request.room_bytes, Some(room_bytes(datagram.len())));
        let mut out = Vec::new();
        assert_eq!(guard.answer(now, &request, &[b'x'; 1000], &mut out), Leaving::Cookie);
        let cookie = out.strip_prefix(b"COOKIE ").unwrap();
        assert!(guard.key.is_valid(cookie, at(ANA), now), "the new one is valid");
        assert_eq!(guard.answer(now, &request, b"END", &mut out), Leaving::Answer);
    }
}

#[test]
fn the_cookie_of_another_address_or_port_proves_nothing() {
    let mut guard = plain();
    for other in ["192.0.2.2:4000", "192.0.2.1:4001"] {
        assert_eq!(served(&mut guard, other, &with_cookie("GET", NOW)).proof, Proof::WrongCookie);
    }
}

#[test]
fn a_post_is_never_searched_for_a_cookie() {
    let mut guard = plain();
    let post = with_cookie("POST my", NOW);
    let request = served(&mut guard, ANA, &post);
    assert_eq!((request.text, request.proof), (&post[..], Proof::None));
}

#[test]
fn no_cookie_is_looked_for_where_the_address_is_proven_without() {
    let mut guard = plain();
    let datagram = b"GET cookie=AAAAAAAAAAAAAAAAAAAAAA";
    let request = served(&mut guard, "127.0.0.1:4000", datagram);
    assert_eq!((request.text, request.proof), (&datagram[..], Proof::Address));
}

#[test]
fn the_key_stands_before_the_cookie_and_is_left_to_the_service() {
    let mut guard = plain();
    let datagram = with_cookie("GET key=ABCDEF", NOW);
    assert_eq!(served(&mut guard, ANA, &datagram).text, b"GET key=ABCDEF");
}

#[test]
fn loopback_and_trusted_networks_are_proven() {
    let trusted = vec!["192.0.2.0/24".parse().unwrap(), "fe80::/10".parse().unwrap()];
    let mut guard = guard(GuardRules { trusted, ..GuardRules::default() });
    for (from, proof) in [
        ("127.0.0.1:4000", Proof::Address),
        ("127.9.9.9:4000", Proof::Address),
        ("[::1]:4000", Proof::Address),
        ("[::ffff:127.0.0.1]:4000", Proof::Address),
        ("192.0.2.77:4000", Proof::Address),
        ("[::ffff:192.0.2.77]:4000", Proof::Address),
        ("[fe80::1]:4000", Proof::Address),
        ("192.0.3.1:4000", Proof::None),
        ("[2001:db8::1]:4000", Proof::None),
    ] {
        let request = served(&mut guard, from, b"GET");
        assert_eq!(request.proof, proof, "{from}");
        assert_eq!(request.room_bytes.is_none(), proof == Proof::Address, "{from}");
    }
}

#[test]
fn an_answer_that_no_datagram_can_hold_is_an_error() {
    let mut guard = plain();
    let request = served(&mut guard, "127.0.0.1:4000", b"GET\n");
    assert_eq!(answer(&guard, &request, DATAGRAM_MAX_BYTES - 1).0, Leaving::Answer);
    let (leaving, out) = answer(&guard, &request, DATAGRAM_MAX_BYTES);
    assert_eq!((leaving, &out[..7]), (Leaving::TooLong, &b"error: "[..]));
    let long = vec![b'G'; 50_000];
    let request = served(&mut guard, ANA, &long);
    assert_eq!(answer(&guard, &request, 65_508).0, Leaving::Cookie, "no room is larger");
}

#[test]
fn what_comes_from_the_port_of_a_reflector_or_of_a_service_here_is_dropped() {
    let mut guard = guard(GuardRules { own_ports: vec![7013, 7001], ..GuardRules::default() });
    for port in [0, 7, 13, 17, 19, 37, 53, 123, 161, 389, 1900, 5353, 11_211] {
        for host in ["192.0.2.1", "127.0.0.1", "[::1]"] {
            let from = format!("{host}:{port}");
            assert_eq!(dropped(&mut guard, &from, b"x"), Some(DropReason::ReflectorPort), "{from}");
        }
    }
    for port in [7001, 7013] {
        let from = format!("127.0.0.1:{port}");
        assert_eq!(dropped(&mut guard, &from, b"x"), Some(DropReason::OwnPort), "{from}");
    }
    assert_eq!(dropped(&mut guard, "192.0.2.1:7002", b"x"), None);
}

#[test]
fn port_123_may_ask_ntp_in_client_mode_and_nothing_else() {
    let (client, server) = ([0x23; 48], [0x24; 48]);
    let mut ntp = guard(GuardRules { is_ntp_client: true, ..GuardRules::default() });
    assert_eq!(dropped(&mut ntp, "192.0.2.1:123", &client), None);
    for datagram in [&server[..], b""] {
        let reason = dropped(&mut ntp, "192.0.2.1:123", datagram);
        assert_eq!(reason, Some(DropReason::ReflectorPort));
    }
    assert!(dropped(&mut ntp, "192.0.2.1:53", &client).is_some());
    assert!(dropped(&mut plain(), "192.0.2.1:123", &client).is_some(), "no other service");
}

#[test]
fn what_begins_like_an_answer_in_any_case_is_dropped_but_where_any_text_is_taken() {
    let takes_any_text = GuardRules { takes_any_text: true, ..GuardRules::default() };
    let mut talk = guard(takes_any_text);
    for text in ["error", "Error in request format", "ERROR: x", "busy: 1", "COOKIE x", "cookie"] {
        let reason = Some(DropReason::AnswerText);
        assert_eq!(dropped(&mut plain(), ANA, text.as_bytes()), reason, "{text}");
        assert_eq!(dropped(&mut plain(), "127.0.0.1:9", b"x"), Some(DropReason::ReflectorPort));
        assert_eq!(dropped(&mut talk, ANA, text.as_bytes()), None, "{text}");
    }
    for text in ["", "err", "bus", "no error", " cookie=x", "cook"] {
        assert_eq!(dropped(&mut plain(), ANA, text.as_bytes()), None, "{text}");
    }
}

#[test]
fn where_any_text_is_taken_only_a_cookie_of_ours_is_taken_off() {
    let mut talk = guard(GuardRules { takes_any_text: true, ..GuardRules::default() });
    let text = b"a jar with cookie=chocolate";
    assert_eq!(served(&mut talk, ANA, text).text, text);
    let ours = with_cookie("hello", NOW);
    assert_eq!(served(&mut talk, ANA, &ours).text, b"hello");
}

#[test]
fn an_address_that_is_not_one_machines_is_never_answered() {
    for from in
        ["0.0.0.0:9999", "255.255.255.255:9999", "224.0.0.251:9999", "[ff02::1]:9999", "[::]:9999"]
    {
        assert_eq!(dropped(&mut plain(), from, b"x"), Some(DropReason::NotUnicast), "{from}");
    }
}

#[test]
fn an_unproven_source_has_a_budget_and_a_proven_one_has_none() {
    let mut guard = plain();
    for _ in 0..UNPROVEN_BURST {
        assert_eq!(dropped(&mut guard, ANA, b"x"), None);
    }
    assert_eq!(dropped(&mut guard, ANA, b"x"), Some(DropReason::SourceBudget));
    assert_eq!(dropped(&mut guard, "192.0.2.2:4000", b"x"), None, "another has its own");
    assert_eq!(dropped(&mut guard, ANA, &with_cookie("x", NOW)), None, "a cookie lifts it");
    let soon = NOW + Duration::from_secs(1);
    let is_served = |_: &i32| matches!(guard.admit_raw(soon, at(ANA), b"x"), Verdict::Serve(_));
    let again = (0..10_000).filter(is_served).count();
    assert_eq!(again as u64, UNPROVEN_RATE_PER_S);
    for _ in 0..10 * UNPROVEN_BURST {
        assert_eq!(dropped(&mut guard, "127.0.0.1:4000", b"x"), None);
    }
    assert_eq!(guard.budget.sources(), 2, "of proven sources nothing is kept");
}

#[test]
fn a_flood_from_many_sources_has_a_budget_and_the_proven_are_served_through_it() {
    let mut guard = of(None);
    let flood = |n: u32| SocketAddr::from((core::net::Ipv4Addr::from(0x0a00_0000 + n), 4000));
    let is_served = |n: &u32| matches!(guard.admit_raw(NOW, flood(*n), b"x"), Verdict::Serve(_));
    let served = (0..50_000).filter(is_served).count();
    assert_eq!(served as u64, UNPROVEN_TOTAL_BURST);
    assert_eq!(dropped(&mut guard, ANA, b"x"), Some(DropReason::TotalBudget));
    assert_eq!(dropped(&mut guard, ANA, &with_cookie("x", NOW)), None);
    assert_eq!(dropped(&mut guard, "127.0.0.1:4000", b"x"), None);
}

#[test]
fn an_answer_to_a_proven_source_leaves_in_the_callers_buffer() {
    let mut guard = plain();
    let mut out = Vec::with_capacity(64);
    let before = out.as_ptr();
    for _ in 0..1000 {
        let request = served(&mut guard, "127.0.0.1:4000", b"x\r\n");
        guard.answer(NOW, &request, &[b'x'; 62], &mut out);
    }
    assert_eq!((out.as_ptr(), out.capacity(), out.len()), (before, 64, 64));
}

#[test]
fn who_is_one_too_many_is_told_busy_in_kind_and_within_3_times() {
    for (from, other) in [(ANA, "192.0.2.2:4000"), ("127.0.0.1:4000", "127.0.0.1:4001")] {
        let mut guard = of(Some(1));
        served(&mut guard, from, b"x");
        for (datagram, ending) in [(&b""[..], ""), (b"GET\n", "\n"), (b"\r\n", "\r\n")] {
            let mut out = Vec::new();
            for verdict in
                [guard.admit(NOW, at(other), datagram), guard.admit_raw(NOW, at(other), datagram)]
            {
                let Verdict::Refuse(request, full) = verdict else { panic!("{verdict:?}") };
                assert_eq!(guard.refuse(NOW, &request, full, &mut out), Leaving::Answer);
                let told = format!("busy: 1 of 1 clients are here, try again later{ending}");
                assert_eq!(String::from_utf8_lossy(&out), told);
                assert!(28 + out.len() <= 3 * (28 + datagram.len()));
            }
            assert!(dropped(&mut plain(), ANA, &out).is_some(), "another of ours drops it");
        }
        served(&mut guard, from, b"who is here stays");
    }
}

#[test]
fn a_cookie_gets_a_place_where_unproven_addresses_hold_them_all() {
    let forged = "203.0.113.9:1";
    for raw in [false, true] {
        let mut guard = of(Some(1));
        let ask = |guard: &mut Guard, datagram: &[u8]| {
            let verdict = if raw {
                guard.admit_raw(NOW, at(ANA), datagram)
            } else {
                guard.admit(NOW, at(ANA), datagram)
            };
            let mut out = Vec::new();
            match verdict {
                Verdict::Refuse(request, full) => {
                    guard.refuse(NOW, &request, full, &mut out);
                    Some(out)
                }
                Verdict::Serve(_) => None,
                Verdict::Drop(reason) => panic!("{reason:?}"),
            }
        };
        served(&mut guard, forged, b"x");
        assert!(ask(&mut guard, b"GET").unwrap().starts_with(b"busy: 1 of 1 "));
        let demand = ask(&mut guard, b"GET cookie=").unwrap();
        let cookie = demand.strip_prefix(b"COOKIE ").unwrap();
        assert_eq!(ask(&mut guard, &[b"GET cookie=", cookie].concat()), None, "raw {raw}");
        assert_eq!(ask(&mut guard, b"GET"), None, "and keeps it");
        let verdict = guard.admit(NOW, at(forged), b"x");
        assert!(matches!(verdict, Verdict::Refuse(..)), "{verdict:?}");
    }
}

#[test]
fn what_is_dropped_takes_no_place() {
    let mut guard = of(Some(1));
    for (from, datagram) in [("192.0.2.9:7", &b"x"[..]), ("192.0.2.9:4000", b"error: x")] {
        assert!(dropped(&mut guard, from, datagram).is_some());
    }
    served(&mut guard, ANA, b"x");
}

#[test]
fn who_says_the_same_without_end_is_let_be_for_a_moment_wherever_it_is() {
    for from in [ANA, "127.0.0.1:4000"] {
        let mut guard = plain();
        let mut now = NOW;
        let mut ask = |now| guard.admit(now, at(from), b"ping");
        while let Verdict::Serve(_) = ask(now) {
            now = now + Duration::from_millis(6);
        }
        assert_eq!(ask(now), Verdict::Drop(DropReason::Refrain), "{from}");
        assert_eq!(now.since(NOW), Duration::from_millis(6) * (REFRAIN_TIMES + 1), "{from}");
        assert!(matches!(ask(now + REFRAIN_REST), Verdict::Serve(_)), "{from}");
    }
}
