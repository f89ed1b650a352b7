//! A property under many seeds; the one that breaks it is named, shown and replayed.
//!
//! A property draws a situation from its seed, plays it, notes what happened in a [`Trace`] and
//! says `Err` with both values if the outcome is wrong; a panic inside it counts as well.
//!
//! | variable | meaning |
//! |---|---|
//! | `SOCKEYE_SEEDS=n` | the seeds 0 to n - 1 are run; 200 unless set |
//! | `SOCKEYE_SEED=n` | only this one is run, and its trace is printed to stderr |

use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::seed::Seed;
use crate::trace::Trace;

/// Seeds that a trial runs unless told otherwise.
pub const SEEDS_DEFAULT: u64 = 200;

/// What a property says: nothing, or what is wrong.
pub type Verdict = Result<(), String>;

/// One seed's run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// The seed.
    pub seed: u64,
    /// What the property said; a panic's text is an `Err`.
    pub verdict: Verdict,
    /// What happened.
    pub trace: Trace,
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Ok(()) => writeln!(f, "seed {}: holds", self.seed)?,
            Err(reason) => writeln!(f, "seed {}: {reason}", self.seed)?,
        }
        write!(f, "{}", self.trace)
    }
}

/// Runs the property under the seeds that the environment asks for.
///
/// ```
/// use sockeye_sim::trial;
/// trial::explore("a number below ten is below ten", |seed, _trace| {
///     let number = seed.below(10);
///     if number < 10 { Ok(()) } else { Err(format!("{number}")) }
/// });
/// ```
///
/// # Panics
/// If a seed breaks the property: with `seed N`, the reason, the trace and how to replay it. Also
/// if one of the variables is no number.
pub fn explore(name: &str, property: impl Fn(&mut Seed, &mut Trace) -> Verdict) {
    let failed = if let Some(seed) = number_in("SOCKEYE_SEED") {
        let run = replay(seed, &property);
        // Straight to stderr: the test harness keeps what a passing test prints to itself.
        let _ = write!(std::io::stderr(), "{name}\n{run}");
        Some(run).filter(|run| run.verdict.is_err())
    } else {
        find_failure(0..number_in("SOCKEYE_SEEDS").unwrap_or(SEEDS_DEFAULT), &property)
    };
    if let Some(failure) = failed {
        panic!("{name}\n{failure}to replay it: SOCKEYE_SEED={} and this test", failure.seed);
    }
}

/// The first of the seeds that breaks the property. The seeds are run without a trace; the one
/// that fails is run once more with it.
///
/// # Panics
/// If that comes to something else: the property is not a function of its seed.
pub fn find_failure(
    mut seeds: Range<u64>,
    property: impl Fn(&mut Seed, &mut Trace) -> Verdict,
) -> Option<Replay> {
    seeds.find_map(|seed| {
        let verdict = run(seed, &property, &mut Trace::off());
        verdict.as_ref().err()?;
        let again = replay(seed, &property);
        assert_eq!(again.verdict, verdict, "seed {seed} does not replay:\n{again}");
        Some(again)
    })
}

/// One seed's run. The same seed and property give an equal result.
///
/// ```
/// use sockeye_sim::trial::replay;
/// let unlucky = replay(7, |seed, _| Err(format!("drew {}", seed.below(100))));
/// assert_eq!(unlucky, replay(7, |seed, _| Err(format!("drew {}", seed.below(100)))));
/// ```
pub fn replay(seed: u64, property: impl Fn(&mut Seed, &mut Trace) -> Verdict) -> Replay {
    let mut trace = Trace::default();
    let verdict = run(seed, property, &mut trace);
    Replay { seed, verdict, trace }
}

fn run(
    seed: u64,
    property: impl Fn(&mut Seed, &mut Trace) -> Verdict,
    trace: &mut Trace,
) -> Verdict {
    // The trace is only read after a panic, and is whole after every line.
    let run = catch_unwind(AssertUnwindSafe(|| property(&mut Seed::new(seed), trace)));
    run.unwrap_or_else(|panic| Err(format!("panicked: {}", panic_text(&*panic))))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        (None, None) => "with something that is no text".to_owned(),
    }
}

fn number_in(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse().unwrap_or_else(|_| panic!("{variable}={text}: it wants a number"));
    Some(number)
}

#[cfg(test)]
mod tests {
    use sockeye_proto::machine::Tick;

    use super::*;

    /// Breaks at about one seed in ten.
    fn below_ninety(seed: &mut Seed, trace: &mut Trace) -> Verdict {
        let number = seed.below(100);
        trace.note(Tick::START, format_args!("drew {number}"));
        if number < 90 { Ok(()) } else { Err(format!("{number} is not below 90")) }
    }

    #[test]
    fn the_first_failing_seed_is_found_and_replays_to_the_same_trace() {
        let found = find_failure(0..200, below_ninety).unwrap();
        assert_eq!(replay(found.seed, below_ninety), found);
        assert_eq!(find_failure(0..found.seed, below_ninety), None);
        assert!(found.to_string().starts_with(&format!("seed {}: ", found.seed)));
    }

    #[test]
    #[should_panic(expected = "seed 0 does not replay")]
    fn a_property_that_is_no_function_of_its_seed_is_caught() {
        let runs = std::cell::Cell::new(0);
        let _ = find_failure(0..1, |_, _| {
            runs.set(runs.get() + 1);
            if runs.get() == 1 { Err("once".into()) } else { Ok(()) }
        });
    }

    #[test]
    fn a_panic_is_a_failure_and_keeps_the_trace() {
        let run = replay(3, |_, trace| {
            trace.note(Tick::START, "the last thing");
            panic!("a broken assumption");
        });
        assert_eq!(run.verdict, Err("panicked: a broken assumption".into()));
        assert!(run.trace.to_string().contains("the last thing"));
    }
}
