//! The contract between a protocol machine and whoever drives it.
//!
//! A machine is one conversation with one peer, or one thing that several share. It is told what
//! time it is and what arrived ([`Input`]); it says what to do ([`Output`]). After every input the
//! driver drains outputs until it gets [`Output::Wait`], which is always the last one, so that no
//! deadline can be forgotten. Nothing that may block happens between an input and its outputs:
//! what needs a disk, a resolver or another machine is asked for with a [`Ticket`], and the answer
//! comes back as an input.
//!
//! Bulk bytes (a file's contents) go past a machine: it asks for a transfer and is told how it
//! ended.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Nanoseconds since a start that the driver chose: a machine's only sense of passing time.
///
/// ```
/// use sockeye_proto::machine::Tick;
/// use std::time::Duration;
/// let later = Tick::START + Duration::from_millis(20);
/// assert_eq!(later.since(Tick::START), Duration::from_millis(20));
/// assert_eq!(Tick::START.since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(u64);

impl Tick {
    /// The driver's own beginning.
    pub const START: Self = Self(0);

    /// The tick that many nanoseconds after the start.
    pub const fn from_ns(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the start.
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Tick {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Ties an answer to the question it belongs to; unique within one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Who is to blame for an end: it decides what the peer is told, how loudly it is logged, and the
/// exit code of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody: the conversation is complete.
    Nobody,
    /// The peer broke the protocol.
    Peer,
    /// The peer asked for something that we refuse.
    Refused,
    /// The connection failed or fell silent.
    Network,
    /// We failed: a disk, a bug.
    Ours,
}

/// What a machine is told.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, A, T = Infallible> {
    /// These bytes arrived in one read.
    Bytes(&'a [u8]),
    /// The peer ended its sending side.
    End,
    /// The answer to the question that carried this ticket.
    Answer(Ticket, A),
    /// The shared machine that this conversation belongs to says this.
    Told(&'a T),
    /// Time has passed; a deadline may have come.
    Time,
}

/// What a machine says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<Q, E, T = Infallible> {
    /// Send these bytes to the peer.
    Transmit(Vec<u8>),
    /// Do this, and bring the answer under this ticket.
    Ask(Ticket, Q),
    /// Say this to the shared machine that this conversation belongs to.
    Tell(T),
    /// This happened: for the log and for whoever watches.
    Happened(E),
    /// Close the conversation once what was transmitted is out.
    Close(Fault),
    /// Nothing more to say until an input comes, or until this tick.
    Wait(Option<Tick>),
}

/// A conversation with one peer over a stream; see the [module](self) for the contract.
pub trait Machine {
    /// What it asks of workers.
    type Question;
    /// What they bring back.
    type Answer;
    /// What it reports.
    type Event;
    /// What it says to the shared machine that it belongs to; [`Infallible`] if there is none.
    type Tell;
    /// What that one says to it.
    type Told;

    /// Takes one input. Errors of the peer become outputs; a panic here means that an assumption
    /// of ours is broken.
    fn handle(&mut self, now: Tick, input: Input<'_, Self::Answer, Self::Told>);

    /// The next thing to do; ends with [`Output::Wait`].
    fn poll(&mut self) -> Output<Self::Question, Self::Event, Self::Tell>;
}

/// One of those who share a machine; never used twice in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member(pub u64);

/// What a shared machine is told.
#[derive(Clone, Debug)]
pub enum SharedInput<T> {
    /// A conversation began.
    Joined(Member),
    /// A member says this.
    From(Member, T),
    /// More waits for a member than its mailbox may hold. It is to be cut. It comes once for a
    /// member, before anything else happens, and the member is told nothing more.
    Overflow(Member),
    /// A conversation ended, whichever way. Nothing from the member comes after it.
    Left(Member),
    /// Time has passed; a deadline may have come.
    Time,
}

/// What a shared machine says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedOutput<T, E> {
    /// Put this into a member's mailbox. It is made once and shared by all who get it.
    To(Member, Arc<T>),
    /// End a member's conversation at once. What it was told and has not got yet is lost: who is to
    /// hear last words is told them, and closes by itself.
    Cut(Member),
    /// This happened.
    Happened(E),
    /// Nothing more to say until an input comes, or until this tick.
    Wait(Option<Tick>),
}

/// Something that several conversations share: a room, a table of pairs. It has one owner, so that
/// what it says has one order for all.
pub trait SharedMachine {
    /// What members say to it.
    type Tell;
    /// What it says to members.
    type Told: Weight;
    /// What it reports.
    type Event;

    /// Takes one input.
    fn handle(&mut self, now: Tick, input: SharedInput<Self::Tell>);

    /// The next thing to do; ends with [`SharedOutput::Wait`].
    fn poll(&mut self) -> SharedOutput<Self::Told, Self::Event>;
}

/// How much a message counts against a mailbox, which is bounded in bytes.
pub trait Weight {
    /// Bytes that the message holds on to.
    fn weight_bytes(&self) -> usize;
}

impl Weight for Infallible {
    fn weight_bytes(&self) -> usize {
        match *self {}
    }
}
