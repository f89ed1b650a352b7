//! The drivers: three ways to run the same machines on real sockets.
//!
//! [`tasks`] runs each conversation as a tokio task, [`threads`] as one OS thread that waits in
//! poll(2), [`single`] runs them all on one thread with an event loop. A machine does not know
//! which; what a driver must do for it stands in `sockeye_proto::machine`.
//!
//! What they serve is a [`StreamService`], whose conversations stand alone, or the [`Hall`] of a
//! [`SharedService`], whose conversations share a machine.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use sockeye_proto::http::range::ByteRange;
use sockeye_proto::idle::IdleTimeout;
use sockeye_proto::machine::{Fault, Machine, Tick};

use crate::clock;
use crate::disk::folder::FileHandle;
use crate::listen::Door;

pub use self::link::{Drivable, Serve};
pub use self::shared::{Hall, HallLimits, SharedService};

mod bell;
mod conversation;
mod link;
mod shared;
pub mod single;
pub mod tasks;
pub mod threads;

/// How much one read takes at most.
const READ_BYTES: usize = 16 * 1024;

/// Which driver runs a server's conversations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Driver {
    /// tokio tasks.
    #[default]
    Tasks,
    /// One OS thread per connection.
    Threads,
    /// One thread with an event loop for all of them.
    Single,
}

/// A machine that belongs to no shared one.
pub trait Alone: Drivable + Machine<Tell = Infallible, Told = Infallible> {}

impl<M> Alone for M where M: Drivable + Machine<Tell = Infallible, Told = Infallible> {}

/// A service over streams whose conversations stand alone: it opens one for each caller.
pub trait StreamService: Send + Sync + 'static {
    /// The protocol.
    type Machine: Alone;
    /// Who does what the machine asks for.
    type Worker: Worker<Self::Machine>;

    /// Begins a conversation.
    fn open(&self, peer: SocketAddr) -> (Self::Machine, Self::Worker);
}

/// Does what one conversation's machine asks for, and takes note of what happens in it.
pub trait Worker<M: Machine>: Send + 'static {
    /// What it takes to answer a question. It is called where conversations are served, so it must
    /// not block; what would goes into the [`Work`].
    fn perform(&mut self, question: M::Question) -> Work<M::Answer>;

    /// Takes note of what happened.
    fn happened(&mut self, event: M::Event);

    /// The conversation is over.
    fn finish(self, fault: Fault);
}

/// What it takes to answer a question.
pub enum Work<A> {
    /// Nothing: here is the answer.
    Done(A),
    /// This, which may block.
    Blocking(Box<dyn FnOnce() -> A + Send>),
    /// A file's bytes are to be sent to the peer.
    Send(Shipment<A>),
}

/// A file and what of it is to be sent, or the answer that there is none.
pub type Found<A> = Result<(Arc<FileHandle>, ByteRange), A>;

/// A file to be found and sent past the machine.
pub struct Shipment<A> {
    /// Finds it; may block.
    pub open: Box<dyn FnOnce() -> Found<A> + Send>,
    /// What to answer when its bytes are out, or cannot be.
    pub done: Box<dyn FnOnce(Shipped) -> A + Send>,
}

/// How a shipment ended.
#[derive(Debug)]
pub struct Shipped {
    /// Bytes that were handed to the network.
    pub bytes: u64,
    /// Why that is not all of it.
    pub failure: Option<ShipFailure>,
}

/// Why a shipment broke off.
#[derive(Debug)]
pub enum ShipFailure {
    /// The file became shorter, or the disk failed.
    File(String),
    /// The peer left, or took nothing any more.
    Peer(String),
}

impl<A> std::fmt::Debug for Work<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Done(_) => "Done",
            Self::Blocking(_) => "Blocking",
            Self::Send(_) => "Send",
        })
    }
}

/// What else can end a conversation: a peer idle for too long, or the server's end.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// How long a silent peer is kept.
    pub idle: IdleTimeout,
    /// Knows how many are connected, and when the stop is asked for.
    pub door: Door,
}

/// When a driver looks at a silent conversation again.
enum Look {
    /// At this tick, if at any.
    At(Option<Tick>),
    /// The peer has been idle for too long.
    Overdue,
}

impl Bounds {
    /// When to look again at a conversation that waits until `machine` and heard its peer last at
    /// `last_byte`.
    fn look(&self, machine: Option<Tick>, last_byte: Tick) -> Look {
        let clients = self.door.gate.clients();
        let now = clock::now();
        let overdue = self.idle.span(clients).map(|span| last_byte + span);
        if overdue.is_some_and(|overdue| overdue <= now) {
            return Look::Overdue;
        }
        let again = self.idle.look_again(clients).map(|again| now + again);
        Look::At([machine, overdue, again].into_iter().flatten().min())
    }
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All is said, by this one's fault.
    Over(Fault),
    /// The peer is gone, or silent for too long.
    Lost,
    /// The owner of what it shares had it cut.
    Cut,
}

impl End {
    /// Who is to blame.
    fn fault(self) -> Fault {
        match self {
            Self::Over(fault) => fault,
            Self::Lost | Self::Cut => Fault::Network,
        }
    }

    /// Whether the connection is reset. Without lengths on the wire, that is the only way to say
    /// "this is not all"; and the kernel keeps nothing for a peer who does not read.
    fn is_abort(self) -> bool {
        matches!(self, Self::Over(Fault::Ours) | Self::Cut)
    }
}

/// Why bytes could not be written.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    /// The peer is gone, or took nothing for too long.
    #[error(transparent)]
    Failed(#[from] io::Error),
    /// The conversation was cut meanwhile.
    #[error("it did not read")]
    Cut,
}

impl From<Unwritten> for End {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Failed(_) => Self::Lost,
            Unwritten::Cut => Self::Cut,
        }
    }
}
