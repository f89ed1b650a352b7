//! What a name has stood for, and when: by this every answer is judged.
//!
//! Whoever changes the disk notes a state before the change begins and again when it has ended.
//! Between the two either state is a right answer. A server may be late by a while that is bounded:
//! an answer is stale if all states that explain it had ended longer ago than that when it was asked
//! for.
//!
//! A file that is rewritten in place is neither state for a while: on disk stands the beginning of the
//! new one before the end of the old, under a modification time that came before the bytes. An answer
//! that fell into such a while may be just that, and no server can know.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::contents::Mixture;
use crate::load::ns;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A file of this generation.
    Generation(u64),
    /// Nothing that is given out.
    Refused,
}

/// What one answer was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// 200, with a whole body of one generation, and its entity tag.
    Whole(u64, Vec<u8>),
    /// 304 to this entity tag.
    NotModified(Vec<u8>),
    /// Another status, a redirect or an error.
    Refused(u16),
    /// 200, with a body that ended before its announced length.
    Broken,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        match self {
            Self::Whole(generation, tag) => {
                write!(f, "200 with generation {generation} and {}", text(tag))
            }
            Self::NotModified(tag) => write!(f, "304 to {}", text(tag)),
            Self::Refused(status) => write!(f, "{status}"),
            Self::Broken => f.write_str("a body that broke off"),
        }
    }
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Wrong {
    /// It told what was true this long before it was asked for.
    Stale { late: Duration, seen: Seen },
    /// No state so far explains it.
    Unexplained(Seen),
    /// Its body is of more than one generation.
    Mixed(Mixture),
    /// One entity tag came with two contents.
    TagOfTwo { tag: String, generations: [u64; 2] },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale { late, seen } => {
                write!(f, "{seen} was true {} ms before it was asked for", late.as_millis())
            }
            Self::Unexplained(seen) => write!(f, "nothing explains {seen}"),
            Self::Mixed(Mixture { first, then, .. }) => {
                write!(f, "a body begins with generation {first} and goes on with {then}")
            }
            Self::TagOfTwo { tag, generations: [one, other] } => {
                write!(f, "the entity tag {tag} came with generations {one} and {other}")
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    state: State,
    /// When the change to this state began, in nanoseconds of the clock.
    begun_ns: u64,
    /// When it had ended; until then the state before is right too.
    done_ns: Option<u64>,
}

/// The states of one name, with the clock by which they and the answers are told.
#[derive(Debug)]
pub struct History {
    clock: Instant,
    entries: Mutex<Vec<Entry>>,
}

impl History {
    /// Of a name that stands for this from the clock's start on.
    pub fn new(clock: Instant, state: State) -> Self {
        let first = Entry { state, begun_ns: 0, done_ns: Some(0) };
        Self { clock, entries: Mutex::new(vec![first]) }
    }

    /// Nanoseconds of the clock.
    pub fn now_ns(&self) -> u64 {
        ns(self.clock.elapsed())
    }

    /// Makes a change, which leads to this state.
    pub fn change<T>(
        &self,
        to: State,
        change: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let begun_ns = self.now_ns();
        self.entries().push(Entry { state: to, begun_ns, done_ns: None });
        let outcome = change();
        let done_ns = self.now_ns();
        if let Some(last) = self.entries().last_mut() {
            last.done_ns = Some(done_ns);
        }
        outcome
    }

    /// Notes a change that took no time, as if it had been made then.
    #[cfg(test)]
    pub fn change_at(&self, state: State, at_ns: u64) {
        self.entries().push(Entry { state, begun_ns: at_ns, done_ns: Some(at_ns) });
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        // A panic of the other thread fails the run by itself.
        self.entries.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether a change was under way at any time between the two.
    fn was_under_way(&self, from_ns: u64, until_ns: u64) -> bool {
        let entries = self.entries();
        let mut latest = entries.iter().rev().skip_while(|entry| entry.begun_ns > until_ns);
        latest.next().is_some_and(|entry| entry.done_ns.is_none_or(|done_ns| done_ns >= from_ns))
    }

    /// How long before it was asked for the answer had last been true; `None` if it never was.
    fn lateness_ns(&self, state: State, asked_ns: u64, answered_ns: u64) -> Option<u64> {
        let entries = self.entries();
        let mut ended_ns = None;
        // From the latest back, because that is the one to be expected.
        for entry in entries.iter().rev() {
            if entry.begun_ns <= answered_ns && entry.state == state {
                return Some(ended_ns.map_or(0, |end: u64| asked_ns.saturating_sub(end)));
            }
            ended_ns = entry.done_ns;
        }
        None
    }
}

/// Judges the answers about one name.
#[derive(Debug)]
pub struct Judge<'a> {
    history: &'a History,
    /// Whether changes are made in place, so that there are states in between.
    in_place: bool,
    /// How late a server may be.
    late_max: Duration,
    /// Which contents each entity tag came with.
    tags: HashMap<Vec<u8>, u64>,
    /// What was seen.
    pub tally: Tally,
}

/// What a judge saw.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Whole bodies.
    pub whole: u64,
    /// 304s.
    pub not_modified: u64,
    /// Other statuses.
    pub refused: u64,
    /// Which.
    pub statuses: BTreeSet<u16>,
    /// Bodies that broke off.
    pub broken: u64,
    /// Whole bodies that showed the disk in the middle of a rewriting.
    pub mid_write: u64,
    /// How late the latest answer was.
    pub late: Duration,
    /// Wrong answers; the first of them is kept.
    pub wrong: u64,
    /// The first wrong one.
    pub first_wrong: Option<Wrong>,
}

impl Tally {
    /// Answers in all.
    pub fn answers(&self) -> u64 {
        self.whole + self.not_modified + self.refused + self.broken + self.mid_write
    }
}

impl<'a> Judge<'a> {
    /// Of the answers about the name that has this history.
    pub fn new(history: &'a History, late_max: Duration, in_place: bool) -> Self {
        Self { history, in_place, late_max, tags: HashMap::new(), tally: Tally::default() }
    }

    /// Takes an answer, with the moments at which it was asked for and had come.
    pub fn take(&mut self, seen: Seen, asked_ns: u64, answered_ns: u64) {
        if let Err(wrong) = self.judge(seen, asked_ns, answered_ns) {
            self.note(wrong);
        }
    }

    fn note(&mut self, wrong: Wrong) {
        self.tally.wrong += 1;
        self.tally.first_wrong.get_or_insert(wrong);
    }

    /// Takes an answer whose body was of more than one generation. Where the file is rewritten in
    /// place, the beginning of the new before the end of the old is what stood there meanwhile.
    pub fn take_mixture(&mut self, mixture: Mixture, asked_ns: u64, answered_ns: u64) {
        let late_ns = ns(self.late_max);
        let stood_there = mixture.is_cut_once
            && mixture.first == mixture.then + 1
            && self.history.was_under_way(asked_ns.saturating_sub(late_ns), answered_ns);
        if self.in_place && stood_there {
            self.tally.mid_write += 1;
        } else {
            self.tally.whole += 1;
            self.note(Wrong::Mixed(mixture));
        }
    }

    fn judge(&mut self, seen: Seen, asked_ns: u64, answered_ns: u64) -> Result<(), Wrong> {
        let state = match &seen {
            Seen::Whole(generation, tag) => {
                self.tally.whole += 1;
                // The time on disk may have been that of bytes to come.
                let is_sure = !self.in_place || !self.history.was_under_way(asked_ns, answered_ns);
                let tag = if is_sure { &tag[..] } else { &[] };
                // The first content counts, because somebody may still have it.
                let known = *self.tags.entry(tag.to_vec()).or_insert(*generation);
                // A weak one promises less; what follows from it is seen at its 304s.
                if known != *generation && !tag.is_empty() && !tag.starts_with(b"W/") {
                    let tag = String::from_utf8_lossy(tag).into_owned();
                    return Err(Wrong::TagOfTwo { tag, generations: [known, *generation] });
                }
                State::Generation(*generation)
            }
            Seen::NotModified(tag) => {
                self.tally.not_modified += 1;
                match self.tags.get(tag) {
                    Some(generation) => State::Generation(*generation),
                    // It came while the file was rewritten.
                    None if self.in_place => return Ok(()),
                    None => return Err(Wrong::Unexplained(seen)),
                }
            }
            Seen::Refused(status) => {
                self.tally.refused += 1;
                self.tally.statuses.insert(*status);
                State::Refused
            }
            Seen::Broken => {
                self.tally.broken += 1;
                return Ok(());
            }
        };
        let Some(late_ns) = self.history.lateness_ns(state, asked_ns, answered_ns) else {
            return Err(Wrong::Unexplained(seen));
        };
        let late = Duration::from_nanos(late_ns);
        self.tally.late = self.tally.late.max(late);
        if late > self.late_max { Err(Wrong::Stale { late, seen }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const LATE_MAX: Duration = Duration::from_millis(100);

    /// Generation 1, then at 1,000 ms 2, then from 2,000 to 2,010 ms refused, then 3.
    fn history() -> History {
        let entry = |state, begun_ms: u64, done_ms: u64| Entry {
            state,
            begun_ns: begun_ms * MS,
            done_ns: Some(done_ms * MS),
        };
        let entries = vec![
            entry(State::Generation(1), 0, 0),
            entry(State::Generation(2), 1000, 1001),
            entry(State::Refused, 2000, 2001),
            entry(State::Generation(3), 2010, 2011),
        ];
        History { clock: Instant::now(), entries: Mutex::new(entries) }
    }

    fn wrong(asked_ms: u64, seen: Seen) -> Option<Wrong> {
        let history = history();
        let mut judge = Judge::new(&history, LATE_MAX, false);
        judge.take(seen, asked_ms * MS, (asked_ms + 1) * MS);
        judge.tally.first_wrong
    }

    fn whole(generation: u64) -> Seen {
        Seen::Whole(generation, format!("\"{generation}\"").into_bytes())
    }

    #[test]
    fn an_answer_is_stale_when_it_was_asked_for_too_long_after_it_ended() {
        assert_eq!(wrong(500, whole(1)), None);
        assert_eq!(wrong(1101, whole(1)), None);
        let late = Duration::from_millis(101);
        assert_eq!(wrong(1102, whole(1)), Some(Wrong::Stale { late, seen: whole(1) }));
        assert_eq!(wrong(2050, Seen::Refused(404)), None);
        assert!(matches!(wrong(2200, Seen::Refused(404)), Some(Wrong::Stale { .. })));
    }

    #[test]
    fn while_a_change_is_under_way_both_are_right() {
        assert_eq!(wrong(999, whole(1)), None);
        assert_eq!(wrong(999, whole(2)), None);
    }

    #[test]
    fn what_has_not_been_yet_is_not_explained() {
        assert_eq!(wrong(500, whole(2)), Some(Wrong::Unexplained(whole(2))));
        assert_eq!(wrong(500, Seen::Refused(404)), Some(Wrong::Unexplained(Seen::Refused(404))));
        let unknown = Seen::NotModified(b"\"x\"".into());
        assert_eq!(wrong(500, unknown.clone()), Some(Wrong::Unexplained(unknown)));
    }

    #[test]
    fn an_entity_tag_stands_for_one_content() {
        let history = history();
        let mut judge = Judge::new(&history, LATE_MAX, false);
        judge.take(Seen::Whole(1, b"\"same\"".into()), 999 * MS, 1000 * MS);
        judge.take(Seen::Whole(2, b"\"same\"".into()), 999 * MS, 1000 * MS);
        let tag = "\"same\"".to_owned();
        let wrong = Wrong::TagOfTwo { tag, generations: [1, 2] };
        assert_eq!((judge.tally.wrong, judge.tally.first_wrong), (1, Some(wrong)));
    }

    #[test]
    fn a_weak_tag_of_two_contents_is_judged_by_its_304s() {
        let history = history();
        let mut judge = Judge::new(&history, LATE_MAX, false);
        judge.take(Seen::Whole(1, b"W/\"same\"".into()), 999 * MS, 1000 * MS);
        judge.take(Seen::Whole(2, b"W/\"same\"".into()), 999 * MS, 1000 * MS);
        judge.take(Seen::NotModified(b"W/\"same\"".into()), 1050 * MS, 1051 * MS);
        assert_eq!(judge.tally.wrong, 0);
        judge.take(Seen::NotModified(b"W/\"same\"".into()), 1500 * MS, 1501 * MS);
        assert_eq!(judge.tally.wrong, 1);
    }

    #[test]
    fn what_stands_on_disk_while_it_is_rewritten_is_right_only_then() {
        let history = history();
        let snapshot = Mixture { first: 2, then: 1, is_cut_once: true };
        let torn = Mixture { first: 1, then: 2, is_cut_once: true };
        for (in_place, mixture, asked_ms, wrong) in [
            (true, snapshot, 999, 0),
            (true, snapshot, 1102, 1),
            (true, torn, 999, 1),
            (false, snapshot, 999, 1),
        ] {
            let mut judge = Judge::new(&history, LATE_MAX, in_place);
            judge.take_mixture(mixture, asked_ms * MS, (asked_ms + 2) * MS);
            assert_eq!(judge.tally.wrong, wrong, "{mixture:?} at {asked_ms} ms, {in_place}");
            assert_eq!(judge.tally.mid_write, 1 - wrong);
        }
    }

    #[test]
    fn a_304_says_that_the_tag_is_still_that_of_the_file() {
        let history = history();
        let mut judge = Judge::new(&history, LATE_MAX, false);
        judge.take(whole(1), 500 * MS, 501 * MS);
        judge.take(Seen::NotModified(b"\"1\"".into()), 1050 * MS, 1051 * MS);
        assert_eq!(judge.tally.wrong, 0);
        judge.take(Seen::NotModified(b"\"1\"".into()), 1500 * MS, 1501 * MS);
        assert!(matches!(judge.tally.first_wrong, Some(Wrong::Stale { .. })));
        assert_eq!((judge.tally.not_modified, judge.tally.late.as_millis()), (2, 499));
    }
}
