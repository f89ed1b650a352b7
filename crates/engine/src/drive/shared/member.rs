//! A conversation's tie to its shared machine: its end of the mailbox and of the queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Poll, Waker};

use sockeye_proto::machine::{Machine, Member, Weight};

use super::mailbox::{Mailbox, mail_bytes};
use super::queue::{Queue, Turn};
use crate::drive::link::{Call, Link};

/// A member's conversation. Dropping it is leaving: nothing is delivered to it after that.
#[derive(Debug)]
pub struct Membership<T: Weight, D: Weight> {
    member: Member,
    queue: Arc<Queue<T, D>>,
    mailbox: Arc<Mailbox<D>>,
    /// What was said and found no room yet: no more than one read of the peer or one batch of mail
    /// made the machine say.
    untold: VecDeque<T>,
    /// Where it waits for room, or was woken because there is some.
    turn: Option<Turn>,
    /// Mail that was taken and not yet given to the machine.
    taken: VecDeque<Arc<D>>,
    /// Of mail that was given to the machine, and of which the mailbox does not yet know that it
    /// is written.
    given_bytes: usize,
    has_left: bool,
}

impl<T: Weight, D: Weight> Membership<T, D> {
    pub(super) fn join(queue: &Arc<Queue<T, D>>) -> (Member, Self) {
        let (member, mailbox) = queue.join();
        let membership = Self {
            member,
            queue: Arc::clone(queue),
            mailbox,
            untold: VecDeque::new(),
            turn: None,
            taken: VecDeque::new(),
            given_bytes: 0,
            has_left: false,
        };
        (member, membership)
    }

    fn say(&mut self, waker: Option<&Waker>) -> bool {
        self.untold.is_empty()
            || self.queue.say(self.member, &mut self.untold, &mut self.turn, waker)
    }

    /// Does not wait for room any more.
    fn give_turn_away(&mut self) {
        if let Some(turn) = self.turn.take() {
            self.queue.give_turn_away(turn);
        }
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.has_left, true) {
            let was_behind = self.mailbox.close();
            self.caught_up(was_behind);
            self.give_turn_away();
            self.queue.leave(self.member);
        }
    }

    fn caught_up(&self, caught_up: bool) {
        if caught_up {
            self.queue.caught_up();
        }
    }
}

impl<M, T, D> Link<M> for Membership<T, D>
where
    M: Machine<Tell = T, Told = D>,
    T: Weight + Send + 'static,
    D: Weight + Send + Sync + 'static,
{
    const IS_SHARED: bool = true;

    fn tell(&mut self, tell: T) {
        self.untold.push_back(tell);
    }

    fn send(&mut self) -> bool {
        self.say(None)
    }

    fn poll_sent(&mut self, waker: &Waker) -> Poll<()> {
        // It is told nothing more from now on.
        let was_behind = self.mailbox.close();
        self.caught_up(was_behind);
        if self.say(Some(waker)) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_call(&mut self, waker: &Waker) -> Poll<Call> {
        let is_waiting = !self.untold.is_empty();
        let found_room = is_waiting && self.say(Some(waker));
        let given_bytes = std::mem::take(&mut self.given_bytes);
        let (call, caught_up) = self.mailbox.poll(given_bytes, &mut self.taken, waker);
        self.caught_up(caught_up);
        if call.is_pending() && found_room { Poll::Ready(Call::Room) } else { call }
    }

    fn poll_cut(&mut self, waker: &Waker) -> Poll<()> {
        // What was said before its peer stopped reading is said; and its turn holds up nobody.
        self.say(Some(waker));
        let (is_cut, was_behind) = self.mailbox.poll_cut(waker);
        self.caught_up(was_behind);
        is_cut
    }

    fn away(&mut self) {
        let was_behind = self.mailbox.away();
        self.caught_up(was_behind);
        self.give_turn_away();
    }

    fn next_mail(&mut self) -> Option<Arc<D>> {
        let told = self.taken.pop_front()?;
        self.given_bytes += mail_bytes(&*told);
        Some(told)
    }

    fn leave(&mut self) {
        self.end();
    }
}

impl<T: Weight, D: Weight> Drop for Membership<T, D> {
    fn drop(&mut self) {
        self.end();
    }
}
