//! A simulated sibling: what it says to whoever asks, and how that changes.

use std::time::Duration;

use sockeye_proto::machine::Tick;
use sockeye_proto::siblings::search::{Reply, Trouble};

use crate::seed::Seed;

/// Which of several contents a file has; two siblings with the same one have the same bytes.
pub type Content = u8;

/// How a sibling is for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It answers in some milliseconds.
    Well,
    /// It answers, and takes its time.
    Slow,
    /// Nobody listens there; what was under way is cut.
    Dead,
    /// It takes the question and says nothing; what was under way pauses.
    Silent,
    /// It says that it has it, and does not when it is fetched.
    Lying,
    /// It answers, and its bodies break off or pause now and then.
    Breaking,
    /// It lets nobody in.
    Denying,
    /// It has a fault of its own.
    Failing,
}

/// A sibling's whole life: moods, and what it has of each file, from some time on.
#[derive(Clone, Debug)]
pub struct Nature {
    epochs: Vec<Epoch>,
}

#[derive(Clone, Debug)]
struct Epoch {
    from: Tick,
    mood: Mood,
    has: Vec<Option<Content>>,
}

impl Nature {
    /// A life of up to five epochs within a span, with some of so many files.
    pub fn drawn(seed: &mut Seed, span: Duration, files: usize) -> Self {
        use Mood::{Breaking, Dead, Denying, Failing, Lying, Silent, Slow, Well};
        let moods = [
            Well, Well, Well, Well, Well, Breaking, Breaking, Slow, Dead, Silent, Lying, Denying,
            Failing,
        ];
        let mut from = Tick::START;
        let mut has: Vec<_> = (0..files).map(|_| drawn_content(seed)).collect();
        let mut epochs = Vec::new();
        for _ in 0..=seed.below(5) {
            epochs.push(Epoch { from, mood: *seed.pick(&moods), has: has.clone() });
            from = from + seed.span_below(span / 2);
            if seed.one_in(3) {
                let file = seed.below(files);
                has[file] = drawn_content(seed);
            }
        }
        Self { epochs }
    }

    fn at(&self, now: Tick) -> &Epoch {
        let begun = self.epochs.iter().rev().find(|epoch| epoch.from <= now);
        begun.unwrap_or(&self.epochs[0])
    }

    /// How it is then.
    pub fn mood(&self, now: Tick) -> Mood {
        self.at(now).mood
    }

    /// What it has of a file then.
    pub fn content(&self, now: Tick, file: usize) -> Option<Content> {
        self.at(now).has[file]
    }

    /// When it is otherwise next.
    pub fn changes_after(&self, now: Tick) -> Option<Tick> {
        self.epochs.iter().map(|epoch| epoch.from).find(|from| *from > now)
    }

    /// When and what it answers to a question that is asked now; `None` if it never does. `wanted` is
    /// the content that it is to prove to have, `is_fetch` whether it is asked for the body.
    pub fn answer(
        &self,
        seed: &mut Seed,
        now: Tick,
        file: usize,
        wanted: Option<Content>,
        is_fetch: bool,
    ) -> Option<(Tick, Reply)> {
        let (least, most) = match self.mood(now) {
            Mood::Slow => (10_000, 400_000),
            Mood::Dead => (50, 900),
            _ => (100, 12_000),
        };
        let at = now + seed.span_in(&(Duration::from_micros(least)..Duration::from_micros(most)));
        let content = self.content(now, file);
        let has = match content {
            None => Reply::HasNot,
            Some(content) if is_fetch && wanted.is_some_and(|wanted| wanted != content) => {
                Reply::Other
            }
            Some(_) => Reply::Has,
        };
        let reply = match self.mood(now) {
            Mood::Silent => return None,
            Mood::Dead => Reply::Trouble(Trouble::ConnectionRefused),
            _ if self.mood(at) == Mood::Dead => Reply::Trouble(Trouble::Protocol),
            Mood::Denying => Reply::Trouble(Trouble::Denied),
            Mood::Failing => Reply::Trouble(Trouble::Unavailable),
            Mood::Lying if is_fetch => Reply::HasNot,
            Mood::Lying => Reply::Has,
            Mood::Well | Mood::Slow | Mood::Breaking => has,
        };
        Some((at, reply))
    }
}

fn drawn_content(seed: &mut Seed) -> Option<Content> {
    if seed.one_in(2) { Some(Content::from(seed.one_in(4))) } else { None }
}
