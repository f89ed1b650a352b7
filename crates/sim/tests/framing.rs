//! The framer under every cut and gap that a seed can think of, against a reference that sees the
//! whole conversation with its times.

use std::time::Duration;

use sockeye_proto::limits::PAUSE;
use sockeye_proto::machine::Tick;
use sockeye_proto::text::framing::{Framer, Framing};
use sockeye_sim::reference::framing::{Heard, Part, check, parts};
use sockeye_sim::reference::peer::{moments, odd_message, talk};
use sockeye_sim::seed::Seed;
use sockeye_sim::trace::Trace;
use sockeye_sim::trial::{Verdict, explore, replay};

fn holds(how: Framing, pause: Duration, seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let heard = Heard::from_steps(&talk(seed, odd_message));
    let says: Vec<Tick> = moments(seed).into_iter().map(|after| Tick::START + after).collect();
    check(&mut Framer::new(how, pause), how, pause, &heard, &says, trace)
}

fn ms(ms: u64) -> Tick {
    Tick::from_ns(ms * 1_000_000)
}

fn texts(parts: &[(Tick, Part)]) -> Vec<(Tick, String)> {
    let text = |part: &Part| match part {
        Part::Message(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        part => format!("{part:?}"),
    };
    parts.iter().map(|(at, part)| (*at, text(part))).collect()
}

fn reads(reads: &[(u64, &str)]) -> Heard {
    let reads = reads.iter().map(|(at, text)| (ms(*at), text.as_bytes().to_vec())).collect();
    Heard { reads, ..Heard::default() }
}

#[test]
fn every_cut_and_gap_comes_to_the_messages_that_the_wire_describes() {
    explore("framing auto", |seed, trace| holds(Framing::Auto, PAUSE, seed, trace));
}

#[test]
fn a_pause_of_the_users_own_is_kept_to_the_nanosecond() {
    let pause = Duration::from_millis(50);
    explore("framing auto, 50 ms", |seed, trace| holds(Framing::Auto, pause, seed, trace));
}

#[test]
fn by_lines_alone_no_gap_ends_a_message() {
    explore("framing line", |seed, trace| holds(Framing::Line, PAUSE, seed, trace));
}

#[test]
fn by_pauses_alone_no_line_end_does() {
    explore("framing pause", |seed, trace| holds(Framing::Pause, PAUSE, seed, trace));
}

#[test]
fn the_same_seed_replays_to_the_same_trace() {
    let property = |seed: &mut Seed, trace: &mut Trace| holds(Framing::Auto, PAUSE, seed, trace);
    assert_eq!(replay(11, property), replay(11, property));
    assert_ne!(replay(11, property).trace, replay(12, property).trace);
}

#[test]
fn the_reference_agrees_with_the_examples_of_the_wires_description() {
    let auto = |heard: &Heard| texts(&parts(Framing::Auto, PAUSE, heard));
    let text = |at, text: &str| (ms(at), text.to_owned());

    let lines = reads(&[(0, "a\r\nb"), (50, "c\n")]);
    assert_eq!(auto(&lines), [text(0, "a"), text(50, "bc")], "a line peer is not cut by a pause");

    let pauses = reads(&[(0, "12 + "), (19, "42"), (100, "1 + 1")]);
    assert_eq!(auto(&pauses), [text(39, "12 + 42"), text(120, "1 + 1")]);

    let typed = reads(&[(0, "a"), (500, "b"), (1499, "c")]);
    assert_eq!(auto(&typed), [text(2499, "abc")], "one byte a read is waited for a second");

    let ended = Heard { end: Some(ms(5)), ..reads(&[(0, "1 + 1")]) };
    assert_eq!(auto(&ended), [text(5, "1 + 1")]);

    let for_good = reads(&[(0, "ab"), (30, "c\n"), (60, "d"), (9000, "e\n")]);
    assert_eq!(auto(&for_good), [text(20, "ab"), text(30, "c"), text(9000, "de")]);
}
