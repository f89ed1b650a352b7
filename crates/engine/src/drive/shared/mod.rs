//! Services whose conversations share a machine: a room, a table of pairs.
//!
//! The shared machine has one owner, which is a task, a thread, or a part of the event loop,
//! whatever the driver's conversations are. What members say goes to it through one bounded
//! [`queue`]; what it says goes into the [`mailbox`] of each whom it is for, made once and shared.
//!
//! Nobody waits for one peer who does not read: what is said to that one gathers in its mailbox,
//! and when that overflows the machine is told so and has it cut. Where it is this machine that is
//! too slow, everybody is held up alike: the owner waits for conversations that have had no turn
//! yet, its queue fills, and peers are not read from until it has room.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use sockeye_proto::limits::{MAILBOX_MAX_BYTES, OWNER_QUEUE_MAX_BYTES, OWNER_QUEUE_MAX_MESSAGES};
use sockeye_proto::machine::{Machine, Member, SharedMachine, Weight};

use self::member::Membership;
use self::owner::Owner;
use self::queue::Queue;
use super::Worker;
use super::link::{Drivable, Serve};

mod mailbox;
mod member;
mod owner;
mod queue;

type Tell<S> = <<S as SharedService>::Shared as SharedMachine>::Tell;
type Told<S> = <<S as SharedService>::Shared as SharedMachine>::Told;

/// A service over streams whose conversations share a machine. A [`Hall`] of it is what drivers
/// serve.
pub trait SharedService: Send + Sync + 'static {
    /// What the conversations share. What it says to one member on one input has to fit the
    /// member's mailbox.
    type Shared: SharedMachine<
            Tell: Weight + Send + 'static,
            Told: Weight + Send + Sync + 'static,
            Event: Send,
        > + Send
        + 'static;
    /// The protocol of one conversation.
    type Machine: Drivable + Machine<Tell = Tell<Self>, Told = Told<Self>>;
    /// Who does what that machine asks for.
    type Worker: Worker<Self::Machine>;

    /// Begins the conversation of a new member. The shared machine hears of it before anything
    /// that it says.
    fn open(&self, peer: SocketAddr, member: Member) -> (Self::Machine, Self::Worker);

    /// Takes note of what the shared machine reports, in order. It is called by the owner, for
    /// whom everybody waits, so it must not block.
    fn happened(&self, event: <Self::Shared as SharedMachine>::Event);
}

/// The bounds of a hall.
#[derive(Clone, Copy, Debug)]
pub struct HallLimits {
    /// A member is reported to the machine as overflowed when more than this waits for it.
    pub mailbox_max_bytes: usize,
    /// What members say waits for the owner up to so many messages,
    pub queue_max_messages: usize,
    /// and up to so many bytes. Then they are not read from until there is room.
    pub queue_max_bytes: usize,
}

impl Default for HallLimits {
    fn default() -> Self {
        Self {
            mailbox_max_bytes: MAILBOX_MAX_BYTES,
            queue_max_messages: OWNER_QUEUE_MAX_MESSAGES,
            queue_max_bytes: OWNER_QUEUE_MAX_BYTES,
        }
    }
}

/// A service with its shared machine: one hall may be served on any number of bound sockets.
///
/// The first listener that serves it starts the owner, which ends after the stop is asked for and
/// the last conversation has left.
pub struct Hall<S: SharedService> {
    service: Arc<S>,
    queue: Arc<Queue<Tell<S>, Told<S>>>,
    owner: Mutex<Option<Owner<S>>>,
}

impl<S: SharedService> Hall<S> {
    /// A hall that nobody has entered yet.
    pub fn new(service: S, shared: S::Shared, limits: HallLimits) -> Self {
        let (service, queue) = (Arc::new(service), Arc::new(Queue::new(limits)));
        let owner = Owner::new(Arc::clone(&service), shared, Arc::clone(&queue));
        Self { service, queue, owner: Mutex::new(Some(owner)) }
    }

    /// The service itself.
    pub fn service(&self) -> &Arc<S> {
        &self.service
    }
}

impl<S: SharedService> Serve for Hall<S> {
    type Machine = S::Machine;
    type Worker = S::Worker;
    type Link = Membership<Tell<S>, Told<S>>;
    type Owner = Owner<S>;

    fn begin(&self, peer: SocketAddr) -> (Self::Machine, Self::Worker, Self::Link) {
        let (member, membership) = Membership::join(&self.queue);
        let (machine, worker) = self.service.open(peer, member);
        (machine, worker, membership)
    }

    fn owner(&self) -> Option<Owner<S>> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
