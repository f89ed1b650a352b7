//! The raw files wire under every cut and delay that a seed can think of, against a reference that
//! looks at the whole conversation at once.

use std::time::Duration;

use sockeye_proto::files::raw::{NOT_FOUND, SendFile, Sent, Server};
use sockeye_proto::limits::PAUSE;
use sockeye_proto::machine::Fault;
use sockeye_sim::seed::Seed;
use sockeye_sim::stream::{Action, Run, Step, run, segments};

const NAMES: &[&str] = &["a.txt", "/a.txt", "sub/b", "über.txt", "no such", "../secret", "x", ""];
/// What ends a name.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Line,
    CarriageReturn,
    Pause,
    End,
}

fn seeds() -> u64 {
    std::env::var("SOCKEYE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200)
}

/// Only these exist.
fn answer(SendFile(path): &SendFile) -> Sent {
    match path.display().as_str() {
        "/a.txt" | "/sub/b" | "/über.txt" | "/x" => Sent::Whole { bytes: 1 },
        _ => Sent::NotFound,
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
fn expected(name: &str, ending: Ending) -> (Option<String>, String, Option<Fault>) {
    let line_end = if matches!(ending, Ending::Line | Ending::CarriageReturn) { "\n" } else { "" };
    let not_found = || format!("{NOT_FOUND}{line_end}");
    match (name, ending) {
        ("", Ending::Pause) => (None, String::new(), None),
        ("", Ending::End) => (None, String::new(), Some(Fault::Nobody)),
        ("" | "../secret", _) => (None, not_found(), Some(Fault::Refused)),
        ("no such", _) => (Some("/no such".into()), not_found(), Some(Fault::Refused)),
        (name, _) => {
            let path = format!("/{}", name.trim_start_matches('/'));
            (Some(path), String::new(), Some(Fault::Nobody))
        }
    }
}

#[test]
fn every_cut_of_a_name_comes_to_the_same() {
    for number in 0..seeds() {
        let mut seed = Seed::new(number);
        let (name, ending, steps) = conversation(&mut seed);
        let run: Run<_, _> = run(&mut Server::new(), &steps, answer);
        let asked = run.asked.first().map(|SendFile(path)| path.display());
        let told = String::from_utf8_lossy(&run.transmitted).into_owned();
        assert_eq!(
            (asked, told, run.closed.map(|(_, fault)| fault)),
            expected(name, ending),
            "seed {number}, {name:?} by {ending:?}:\n{}",
            run.trace.join("\n")
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = || {
        let (_, _, steps) = conversation(&mut Seed::new(42));
        run(&mut Server::new(), &steps, answer).trace
    };
    assert_eq!(trace(), trace());
}

#[test]
fn a_name_cut_by_a_gap_longer_than_the_pause_is_two_and_the_first_counts() {
    let step = |after, bytes: &str| Step {
        after: Duration::from_millis(after),
        action: Action::Bytes(bytes.as_bytes().to_vec()),
    };
    let steps = [step(0, "a.t"), step(21, "xt")];
    let run = run(&mut Server::new(), &steps, answer);
    assert_eq!(run.asked.first().map(|SendFile(path)| path.display()), Some("/a.t".into()));
}
