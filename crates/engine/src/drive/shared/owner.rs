//! The owner of a shared machine: it takes what members say in one order, and does what the
//! machine says.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Poll, Waker};

use sockeye_proto::machine::{Member, SharedInput, SharedMachine as _, SharedOutput, Tick};

use super::mailbox::{Mailbox, Put};
use super::queue::{Entry, Queue};
use super::{SharedService, Tell, Told};
use crate::clock;
use crate::drive::link::{Own, ring};

/// A turn ends when so much was told in it, so that who is told gets its turn: who is woken once
/// for many messages writes them at once, but the first of them waits for the last.
const TURN_TOLD_MAX: usize = 16 * 1024;

/// The one owner of a service's shared machine.
pub struct Owner<S: SharedService> {
    service: Arc<S>,
    machine: S::Shared,
    queue: Arc<Queue<Tell<S>, Told<S>>>,
    members: HashMap<Member, Arc<Mailbox<Told<S>>>>,
    /// What was taken from the queue and is not yet handled.
    batch: VecDeque<Entry<Tell<S>, Told<S>>>,
    /// Whom the machine has yet to be told about.
    overflowed: VecDeque<Member>,
    /// Whom to wake at the end of the turn.
    bells: VecDeque<Waker>,
    /// What was told in this turn.
    told: usize,
    /// Somebody fell behind in this turn.
    is_held_up: bool,
    deadline: Option<Tick>,
}

impl<S: SharedService> Owner<S> {
    pub(super) fn new(
        service: Arc<S>,
        machine: S::Shared,
        queue: Arc<Queue<Tell<S>, Told<S>>>,
    ) -> Self {
        let mut owner = Self {
            service,
            machine,
            queue,
            members: HashMap::new(),
            batch: VecDeque::new(),
            overflowed: VecDeque::new(),
            bells: VecDeque::new(),
            told: 0,
            is_held_up: false,
            deadline: None,
        };
        owner.obey(clock::now());
        owner
    }

    fn take_in(&mut self, now: Tick, entry: Entry<Tell<S>, Told<S>>) {
        let input = match entry {
            Entry::Joined(member, mailbox) => {
                self.members.insert(member, mailbox);
                SharedInput::Joined(member)
            }
            Entry::From(member, tell) => SharedInput::From(member, tell),
            Entry::Left(member) => {
                self.members.remove(&member);
                SharedInput::Left(member)
            }
        };
        self.machine.handle(now, input);
        self.obey(now);
    }

    /// Does what the machine says until it waits. Whose mailbox overflows is reported to it before
    /// anything else happens.
    fn obey(&mut self, now: Tick) {
        loop {
            match self.machine.poll() {
                SharedOutput::To(member, told) => self.put(member, told),
                SharedOutput::Cut(member) => self.cut(member),
                SharedOutput::Happened(event) => self.service.happened(event),
                SharedOutput::Wait(until) => {
                    self.deadline = until;
                    let Some(member) = self.overflowed.pop_front() else { return };
                    self.machine.handle(now, SharedInput::Overflow(member));
                }
            }
        }
    }

    fn put(&mut self, member: Member, told: Arc<Told<S>>) {
        // Who has left is told nothing more.
        let Some(mailbox) = self.members.get(&member) else { return };
        self.told += 1;
        match mailbox.put(told) {
            Put::Kept { waker, fell_behind } => {
                self.bells.extend(waker);
                if fell_behind {
                    self.queue.fell_behind();
                    self.is_held_up = true;
                }
            }
            Put::Overflow => self.overflowed.push_back(member),
            Put::Refused => {}
        }
    }

    fn cut(&mut self, member: Member) {
        self.overflowed.retain(|overflowed| *overflowed != member);
        let Some(mailbox) = self.members.get(&member) else { return };
        let (waker, was_behind) = mailbox.cut();
        self.bells.extend(waker);
        if was_behind {
            self.queue.caught_up();
        }
    }

    fn is_due(&self, now: Tick) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl<S: SharedService> Own for Owner<S> {
    fn poll_work(&mut self, waker: &Waker) -> Poll<()> {
        self.queue.poll_work(!self.batch.is_empty(), waker)
    }

    fn turn(&mut self) {
        let now = clock::now();
        (self.told, self.is_held_up) = (0, false);
        if self.batch.is_empty() {
            self.queue.take(&mut self.batch);
        }
        if self.is_due(now) {
            self.machine.handle(now, SharedInput::Time);
            self.obey(now);
        }
        while !self.is_held_up
            && self.told < TURN_TOLD_MAX
            && let Some(entry) = self.batch.pop_front()
        {
            self.take_in(now, entry);
        }
        ring(&mut self.bells);
    }

    fn deadline(&self) -> Option<Tick> {
        self.deadline
    }

    fn time(&mut self) {
        let now = clock::now();
        if self.is_due(now) {
            self.machine.handle(now, SharedInput::Time);
            self.obey(now);
            ring(&mut self.bells);
        }
    }

    fn is_over(&mut self) -> bool {
        self.batch.is_empty() && self.members.is_empty() && self.queue.close_if_empty()
    }
}

/// An owner that ends, also by a bug of its machine, leaves nobody waiting for it.
impl<S: SharedService> Drop for Owner<S> {
    fn drop(&mut self) {
        let waiting = self.queue.close().into_iter().chain(std::mem::take(&mut self.batch));
        let joining = waiting.filter_map(|entry| match entry {
            Entry::Joined(_, mailbox) => Some(mailbox),
            Entry::From(..) | Entry::Left(_) => None,
        });
        for mailbox in joining.chain(std::mem::take(&mut self.members).into_values()) {
            self.bells.extend(mailbox.cut().0);
        }
        ring(&mut self.bells);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::SocketAddr;

    use sockeye_proto::echo::{Echo, Echoed};
    use sockeye_proto::machine::{Fault, SharedMachine};

    use super::*;
    use crate::drive::link::{Call, Link, Serve as _};
    use crate::drive::{Hall, HallLimits, Work, Worker};

    /// Says nothing to anybody.
    struct Silence;

    impl SharedMachine for Silence {
        type Tell = Infallible;
        type Told = Infallible;
        type Event = ();

        fn handle(&mut self, _: Tick, _: SharedInput<Infallible>) {}

        fn poll(&mut self) -> SharedOutput<Infallible, ()> {
            SharedOutput::Wait(None)
        }
    }

    struct Silent;

    impl SharedService for Silent {
        type Shared = Silence;
        type Machine = Echo;
        type Worker = Silent;

        fn open(&self, _: SocketAddr, _: Member) -> (Echo, Silent) {
            (Echo::default(), Silent)
        }

        fn happened(&self, (): ()) {}
    }

    impl Worker<Echo> for Silent {
        fn perform(&mut self, never: Infallible) -> Work<Infallible> {
            match never {}
        }

        fn happened(&mut self, _: Echoed) {}

        fn finish(self, _: Fault) {}
    }

    fn is_cut(link: &mut impl Link<Echo>) -> bool {
        link.poll_call(Waker::noop()) == Poll::Ready(Call::Cut)
    }

    #[test]
    fn an_owner_that_breaks_down_cuts_who_is_here_who_joins_and_who_comes_later() {
        let hall = Hall::new(Silent, Silence, HallLimits::default());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut owner = hall.owner().unwrap();
        assert!(hall.owner().is_none(), "there is one");
        let (_, _, mut here) = hall.begin(peer);
        owner.turn();
        let (_, _, mut joins) = hall.begin(peer);
        assert!(!is_cut(&mut here) && !is_cut(&mut joins));
        drop(owner);
        let (_, _, mut late) = hall.begin(peer);
        assert!(is_cut(&mut here) && is_cut(&mut joins) && is_cut(&mut late));
    }

    #[test]
    fn an_owner_is_over_when_the_last_has_left_and_then_nobody_joins() {
        let hall = Hall::new(Silent, Silence, HallLimits::default());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut owner = hall.owner().unwrap();
        let (_, _, here) = hall.begin(peer);
        assert!(!owner.is_over(), "somebody joins");
        owner.turn();
        assert!(!owner.is_over(), "somebody is here");
        drop(here);
        assert!(!owner.is_over(), "somebody leaves");
        owner.turn();
        assert!(owner.is_over());
        assert!(is_cut(&mut hall.begin(peer).2));
    }
}
