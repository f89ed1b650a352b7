//! What the drivers serve: conversations that stand alone, or that belong to a shared machine.
//!
//! A driver is written once for both. Where a conversation stands alone, its [`Link`] is
//! [`Apart`], which holds nothing and does nothing, and is compiled away.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Poll, Waker};

use sockeye_proto::machine::{Machine, Tick};

use super::{StreamService, Worker};

/// A machine that drivers can run: it and what it says may move between threads.
pub trait Drivable:
    Machine<Question: Send, Answer: Send + 'static, Event: Send> + Send + 'static
{
}

impl<M> Drivable for M where
    M: Machine<Question: Send, Answer: Send + 'static, Event: Send> + Send + 'static
{
}

/// What a driver serves: any [`StreamService`], and the [`Hall`](super::Hall) of a service whose
/// conversations share a machine.
pub trait Serve: Send + Sync + 'static {
    /// The protocol.
    type Machine: Drivable;
    /// Who does what the machine asks for.
    type Worker: Worker<Self::Machine>;
    /// What ties a conversation to the shared machine.
    type Link: Link<Self::Machine>;
    /// The owner of the shared machine.
    type Owner: Own;

    /// Begins a conversation.
    fn begin(&self, peer: SocketAddr) -> (Self::Machine, Self::Worker, Self::Link);

    /// The owner, for the first driver that asks: that one runs it.
    fn owner(&self) -> Option<Self::Owner>;
}

impl<S: StreamService> Serve for S {
    type Machine = S::Machine;
    type Worker = S::Worker;
    type Link = Apart;
    type Owner = Nobody;

    fn begin(&self, peer: SocketAddr) -> (S::Machine, S::Worker, Apart) {
        let (machine, worker) = self.open(peer);
        (machine, worker, Apart)
    }

    fn owner(&self) -> Option<Nobody> {
        None
    }
}

/// Why a conversation is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// It is to end at once: its peer is given up.
    Cut,
    /// There is mail; [`Link::next_mail`] brings it.
    Mail,
    /// All that it said has found room: its peer may be read again.
    Room,
}

/// One conversation's end of the tie to its shared machine. Dropping it is leaving, too.
///
/// A driver hands over what was said ([`Link::send`]) and reads the peer only if that found room;
/// it waits with [`Link::poll_call`]; and where it has to wait for the peer or for a worker, it
/// says so by [`Link::poll_cut`] or [`Link::away`], so that nobody else waits for this one.
pub trait Link<M: Machine>: Send + 'static {
    /// Whether there is a shared machine at all.
    const IS_SHARED: bool;

    /// Says something to the shared machine. It is kept here until [`Link::send`].
    fn tell(&mut self, tell: M::Tell);

    /// Hands over what was said, as far as the owner's queue has room, and says whether that was
    /// all.
    fn send(&mut self) -> bool;

    /// The same at the end of a conversation, and wakes when there is room again. Nothing is
    /// delivered to it from then on.
    fn poll_sent(&mut self, waker: &Waker) -> Poll<()>;

    /// Why the conversation is called, or wakes when it is. What was taken from the mailbox before
    /// counts as written from now on.
    fn poll_call(&mut self, waker: &Waker) -> Poll<Call>;

    /// Looks after no mail, and waits for a cut: the peer takes nothing at the moment.
    fn poll_cut(&mut self, waker: &Waker) -> Poll<()>;

    /// Does not look after its mail until it asks for a call again.
    fn away(&mut self);

    /// The next thing that the shared machine says.
    fn next_mail(&mut self) -> Option<Arc<M::Told>>;

    /// Ends the tie: nothing is delivered after that.
    fn leave(&mut self);
}

/// The link of a conversation that belongs to no shared machine.
#[derive(Clone, Copy, Debug)]
pub struct Apart;

impl<M: Machine<Tell = Infallible>> Link<M> for Apart {
    const IS_SHARED: bool = false;

    fn tell(&mut self, never: Infallible) {
        match never {}
    }

    fn send(&mut self) -> bool {
        true
    }

    fn poll_sent(&mut self, _: &Waker) -> Poll<()> {
        Poll::Ready(())
    }

    fn poll_call(&mut self, _: &Waker) -> Poll<Call> {
        Poll::Pending
    }

    fn poll_cut(&mut self, _: &Waker) -> Poll<()> {
        Poll::Pending
    }

    fn away(&mut self) {}

    fn next_mail(&mut self) -> Option<Arc<M::Told>> {
        None
    }

    fn leave(&mut self) {}
}

/// The owner of a shared machine, as a driver runs it: in turns, none of which blocks.
pub trait Own: Send + 'static {
    /// Whether there is something to do now; if not, wakes when there is.
    fn poll_work(&mut self, waker: &Waker) -> Poll<()>;

    /// Takes in some of what waits, and does what the machine says.
    fn turn(&mut self);

    /// When the machine wants to be told the time.
    fn deadline(&self) -> Option<Tick>;

    /// Tells the machine the time, if that has come.
    fn time(&mut self);

    /// Whether nobody is here any more. From then on nobody can join: to be asked once the stop is.
    fn is_over(&mut self) -> bool;
}

/// The owner of no shared machine.
#[derive(Debug)]
pub enum Nobody {}

impl Own for Nobody {
    fn poll_work(&mut self, _: &Waker) -> Poll<()> {
        match *self {}
    }

    fn turn(&mut self) {
        match *self {}
    }

    fn deadline(&self) -> Option<Tick> {
        match *self {}
    }

    fn time(&mut self) {
        match *self {}
    }

    fn is_over(&mut self) -> bool {
        match *self {}
    }
}

/// Wakes who waits, when it is time to: collected first, so that one who is told much is woken
/// once.
pub(super) fn ring(bells: &mut VecDeque<Waker>) {
    for bell in bells.drain(..) {
        bell.wake();
    }
}
