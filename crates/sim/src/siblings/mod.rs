//! Questions to siblings that lie, stall, die and come back.
//!
//! A [`World`] has siblings, each with a [life](nature) of its own, and a hub that asks them for a few
//! files, several questions at a time over one roster. The world is their driver: it carries out what
//! a search says, delivers what the siblings answer, and loses nothing. A
//! [judge](crate::reference::siblings::Judge) looks at each step; the world itself looks at what the
//! reader got, and that every question ends.

use std::collections::BTreeMap;
use std::time::Duration;

use sockeye_proto::limits::SIBLING_RELAYS_MAX;
use sockeye_proto::machine::Tick;
use sockeye_proto::siblings::Sibling;
use sockeye_proto::siblings::roster::{Origin, Roster};
use sockeye_proto::siblings::search::{Action, Event, Kind, Reply, Search, Verdict};

use self::nature::{Content, Mood, Nature};
use crate::network::EventQueue;
use crate::reference::siblings::{Judge, Ledger};
use crate::seed::Seed;
use crate::trace::Trace;

pub mod nature;

/// Bytes of a body that come at once.
const CHUNK_BYTES: u64 = 1_000;
/// Questions begin within this time.
const ASKING: Duration = Duration::from_secs(40);
/// No question lasts longer: bodies have a few chunks, and each may pause.
const HORIZON: Duration = Duration::from_mins(30);
const FILES: usize = 3;

/// A search, or one that a mistake was put into.
pub trait Asks {
    /// As [`Search::handle`].
    fn handle(&mut self, roster: &mut Roster, now: Tick, event: Event);
    /// As [`Search::next`].
    fn next(&mut self, roster: &mut Roster, now: Tick) -> Action;
}

impl Asks for Search {
    fn handle(&mut self, roster: &mut Roster, now: Tick, event: Event) {
        self.handle(roster, now, event);
    }

    fn next(&mut self, roster: &mut Roster, now: Tick) -> Action {
        self.next(roster, now)
    }
}

/// The siblings, the hub, and what is under way between them.
pub struct World<'a, A> {
    seed: Seed,
    trace: &'a mut Trace,
    queue: EventQueue<Happens>,
    roster: Roster,
    ledger: Ledger,
    natures: BTreeMap<Sibling, Nature>,
    /// Those whose relays are all taken by somebody else.
    full: Vec<Sibling>,
    questions: Vec<Question<A>>,
    exchanges: u64,
    how: &'a dyn Fn(Search) -> A,
    /// How many questions ended in which way.
    ended: BTreeMap<&'static str, u32>,
}

struct Question<A> {
    search: A,
    judge: Judge,
    file: usize,
    /// What is asked of whom; what answers another exchange was abandoned.
    open: BTreeMap<Sibling, u64>,
    chunks: u64,
    gap: Duration,
    may_resume: bool,
    body: Body,
}

/// What the reader got.
#[derive(Default)]
struct Body {
    /// Of each chunk, whose content it was.
    passed: Vec<Content>,
    wanted: Option<Content>,
}

#[derive(Clone, Copy, Debug)]
enum Happens {
    Ask,
    Probed(usize, u64, Sibling, Reply),
    Fetched(usize, u64, Sibling, Reply, Option<Content>),
    Chunk(usize, u64, Sibling, Content),
    Stopped(usize),
    Timer(usize),
    Left(usize),
    Tries,
    Tried(Sibling, Tick, bool),
    Appeared(usize),
    Comes,
    Goes,
}

impl<'a, A: Asks> World<'a, A> {
    /// A world that the seed decides; `how` makes each search.
    pub fn new(seed: &mut Seed, trace: &'a mut Trace, how: &'a dyn Fn(Search) -> A) -> Self {
        let mut world = Self {
            seed: seed.fork(),
            trace,
            queue: EventQueue::default(),
            roster: Roster::default(),
            ledger: Ledger::default(),
            natures: BTreeMap::new(),
            full: Vec::new(),
            questions: Vec::new(),
            exchanges: 0,
            how,
            ended: BTreeMap::new(),
        };
        for _ in 0..world.seed.below(7) {
            world.comes();
        }
        for _ in 0..=world.seed.below(12) {
            world.some_time(Happens::Ask);
        }
        if world.seed.one_in(2) {
            world.some_time(Happens::Comes);
            world.some_time(Happens::Goes);
        }
        let file = world.seed.below(FILES);
        world.some_time(Happens::Appeared(file));
        world.queue.push(Tick::START, Happens::Tries);
        world
    }

    /// Runs it to its end, and says how many questions ended in which way; or what is wrong.
    pub fn run(mut self) -> Result<BTreeMap<&'static str, u32>, String> {
        while let Some((now, happens)) = self.queue.pop() {
            if now > Tick::START + HORIZON {
                break;
            }
            self.step(now, happens).map_err(|reason| format!("{happens:?}: {reason}"))?;
        }
        let unended = self.questions.iter().filter(|question| question.judge.verdict.is_none());
        match (unended.count(), self.roster.relays() - self.full.len() * SIBLING_RELAYS_MAX) {
            (0, 0) => Ok(self.ended),
            (unended, relays) => Err(format!("{unended} without an end, {relays} relays left")),
        }
    }

    fn some_time(&mut self, happens: Happens) {
        let at = Tick::START + self.seed.span_below(ASKING);
        self.queue.push(at, happens);
    }

    fn step(&mut self, now: Tick, happens: Happens) -> Result<(), String> {
        match happens {
            Happens::Ask => self.ask(now),
            Happens::Probed(number, exchange, from, reply) => {
                if !self.is_open(number, exchange, from) {
                    return Ok(());
                }
                self.questions[number].open.remove(&from);
                self.tell(now, number, Event::Probed(from, reply))
            }
            Happens::Fetched(number, exchange, from, reply, content) => {
                if !self.is_open(number, exchange, from) {
                    return Ok(());
                }
                match content.filter(|_| reply == Reply::Has) {
                    Some(content) => self.begin_body(now, number, exchange, from, content),
                    None => drop(self.questions[number].open.remove(&from)),
                }
                self.tell(now, number, Event::Fetched(from, reply))
            }
            Happens::Chunk(number, exchange, from, content) => {
                if !self.is_open(number, exchange, from) {
                    return Ok(());
                }
                self.chunk(now, number, exchange, from, content)
            }
            Happens::Stopped(number) => self.broke(now, number),
            Happens::Timer(number) => self.tell(now, number, Event::Time),
            Happens::Left(number) => self.tell(now, number, Event::Left),
            Happens::Tries => self.tries(now),
            Happens::Tried(sibling, began, has_answered) => {
                self.tried(now, sibling, began, has_answered);
                Ok(())
            }
            Happens::Appeared(file) => {
                self.roster.appeared(&path_of(file));
                self.ledger.appeared(file);
                Ok(())
            }
            Happens::Comes => {
                self.comes();
                Ok(())
            }
            Happens::Goes => {
                self.goes();
                Ok(())
            }
        }
    }

    fn comes(&mut self) {
        let now = self.queue.now();
        let Ok(sibling) = self.roster.add(now, Origin::Named) else { return };
        self.natures.insert(sibling, Nature::drawn(&mut self.seed, ASKING, FILES));
        self.ledger.added();
        if self.seed.one_in(12) {
            self.full.push(sibling);
            for _ in 0..SIBLING_RELAYS_MAX {
                let _ = self.roster.begin_relay(sibling);
            }
        }
        self.trace.note(now, format_args!("{sibling} comes: {:?}", self.natures[&sibling]));
    }

    fn goes(&mut self) {
        let here: Vec<_> = self.roster.siblings().filter(|who| !self.full.contains(who)).collect();
        if !here.is_empty() {
            let sibling = *self.seed.pick(&here);
            self.trace.note(self.queue.now(), format_args!("{sibling} goes"));
            self.roster.remove(sibling);
            self.ledger.removed(sibling);
        }
    }

    /// Those that are left out are tried; the ledger knows who is.
    fn tries(&mut self, now: Tick) -> Result<(), String> {
        for sibling in self.roster.due(now) {
            if !self.ledger.is_left_out(sibling) {
                return Err(format!("{sibling} is tried, and not left out"));
            }
            let answer = self.natures[&sibling].answer(&mut self.seed, now, 0, None, false);
            let (at, has_answered) = match answer {
                Some((at, Reply::Has | Reply::HasNot)) => (at, true),
                Some((at, _)) => (at, false),
                None => (now + Duration::from_millis(250), false),
            };
            self.queue.push(at, Happens::Tried(sibling, now, has_answered));
        }
        if now < Tick::START + 2 * ASKING {
            let next = self.roster.next_due().unwrap_or(now + Duration::from_millis(200));
            self.queue.push(next.min(now + Duration::from_millis(200)), Happens::Tries);
        }
        Ok(())
    }

    fn tried(&mut self, now: Tick, sibling: Sibling, began: Tick, has_answered: bool) {
        self.trace.note(now, format_args!("{sibling} was tried: {has_answered}"));
        if self.roster.origin(sibling).is_none() {
            return;
        }
        if has_answered {
            self.roster.answered(now, sibling, None);
            self.ledger.answered(sibling);
        } else {
            self.roster.failed(now, sibling, began);
            self.ledger.failed(now, sibling, began);
        }
    }

    fn ask(&mut self, now: Tick) -> Result<(), String> {
        let file = self.seed.below(FILES);
        let kind = if self.seed.one_in(4) { Kind::Head } else { Kind::Get };
        let number = self.questions.len();
        let judge = Judge::new(&self.ledger, now, file, kind);
        let search = (self.how)(Search::new(&mut self.roster, now, &path_of(file), kind));
        self.trace.note(now, format_args!("question {number}: {kind:?} {}", path_of(file)));
        if self.seed.one_in(8) {
            let at = now + self.seed.span_below(Duration::from_secs(2));
            self.queue.push(at, Happens::Left(number));
        }
        let gap = *self.seed.pick(&[1, 30, 800]);
        self.questions.push(Question {
            search,
            judge,
            file,
            open: BTreeMap::new(),
            chunks: 1 + self.seed.below(12) as u64,
            gap: Duration::from_millis(gap),
            may_resume: !self.seed.one_in(8),
            body: Body::default(),
        });
        self.drain(now, number)
    }

    fn is_open(&self, number: usize, exchange: u64, from: Sibling) -> bool {
        self.questions[number].open.get(&from) == Some(&exchange)
    }

    fn tell(&mut self, now: Tick, number: usize, event: Event) -> Result<(), String> {
        let question = &mut self.questions[number];
        if question.judge.verdict.is_some() {
            return Ok(());
        }
        if event != Event::Time {
            self.trace.note(now, format_args!("question {number} <- {event:?}"));
        }
        question.judge.told(&mut self.ledger, now, event);
        question.search.handle(&mut self.roster, now, event);
        self.drain(now, number)
    }

    /// Does what the search says until it waits or is done.
    fn drain(&mut self, now: Tick, number: usize) -> Result<(), String> {
        for _ in 0..1_000 {
            let question = &mut self.questions[number];
            let action = question.search.next(&mut self.roster, now);
            self.trace.note(now, format_args!("question {number} -> {action:?}"));
            let full = &self.full;
            let has_room = |sibling| !full.contains(&sibling);
            question
                .judge
                .judge(&mut self.ledger, &self.roster, now, &action, has_room)
                .map_err(|reason| format!("question {number}: {action:?}: {reason}"))?;
            match action {
                Action::Probe(sibling) => self.send(now, number, sibling, false),
                Action::Fetch { from, .. } => self.send(now, number, from, true),
                Action::Abandon(sibling) => {
                    question.open.remove(&sibling);
                    if question.judge.is_running(sibling) {
                        self.queue.push(now, Happens::Stopped(number));
                    }
                }
                Action::Wait(until) => {
                    if let Some(until) = until {
                        self.queue.push(until, Happens::Timer(number));
                    }
                    return Ok(());
                }
                Action::Done(verdict) => return self.ended(number, &verdict),
            }
        }
        Err("it has always one thing more to do".into())
    }

    fn send(&mut self, now: Tick, number: usize, to: Sibling, is_fetch: bool) {
        let question = &mut self.questions[number];
        self.exchanges += 1;
        let exchange = self.exchanges;
        question.open.insert(to, exchange);
        let (file, wanted) = (question.file, question.body.wanted);
        let nature = &self.natures[&to];
        let Some((at, reply)) = nature.answer(&mut self.seed, now, file, wanted, is_fetch) else {
            return;
        };
        let happens = if is_fetch {
            Happens::Fetched(number, exchange, to, reply, nature.content(now, file))
        } else {
            Happens::Probed(number, exchange, to, reply)
        };
        self.queue.push(at, happens);
    }

    fn begin_body(
        &mut self,
        now: Tick,
        number: usize,
        exchange: u64,
        from: Sibling,
        content: Content,
    ) {
        let question = &mut self.questions[number];
        question.body.wanted.get_or_insert(content);
        let at = now + self.seed.span_below(question.gap);
        self.queue.push(at, Happens::Chunk(number, exchange, from, content));
    }

    fn chunk(
        &mut self,
        now: Tick,
        number: usize,
        exchange: u64,
        from: Sibling,
        content: Content,
    ) -> Result<(), String> {
        let question = &mut self.questions[number];
        let again = Happens::Chunk(number, exchange, from, content);
        match self.natures[&from].mood(now) {
            Mood::Dead => {
                question.open.remove(&from);
                return self.broke(now, number);
            }
            Mood::Silent => {
                // It goes on when it is otherwise; if it never is, the pause is too long.
                if let Some(at) = self.natures[&from].changes_after(now) {
                    self.queue.push(at, again);
                }
                return Ok(());
            }
            Mood::Breaking if self.seed.one_in(4) => {
                question.open.remove(&from);
                return self.broke(now, number);
            }
            // So long a pause is too long.
            Mood::Breaking if self.seed.one_in(12) => {
                self.queue.push(now + Duration::from_secs(16), again);
                return Ok(());
            }
            _ => question.body.passed.push(content),
        }
        if (question.body.passed.len() as u64) < question.chunks {
            let at = now + question.gap + self.seed.span_below(question.gap);
            self.queue.push(at, again);
            self.tell(now, number, Event::Progress)
        } else {
            question.open.remove(&from);
            self.tell(now, number, Event::Ended)
        }
    }

    fn broke(&mut self, now: Tick, number: usize) -> Result<(), String> {
        let question = &self.questions[number];
        let passed = question.body.passed.len() as u64 * CHUNK_BYTES;
        let may_resume = question.may_resume;
        self.tell(now, number, Event::Broke { passed, may_resume })
    }

    /// Holds what the reader got to what it is told.
    fn ended(&mut self, number: usize, verdict: &Verdict) -> Result<(), String> {
        let question = &self.questions[number];
        if !question.open.is_empty() {
            return Err(format!("{:?} is still asked", question.open));
        }
        let resumed = question.judge.has_resumed() && *verdict == Verdict::Whole;
        let Body { passed, .. } = &question.body;
        if passed.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(format!("the reader got a mixture: {passed:?}"));
        }
        let is_whole = passed.len() as u64 == question.chunks;
        let (name, fits) = match verdict {
            Verdict::Whole => ("whole", is_whole),
            Verdict::Broken => ("broken", true),
            Verdict::Found(_) => ("found", passed.is_empty()),
            Verdict::Nobody => ("nobody", passed.is_empty()),
            Verdict::Unreached(_) => ("unreached", passed.is_empty()),
            Verdict::Busy => ("busy", passed.is_empty()),
        };
        if *verdict == Verdict::Nobody && self.seed.one_in(3) {
            // Who comes now may have it.
            let soon = self.queue.now() + Duration::from_millis(10);
            self.queue.push(soon, Happens::Comes);
            self.queue.push(soon, Happens::Ask);
        }
        *self.ended.entry(name).or_default() += 1;
        *self.ended.entry("resumed").or_default() += u32::from(resumed);
        if fits { Ok(()) } else { Err(format!("{verdict:?} after {} chunks", passed.len())) }
    }
}

fn path_of(file: usize) -> String {
    format!("/{file}.mkv")
}
