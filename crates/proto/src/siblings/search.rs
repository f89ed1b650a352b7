//! One question to the siblings: whom to ask next, whom to wait for, when to give up.
//!
//! A [`Search`] is told what happened ([`Event`]) and says what to do ([`Action`]). After every event
//! its driver calls [`Search::next`] and does what it says, until it says [`Action::Wait`] or
//! [`Action::Done`]; when a wait is over before anything happened, the event is [`Event::Time`]. Bytes
//! go past it.
//!
//! - *Probe before fetching*: a HEAD, to at most [`SIBLING_PROBES_AT_ONCE`] at once; those that had the
//!   file before first, then the nearest. One that had it within the last 10 s is asked by GET at
//!   once. The first that has it is the one that it is fetched from.
//! - *A sibling that is late* ([`Roster::probe_deadline`]) has failed once, and the next is asked. What
//!   it says after all still counts, for as long as anybody else is waited for, and at least until
//!   [`SIBLING_PROBE_DEADLINE_MAX`] after it was asked.
//! - *Before the first byte* a fetch that fails is followed by the next that has it. *After it*, only
//!   by one that goes on at the same byte and proves that it has the same content; else the verdict is
//!   [`Verdict::Broken`].
//! - *Nobody has it* only if all have said so.

use std::collections::{BTreeMap, VecDeque};

use super::Sibling;
use super::roster::{PathMark, Roster};
use crate::limits::{
    SIBLING_BODY_IDLE, SIBLING_FIRST_BYTE, SIBLING_PROBE_DEADLINE_MAX, SIBLING_PROBES_AT_ONCE,
};
use crate::machine::Tick;

mod said;

pub use self::said::{Action, Event, Kind, Reply, Trouble, Verdict};

/// One question.
///
/// ```
/// use sockeye_proto::machine::Tick;
/// use sockeye_proto::siblings::roster::{Origin, Roster};
/// use sockeye_proto::siblings::search::{Action, Event, Kind, Reply, Search, Verdict};
///
/// let (mut roster, now) = (Roster::default(), Tick::START);
/// let sibling = roster.add(now, Origin::Named)?;
/// let mut search = Search::new(&mut roster, now, "/b.mkv", Kind::Get);
/// assert_eq!(search.next(&mut roster, now), Action::Probe(sibling));
/// search.handle(&mut roster, now, Event::Probed(sibling, Reply::Has));
/// let fetch = Action::Fetch { from: sibling, resume_at: None };
/// assert_eq!(search.next(&mut roster, now), fetch);
/// search.handle(&mut roster, now, Event::Fetched(sibling, Reply::Has));
/// search.handle(&mut roster, now, Event::Ended);
/// assert_eq!(search.next(&mut roster, now), Action::Done(Verdict::Whole));
/// # Ok::<(), sockeye_proto::siblings::roster::RosterFull>(())
/// ```
///
/// A search holds a place among the relays of its roster while it fetches. It gives it back when it is
/// done; a driver that stops sooner says so with [`Event::Left`].
#[derive(Debug)]
pub struct Search {
    path: PathMark,
    kind: Kind,
    /// How each sibling stands that was asked.
    asked: BTreeMap<Sibling, Standing>,
    fetch: Option<Fetch>,
    /// Set once something of a body was passed on that did not come whole.
    resume_at: Option<u64>,
    to_abandon: VecDeque<Sibling>,
    verdict: Option<Verdict>,
}

/// How a sibling stands that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is being asked whether it has it, and is late at `until`.
    Probing { since: Tick, until: Tick },
    /// It is late, and still listened to.
    Late { since: Tick },
    /// It said that it has it, or is being fetched from.
    Has,
    /// It said that it has it not.
    HasNot,
    /// It did not say.
    Failed(Trouble),
    /// Its body broke, or it has another content: it is no use to go on with.
    Spent,
}

/// The one fetch that may be under way.
#[derive(Clone, Copy, Debug)]
struct Fetch {
    from: Sibling,
    since: Tick,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// No answer has come yet; none may come after `until`.
    Asked { until: Tick },
    /// Its body comes; it paused for too long at `until`.
    Running { until: Tick },
    /// Its body paused for too long. How much of it was passed on is yet to be told.
    Stopped,
}

impl Search {
    /// Begins a question. The path is what siblings are asked for: the target of the request, without
    /// its query.
    pub fn new(roster: &mut Roster, now: Tick, path: &str, kind: Kind) -> Self {
        let path = PathMark::new(path);
        let verdict = roster.does_nobody_have(now, path).then_some(Verdict::Nobody);
        Self {
            path,
            kind,
            asked: BTreeMap::new(),
            fetch: None,
            resume_at: None,
            to_abandon: VecDeque::new(),
            verdict,
        }
    }

    /// Takes what happened. What comes from a sibling that is not waited for is ignored.
    pub fn handle(&mut self, roster: &mut Roster, now: Tick, event: Event) {
        if self.verdict.is_some() {
            return;
        }
        // What has come has come in time, even if its deadline passes while nobody looks.
        match event {
            Event::Probed(sibling, reply) => self.probed(roster, now, sibling, reply),
            Event::Fetched(sibling, reply) => self.fetched(roster, now, sibling, reply),
            Event::Progress => self.progress(now),
            Event::Broke { passed, may_resume } => self.broke(roster, now, passed, may_resume),
            Event::Ended => self.ended(roster, now),
            Event::Left => self.finish(roster, Verdict::Broken),
            Event::Time => {}
        }
        self.look_at_deadlines(roster, now);
    }

    /// What to do now; to be called until it says to wait, or that it is done, which it then says
    /// each time.
    pub fn next(&mut self, roster: &mut Roster, now: Tick) -> Action {
        self.look_at_deadlines(roster, now);
        loop {
            if let Some(sibling) = self.to_abandon.pop_front() {
                return Action::Abandon(sibling);
            }
            if let Some(verdict) = &self.verdict {
                return Action::Done(verdict.clone());
            }
            if self.fetch.is_some() {
                return Action::Wait(self.deadline(now));
            }
            if let Some(from) = self.begin_fetch(roster, now) {
                return Action::Fetch { from, resume_at: self.resume_at };
            }
            if let Some(sibling) = self.begin_probe(roster, now) {
                return Action::Probe(sibling);
            }
            if let Some(deadline) = self.deadline(now) {
                return Action::Wait(Some(deadline));
            }
            self.conclude(roster, now);
        }
    }

    fn probed(&mut self, roster: &mut Roster, now: Tick, sibling: Sibling, reply: Reply) {
        let standing = self.asked.get(&sibling).copied();
        let Some(Standing::Probing { since, .. } | Standing::Late { since }) = standing else {
            return;
        };
        self.note(roster, now, sibling, reply, since);
        if reply == Reply::Has && self.kind == Kind::Head {
            self.finish(roster, Verdict::Found(sibling));
        }
    }

    fn fetched(&mut self, roster: &mut Roster, now: Tick, sibling: Sibling, reply: Reply) {
        let Some(Fetch { from, since, stage: Stage::Asked { .. } }) = self.fetch else { return };
        if from != sibling {
            return;
        }
        self.note(roster, now, sibling, reply, since);
        if reply == Reply::Has {
            let until = now + SIBLING_BODY_IDLE;
            self.fetch = Some(Fetch { from, since, stage: Stage::Running { until } });
            self.abandon_probes();
        } else {
            self.end_fetch(roster);
        }
    }

    /// Keeps what a sibling said to what it was asked at `since`, here and in the roster.
    fn note(&mut self, roster: &mut Roster, now: Tick, from: Sibling, reply: Reply, since: Tick) {
        // Who is to prove what was passed on has read it first: that time says nothing of the way.
        let is_plain = self.resume_at.is_none() || self.fetch.is_none();
        let round_trip = is_plain.then(|| now.since(since));
        let standing = match reply {
            Reply::Has => Standing::Has,
            Reply::HasNot => Standing::HasNot,
            Reply::Other => Standing::Spent,
            Reply::Trouble(trouble) => Standing::Failed(trouble),
        };
        match reply {
            Reply::Trouble(trouble) if trouble.is_failure() => roster.failed(now, from, since),
            Reply::Trouble(Trouble::LeftOut | Trouble::Busy) => {}
            _ => roster.answered(now, from, round_trip),
        }
        if reply == Reply::Has {
            roster.has(now, self.path, from);
        } else {
            roster.has_not(self.path, from);
        }
        self.asked.insert(from, standing);
    }

    fn progress(&mut self, now: Tick) {
        if let Some(Fetch { stage: Stage::Running { until }, .. }) = &mut self.fetch {
            *until = now + SIBLING_BODY_IDLE;
        }
    }

    fn broke(&mut self, roster: &mut Roster, now: Tick, passed: u64, may_resume: bool) {
        let Some(Fetch { from, stage, .. }) = self.fetch else { return };
        match stage {
            Stage::Asked { .. } => {
                return self.fetched(roster, now, from, Reply::Trouble(Trouble::Protocol));
            }
            Stage::Running { .. } => roster.failed(now, from, now),
            Stage::Stopped => {}
        }
        self.end_fetch(roster);
        roster.has_not(self.path, from);
        if !may_resume {
            return self.finish(roster, Verdict::Broken);
        }
        // What the others said may be long ago.
        self.asked.retain(|_, standing| *standing == Standing::Spent);
        self.asked.insert(from, Standing::Spent);
        self.resume_at = Some(passed);
    }

    fn ended(&mut self, roster: &mut Roster, now: Tick) {
        match self.fetch {
            Some(Fetch { from, stage: Stage::Asked { .. }, .. }) => {
                self.fetched(roster, now, from, Reply::Trouble(Trouble::Protocol));
            }
            Some(_) => {
                self.end_fetch(roster);
                self.finish(roster, Verdict::Whole);
            }
            None => {}
        }
    }

    fn look_at_deadlines(&mut self, roster: &mut Roster, now: Tick) {
        for (sibling, standing) in &mut self.asked {
            if let Standing::Probing { since, until } = *standing
                && until <= now
            {
                *standing = Standing::Late { since };
                roster.failed(now, *sibling, since);
            }
        }
        let Some(Fetch { from, since, stage }) = self.fetch else { return };
        match stage {
            Stage::Asked { until } if until <= now => {
                let reply = Reply::Trouble(Trouble::ResponseTimeout);
                self.note(roster, now, from, reply, since);
                self.end_fetch(roster);
                self.to_abandon.push_back(from);
            }
            Stage::Running { until } if until <= now => {
                roster.failed(now, from, now);
                self.end_fetch(roster);
                self.to_abandon.push_back(from);
                self.fetch = Some(Fetch { from, since, stage: Stage::Stopped });
            }
            _ => {}
        }
    }

    /// Begins the fetch from whoever is known to have it, if anybody is.
    fn begin_fetch(&mut self, roster: &mut Roster, now: Tick) -> Option<Sibling> {
        while self.kind == Kind::Get {
            let holders = roster.siblings().filter(|sibling| self.is_holder(roster, now, *sibling));
            let from = holders.min_by_key(|sibling| roster.rank(self.path, *sibling))?;
            if roster.begin_relay(from).is_err() {
                self.asked.insert(from, Standing::Failed(Trouble::Busy));
                continue;
            }
            self.asked.insert(from, Standing::Has);
            let patience =
                if self.resume_at.is_some() { SIBLING_BODY_IDLE } else { SIBLING_FIRST_BYTE };
            let stage = Stage::Asked { until: now + patience };
            self.fetch = Some(Fetch { from, since: now, stage });
            return Some(from);
        }
        None
    }

    /// Whether it is known to have it; what it lately had is enough to begin, and not to go on, because
    /// the wait for one that does not answer is longer then.
    fn is_holder(&self, roster: &Roster, now: Tick, sibling: Sibling) -> bool {
        match self.asked.get(&sibling) {
            Some(standing) => *standing == Standing::Has,
            None => {
                self.resume_at.is_none()
                    && !roster.is_left_out(sibling)
                    && roster.lately_had(now, self.path, sibling)
            }
        }
    }

    /// Asks the next whether it has it, if there is one and few enough are asked.
    fn begin_probe(&mut self, roster: &Roster, now: Tick) -> Option<Sibling> {
        let is_probing = |standing: &&Standing| matches!(standing, Standing::Probing { .. });
        if self.asked.values().filter(is_probing).count() >= SIBLING_PROBES_AT_ONCE {
            return None;
        }
        let is_next =
            |sibling: &Sibling| !self.asked.contains_key(sibling) && !roster.is_left_out(*sibling);
        let candidates = roster.siblings().filter(is_next);
        let sibling = candidates.min_by_key(|sibling| roster.rank(self.path, *sibling))?;
        let until = now + roster.probe_deadline(sibling);
        self.asked.insert(sibling, Standing::Probing { since: now, until });
        Some(sibling)
    }

    /// When something is to be done even if nothing happens; `None` if that is never.
    fn deadline(&self, now: Tick) -> Option<Tick> {
        let fetch = self.fetch.and_then(|fetch| match fetch.stage {
            Stage::Asked { until } | Stage::Running { until } => Some(until),
            Stage::Stopped => None,
        });
        let probes = self.asked.values().filter_map(|standing| match standing {
            Standing::Probing { until, .. } => Some(*until),
            _ => None,
        });
        // Only when nobody else is waited for, those that are late are given up, the last of them
        // last.
        let late = self.asked.values().filter_map(|standing| match standing {
            Standing::Late { since } => Some(*since + SIBLING_PROBE_DEADLINE_MAX),
            _ => None,
        });
        let is_alone = self.fetch.is_none();
        let late = late.max().filter(|until| is_alone && *until > now);
        fetch.into_iter().chain(probes).min().or(late)
    }

    /// Everybody was asked, and nobody is waited for any longer.
    fn conclude(&mut self, roster: &mut Roster, now: Tick) {
        for (sibling, standing) in &mut self.asked {
            if matches!(standing, Standing::Late { .. }) {
                *standing = Standing::Failed(Trouble::ResponseTimeout);
                self.to_abandon.push_back(*sibling);
            }
        }
        let trouble = |sibling| match self.asked.get(&sibling) {
            Some(Standing::HasNot) => None,
            Some(Standing::Failed(trouble)) => Some((sibling, *trouble)),
            Some(_) => Some((sibling, Trouble::Protocol)),
            None => Some((sibling, Trouble::LeftOut)),
        };
        let unreached: Vec<_> = roster.siblings().filter_map(trouble).collect();
        let is_busy = unreached.iter().any(|(_, trouble)| *trouble == Trouble::Busy);
        let verdict = if self.resume_at.is_some() {
            Verdict::Broken
        } else if is_busy {
            Verdict::Busy
        } else if unreached.is_empty() {
            roster.nobody_has(now, self.path);
            Verdict::Nobody
        } else {
            Verdict::Unreached(unreached)
        };
        self.finish(roster, verdict);
    }

    /// Nothing is asked any longer.
    fn finish(&mut self, roster: &mut Roster, verdict: Verdict) {
        self.abandon_probes();
        if let Some(Fetch { from, stage: Stage::Asked { .. } | Stage::Running { .. }, .. }) =
            self.fetch
        {
            self.to_abandon.push_back(from);
        }
        self.end_fetch(roster);
        self.verdict = Some(verdict);
    }

    /// Forgets the fetch and gives back its place, which one that is stopped has given back already.
    fn end_fetch(&mut self, roster: &mut Roster) {
        let fetch = self.fetch.take();
        if let Some(Fetch { from, stage: Stage::Asked { .. } | Stage::Running { .. }, .. }) = fetch
        {
            roster.end_relay(from);
        }
    }

    fn abandon_probes(&mut self) {
        let to_abandon = &mut self.to_abandon;
        self.asked.retain(|sibling, standing| {
            let is_open = matches!(standing, Standing::Probing { .. } | Standing::Late { .. });
            if is_open {
                to_abandon.push_back(*sibling);
            }
            !is_open
        });
    }
}

#[cfg(test)]
mod tests;
