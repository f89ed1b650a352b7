//! The text wires over UDP on faulty links: our client against our clock, and what forged
//! datagrams can make of a server.

use std::net::SocketAddr;
use std::time::Duration;

use sockeye_proto::clock::{CivilTime, Clock};
use sockeye_proto::datagram::client::{Client, Event};
use sockeye_proto::datagram::cookie::CookieKey;
use sockeye_proto::datagram::guard::{Guard, GuardRules};
use sockeye_proto::datagram::responder::{EchoResponder, Outcome, Pending, Responder};
use sockeye_proto::machine::Tick;
use sockeye_sim::datagrams::{
    Calling, Datagrams, Endpoint, Outcome as Ended, Responds, Sent, Tally,
};
use sockeye_sim::network::{LinkRules, Loss};
use sockeye_sim::seed::{Chance, Seed};
use sockeye_sim::trace::Trace;
use sockeye_sim::trial::{Verdict, explore, replay};

const NOW: CivilTime = CivilTime { year: 2026, month: 11, day: 20, hour: 14, minute: 3, second: 9 };
const HEADERS_BYTES: u64 = 28;
const SERVER_PORT: u16 = 7002;
const ECHO_PORT: u16 = 7001;

fn host(number: u8, port: u16) -> SocketAddr {
    ([192, 0, 2, number], port).into()
}

fn guard() -> Guard {
    let rules = GuardRules { own_ports: vec![ECHO_PORT, SERVER_PORT], ..GuardRules::default() };
    Guard::new(rules, CookieKey::new([7; 32]))
}

/// A clock over UDP whose worker takes a while, each answer by itself.
struct ClockServer {
    responder: Responder<Clock>,
    pending: Vec<(Tick, Pending<Clock>)>,
    seed: Seed,
}

impl ClockServer {
    fn new(seed: Seed) -> Self {
        Self { responder: Responder::new(Clock::default(), guard()), pending: Vec::new(), seed }
    }
}

impl Endpoint for ClockServer {
    fn handle(&mut self, now: Tick, from: SocketAddr, bytes: &[u8]) -> Vec<Sent> {
        let mut out = Vec::new();
        match self.responder.handle(now, from, bytes, &mut out) {
            Outcome::Send | Outcome::Refuse | Outcome::TurnAway => vec![(from, out)],
            Outcome::Nothing | Outcome::Dropped(_) | Outcome::Check(_) => vec![],
            Outcome::Ask(_, pending) => {
                let due = now + self.seed.span_below(Duration::from_millis(50));
                self.pending.push((due, pending));
                vec![]
            }
        }
    }

    fn deadline(&self) -> Option<Tick> {
        self.pending.iter().map(|(due, _)| *due).min()
    }

    fn time(&mut self, now: Tick) -> Vec<Sent> {
        let mut all_sent = Vec::new();
        for (_, pending) in self.pending.extract_if(.., |(due, _)| *due <= now) {
            let (from, mut out) = (pending.from(), Vec::new());
            if let Outcome::Send = self.responder.answered(now, pending, NOW, &mut out) {
                all_sent.push((from, out));
            }
        }
        all_sent
    }
}

fn clock_holds(seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let server_at = host(1, SERVER_PORT);
    let mut server = ClockServer::new(seed.fork());
    let asked: Vec<&str> = (0..=seed.below(5))
        .map(|_| *seed.pick(&["SEND_DATE", "SEND_TIME\n", "what?\r\n", ""]))
        .collect();
    let mut clients: Vec<_> = asked
        .iter()
        .map(|asked| Calling::new(Client::new(Tick::START, asked.as_bytes().to_vec()), server_at))
        .collect();
    let mut network = Datagrams::new(seed.fork(), LinkRules::drawn(seed));
    network.place(server_at, &mut server);
    for (number, client) in clients.iter_mut().enumerate() {
        network.place(host(2, 50_000 + number as u16), client);
    }
    let ended = network.run_until(Tick::START + Duration::from_mins(1), trace);
    if ended != Ended::Quiet {
        return Err("somebody is still waiting after a minute".into());
    }
    let tally = |number| {
        let address = host(2, 50_000 + number as u16);
        (network.tally(address, server_at), network.tally(server_at, address))
    };
    let tallies: Vec<(Tally, Tally)> = (0..asked.len()).map(tally).collect();
    for ((asked, client), (came, sent)) in asked.iter().zip(&clients).zip(tallies) {
        let expected: &[u8] = match asked.trim_end() {
            "SEND_DATE" => b"2026-11-20",
            "SEND_TIME" => b"14:03:09",
            _ => b"Error in request format",
        };
        match client.events().last() {
            Some(Event::Heard(answer)) if answer.text() == expected => {}
            Some(Event::Unanswered) if sent.arrived == 0 => {}
            last => return Err(format!("{asked:?} came to {last:?}")),
        }
        is_within_bound(came, sent)?;
    }
    Ok(())
}

/// Never more than 3 times what came, headers counted.
fn is_within_bound(came: Tally, sent: Tally) -> Verdict {
    let bound_bytes = 3 * (came.arrived_bytes + HEADERS_BYTES * came.arrived);
    if sent.sent_bytes + HEADERS_BYTES * sent.sent <= bound_bytes {
        return Ok(());
    }
    Err(format!("{came:?} made the server send {sent:?}"))
}

#[test]
fn a_client_hears_the_right_answer_or_none_ever_came() {
    explore("clock over udp", clock_holds);
}

#[test]
fn the_same_seed_replays_to_the_same_trace() {
    assert_eq!(replay(3, clock_holds), replay(3, clock_holds));
}

/// Whatever the damage, a server is never made to send more than 3 times what came.
fn damage_holds(seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let (server_at, victim) = (host(1, SERVER_PORT), host(9, 40_000));
    let mut server = ClockServer::new(seed.fork());
    let corruption = Chance::percent(50);
    let mut network =
        Datagrams::new(seed.fork(), LinkRules { corruption, ..LinkRules::drawn(seed) });
    network.place(server_at, &mut server);
    for _ in 0..seed.below(40) {
        let forged =
            *seed.pick(&[&b""[..], b"SEND_TIME", b"x", b"COOKIE x", b"SEND_DATE cookie=A"]);
        network.inject(victim, server_at, forged, trace);
    }
    network.run_until(Tick::START + Duration::from_mins(1), trace);
    let (came, sent) = (network.tally(victim, server_at), network.tally(server_at, victim));
    is_within_bound(came, sent)
}

#[test]
fn forged_datagrams_do_not_make_a_server_send_more_than_three_times_as_much() {
    explore("forged datagrams", damage_holds);
}

fn loop_is_quiet(seed: Seed, rules: LinkRules, trace: &mut Trace) -> Ended {
    let (clock_at, echo_at) = (host(1, SERVER_PORT), host(1, ECHO_PORT));
    let mut clock = ClockServer::new(seed.clone());
    let mut echo_responder = EchoResponder::new(guard());
    let mut echo = Responds(|now, from, bytes: &[u8]| {
        let mut out = Vec::new();
        let outcome = echo_responder.handle(now, from, bytes, &mut out);
        if outcome == Outcome::Send { vec![(from, out)] } else { vec![] }
    });
    let mut network = Datagrams::new(seed, rules);
    network.place(clock_at, &mut clock);
    network.place(echo_at, &mut echo);
    network.inject(echo_at, clock_at, b"SEND_TIME", trace);
    network.inject(clock_at, echo_at, b"SEND_TIME", trace);
    network.run_until(Tick::START + Duration::from_mins(1), trace)
}

#[test]
fn two_servers_are_not_set_talking_to_each_other() {
    explore("two servers", |seed, trace| {
        let rules = LinkRules::drawn(seed);
        match loop_is_quiet(seed.fork(), rules, trace) {
            Ended::Quiet => Ok(()),
            Ended::TimeUp => Err("they talk for ever".into()),
        }
    });
}

/// What the test above would see without a guard.
#[test]
fn two_servers_without_a_guard_talk_for_ever() {
    let answer = |_, from, bytes: &[u8]| vec![(from, bytes.to_vec())];
    let (mut one, mut other) = (Responds(answer), Responds(answer));
    let rules = LinkRules {
        delay: Duration::from_millis(1)..Duration::from_millis(2),
        ..LinkRules::perfect()
    };
    let mut network = Datagrams::new(Seed::new(1), rules);
    network.place(host(1, 1), &mut one);
    network.place(host(1, 2), &mut other);
    let mut trace = Trace::off();
    network.inject(host(1, 1), host(1, 2), b"x", &mut trace);
    let ended = network.run_until(Tick::START + Duration::from_secs(10), &mut trace);
    assert_eq!(ended, Ended::TimeUp);
}

#[test]
fn a_link_that_loses_everything_leaves_a_client_unanswered_after_its_resends() {
    let (here, there) = (host(1, 1), host(1, 2));
    let mut client = Calling::new(Client::new(Tick::START, b"x".to_vec()), there);
    let loss = Loss::Independent(Chance::ALWAYS);
    let mut network = Datagrams::new(Seed::new(1), LinkRules { loss, ..LinkRules::perfect() });
    network.place(here, &mut client);
    let ended = network.run_until(Tick::START + Duration::from_mins(1), &mut Trace::off());
    assert_eq!((ended, network.tally(here, there).sent), (Ended::Quiet, 4));
    assert_eq!(client.events().last(), Some(&Event::Unanswered));
}
