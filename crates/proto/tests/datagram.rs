//! What the guard promises for any input: no address is flooded, and no two services talk to each
//! other without end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use sockeye_proto::clock::{CivilTime, Clock};
use sockeye_proto::datagram::client::{Client, Event};
use sockeye_proto::datagram::cookie::CookieKey;
use sockeye_proto::datagram::guard::{Guard, GuardRules, Verdict};
use sockeye_proto::datagram::responder::{EchoResponder, Outcome, Responder};
use sockeye_proto::echo::FixedReply;
use sockeye_proto::machine::{Input, Machine, Output, Tick};
use sockeye_proto::text::{Direction, Reply, Speaker};

const NOON: CivilTime =
    CivilTime { year: 2026, month: 11, day: 20, hour: 12, minute: 0, second: 0 };

fn guard(rules: GuardRules) -> Guard {
    Guard::new(rules, CookieKey::new([9; 32]))
}

/// Answers a number by as many bytes, and all else by an error, as calc and board do.
#[derive(Clone)]
struct Counter;

impl Speaker for Counter {
    type Question = Infallible;
    type Answer = Infallible;

    fn hear(&mut self, message: &str) -> Reply<Infallible> {
        match message.trim().parse::<u16>() {
            Ok(bytes) => Reply::Say("7".repeat(usize::from(bytes))),
            Err(_) => Reply::Say("error: expected a number".into()),
        }
    }

    fn learn(&mut self, never: Infallible) -> Reply<Infallible> {
        match never {}
    }

    fn meaning(_: &str, _: Direction) -> String {
        String::new()
    }
}

enum Service {
    Clock(Responder<Clock>),
    Counter(Responder<Counter>),
    Fixed(Responder<FixedReply>),
    Echo(EchoResponder),
}

const KINDS: u8 = 4;

impl Service {
    fn new(kind: u8, rules: GuardRules) -> Self {
        let guard = guard(rules);
        match kind {
            0 => Self::Clock(Responder::new(Clock::default(), guard)),
            1 => Self::Counter(Responder::new(Counter, guard)),
            2 => Self::Fixed(Responder::new(FixedReply("Hello UDP Client".into()), guard)),
            _ => Self::Echo(EchoResponder::new(guard)),
        }
    }

    /// Whether it answers what makes no sense to it with an error.
    fn answers_noise_with_an_error(&self) -> bool {
        matches!(self, Self::Clock(_) | Self::Counter(_))
    }

    fn answer(&mut self, now: Tick, from: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let sends = match self {
            Self::Clock(clock) => {
                let mut outcome = clock.handle(now, from, datagram, &mut out);
                if let Outcome::Ask(_, pending) = outcome {
                    outcome = clock.answered(now, pending, NOON, &mut out);
                }
                matches!(outcome, Outcome::Send)
            }
            Self::Counter(counter) => {
                matches!(counter.handle(now, from, datagram, &mut out), Outcome::Send)
            }
            Self::Fixed(fixed) => {
                matches!(fixed.handle(now, from, datagram, &mut out), Outcome::Send)
            }
            Self::Echo(echo) => echo.handle(now, from, datagram, &mut out) == Outcome::Send,
        };
        assert!(sends || out.is_empty());
        sends.then_some(out)
    }
}

/// How often a forged datagram goes to and fro, with `delay` for each way, until it is dropped.
fn rounds(services: &mut [Service; 2], forged: Vec<u8>, delay: Duration, limit: usize) -> usize {
    let addresses: [SocketAddr; 2] = [([192, 0, 2, 1], 9001).into(), ([192, 0, 2, 2], 9002).into()];
    let (mut now, mut datagram) = (Tick::START, forged);
    for round in 0..limit {
        let (to, from) = (round % 2, addresses[(round + 1) % 2]);
        match services[to].answer(now, from, &datagram) {
            Some(answer) => datagram = answer,
            None => return round,
        }
        now = now + delay;
    }
    limit
}

fn any_datagram() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "[ -~]{0,40}(\r?\n)?".prop_map(String::into_bytes),
        "(SEND_DATE|SEND_TIME|[0-9]{1,4}|POST x|GET)( cookie=[A-Za-z0-9_-]{0,24})?(\r?\n)?"
            .prop_map(String::into_bytes),
    ]
}

fn any_source() -> impl Strategy<Value = SocketAddr> {
    (any::<std::net::IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_unproven_address_is_never_sent_more_than_3_times_what_came(
        kind in 0..KINDS, any_text: bool, from in any_source(), datagram in any_datagram(),
        answer_bytes in 0..70_000_usize,
    ) {
        prop_assume!(!from.ip().to_canonical().is_loopback());
        let rules = GuardRules { takes_any_text: any_text, ..GuardRules::default() };
        let room = 3 * (28 + datagram.len()) - 28;
        if let Some(out) = Service::new(kind, rules.clone()).answer(Tick::START, from, &datagram) {
            prop_assert!(out.len() <= room, "{} > {room}", out.len());
        }
        let mut guard = guard(rules);
        if let Verdict::Serve(request) = guard.admit(Tick::START, from, &datagram) {
            let mut out = Vec::new();
            guard.answer(Tick::START, &request, &vec![b'x'; answer_bytes], &mut out);
            prop_assert!(out.len() <= room, "{} > {room}", out.len());
        }
    }

    #[test]
    fn two_services_of_which_one_answers_noise_with_an_error_fall_silent_within_a_few_rounds(
        kinds: (u8, u8), trusting: bool, forged in any_datagram(),
    ) {
        let trusted = if trusting { vec!["192.0.2.0/24".parse().unwrap()] } else { Vec::new() };
        let rules = GuardRules { trusted, ..GuardRules::default() };
        let mut services = [kinds.0, kinds.1].map(|kind| Service::new(kind % KINDS, rules.clone()));
        prop_assume!(services.iter().any(Service::answers_noise_with_an_error));
        let silent_after = rounds(&mut services, forged, Duration::ZERO, 100);
        prop_assert!(silent_after <= 6, "{silent_after} rounds");
    }

    #[test]
    fn the_service_sees_the_same_text_with_a_valid_cookie_as_without(
        text in "[ -~]{0,60}", line_end in "(\r?\n)?", from in any_source(),
    ) {
        let lower = text.to_ascii_lowercase();
        prop_assume!(!["error", "busy", "cookie"].iter().any(|word| lower.starts_with(word)));
        // One cookie is taken off; what a text without one ends in is its own affair.
        prop_assume!(!text.starts_with("POST ") && !text.contains(" cookie="));
        let mut guard = guard(GuardRules::default());
        let mut datagram = text.clone().into_bytes();
        CookieKey::new([9; 32]).make(from, Tick::START).append_to(&mut datagram);
        datagram.extend_from_slice(line_end.as_bytes());
        if let Verdict::Serve(request) = guard.admit(Tick::START, from, &datagram)
            && !from.ip().to_canonical().is_loopback()
        {
            prop_assert_eq!(request.text, text.as_bytes());
            prop_assert_eq!(request.room_bytes, None);
        }
    }

    #[test]
    fn a_client_gets_a_long_answer_by_a_cookie_and_never_loops(bytes in 0..2000_u16) {
        let mut server = Service::new(1, GuardRules::default());
        let from = "192.0.2.1:4000".parse().unwrap();
        let mut client = Client::new(Tick::START, bytes.to_string().into_bytes());
        let mut answer = None;
        for _ in 0..10 {
            match client.poll() {
                Output::Transmit(datagram) => {
                    let reply = server.answer(Tick::START, from, &datagram).unwrap();
                    client.handle(Tick::START, Input::Bytes(&reply));
                }
                Output::Happened(Event::Heard(heard)) => answer = Some(heard),
                Output::Close(_) | Output::Wait(_) => break,
                _ => {}
            }
        }
        prop_assert_eq!(answer.map(|heard| heard.text().len()), Some(usize::from(bytes)));
    }
}

#[test]
fn two_services_that_answer_anything_fall_silent_when_their_budget_is_spent() {
    for kinds in [[2, 2], [2, 3], [3, 3]] {
        let mut services = kinds.map(|kind| Service::new(kind, GuardRules::default()));
        let silent_after =
            rounds(&mut services, b"hello".to_vec(), Duration::from_micros(500), 10_000);
        assert!((800..1500).contains(&silent_after), "{kinds:?}: {silent_after} rounds");
    }
}
