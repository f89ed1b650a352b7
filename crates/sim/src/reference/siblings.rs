//! The rules of a question to siblings, held against everything that a search does: whom it asks and
//! in which order, how long it waits, and that its verdict is what the siblings said. It knows what
//! was asked and answered, and nothing of how a search decides.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use sockeye_proto::machine::Tick;
use sockeye_proto::siblings::Sibling;
use sockeye_proto::siblings::roster::Roster;
use sockeye_proto::siblings::search::{Action, Event, Kind, Reply, Trouble, Verdict};

const PROBES_AT_ONCE: usize = 3;
const LATELY: Duration = Duration::from_secs(10);
const LAST_PATIENCE: Duration = Duration::from_millis(250);
const FIRST_BYTE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(15);
const NOBODY_IS_TRUSTED_FOR: Duration = Duration::from_secs(2);

/// What all questions together have seen.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Who was last seen to have which file, and when.
    had: BTreeMap<(usize, Sibling), Tick>,
    /// When all said that they have it not.
    nobody: BTreeMap<usize, Tick>,
    /// Per sibling, when what failed had begun and was over, since the last answer.
    failures: BTreeMap<Sibling, Vec<(Tick, Tick)>>,
}

impl Ledger {
    /// Somebody came.
    pub fn added(&mut self) {
        self.nobody.clear();
    }

    /// Somebody left.
    pub fn removed(&mut self, sibling: Sibling) {
        self.had.retain(|(_, had), _| *had != sibling);
        self.failures.remove(&sibling);
    }

    /// A file appeared at the asker.
    pub fn appeared(&mut self, file: usize) {
        self.nobody.remove(&file);
    }

    /// A sibling answered.
    pub fn answered(&mut self, sibling: Sibling) {
        self.failures.remove(&sibling);
    }

    /// A sibling failed at what was asked at `began`.
    pub fn failed(&mut self, now: Tick, sibling: Sibling, began: Tick) {
        self.failures.entry(sibling).or_default().push((began, now));
    }

    /// Whether a sibling has failed three times, each begun after the one before was over.
    pub fn is_left_out(&self, sibling: Sibling) -> bool {
        let (mut times, mut over) = (0, Tick::START);
        for (began, now) in self.failures.get(&sibling).into_iter().flatten() {
            if *began >= over {
                (times, over) = (times + 1, *now);
            }
        }
        times >= 3
    }

    fn rank(&self, roster: &Roster, file: usize, sibling: Sibling) -> impl Ord + use<> {
        let round_trip = roster.round_trip(sibling).unwrap_or(Duration::MAX);
        (Reverse(self.had.get(&(file, sibling)).copied()), round_trip, sibling)
    }
}

/// Watches one question.
#[derive(Clone, Debug)]
pub struct Judge {
    file: usize,
    kind: Kind,
    /// What was asked whether it has it, since the last break: when, until when it is in time, and what
    /// it said.
    probes: BTreeMap<Sibling, Asked>,
    fetch: Option<Fetched>,
    /// What came of the fetches since the last break.
    fetches: BTreeMap<Sibling, Reply>,
    /// Who broke off, or had another content: never asked again.
    spent: Vec<Sibling>,
    resume_at: Option<u64>,
    to_abandon: Vec<Sibling>,
    known_end: Option<Verdict>,
    /// The verdict, once it was said.
    pub verdict: Option<Verdict>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    since: Tick,
    until: Tick,
    is_late: bool,
    reply: Option<Reply>,
}

#[derive(Clone, Copy, Debug)]
struct Fetched {
    from: Sibling,
    since: Tick,
    /// `None` once it was stopped.
    until: Option<Tick>,
    is_running: bool,
}

impl Judge {
    /// A question that begins.
    pub fn new(ledger: &Ledger, now: Tick, file: usize, kind: Kind) -> Self {
        let nobody = ledger.nobody.get(&file);
        let is_known = nobody.is_some_and(|then| now.since(*then) < NOBODY_IS_TRUSTED_FOR);
        Self {
            file,
            kind,
            probes: BTreeMap::new(),
            fetch: None,
            fetches: BTreeMap::new(),
            spent: Vec::new(),
            resume_at: None,
            to_abandon: Vec::new(),
            known_end: is_known.then_some(Verdict::Nobody),
            verdict: None,
        }
    }

    /// Whether a body comes from this sibling.
    pub fn is_running(&self, sibling: Sibling) -> bool {
        self.fetch.is_some_and(|fetch| fetch.is_running && fetch.from == sibling)
    }

    /// Whether a body has broken off and was gone on with.
    pub fn has_resumed(&self) -> bool {
        self.resume_at.is_some()
    }

    /// This is about to be told to the search.
    pub fn told(&mut self, ledger: &mut Ledger, now: Tick, event: Event) {
        if self.known_end.is_some() {
            return;
        }
        match event {
            Event::Probed(sibling, reply) => self.probed(ledger, now, sibling, reply),
            Event::Fetched(sibling, reply) => self.fetched(ledger, now, sibling, reply),
            Event::Progress => {
                if let Some(Fetched { is_running: true, until: Some(until), .. }) = &mut self.fetch
                {
                    *until = now + PAUSE;
                }
            }
            Event::Broke { passed, may_resume } => self.broke(ledger, now, passed, may_resume),
            Event::Ended if self.fetch.is_some() => self.ends(Verdict::Whole),
            Event::Left => {
                if let Some(Fetched { from, until: Some(_), .. }) = self.fetch {
                    self.to_abandon.push(from);
                }
                self.ends(Verdict::Broken);
            }
            Event::Ended | Event::Time => {}
        }
        self.deadlines(ledger, now);
    }

    fn probed(&mut self, ledger: &mut Ledger, now: Tick, sibling: Sibling, reply: Reply) {
        let Some(asked) = self.probes.get_mut(&sibling).filter(|asked| asked.reply.is_none())
        else {
            return;
        };
        asked.reply = Some(reply);
        let since = asked.since;
        self.learn(ledger, now, sibling, reply, since);
        if reply == Reply::Has && self.kind == Kind::Head {
            self.ends(Verdict::Found(sibling));
        }
    }

    fn fetched(&mut self, ledger: &mut Ledger, now: Tick, sibling: Sibling, reply: Reply) {
        let Some(fetch) = self.fetch.filter(|fetch| fetch.from == sibling && !fetch.is_running)
        else {
            return;
        };
        self.learn(ledger, now, sibling, reply, fetch.since);
        if reply == Reply::Has {
            self.fetch = Some(Fetched { until: Some(now + PAUSE), is_running: true, ..fetch });
            self.abandon_probes();
        } else {
            self.fetch = None;
            self.fetches.insert(sibling, reply);
        }
        if reply == Reply::Other {
            self.spent.push(sibling);
        }
    }

    fn learn(&self, ledger: &mut Ledger, now: Tick, from: Sibling, reply: Reply, since: Tick) {
        match reply {
            Reply::Trouble(Trouble::LeftOut | Trouble::Busy) => {}
            Reply::Trouble(trouble) if trouble != Trouble::Denied => {
                ledger.failed(now, from, since);
            }
            _ => ledger.answered(from),
        }
        if reply == Reply::Has {
            ledger.had.insert((self.file, from), now);
            ledger.nobody.remove(&self.file);
        } else {
            ledger.had.remove(&(self.file, from));
        }
    }

    fn broke(&mut self, ledger: &mut Ledger, now: Tick, passed: u64, may_resume: bool) {
        let Some(fetch) = self.fetch.take() else { return };
        if fetch.until.is_some() {
            ledger.failed(now, fetch.from, now);
        }
        self.spent.push(fetch.from);
        ledger.had.remove(&(self.file, fetch.from));
        if may_resume {
            self.resume_at = Some(passed);
            self.probes.clear();
            self.fetches.clear();
        } else {
            self.ends(Verdict::Broken);
        }
    }

    fn deadlines(&mut self, ledger: &mut Ledger, now: Tick) {
        for (sibling, asked) in &mut self.probes {
            if asked.reply.is_none() && !asked.is_late && asked.until <= now {
                asked.is_late = true;
                ledger.failed(now, *sibling, asked.since);
            }
        }
        let Some(fetch) = self.fetch.filter(|fetch| fetch.until.is_some_and(|until| until <= now))
        else {
            return;
        };
        self.to_abandon.push(fetch.from);
        if fetch.is_running {
            ledger.failed(now, fetch.from, now);
            self.fetch = Some(Fetched { until: None, ..fetch });
        } else {
            let reply = Reply::Trouble(Trouble::ResponseTimeout);
            self.learn(ledger, now, fetch.from, reply, fetch.since);
            self.fetches.insert(fetch.from, reply);
            self.fetch = None;
        }
    }

    fn ends(&mut self, verdict: Verdict) {
        self.abandon_probes();
        self.fetch = None;
        self.known_end = Some(verdict);
    }

    fn abandon_probes(&mut self) {
        let open = self.probes.iter().filter(|(_, asked)| asked.reply.is_none());
        self.to_abandon.extend(open.map(|(sibling, _)| *sibling));
        self.probes.retain(|_, asked| asked.reply.is_some());
    }

    /// Looks at what the search says to do; `has_room` is whether a relay may begin from a sibling.
    pub fn judge(
        &mut self,
        ledger: &mut Ledger,
        roster: &Roster,
        now: Tick,
        action: &Action,
        has_room: impl Fn(Sibling) -> bool,
    ) -> Result<(), String> {
        self.pass_by_the_full(ledger, roster, now, has_room);
        if let Action::Done(verdict) = action {
            self.done(ledger, roster, now, verdict)?;
            self.verdict = Some(verdict.clone());
            return Ok(());
        }
        if let Action::Abandon(sibling) = action {
            return self.abandoned(now, *sibling);
        }
        let owed = (&self.to_abandon, &self.known_end);
        expect(owed == (&vec![], &None), || format!("{action:?} while this is owed: {owed:?}"))?;
        match action {
            Action::Probe(sibling) => self.probes_whom(ledger, roster, now, *sibling),
            Action::Fetch { from, resume_at } => {
                expect(*resume_at == self.resume_at, || format!("not {:?}", self.resume_at))?;
                self.fetches_from(ledger, roster, now, *from)
            }
            Action::Wait(until) => self.waits(ledger, roster, now, *until),
            Action::Abandon(_) | Action::Done(_) => Ok(()),
        }
    }

    /// Those that it would be fetched from, and that may not be, have been asked in vain.
    fn pass_by_the_full(
        &mut self,
        ledger: &Ledger,
        roster: &Roster,
        now: Tick,
        has_room: impl Fn(Sibling) -> bool,
    ) {
        while self.to_abandon.is_empty() && self.known_end.is_none() && self.fetch.is_none() {
            let Some(full) = self.best_holder(ledger, roster, now).filter(|best| !has_room(*best))
            else {
                return;
            };
            self.fetches.insert(full, Reply::Trouble(Trouble::Busy));
        }
    }

    /// Who is to be fetched from without another word: who said yes, or lately had it.
    fn best_holder(&self, ledger: &Ledger, roster: &Roster, now: Tick) -> Option<Sibling> {
        let is_holder = |sibling: &Sibling| {
            let is_over = self.fetches.contains_key(sibling) || self.spent.contains(sibling);
            let had = ledger.had.get(&(self.file, *sibling));
            let said = match self.probes.get(sibling) {
                Some(asked) => asked.reply == Some(Reply::Has),
                None => {
                    self.resume_at.is_none()
                        && !ledger.is_left_out(*sibling)
                        && had.is_some_and(|then| now.since(*then) < LATELY)
                }
            };
            said && !is_over && self.kind == Kind::Get
        };
        let holders = roster.siblings().filter(is_holder);
        holders.min_by_key(|sibling| ledger.rank(roster, self.file, *sibling))
    }

    /// Who is to be asked next whether it has it.
    fn best_unasked(&self, ledger: &Ledger, roster: &Roster) -> Option<Sibling> {
        let is_unasked = |sibling: &Sibling| {
            !self.probes.contains_key(sibling)
                && !self.fetches.contains_key(sibling)
                && !self.spent.contains(sibling)
                && !ledger.is_left_out(*sibling)
        };
        let unasked = roster.siblings().filter(is_unasked);
        unasked.min_by_key(|sibling| ledger.rank(roster, self.file, *sibling))
    }

    fn in_time(&self) -> impl Iterator<Item = Tick> + '_ {
        let open = self.probes.values().filter(|asked| asked.reply.is_none() && !asked.is_late);
        open.map(|asked| asked.until)
    }

    fn probes_whom(
        &mut self,
        ledger: &Ledger,
        roster: &Roster,
        now: Tick,
        sibling: Sibling,
    ) -> Result<(), String> {
        expect(self.fetch.is_none(), || "it probes while it fetches".into())?;
        expect(self.in_time().count() < PROBES_AT_ONCE, || "a fourth probe".into())?;
        let holder = self.best_holder(ledger, roster, now);
        expect(holder.is_none(), || format!("it could fetch from {holder:?}"))?;
        let best = self.best_unasked(ledger, roster);
        expect(best == Some(sibling), || format!("it was {best:?}'s turn"))?;
        let patience = roster.round_trip(sibling).map_or(250_000, |round_trip| {
            (2 * round_trip.as_micros() as u64).clamp(20_000, 250_000)
        });
        let exact = roster.probe_deadline(sibling);
        let about = Duration::from_micros(patience);
        expect(exact.abs_diff(about) < Duration::from_micros(2), || format!("{exact:?}"))?;
        let asked = Asked { since: now, until: now + exact, is_late: false, reply: None };
        self.probes.insert(sibling, asked);
        Ok(())
    }

    fn fetches_from(
        &mut self,
        ledger: &Ledger,
        roster: &Roster,
        now: Tick,
        from: Sibling,
    ) -> Result<(), String> {
        expect(self.fetch.is_none(), || "it fetches twice".into())?;
        let best = self.best_holder(ledger, roster, now);
        expect(best == Some(from), || format!("it was {best:?}'s turn"))?;
        let patience = if self.resume_at.is_some() { PAUSE } else { FIRST_BYTE };
        let until = Some(now + patience);
        self.fetch = Some(Fetched { from, since: now, until, is_running: false });
        Ok(())
    }

    fn waits(
        &self,
        ledger: &Ledger,
        roster: &Roster,
        now: Tick,
        until: Option<Tick>,
    ) -> Result<(), String> {
        let in_time = self.in_time().min();
        let expected = if let Some(fetch) = self.fetch {
            fetch.until.into_iter().chain(in_time).min()
        } else {
            let holder = self.best_holder(ledger, roster, now);
            expect(holder.is_none(), || format!("it could fetch from {holder:?}"))?;
            let next = self.best_unasked(ledger, roster);
            let is_full = self.in_time().count() >= PROBES_AT_ONCE;
            expect(next.is_none() || is_full, || format!("it could probe {next:?}"))?;
            let late = self.probes.values().filter(|asked| asked.reply.is_none());
            in_time.or_else(|| late.map(|asked| asked.since + LAST_PATIENCE).max())
        };
        expect(until == expected && until.is_none_or(|until| until > now), || {
            format!("it waits until {until:?}, and not {expected:?}")
        })?;
        expect(self.fetch.is_some() || until.is_some(), || "it waits for nothing".into())
    }

    fn abandoned(&mut self, now: Tick, sibling: Sibling) -> Result<(), String> {
        if let Some(at) = self.to_abandon.iter().position(|owed| *owed == sibling) {
            self.to_abandon.remove(at);
            return Ok(());
        }
        // The last that are late are given up when there is nobody else.
        let is_alone = self.fetch.is_none() && self.in_time().next().is_none();
        let asked = self.probes.get_mut(&sibling).filter(|asked| asked.is_late && is_alone);
        let asked = asked.ok_or_else(|| format!("it abandons {sibling}"))?;
        let is_over = asked.since + LAST_PATIENCE <= now;
        expect(is_over, || format!("it abandons {sibling} too soon"))?;
        asked.reply = Some(Reply::Trouble(Trouble::ResponseTimeout));
        Ok(())
    }

    fn done(
        &self,
        ledger: &mut Ledger,
        roster: &Roster,
        now: Tick,
        verdict: &Verdict,
    ) -> Result<(), String> {
        expect(self.to_abandon.is_empty(), || format!("{:?} is still asked", self.to_abandon))?;
        if let Some(known) = &self.known_end {
            return expect(verdict == known, || format!("not {known:?}"));
        }
        let open = self.fetch.is_some() || self.probes.values().any(|asked| asked.reply.is_none());
        expect(!open, || "something is still asked".into())?;
        let next = self.best_unasked(ledger, roster);
        expect(next.is_none(), || format!("{next:?} was not asked"))?;
        let holder = self.best_holder(ledger, roster, now);
        expect(holder.is_none(), || format!("{holder:?} may have it"))?;
        let expected = self.said_by_all(roster);
        if expected == Verdict::Nobody {
            let is_seen = roster.siblings().any(|who| ledger.had.contains_key(&(self.file, who)));
            if !is_seen {
                ledger.nobody.insert(self.file, now);
            }
        }
        expect(*verdict == expected, || format!("not {expected:?}"))
    }

    /// What follows from what each that is here said last.
    fn said_by_all(&self, roster: &Roster) -> Verdict {
        let trouble = |sibling| {
            let asked = self.probes.get(&sibling).and_then(|asked| asked.reply);
            match self.fetches.get(&sibling).copied().or(asked) {
                Some(Reply::HasNot) => None,
                Some(Reply::Trouble(trouble)) => Some((sibling, trouble)),
                Some(Reply::Has | Reply::Other) => Some((sibling, Trouble::Protocol)),
                None => Some((sibling, Trouble::LeftOut)),
            }
        };
        let troubles: Vec<_> = roster.siblings().filter_map(trouble).collect();
        if self.resume_at.is_some() {
            Verdict::Broken
        } else if troubles.iter().any(|(_, trouble)| *trouble == Trouble::Busy) {
            Verdict::Busy
        } else if troubles.is_empty() {
            Verdict::Nobody
        } else {
            Verdict::Unreached(troubles)
        }
    }
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
