//! The raw files wire under every cut and delay that a seed can think of, against a reference that
//! looks at the whole conversation at once.

use std::time::Duration;

use sockeye_proto::files::raw::{Answer, NOT_FOUND, Question, Sent, Server};
use sockeye_proto::limits::PAUSE;
use sockeye_proto::machine::Fault;
use sockeye_proto::text::framing::{Framer, Framing};
use sockeye_sim::seed::Seed;
use sockeye_sim::stream::{Action, Step, run, segments};
use sockeye_sim::trace::Trace;
use sockeye_sim::trial::{Verdict, explore, replay};

const NAMES: &[&str] = &["a.txt", "/a.txt", "sub/b", "über.txt", "no such", "../secret", "x", ""];

/// What ends a name.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Line,
    CarriageReturn,
    Pause,
    End,
}

/// Only these exist.
fn answer(question: &Question) -> Answer {
    Answer::Sent(match path(question).as_str() {
        "/a.txt" | "/sub/b" | "/über.txt" | "/x" => Sent::Whole { bytes: 1 },
        _ => Sent::NotFound { note: String::new() },
    })
}

fn path(question: &Question) -> String {
    match question {
        Question::SendFile(path) => path.display(),
        Question::CheckKey(_) => panic!("no key is wanted"),
    }
}

fn conversation(seed: &mut Seed) -> (&'static str, Ending, Vec<Step>) {
    let name = NAMES[seed.below(NAMES.len())];
    let ending = [Ending::Line, Ending::CarriageReturn, Ending::Pause, Ending::End][seed.below(4)];
    let mut bytes = name.as_bytes().to_vec();
    match ending {
        Ending::Line => bytes.push(b'\n'),
        Ending::CarriageReturn => bytes.extend_from_slice(b"\r\n"),
        Ending::Pause | Ending::End => {}
    }
    // A gap shorter than the pause never ends a name early, wherever the cuts fall.
    let mut steps = segments(seed, &bytes, PAUSE);
    if matches!(ending, Ending::End) {
        steps.push(Step { after: seed.span_below(PAUSE), action: Action::End });
    }
    (name, ending, steps)
}

/// What the whole conversation must come to.
fn expected(
    framing: Framing,
    name: &str,
    ending: Ending,
) -> (Option<String>, String, Option<Fault>) {
    let is_line = match framing {
        Framing::Auto => matches!(ending, Ending::Line | Ending::CarriageReturn),
        Framing::Line => true,
        Framing::Pause => false,
    };
    let line_end = if is_line { "\n" } else { "" };
    let not_found = || format!("{NOT_FOUND}{line_end}");
    match (name, ending) {
        ("", Ending::Pause) => (None, String::new(), None),
        // Lines are waited for until the deadline of the name.
        (_, Ending::Pause) if framing == Framing::Line => (None, String::new(), Some(Fault::Peer)),
        ("", Ending::End) => (None, String::new(), Some(Fault::Nobody)),
        ("" | "../secret", _) => (None, not_found(), Some(Fault::Refused)),
        ("no such", _) => (Some("/no such".into()), not_found(), Some(Fault::Refused)),
        (name, _) => {
            let path = format!("/{}", name.trim_start_matches('/'));
            (Some(path), String::new(), Some(Fault::Nobody))
        }
    }
}

fn holds(seed: &mut Seed, trace: &mut Trace) -> Verdict {
    let framing = [Framing::Auto, Framing::Line, Framing::Pause][seed.below(3)];
    let (name, ending, steps) = conversation(seed);
    let server = Server::new(Framer::new(framing, PAUSE));
    let run = run(server, &steps, answer, trace);
    let asked = run.asked.first().map(path);
    let told = String::from_utf8_lossy(&run.transmitted).into_owned();
    let got = (asked, told, run.closed.map(|(_, fault)| fault));
    let expected = expected(framing, name, ending);
    if got == expected {
        return Ok(());
    }
    Err(format!(
        "{framing:?}: {name:?} by {ending:?} came to {got:?} and had to come to {expected:?}"
    ))
}

#[test]
fn every_cut_of_a_name_comes_to_the_same() {
    explore("raw files", holds);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    assert_eq!(replay(42, holds), replay(42, holds));
}

#[test]
fn a_name_cut_by_a_gap_longer_than_the_pause_is_two_and_the_first_counts() {
    let step = |after_ms, bytes: &str| {
        Step::after(Duration::from_millis(after_ms), Action::Bytes(bytes.as_bytes().to_vec()))
    };
    let steps = [step(0, "a.t"), step(21, "xt")];
    let run = run(Server::default(), &steps, answer, &mut Trace::default());
    assert_eq!(run.asked.first().map(path), Some("/a.t".into()));
}
