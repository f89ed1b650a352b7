//! What a hub knows of its siblings, for all questions together: who there is, how near each is, who
//! fails, who lately had what, and how much is being fetched from whom.
//!
//! One hub has one roster, behind one lock; nothing here waits. Each [`super::search::Search`] reads
//! it and writes into it what it learns. The driver does three things besides: it adds and removes
//! siblings, it tries those that are [due](Roster::due), and it removes those that fell
//! [silent](Roster::silent), when [`Roster::next_due`] comes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;

use self::lately::Lately;
use super::Sibling;
use crate::limits::{
    NOBODY_HAS, NOBODY_HAS_MAX, RELAYS_MAX, SIBLING_FAILURES_MAX, SIBLING_HAD_MAX, SIBLING_LATELY,
    SIBLING_PROBE_DEADLINE_MAX, SIBLING_PROBE_DEADLINE_MIN, SIBLING_RELAYS_MAX, SIBLING_RETRY,
    SIBLING_SILENCE, SIBLINGS_MAX,
};
use crate::machine::Tick;

mod lately;

/// How a sibling came into the roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Somebody named it: it counts until it is taken out, whether it answers or not.
    Named,
    /// It was found on the network: it counts until it leaves, or was silent for
    /// [`SIBLING_SILENCE`].
    Found,
}

/// There is no place for another sibling: [`SIBLINGS_MAX`] are known.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("there are 256 siblings already, which is as many as a hub knows")]
pub struct RosterFull;

/// As much is being fetched as may be, from this sibling or in all.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("as much is being fetched from siblings as may be at once; try again later")]
pub struct Busy;

/// All siblings.
///
/// ```
/// use sockeye_proto::machine::Tick;
/// use sockeye_proto::siblings::roster::{Origin, Roster};
/// use std::time::Duration;
///
/// let mut roster = Roster::default();
/// let near = roster.add(Tick::START, Origin::Named)?;
/// assert_eq!(roster.probe_deadline(near), Duration::from_millis(250));
/// roster.answered(Tick::START, near, Some(Duration::from_millis(15)));
/// assert_eq!(roster.probe_deadline(near), Duration::from_millis(30));
/// for second in 0..3 {
///     let now = Tick::START + Duration::from_secs(second);
///     roster.failed(now, near, now);
/// }
/// assert!(roster.is_left_out(near));
/// # Ok::<(), sockeye_proto::siblings::roster::RosterFull>(())
/// ```
#[derive(Debug)]
pub struct Roster {
    next: u32,
    entries: BTreeMap<Sibling, Entry>,
    /// When a sibling was last seen to have a file.
    had: Lately<(PathMark, Sibling)>,
    /// When all siblings said that they have it not.
    nobody: Lately<PathMark>,
    relays: usize,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    /// Smoothed.
    round_trip: Option<Duration>,
    failures: u32,
    last_failure: Option<Tick>,
    /// When it is to be tried again; it is left out while this is there.
    retry: Option<Tick>,
    heard: Tick,
    relays: usize,
}

/// Stands for a path, whatever its length: 128 bits of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PathMark(u128);

impl PathMark {
    pub(super) fn new(path: &str) -> Self {
        let mut bits = [0; 16];
        bits.copy_from_slice(&blake3::hash(path.as_bytes()).as_bytes()[..16]);
        Self(u128::from_be_bytes(bits))
    }
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            next: 0,
            entries: BTreeMap::new(),
            had: Lately::new(SIBLING_HAD_MAX),
            nobody: Lately::new(NOBODY_HAS_MAX),
            relays: 0,
        }
    }
}

impl Roster {
    /// One more sibling. What nobody had before, it may have.
    pub fn add(&mut self, now: Tick, origin: Origin) -> Result<Sibling, RosterFull> {
        if self.entries.len() >= SIBLINGS_MAX {
            return Err(RosterFull);
        }
        let sibling = Sibling(self.next);
        self.next = self.next.wrapping_add(1);
        let entry = Entry {
            origin,
            round_trip: None,
            failures: 0,
            last_failure: None,
            retry: None,
            heard: now,
            relays: 0,
        };
        self.entries.insert(sibling, entry);
        self.nobody.clear();
        Ok(sibling)
    }

    /// Takes a sibling out. What is being fetched from it goes on; questions that wait for it do
    /// no longer count it.
    pub fn remove(&mut self, sibling: Sibling) {
        self.entries.remove(&sibling);
        self.had.retain(|(_, had)| *had != sibling);
    }

    /// All of them, in the order in which they came.
    pub fn siblings(&self) -> impl Iterator<Item = Sibling> + '_ {
        self.entries.keys().copied()
    }

    /// How it came here; `None` if it is not here.
    pub fn origin(&self, sibling: Sibling) -> Option<Origin> {
        self.entries.get(&sibling).map(|entry| entry.origin)
    }

    /// Its smoothed round trip, once it has answered.
    pub fn round_trip(&self, sibling: Sibling) -> Option<Duration> {
        self.entries.get(&sibling).and_then(|entry| entry.round_trip)
    }

    /// Whether it has failed too often and is asked nothing until it answers to a try.
    pub fn is_left_out(&self, sibling: Sibling) -> bool {
        self.entries.get(&sibling).is_some_and(|entry| entry.retry.is_some())
    }

    /// How long after it was asked whether it has something a sibling is late: twice its smoothed
    /// round trip, within [`SIBLING_PROBE_DEADLINE_MIN`] and [`SIBLING_PROBE_DEADLINE_MAX`]; the
    /// latter before the first answer.
    pub fn probe_deadline(&self, sibling: Sibling) -> Duration {
        self.round_trip(sibling).map_or(SIBLING_PROBE_DEADLINE_MAX, |round_trip| {
            (2 * round_trip).clamp(SIBLING_PROBE_DEADLINE_MIN, SIBLING_PROBE_DEADLINE_MAX)
        })
    }

    /// A sibling was heard of, by whichever way.
    pub fn heard(&mut self, sibling: Sibling, now: Tick) {
        if let Some(entry) = self.entries.get_mut(&sibling) {
            entry.heard = entry.heard.max(now);
        }
    }

    /// A sibling answered, whatever it said: it fails no longer, and is left out no longer. The round
    /// trip is smoothed with the weights of RFC 6298 section 2; `None` where the time says nothing
    /// of it.
    pub fn answered(&mut self, now: Tick, sibling: Sibling, round_trip: Option<Duration>) {
        self.heard(sibling, now);
        let Some(entry) = self.entries.get_mut(&sibling) else { return };
        (entry.failures, entry.last_failure, entry.retry) = (0, None, None);
        if let Some(sample) = round_trip {
            let smoothed = entry.round_trip.map_or(sample, |before| (before * 7 + sample) / 8);
            entry.round_trip = Some(smoothed);
        }
    }

    /// A sibling did not answer, or not properly, to what it was asked at `began`. After
    /// [`SIBLING_FAILURES_MAX`] of these in a row it is left out. What began before the last failure
    /// tells nothing new and does not count: 200 questions that one pause of a network hit are one
    /// failure.
    pub fn failed(&mut self, now: Tick, sibling: Sibling, began: Tick) {
        let Some(entry) = self.entries.get_mut(&sibling) else { return };
        if entry.last_failure.is_some_and(|last| began < last) {
            return;
        }
        entry.failures = entry.failures.saturating_add(1);
        entry.last_failure = Some(now);
        if entry.failures >= SIBLING_FAILURES_MAX && entry.retry.is_none() {
            entry.retry = Some(now + SIBLING_RETRY);
        }
    }

    /// Those that are left out and whose turn it is to be tried, by one probe each; until it has
    /// [answered](Self::answered), its next turn is [`SIBLING_RETRY`] later.
    pub fn due(&mut self, now: Tick) -> Vec<Sibling> {
        let mut due = Vec::new();
        for (sibling, entry) in &mut self.entries {
            if entry.retry.is_some_and(|retry| retry <= now) {
                entry.retry = Some(now + SIBLING_RETRY);
                due.push(*sibling);
            }
        }
        due
    }

    /// Those that were found and have been silent for [`SIBLING_SILENCE`]; they are to be removed.
    pub fn silent(&self, now: Tick) -> Vec<Sibling> {
        let is_silent = |entry: &Entry| entry.forgotten_at().is_some_and(|at| at <= now);
        let silent = self.entries.iter().filter(|(_, entry)| is_silent(entry));
        silent.map(|(sibling, _)| *sibling).collect()
    }

    /// When [`due`](Self::due) or [`silent`](Self::silent) has somebody next; `None` if never, as
    /// things stand.
    pub fn next_due(&self) -> Option<Tick> {
        self.entries
            .values()
            .flat_map(|entry| entry.retry.into_iter().chain(entry.forgotten_at()))
            .min()
    }

    /// Something appeared here: that nobody has it is no longer so.
    pub fn appeared(&mut self, path: &str) {
        self.nobody.forget(PathMark::new(path));
    }

    /// Begins a fetch from a sibling, if it may; each that begins [ends](Self::end_relay). A
    /// [`super::search::Search`] does both by itself.
    pub fn begin_relay(&mut self, sibling: Sibling) -> Result<(), Busy> {
        let entry = self.entries.get_mut(&sibling).ok_or(Busy)?;
        if entry.relays >= SIBLING_RELAYS_MAX || self.relays >= RELAYS_MAX {
            return Err(Busy);
        }
        entry.relays += 1;
        self.relays += 1;
        Ok(())
    }

    /// A fetch from a sibling has ended, whether the sibling is still here or not.
    pub fn end_relay(&mut self, sibling: Sibling) {
        self.relays = self.relays.saturating_sub(1);
        if let Some(entry) = self.entries.get_mut(&sibling) {
            entry.relays = entry.relays.saturating_sub(1);
        }
    }

    /// Fetches that are under way.
    pub fn relays(&self) -> usize {
        self.relays
    }

    /// A sibling has it.
    pub(super) fn has(&mut self, now: Tick, path: PathMark, sibling: Sibling) {
        if self.entries.contains_key(&sibling) {
            self.had.note(now, (path, sibling));
        }
        self.nobody.forget(path);
    }

    /// A sibling has it not.
    pub(super) fn has_not(&mut self, path: PathMark, sibling: Sibling) {
        self.had.forget((path, sibling));
    }

    /// Whether it had this so lately that it is not asked again whether it has it.
    pub(super) fn lately_had(&self, now: Tick, path: PathMark, sibling: Sibling) -> bool {
        self.had.when((path, sibling)).is_some_and(|then| now.since(then) < SIBLING_LATELY)
    }

    /// All siblings said that they have it not. If one was seen to have it since, by another question,
    /// that is not remembered.
    pub(super) fn nobody_has(&mut self, now: Tick, path: PathMark) {
        if self.entries.keys().all(|sibling| self.had.when((path, *sibling)).is_none()) {
            self.nobody.note(now, path);
        }
    }

    /// Whether they said so, and it is still believed.
    pub(super) fn does_nobody_have(&self, now: Tick, path: PathMark) -> bool {
        self.nobody.when(path).is_some_and(|then| now.since(then) < NOBODY_HAS)
    }

    /// The order in which siblings are asked for a path, as something to sort by: those that had it,
    /// the latest first; then the nearest; those that never answered last.
    pub(super) fn rank(&self, path: PathMark, sibling: Sibling) -> impl Ord + use<> {
        let round_trip = self.round_trip(sibling).unwrap_or(Duration::MAX);
        (Reverse(self.had.when((path, sibling))), round_trip, sibling)
    }
}

impl Entry {
    fn forgotten_at(&self) -> Option<Tick> {
        (self.origin == Origin::Found).then(|| self.heard + SIBLING_SILENCE)
    }
}

#[cfg(test)]
mod tests;
