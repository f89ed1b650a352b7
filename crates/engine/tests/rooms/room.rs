//! A room as small as it goes, and who talks in it.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye_proto::machine::{
    Fault, Input, Machine, Member, Output, SharedInput, SharedMachine, SharedOutput, Tick, Weight,
};

/// After `tick`, the room waits so long and says `tock`.
const TICK: Duration = Duration::from_millis(3);

/// The bytes of all lines that exist at the moment, each counted once however many it is for.
#[derive(Debug, Default)]
pub(crate) struct Alive {
    bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
}

impl Alive {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    pub(crate) fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::SeqCst)
    }
}

/// A line, with its end.
#[derive(Debug)]
pub(crate) struct Line {
    text: Vec<u8>,
    alive: Arc<Alive>,
}

impl Line {
    fn new(text: Vec<u8>, alive: &Arc<Alive>) -> Self {
        let bytes = alive.bytes.fetch_add(text.len(), Ordering::SeqCst) + text.len();
        alive.peak_bytes.fetch_max(bytes, Ordering::SeqCst);
        Self { text, alive: Arc::clone(alive) }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.alive.bytes.fetch_sub(self.text.len(), Ordering::SeqCst);
    }
}

impl Weight for Line {
    fn weight_bytes(&self) -> usize {
        self.text.len()
    }
}

/// What happened in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Joined(Member),
    Left {
        member: Member,
        /// Who is still here.
        here: usize,
    },
    Overflow(Member),
    /// Somebody said `hold`.
    Held,
    /// The contract was broken.
    Broken(String),
}

/// Tells everybody, also who said it, every line. `tick` makes it say `tock` later, `cut N` ends
/// the conversation of member N, and `hold` is noted before it is told.
#[derive(Debug)]
pub(crate) struct Room {
    /// Whose conversations began and have not ended, and whether they are to be told anything.
    members: BTreeSet<Member>,
    overflowed: BTreeSet<Member>,
    next_member: u64,
    tocks: VecDeque<Tick>,
    outputs: VecDeque<SharedOutput<Line, Note>>,
    alive: Arc<Alive>,
}

impl Room {
    pub(crate) fn new(alive: &Arc<Alive>) -> Self {
        Self {
            members: BTreeSet::new(),
            overflowed: BTreeSet::new(),
            next_member: 0,
            tocks: VecDeque::new(),
            outputs: VecDeque::new(),
            alive: Arc::clone(alive),
        }
    }

    fn note(&mut self, note: Note) {
        self.outputs.push_back(SharedOutput::Happened(note));
    }

    fn check(&mut self, is_kept: bool, what: &str, member: Member) {
        if !is_kept {
            self.note(Note::Broken(format!("{what}: {member:?}")));
        }
    }

    fn tell_all(&mut self, line: Line) {
        let line = Arc::new(line);
        for member in self.members.difference(&self.overflowed) {
            self.outputs.push_back(SharedOutput::To(*member, Arc::clone(&line)));
        }
    }

    fn hear(&mut self, now: Tick, line: Line) {
        let text = String::from_utf8_lossy(&line.text).into_owned();
        match text.trim_end().split_once(' ').unwrap_or((text.trim_end(), "")) {
            ("tick", _) => self.tocks.push_back(now + TICK),
            ("hold", _) => self.note(Note::Held),
            ("cut", member) => {
                self.outputs.push_back(SharedOutput::Cut(Member(member.parse().unwrap())));
            }
            _ => {}
        }
        self.tell_all(line);
    }
}

impl SharedMachine for Room {
    type Tell = Line;
    type Told = Line;
    type Event = Note;

    fn handle(&mut self, now: Tick, input: SharedInput<Line>) {
        match input {
            SharedInput::Joined(member) => {
                let is_new = member == Member(self.next_member) && self.members.insert(member);
                self.check(is_new, "a member joins twice or out of turn", member);
                self.next_member += 1;
                self.note(Note::Joined(member));
            }
            SharedInput::Left(member) => {
                let was_here = self.members.remove(&member);
                self.check(was_here, "who is not here leaves", member);
                self.note(Note::Left { member, here: self.members.len() });
            }
            SharedInput::Overflow(member) => {
                let is_first = self.members.contains(&member) && self.overflowed.insert(member);
                self.check(is_first, "a member overflows twice or is not here", member);
                self.note(Note::Overflow(member));
                self.outputs.push_back(SharedOutput::Cut(member));
            }
            SharedInput::From(member, line) => {
                let is_here = self.members.contains(&member);
                self.check(is_here, "who is not here says something", member);
                self.hear(now, line);
            }
            SharedInput::Time => {
                while self.tocks.front().is_some_and(|at| *at <= now) {
                    self.tocks.pop_front();
                    self.tell_all(Line::new(b"tock\n".to_vec(), &self.alive.clone()));
                }
            }
        }
    }

    fn poll(&mut self) -> SharedOutput<Line, Note> {
        let wait = || SharedOutput::Wait(self.tocks.front().copied());
        self.outputs.pop_front().unwrap_or_else(wait)
    }
}

/// Tells the room each line, and its peer what the room says.
#[derive(Debug)]
pub(crate) struct Talker {
    heard: Vec<u8>,
    alive: Arc<Alive>,
    outputs: VecDeque<Output<Infallible, (), Line>>,
}

impl Talker {
    pub(crate) fn new(alive: &Arc<Alive>) -> Self {
        Self { heard: Vec::new(), alive: Arc::clone(alive), outputs: VecDeque::new() }
    }
}

impl Machine for Talker {
    type Question = Infallible;
    type Answer = Infallible;
    type Event = ();
    type Tell = Line;
    type Told = Line;

    fn handle(&mut self, _: Tick, input: Input<'_, Infallible, Line>) {
        match input {
            Input::Bytes(bytes) => {
                for piece in bytes.split_inclusive(|&b| b == b'\n') {
                    self.heard.extend_from_slice(piece);
                    if piece.ends_with(b"\n") {
                        let line = Line::new(std::mem::take(&mut self.heard), &self.alive);
                        self.outputs.push_back(Output::Tell(line));
                    }
                }
            }
            Input::Told(line) => self.outputs.push_back(Output::Transmit(line.text.clone())),
            Input::End => self.outputs.push_back(Output::Close(Fault::Nobody)),
            Input::Answer(_, never) => match never {},
            Input::Time => {}
        }
    }

    fn poll(&mut self) -> Output<Infallible, (), Line> {
        self.outputs.pop_front().unwrap_or(Output::Wait(None))
    }
}
