//! A clock in a dialogue over faulty connections, with slow workers and pipelined requests, against
//! a reference that knows which question got which answer.

use sockeye_proto::clock::{CivilTime, Clock, WhatTime};
use sockeye_proto::limits::PAUSE;
use sockeye_proto::machine::Tick;
use sockeye_proto::text::dialogue::Dialogue;
use sockeye_proto::text::framing::{Framer, Framing};
use sockeye_sim::reference::conversation::check;
use sockeye_sim::reference::peer::{odd_message, talk};
use sockeye_sim::seed::{Chance, Seed};
use sockeye_sim::stream::{Driven, Rules, Script, Streams};
use sockeye_sim::trace::Trace;
use sockeye_sim::trial::{Verdict, explore, replay};

/// A moment that no other question gets.
fn moment(nth: usize) -> CivilTime {
    let second = |divisor: usize| (nth / divisor % 60) as u8;
    CivilTime {
        year: i16::try_from(1 + nth).expect("a conversation has few questions"),
        month: 1 + (nth % 12) as u8,
        day: 1 + (nth % 28) as u8,
        hour: 14,
        minute: second(60),
        second: second(1),
    }
}

/// What a clock answers when its questions are answered by the moments, in order.
fn reference() -> impl FnMut(&str) -> Option<String> {
    let mut nth = 0;
    move |message| {
        let CivilTime { year, month, day, hour, minute, second } = moment(nth);
        let (asked, answer) = match message {
            "SEND_DATE" => (1, format!("{year:04}-{month:02}-{day:02}")),
            "SEND_TIME" => (1, format!("{hour:02}:{minute:02}:{second:02}")),
            _ => (0, "Error in request format".into()),
        };
        nth += asked;
        Some(answer)
    }
}

fn worker() -> impl FnMut(Tick, &WhatTime) -> CivilTime {
    let mut nth = 0;
    move |_, WhatTime| {
        nth += 1;
        moment(nth - 1)
    }
}

fn request(seed: &mut Seed) -> Vec<u8> {
    match seed.below(5) {
        0 => odd_message(seed),
        1 | 2 => b"SEND_DATE".to_vec(),
        _ => b"SEND_TIME".to_vec(),
    }
}

fn holds(how: Framing, cut: Chance, seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let mut caller = Script::new(talk(seed, request));
    let machine = Dialogue::new(Clock::default(), Framer::new(how, PAUSE));
    let mut server = Driven::new(machine, worker());
    let rules = Rules::drawn(seed).with_cuts(cut);
    let mut streams = Streams::new(seed.fork());
    streams.connect(Tick::START, &rules, &mut caller, &mut server);
    streams.run(trace);
    let run = server.run();
    check(&run.log, how, PAUSE, reference())?;
    let is_whole = run.transmitted == caller.heard();
    let is_begun = run.transmitted.starts_with(caller.heard());
    if is_whole || (caller.is_lost() && is_begun) {
        Ok(())
    } else {
        Err(format!("{} of {} bytes came", caller.heard().len(), run.transmitted.len()))
    }
}

/// Early in some runs, late in others.
fn cut(seed: &mut Seed) -> Chance {
    *seed.pick(&[Chance::percent(5), Chance::one_in(200), Chance::one_in(2_000)])
}

#[test]
fn answers_come_in_order_and_in_kind_and_none_is_lost_or_doubled() {
    explore("clock", |seed, trace| holds(Framing::Auto, Chance::NEVER, seed, trace));
}

#[test]
fn up_to_where_the_connection_is_cut_the_answers_are_right() {
    explore("clock, cut", |seed, trace| holds(Framing::Auto, cut(seed), seed, trace));
}

#[test]
fn by_lines_alone_the_same_holds() {
    explore("clock by lines", |seed, trace| holds(Framing::Line, Chance::NEVER, seed, trace));
}

#[test]
fn the_same_seed_replays_to_the_same_trace() {
    let property =
        |seed: &mut Seed, trace: &mut Trace| holds(Framing::Auto, cut(seed), seed, trace);
    assert_eq!(replay(7, property), replay(7, property));
}
