//! The simulator finds bugs: these are put in on purpose, as people put them in, and must be found
//! within the seeds that every run of the tests takes, and replay.

use std::convert::Infallible;
use std::time::Duration;

use sockeye_proto::clock::{CivilTime, Clock, WhatTime};
use sockeye_proto::limits::PAUSE;
use sockeye_proto::machine::{Fault, Input, Machine, Output, Tick};
use sockeye_proto::text::dialogue::{Dialogue, Event};
use sockeye_proto::text::framing::{FrameError, Framer, Framing};
use sockeye_sim::reference::conversation;
use sockeye_sim::reference::framing::{self, Frames, Heard};
use sockeye_sim::reference::peer::{moments, odd_message, talk};
use sockeye_sim::seed::Seed;
use sockeye_sim::stream::{Driven, Rules, Script, Streams};
use sockeye_sim::trace::Trace;
use sockeye_sim::trial::{Replay, SEEDS_DEFAULT, Verdict, find_failure, replay};

fn must_be_found(property: impl Fn(&mut Seed, &mut Trace) -> Verdict) -> Replay {
    let found = find_failure(0..SEEDS_DEFAULT, &property).expect("the planted bug is not found");
    assert_eq!(replay(found.seed, &property), found, "its seed replays to the same failure");
    assert!(!found.trace.is_empty(), "and shows what happened");
    found
}

fn framer_holds(framer: &mut impl Frames, seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let heard = Heard::from_steps(&talk(seed, odd_message));
    let says: Vec<Tick> = moments(seed).into_iter().map(|after| Tick::START + after).collect();
    framing::check(framer, Framing::Auto, PAUSE, &heard, &says, trace)
}

/// Which mistake a [`Wrong`] framer makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// It drops a `\r` only if it came in the same read as its `\n`.
    SplitCarriageReturn,
    /// The pause is over a nanosecond too soon.
    EarlyPause,
    /// What stands when the peer ends its side is forgotten.
    LostEnd,
    /// It says everything as to a line peer.
    AlwaysLines,
    /// It knows nothing of people who type.
    NoTyping,
}

struct Wrong {
    framer: Framer,
    mistake: Mistake,
    last_byte: Option<u8>,
    last_read: Tick,
}

impl Wrong {
    fn new(mistake: Mistake) -> Self {
        Self { framer: Framer::default(), mistake, last_byte: None, last_read: Tick::START }
    }
}

impl Frames for Wrong {
    fn hear(&mut self, now: Tick, bytes: &[u8]) {
        let is_split = self.last_byte == Some(b'\r') && bytes.first() == Some(&b'\n');
        self.last_byte = bytes.last().copied();
        self.last_read = now;
        if self.mistake == Mistake::SplitCarriageReturn && is_split {
            self.framer.hear(now, &[b"\r", bytes].concat());
        } else {
            self.framer.hear(now, bytes);
        }
    }

    fn end(&mut self) {
        if self.mistake != Mistake::LostEnd {
            self.framer.end();
        }
    }

    fn time(&mut self, now: Tick) {
        match self.mistake {
            Mistake::EarlyPause => self.framer.time(now + Duration::from_nanos(1)),
            Mistake::NoTyping => self.framer.time(now + Duration::from_secs(1)),
            _ => self.framer.time(now),
        }
    }

    fn deadline(&self) -> Option<Tick> {
        let deadline = self.framer.deadline()?;
        Some(match self.mistake {
            Mistake::EarlyPause => Tick::from_ns(deadline.as_ns() - 1),
            Mistake::NoTyping => deadline.min(self.last_read + PAUSE),
            _ => deadline,
        })
    }

    fn next_message(&mut self) -> Option<Result<Vec<u8>, FrameError>> {
        self.framer.next_message()
    }

    fn say(&mut self, now: Tick, message: &[u8], out: &mut Vec<u8>) {
        if self.mistake == Mistake::AlwaysLines {
            out.extend_from_slice(message);
            out.push(b'\n');
        } else {
            self.framer.say(now, message, out);
        }
    }
}

fn framer_with(mistake: Mistake) -> impl Fn(&mut Seed, &mut Trace) -> Verdict {
    move |seed, trace| framer_holds(&mut Wrong::new(mistake), seed, trace)
}

#[test]
fn the_wrapper_itself_makes_no_mistake() {
    assert_eq!(find_failure(0..SEEDS_DEFAULT, framer_with(Mistake::None)), None);
}

#[test]
fn a_framer_that_forgets_a_carriage_return_split_from_its_line_end_is_found() {
    let found = must_be_found(framer_with(Mistake::SplitCarriageReturn));
    let reason = found.verdict.unwrap_err();
    assert!(reason.contains(r"\r"), "the reason shows it: {reason}");
}

#[test]
fn a_framer_whose_pause_is_over_a_nanosecond_too_soon_is_found() {
    must_be_found(framer_with(Mistake::EarlyPause));
}

#[test]
fn a_framer_that_forgets_what_stands_at_the_end_is_found() {
    must_be_found(framer_with(Mistake::LostEnd));
}

#[test]
fn a_framer_that_ends_everything_with_a_line_end_is_found() {
    must_be_found(framer_with(Mistake::AlwaysLines));
}

#[test]
fn a_framer_that_does_not_wait_for_who_types_is_found() {
    must_be_found(framer_with(Mistake::NoTyping));
}

/// A clock that closes as soon as its caller has ended its side, though an answer is under way.
struct ClosesTooSoon {
    dialogue: Dialogue<Clock>,
    is_asking: bool,
    is_closing: bool,
    is_closed: bool,
}

impl Machine for ClosesTooSoon {
    type Question = WhatTime;
    type Answer = CivilTime;
    type Event = Event;
    type Tell = Infallible;
    type Told = Infallible;

    fn handle(&mut self, now: Tick, input: Input<'_, CivilTime>) {
        match input {
            Input::Answer(..) => self.is_asking = false,
            Input::End if self.is_asking => self.is_closing = true,
            _ => {}
        }
        if !self.is_closing {
            self.dialogue.handle(now, input);
        }
    }

    fn poll(&mut self) -> Output<WhatTime, Event> {
        if self.is_closing {
            let is_said = std::mem::replace(&mut self.is_closed, true);
            return if is_said { Output::Wait(None) } else { Output::Close(Fault::Nobody) };
        }
        let output = self.dialogue.poll();
        self.is_asking |= matches!(output, Output::Ask(..));
        output
    }
}

#[test]
fn a_clock_that_closes_before_its_last_answer_is_found() {
    const NOW: CivilTime =
        CivilTime { year: 2026, month: 11, day: 20, hour: 14, minute: 3, second: 9 };
    must_be_found(|seed, trace| {
        let mut caller = Script::new(talk(seed, |_| b"SEND_DATE".to_vec()));
        let machine = ClosesTooSoon {
            dialogue: Dialogue::new(Clock::default(), Framer::default()),
            is_asking: false,
            is_closing: false,
            is_closed: false,
        };
        let mut server = Driven::new(machine, |_, WhatTime| NOW);
        let rules = Rules::drawn(seed);
        let mut streams = Streams::new(seed.fork());
        streams.connect(Tick::START, &rules, &mut caller, &mut server);
        streams.run(trace);
        let answer = |message: &str| {
            let is_date = message == "SEND_DATE";
            Some(if is_date { "2026-11-20" } else { "Error in request format" }.to_owned())
        };
        conversation::check(&server.run().log, Framing::Auto, PAUSE, answer)
    });
}
