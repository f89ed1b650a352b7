//! The mailbox of one member: what the shared machine says to it and its conversation has not yet
//! written, bounded in bytes.
//!
//! The owner puts in; the conversation takes all at once. What it took counts until it is written,
//! so that a peer who does not read cannot hide what waits for it. What does not fit is an
//! overflow, after which nothing more goes in: what a member is told has no holes.
//!
//! A conversation that looks after its mail and still has much of it has only had no turn yet. The
//! owner waits for such a one ([`Put::Kept::fell_behind`]); it never waits for one that is away
//! because its peer does not read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use sockeye_proto::machine::Weight;

use crate::drive::link::Call;

/// A conversation with this share of a full mailbox before it has fallen behind.
const BEHIND_SHARE: usize = 4;
/// Room for so many messages is kept by a mailbox that has been emptied.
const ENTRIES_KEPT: usize = 64;

/// What a message counts for: itself, and its entry in the mailbox.
pub(super) fn mail_bytes(told: &impl Weight) -> usize {
    told.weight_bytes().saturating_add(size_of::<Arc<()>>())
}

#[derive(Debug)]
pub(super) struct Mailbox<D> {
    max_bytes: usize,
    state: Mutex<State<D>>,
}

#[derive(Debug)]
struct State<D> {
    mail: VecDeque<Arc<D>>,
    /// Of the mail, and of what was taken and is not yet written.
    bytes: usize,
    fate: Fate,
    stance: Stance,
    /// The conversation, where it waits.
    waker: Option<Waker>,
}

/// What may still go in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Mail.
    Open,
    /// Nothing: more came than it may hold.
    Overflowed,
    /// Nothing: the conversation is to end.
    Cut,
    /// Nothing: the conversation has ended.
    Gone,
}

/// What the conversation is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stance {
    /// It looks after its mail.
    Here,
    /// It does, and has much of it.
    Behind,
    /// It waits for its peer or for a worker.
    Away,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Put {
    /// It is in the mailbox.
    Kept {
        /// Whom to wake.
        waker: Option<Waker>,
        /// The conversation fell behind by this message.
        fell_behind: bool,
    },
    /// It is one too many, the first. Nothing goes in after it.
    Overflow,
    /// Nobody takes it any more.
    Refused,
}

impl<D: Weight> Mailbox<D> {
    pub(super) fn new(max_bytes: usize) -> Self {
        let state = State {
            mail: VecDeque::new(),
            bytes: 0,
            fate: Fate::Open,
            stance: Stance::Here,
            waker: None,
        };
        Self { max_bytes, state: Mutex::new(state) }
    }

    /// Puts a message in; for the owner.
    pub(super) fn put(&self, told: Arc<D>) -> Put {
        let mut state = self.lock();
        if state.fate != Fate::Open {
            return Put::Refused;
        }
        let bytes = state.bytes.saturating_add(mail_bytes(&*told));
        if bytes > self.max_bytes {
            state.fate = Fate::Overflowed;
            return Put::Overflow;
        }
        state.bytes = bytes;
        state.mail.push_back(told);
        let waker = if state.stance == Stance::Away { None } else { state.waker.take() };
        let fell_behind = state.stance == Stance::Here && self.is_much(bytes);
        if fell_behind {
            state.stance = Stance::Behind;
        }
        Put::Kept { waker, fell_behind }
    }

    /// Ends the conversation; for the owner. Says whom to wake, and whether that one was behind.
    pub(super) fn cut(&self) -> (Option<Waker>, bool) {
        let mut state = self.lock();
        if state.fate == Fate::Gone {
            return (None, false);
        }
        state.fate = Fate::Cut;
        state.empty();
        (state.waker.take(), state.stops_lagging(Stance::Away))
    }

    /// For the conversation: `written_bytes` of what it took are written; what has come meanwhile
    /// is moved into `taken`. Why it is called, or else it is woken when it is; and whether it
    /// caught up.
    pub(super) fn poll(
        &self,
        written_bytes: usize,
        taken: &mut VecDeque<Arc<D>>,
        waker: &Waker,
    ) -> (Poll<Call>, bool) {
        let mut state = self.lock();
        if state.fate == Fate::Cut {
            return (Poll::Ready(Call::Cut), false);
        }
        state.bytes -= written_bytes;
        let is_behind = state.stance == Stance::Behind && self.is_much(state.bytes);
        let stance = if is_behind { Stance::Behind } else { Stance::Here };
        let caught_up = state.stops_lagging(stance);
        if taken.is_empty() && !state.mail.is_empty() {
            if taken.capacity() > ENTRIES_KEPT {
                *taken = VecDeque::new();
            }
            std::mem::swap(taken, &mut state.mail);
        }
        if taken.is_empty() {
            state.wait(waker);
            return (Poll::Pending, caught_up);
        }
        (Poll::Ready(Call::Mail), caught_up)
    }

    /// For the conversation: it does not look after its mail for a while, and waits for nothing but
    /// a cut. Whether it was behind before.
    pub(super) fn poll_cut(&self, waker: &Waker) -> (Poll<()>, bool) {
        let mut state = self.lock();
        if state.fate == Fate::Cut {
            return (Poll::Ready(()), false);
        }
        state.wait(waker);
        (Poll::Pending, state.stops_lagging(Stance::Away))
    }

    /// For the conversation: it does not look after its mail until it polls again. Whether it was
    /// behind before.
    pub(super) fn away(&self) -> bool {
        self.lock().stops_lagging(Stance::Away)
    }

    /// For the conversation: it has ended. Whether it was behind.
    pub(super) fn close(&self) -> bool {
        let mut state = self.lock();
        state.fate = Fate::Gone;
        state.empty();
        state.waker = None;
        state.stops_lagging(Stance::Away)
    }

    fn is_much(&self, bytes: usize) -> bool {
        bytes > self.max_bytes / BEHIND_SHARE
    }

    fn lock(&self) -> MutexGuard<'_, State<D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D> State<D> {
    fn wait(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(waits) => waits.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn empty(&mut self) {
        self.mail = VecDeque::new();
    }

    /// Whether the conversation was behind, and is not in this stance.
    fn stops_lagging(&mut self, stance: Stance) -> bool {
        let was = std::mem::replace(&mut self.stance, stance);
        was == Stance::Behind && stance != Stance::Behind
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// A message of so many bytes, its entry counted.
    struct Bytes(usize);

    impl Weight for Bytes {
        fn weight_bytes(&self) -> usize {
            self.0 - size_of::<Arc<()>>()
        }
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn mailbox() -> Mailbox<Bytes> {
        Mailbox::new(1_000)
    }

    fn put(mailbox: &Mailbox<Bytes>, bytes: usize) -> Put {
        mailbox.put(Arc::new(Bytes(bytes)))
    }

    fn poll(mailbox: &Mailbox<Bytes>, written_bytes: usize) -> (Poll<Call>, usize) {
        let mut taken = VecDeque::new();
        let (call, _) = mailbox.poll(written_bytes, &mut taken, Waker::noop());
        (call, taken.len())
    }

    #[test]
    fn what_does_not_fit_is_one_overflow_and_nothing_goes_in_after_it() {
        let mailbox = mailbox();
        assert!(matches!(put(&mailbox, 600), Put::Kept { .. }));
        assert!(matches!(put(&mailbox, 400), Put::Kept { .. }));
        assert!(matches!(put(&mailbox, 8), Put::Overflow));
        assert_eq!(poll(&mailbox, 0), (Poll::Ready(Call::Mail), 2), "what fitted is brought");
        assert_eq!(poll(&mailbox, 1_000), (Poll::Pending, 0));
        assert!(matches!(put(&mailbox, 8), Put::Refused), "there would be a hole before it");
    }

    #[test]
    fn what_was_taken_counts_until_it_is_written() {
        let mailbox = mailbox();
        put(&mailbox, 900);
        assert_eq!(poll(&mailbox, 0), (Poll::Ready(Call::Mail), 1));
        assert!(matches!(put(&mailbox, 101), Put::Overflow));

        let mailbox = self::mailbox();
        put(&mailbox, 900);
        assert_eq!(poll(&mailbox, 0), (Poll::Ready(Call::Mail), 1));
        assert_eq!(poll(&mailbox, 900), (Poll::Pending, 0));
        assert!(matches!(put(&mailbox, 1_000), Put::Kept { .. }));
    }

    #[test]
    fn who_waits_is_woken_by_the_first_message_and_not_by_the_next() {
        let (mailbox, count) = (mailbox(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        let mut taken = VecDeque::new();
        assert!(mailbox.poll(0, &mut taken, &waker).0.is_pending());
        let Put::Kept { waker: Some(first), .. } = put(&mailbox, 10) else { panic!("not woken") };
        assert!(matches!(put(&mailbox, 10), Put::Kept { waker: None, .. }));
        first.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(mailbox.poll(0, &mut taken, &waker).0, Poll::Ready(Call::Mail));
        assert!(matches!(put(&mailbox, 10), Put::Kept { waker: None, .. }), "it does not wait");
    }

    #[test]
    fn who_is_away_is_woken_by_a_cut_alone() {
        let mailbox = mailbox();
        assert!(mailbox.poll_cut(Waker::noop()).0.is_pending());
        assert!(matches!(put(&mailbox, 10), Put::Kept { waker: None, .. }));
        assert!(mailbox.cut().0.is_some());
        assert!(mailbox.poll_cut(Waker::noop()).0.is_ready());
        assert_eq!(poll(&mailbox, 0), (Poll::Ready(Call::Cut), 0), "its mail is gone");
        assert!(matches!(put(&mailbox, 10), Put::Refused));
    }

    #[test]
    fn only_who_looks_after_its_mail_can_fall_behind_and_each_time_is_ended_once() {
        let behind = |put| matches!(put, Put::Kept { fell_behind: true, .. });
        let mailbox = mailbox();
        assert!(!behind(put(&mailbox, 250)));
        assert!(behind(put(&mailbox, 10)));
        assert!(!behind(put(&mailbox, 10)), "it is already");
        assert!(mailbox.away(), "nobody waits for who is away");
        assert!(!mailbox.away());
        assert!(!behind(put(&mailbox, 10)));
        let mut taken = VecDeque::new();
        assert!(!mailbox.poll(0, &mut taken, Waker::noop()).1, "it was not behind");
        assert!(behind(put(&mailbox, 10)));
        assert!(mailbox.poll(280, &mut taken, Waker::noop()).1, "it caught up");
        assert!(behind(put(&mailbox, 300)));
        assert!(mailbox.close(), "it was behind to its end");
        assert!(!mailbox.close());
    }

    #[test]
    fn an_emptied_mailbox_gives_its_memory_back() {
        let mailbox: Mailbox<Bytes> = Mailbox::new(usize::MAX);
        for _ in 0..10_000 {
            put(&mailbox, 8);
        }
        let mut taken = VecDeque::new();
        let _ = mailbox.poll(0, &mut taken, Waker::noop());
        assert_eq!(taken.len(), 10_000);
        taken.clear();
        put(&mailbox, 8);
        let _ = mailbox.poll(80_000, &mut taken, Waker::noop());
        assert!(taken.capacity() + mailbox.lock().mail.capacity() <= 2 * ENTRIES_KEPT);
    }
}
