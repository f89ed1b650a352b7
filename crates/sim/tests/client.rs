//! Our text client and our text server, machine to machine.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use sockeye_proto::clock::{CivilTime, Clock, WhatTime};
use sockeye_proto::limits::PAUSE;
use sockeye_proto::machine::{Input, Machine, Output, Tick};
use sockeye_proto::text::client::{Client, Event};
use sockeye_proto::text::dialogue::Dialogue;
use sockeye_proto::text::framing::Framer;
use sockeye_sim::network::PipeRules;
use sockeye_sim::seed::Seed;
use sockeye_sim::stream::{Driven, Logged, Rules, Run, Streams};
use sockeye_sim::trace::{Bytes, Trace};
use sockeye_sim::trial::{Verdict, explore};

/// What a client leaves between two messages that nothing was heard between.
const GAP: Duration = Duration::from_millis(100);
const NOW: CivilTime = CivilTime { year: 2026, month: 11, day: 20, hour: 14, minute: 3, second: 9 };

/// A person at the client: says messages in their own time, then nothing more.
struct Person {
    client: Client,
    to_say: VecDeque<(Tick, &'static str)>,
    finish_at: Option<Tick>,
}

impl Person {
    /// Says these messages, each so long after the one before.
    fn new(lines: bool, said: &[(Duration, &'static str)]) -> Self {
        let mut now = Tick::START;
        let to_say = said
            .iter()
            .map(|(after, message)| {
                now = now + *after;
                (now, *message)
            })
            .collect();
        Self { client: Client::new(lines), to_say, finish_at: Some(now + Duration::from_secs(1)) }
    }

    fn speak(&mut self, now: Tick) {
        while let Some((_, message)) = self.to_say.pop_front_if(|(at, _)| *at <= now) {
            self.client.say(now, message.as_bytes()).expect("a few short messages can be said");
        }
        if self.finish_at.take_if(|at| *at <= now).is_some() {
            self.client.finish(now);
        }
    }
}

impl Machine for Person {
    type Question = Infallible;
    type Answer = Infallible;
    type Event = Event;
    type Tell = Infallible;
    type Told = Infallible;

    fn handle(&mut self, now: Tick, input: Input<'_, Infallible>) {
        self.speak(now);
        self.client.handle(now, input);
    }

    fn poll(&mut self) -> Output<Infallible, Event> {
        match self.client.poll() {
            Output::Wait(until) => {
                let next = self.to_say.front().map(|(at, _)| *at).or(self.finish_at);
                Output::Wait(until.into_iter().chain(next).min())
            }
            output => output,
        }
    }
}

/// A conversation with a clock; its requests, what the client did, whether both ends closed.
fn conversation(
    seed: &mut Seed,
    apart: std::ops::Range<Duration>,
    trace: &mut Trace,
) -> (Vec<&'static str>, Run<Infallible, Event>, bool) {
    let said: Vec<_> = (0..=seed.below(7))
        .map(|_| (seed.span_in(&apart), *seed.pick(&["SEND_DATE", "SEND_TIME", "what?"])))
        .collect();
    let mut caller = Driven::without_worker(Person::new(seed.one_in(2), &said));
    let mut server =
        Driven::new(Dialogue::new(Clock::default(), Framer::default()), |_, WhatTime| NOW);
    // Less than the client's gap has room for: pauses that the network closes part nothing.
    let delay = Duration::from_millis(1)..Duration::from_millis(40);
    let pipe = PipeRules { delay, ..PipeRules::perfect() };
    let answer_delay = Duration::ZERO..PAUSE;
    let rules = Rules { there: pipe.clone(), back: pipe, answer_delay, ..Rules::perfect() };
    let mut streams = Streams::new(seed.fork());
    streams.connect(Tick::START, &rules, &mut caller, &mut server);
    streams.run(trace);
    let are_closed = caller.run().closed.is_some() && server.run().closed.is_some();
    (said.iter().map(|(_, message)| *message).collect(), caller.run().clone(), are_closed)
}

fn heard_holds(seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let apart = Duration::from_millis(200)..Duration::from_millis(400);
    let (requests, run, are_closed) = conversation(seed, apart, trace);
    let answer = |request: &&str| match *request {
        "SEND_DATE" => "2026-11-20",
        "SEND_TIME" => "14:03:09",
        _ => "Error in request format",
    };
    let expected: Vec<&str> = requests.iter().map(answer).collect();
    let heard = |event: &Event| match event {
        Event::Heard(bytes) => Some(String::from_utf8_lossy(bytes.text()).into_owned()),
        _ => None,
    };
    let heard: Vec<String> = run.events.iter().filter_map(heard).collect();
    if heard == expected && are_closed {
        return Ok(());
    }
    Err(format!("{requests:?} heard {heard:?}, not {expected:?}; closed: {are_closed}"))
}

/// Without line ends, a message is one write, at least the gap after the one before unless
/// something came between.
fn gap_holds(seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let (_, run, _) = conversation(seed, Duration::ZERO..Duration::from_millis(150), trace);
    let mut last = None;
    for (at, logged) in &run.log {
        match logged {
            Logged::Read(_) => last = None,
            Logged::Transmitted(bytes) if !bytes.ends_with(b"\n") => {
                if let Some(gap) = last.replace(*at).map(|last| at.since(last))
                    && gap < GAP
                {
                    return Err(format!("{} left {gap:?} after the one before", Bytes(bytes)));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn who_waits_for_answers_hears_one_to_each_request_in_their_order() {
    explore("client and clock", heard_holds);
}

#[test]
fn a_client_leaves_its_gap_between_messages_unless_something_came_between() {
    explore("client's gap", gap_holds);
}
