//! Two servers that were set talking to each other by forged datagrams: whichever services they
//! are, however long the way between them is, and whether or not they trust each other's address,
//! they fall silent. Nothing here tells an answer from a request but what it says and when: the
//! mark in the IP header, which ends such a loop at once, is the engine's.

use std::net::SocketAddr;
use std::time::Duration;

use sockeye_proto::clock::{CivilTime, Clock};
use sockeye_proto::datagram::cookie::CookieKey;
use sockeye_proto::datagram::guard::{Guard, GuardRules};
use sockeye_proto::datagram::responder::{EchoResponder, Outcome, Responder};
use sockeye_proto::echo::FixedReply;
use sockeye_proto::limits::{
    REFRAIN_PAUSE, REFRAIN_REST, REFRAIN_SPAN, REFRAIN_TIMES, UNPROVEN_BURST, UNPROVEN_RATE_PER_S,
};
use sockeye_proto::machine::Tick;
use sockeye_sim::datagrams::{Datagrams, Endpoint, Outcome as Ended, Responds, Sent, Tally};
use sockeye_sim::network::LinkRules;
use sockeye_sim::seed::Seed;
use sockeye_sim::trace::Trace;
use sockeye_sim::trial::{Verdict, explore};

const NOON: CivilTime =
    CivilTime { year: 2026, month: 11, day: 20, hour: 12, minute: 0, second: 0 };
/// None is a port of a service's own, nor one that servers are known by.
const HERE: ([u8; 4], u16) = ([192, 0, 2, 1], 45_000);
const THERE: ([u8; 4], u16) = ([192, 0, 2, 2], 45_001);

/// The services that there are, and fixed replies that another of them takes for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Echo,
    Clock,
    Reply(&'static str),
}

const KINDS: [Kind; 5] = [
    Kind::Echo,
    Kind::Clock,
    Kind::Reply("Hello UDP Client"),
    Kind::Reply("SEND_TIME"),
    Kind::Reply(""),
];

enum Server {
    Echo(EchoResponder),
    Clock(Responder<Clock>),
    Reply(Responder<FixedReply>),
}

impl Server {
    fn new(kind: Kind, trusting: bool) -> Self {
        let trusted = if trusting {
            vec!["192.0.2.0/24".parse().expect("this is a network")]
        } else {
            Vec::new()
        };
        let rules = GuardRules {
            trusted,
            own_ports: vec![7001, 7002],
            takes_any_text: kind != Kind::Clock,
            ..GuardRules::default()
        };
        let guard = Guard::new(rules, CookieKey::new([7; 32]));
        match kind {
            Kind::Echo => Self::Echo(EchoResponder::new(guard)),
            Kind::Clock => Self::Clock(Responder::new(Clock::default(), guard)),
            Kind::Reply(text) => Self::Reply(Responder::new(FixedReply(text.into()), guard)),
        }
    }
}

impl Endpoint for Server {
    fn handle(&mut self, now: Tick, from: SocketAddr, bytes: &[u8]) -> Vec<Sent> {
        let mut out = Vec::new();
        let sends = match self {
            Self::Echo(echo) => echo.handle(now, from, bytes, &mut out) == Outcome::Send,
            Self::Reply(reply) => {
                matches!(reply.handle(now, from, bytes, &mut out), Outcome::Send)
            }
            Self::Clock(clock) => {
                let mut outcome = clock.handle(now, from, bytes, &mut out);
                if let Outcome::Ask(_, pending) = outcome {
                    outcome = clock.answered(now, pending, NOON, &mut out);
                }
                matches!(outcome, Outcome::Send)
            }
        };
        if sends { vec![(from, out)] } else { Vec::new() }
    }
}

/// What is forged, and over which way.
struct Situation {
    kinds: [Kind; 2],
    trusting: bool,
    /// Each way; a round trip is at most [`REFRAIN_REST`].
    delay: Duration,
    jitter: Duration,
    forged: Vec<(bool, &'static [u8])>,
}

/// Runs it to its end, or for as long as it may last, and says what went in both directions.
fn play(situation: &Situation, seed: Seed, trace: &mut Trace) -> (Ended, Tick, [Tally; 2]) {
    let Situation { kinds, trusting, delay, jitter, forged } = situation;
    let (here, there) = (HERE.into(), THERE.into());
    let mut servers = kinds.map(|kind| Server::new(kind, *trusting));
    let rules = LinkRules { delay: *delay..*delay + *jitter, ..LinkRules::perfect() };
    let round_trip = 2 * (*delay + *jitter);
    let refrain = REFRAIN_SPAN.max(round_trip * (REFRAIN_TIMES + 1));
    // What was forged may never come again: the refrain begins when it is forgotten. And one of
    // several that go round may be the one that a budget drops, in the middle.
    let bound = (REFRAIN_PAUSE + refrain + REFRAIN_REST + 2 * round_trip) * forged.len() as u32;
    let mut network = Datagrams::new(seed, rules);
    let [one, other] = &mut servers;
    network.place(here, one);
    network.place(there, other);
    for (to_here, datagram) in forged {
        let (from, to) = if *to_here { (there, here) } else { (here, there) };
        network.inject(from, to, datagram, trace);
    }
    let ended = network.run_until(Tick::START + bound, trace);
    (ended, network.now(), [network.tally(here, there), network.tally(there, here)])
}

fn falls_silent(seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let delay = *seed.pick(&[2, 4, 20, 150, 490]);
    let situation = Situation {
        kinds: [*seed.pick(&KINDS), *seed.pick(&KINDS)],
        trusting: seed.one_in(2),
        delay: Duration::from_millis(delay),
        jitter: seed.span_below(Duration::from_millis(1 + delay / 50)),
        forged: (0..=seed.below(3))
            .map(|_| {
                let texts = [&b"x"[..], b"", b"SEND_DATE", b"hello\r\n", &[0xff; 1400]];
                (seed.one_in(2), *seed.pick(&texts))
            })
            .collect(),
    };
    match play(&situation, seed.fork(), trace) {
        (Ended::Quiet, ..) => Ok(()),
        (Ended::TimeUp, now, tallies) => {
            let Situation { kinds, trusting, .. } = situation;
            Err(format!("{kinds:?}, trusting {trusting}, talk after {now:?}: {tallies:?}"))
        }
    }
}

#[test]
fn whatever_is_forged_two_servers_fall_silent() {
    explore("loops", falls_silent);
}

#[test]
fn every_pair_falls_silent_in_a_bounded_number_of_datagrams() {
    for (first, second) in (0..KINDS.len()).flat_map(|n| (n..KINDS.len()).map(move |m| (n, m))) {
        for (trusting, delay_ms) in [(true, 1), (true, 40), (false, 1), (false, 40), (false, 400)] {
            let situation = Situation {
                kinds: [KINDS[first], KINDS[second]],
                trusting,
                delay: Duration::from_millis(delay_ms),
                jitter: Duration::ZERO,
                forged: vec![(true, b"SEND_TIME"), (false, b"SEND_TIME")],
            };
            let (ended, now, [out, back]) = play(&situation, Seed::new(1), &mut Trace::off());
            let what = format!("{:?} trusting {trusting} {delay_ms} ms", situation.kinds);
            assert_eq!(ended, Ended::Quiet, "{what}: at {now:?}");
            // Two under way; each for 30 s, or for 10,000 round trips, after the first 2 s.
            let rounds = u64::from(REFRAIN_TIMES).max(30_000 / (2 * delay_ms));
            let most = 2 * (rounds + 2000 / (2 * delay_ms) + 2);
            assert!(out.sent <= most && back.sent <= most, "{what}: {out:?} {back:?} {most}");
            if !trusting && 2000 / (2 * delay_ms) > 2 * UNPROVEN_RATE_PER_S {
                let most = 4 * UNPROVEN_BURST;
                assert!(out.sent <= most && back.sent <= most, "{what}: {out:?} {back:?} {most}");
            }
        }
    }
}

/// What the tests above would see without a rule: the loop of an echo and an echo that asks nobody.
#[test]
fn a_server_without_rules_is_silent_because_ours_is() {
    let (here, there) = (HERE.into(), THERE.into());
    let mut ours = Server::new(Kind::Echo, true);
    let mut lawless = Responds(|_, from, bytes: &[u8]| vec![(from, bytes.to_vec())]);
    let delay = Duration::from_millis(5);
    let mut network =
        Datagrams::new(Seed::new(1), LinkRules { delay: delay..delay, ..LinkRules::perfect() });
    network.place(here, &mut ours);
    network.place(there, &mut lawless);
    network.inject(there, here, b"x", &mut Trace::off());
    let early = network.run_until(Tick::START + Duration::from_mins(1), &mut Trace::off());
    assert_eq!(early, Ended::TimeUp, "10,000 round trips take 100 s");
    let late = network.run_until(Tick::START + Duration::from_secs(101), &mut Trace::off());
    assert_eq!((late, network.tally(there, here).sent), (Ended::Quiet, 10_002));
}

/// A client that asks as fast as it is answered, as a measurement does, is answered each time.
#[test]
fn a_measurement_of_half_a_minute_loses_nothing() {
    let (server_at, client_at) = (HERE.into(), THERE.into());
    for kind in KINDS {
        let mut server = Server::new(kind, true);
        let until = Tick::START + Duration::from_millis(29_900);
        let mut client =
            Responds(
                |now, from, _: &[u8]| {
                    if now < until { vec![(from, b"SEND_TIME".to_vec())] } else { Vec::new() }
                },
            );
        let delay = Duration::from_millis(1);
        let mut network =
            Datagrams::new(Seed::new(1), LinkRules { delay: delay..delay, ..LinkRules::perfect() });
        network.place(server_at, &mut server);
        network.place(client_at, &mut client);
        for _ in 0..3 {
            network.inject(client_at, server_at, b"SEND_TIME", &mut Trace::off());
        }
        network.run_until(Tick::START + Duration::from_secs(40), &mut Trace::off());
        let (asked, told) =
            (network.tally(client_at, server_at), network.tally(server_at, client_at));
        assert_eq!(asked.sent, told.sent, "{kind:?}");
        assert!(told.sent > 3 * 14_000, "{kind:?}: {told:?}");
    }
}
