//! The queue into the owner of a shared machine: who joined, what members say, who left, in one
//! order.
//!
//! What members say is bounded in messages and bytes; who finds no room keeps what it has to say,
//! and is woken in its turn when there is some. Joining and leaving always find room: each
//! conversation does either once. The owner takes all that waits at a time, so that in all twice
//! the bound may be held: once in the queue, once in its hands.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use sockeye_proto::machine::{Member, Weight};

use super::HallLimits;
use super::mailbox::Mailbox;

/// When the queue has been emptied, so many of those who wait for room are woken at once. Each that
/// leaves some room wakes the next: who would find none is not woken in vain.
const WOKEN_AT_ONCE: usize = 8;

/// A place among those who wait for room; the lower, the sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(u64);

/// Something for the owner.
#[derive(Debug)]
pub(super) enum Entry<T, D> {
    /// A conversation began, with this mailbox.
    Joined(Member, Arc<Mailbox<D>>),
    /// A member says this.
    From(Member, T),
    /// A conversation ended.
    Left(Member),
}

#[derive(Debug)]
pub(super) struct Queue<T, D> {
    limits: HallLimits,
    state: Mutex<State<T, D>>,
}

#[derive(Debug)]
struct State<T, D> {
    entries: VecDeque<Entry<T, D>>,
    /// Of what members say.
    messages: usize,
    bytes: usize,
    next_member: u64,
    /// Conversations that have fallen behind with their mail. A conversation may report that it
    /// caught up before the owner reports that it fell behind.
    behind: isize,
    /// The owner, where it waits.
    owner: Option<Waker>,
    /// Who waits for room. Whoever is woken is no more among them: it says something, or gives its
    /// turn away.
    waiting: BTreeMap<Turn, Waker>,
    next_turn: Turn,
    is_closed: bool,
}

impl<T: Weight, D: Weight> Queue<T, D> {
    pub(super) fn new(limits: HallLimits) -> Self {
        let state = State {
            entries: VecDeque::new(),
            messages: 0,
            bytes: 0,
            next_member: 0,
            behind: 0,
            owner: None,
            waiting: BTreeMap::new(),
            next_turn: Turn(0),
            is_closed: false,
        };
        Self { limits, state: Mutex::new(state) }
    }

    /// A new member. Where the owner has ended, it is cut from the beginning.
    pub(super) fn join(&self) -> (Member, Arc<Mailbox<D>>) {
        let mailbox = Arc::new(Mailbox::new(self.limits.mailbox_max_bytes));
        let mut state = self.lock();
        let member = Member(state.next_member);
        state.next_member += 1;
        if state.is_closed {
            mailbox.cut();
        } else {
            state.entries.push_back(Entry::Joined(member, Arc::clone(&mailbox)));
            wake_owner(state);
        }
        (member, mailbox)
    }

    /// Takes over what a member says, from the front, as far as there is room. If that is not all,
    /// it wakes the member when its turn has come.
    pub(super) fn say(
        &self,
        member: Member,
        untold: &mut VecDeque<T>,
        turn: &mut Option<Turn>,
        waker: Option<&Waker>,
    ) -> bool {
        let mut state = self.lock();
        if state.is_closed {
            untold.clear();
            return true;
        }
        let has_said = state.take_over(member, untold, &self.limits);
        let is_all = untold.is_empty();
        let mut next = None;
        if is_all || has_said {
            turn.take().map(|turn| state.waiting.remove(&turn));
        }
        if is_all {
            next = state.waiting.pop_first();
        } else if let Some(waker) = waker {
            let turn = *turn.get_or_insert_with(|| state.last_turn());
            state.waiting.insert(turn, waker.clone());
        }
        let owner = state.owner.take_if(|_| has_said);
        drop(state);
        for waker in owner.into_iter().chain(next.map(|(_, waker)| waker)) {
            waker.wake();
        }
        is_all
    }

    /// Who waited for room does not look after it any more, and whose turn it was already gives it
    /// away.
    pub(super) fn give_turn_away(&self, turn: Turn) {
        let mut state = self.lock();
        if state.waiting.remove(&turn).is_none() {
            let next = state.waiting.pop_first();
            drop(state);
            if let Some((_, waker)) = next {
                waker.wake();
            }
        }
    }

    /// A member has left.
    pub(super) fn leave(&self, member: Member) {
        let mut state = self.lock();
        if !state.is_closed {
            state.entries.push_back(Entry::Left(member));
            wake_owner(state);
        }
    }

    /// A member that had fallen behind with its mail has not any more.
    pub(super) fn caught_up(&self) {
        let mut state = self.lock();
        state.behind -= 1;
        if state.behind <= 0 {
            wake_owner(state);
        }
    }

    /// A member has fallen behind with its mail; said by the owner, who then waits for it.
    pub(super) fn fell_behind(&self) {
        self.lock().behind += 1;
    }

    /// Takes all entries, for the owner.
    pub(super) fn take(&self, batch: &mut VecDeque<Entry<T, D>>) {
        let mut state = self.lock();
        (state.messages, state.bytes) = (0, 0);
        std::mem::swap(batch, &mut state.entries);
        let turns = (0..WOKEN_AT_ONCE).map_while(|_| state.waiting.pop_first());
        let turns: Vec<_> = turns.collect();
        drop(state);
        for (_, waker) in turns {
            waker.wake();
        }
    }

    /// Whether the owner may go on: there are entries, in its hands or here, and nobody has fallen
    /// behind.
    pub(super) fn poll_work(&self, has_batch: bool, waker: &Waker) -> Poll<()> {
        let mut state = self.lock();
        if state.behind <= 0 && (has_batch || !state.entries.is_empty()) {
            return Poll::Ready(());
        }
        match &mut state.owner {
            Some(owner) => owner.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        Poll::Pending
    }

    /// Closes the queue if it is empty.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut state = self.lock();
        state.is_closed |= state.entries.is_empty();
        state.is_closed
    }

    /// The owner has ended: nothing goes in any more, and who waits need not.
    pub(super) fn close(&self) -> VecDeque<Entry<T, D>> {
        let mut state = self.lock();
        state.is_closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        let entries = std::mem::take(&mut state.entries);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
        entries
    }

    fn lock(&self) -> MutexGuard<'_, State<T, D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Weight, D> State<T, D> {
    /// Whether anything was taken over.
    fn take_over(&mut self, member: Member, untold: &mut VecDeque<T>, limits: &HallLimits) -> bool {
        let before = self.messages;
        while let Some(tell) = untold.front() {
            let bytes = self.bytes.saturating_add(tell.weight_bytes());
            let has_room =
                self.messages < limits.queue_max_messages && bytes <= limits.queue_max_bytes;
            // Whatever its size, a message finds room in an empty queue.
            if !has_room && self.messages > 0 {
                break;
            }
            let Some(tell) = untold.pop_front() else { break };
            self.messages += 1;
            self.bytes = bytes;
            self.entries.push_back(Entry::From(member, tell));
        }
        self.messages > before
    }

    fn last_turn(&mut self) -> Turn {
        let turn = self.next_turn;
        self.next_turn = Turn(turn.0 + 1);
        turn
    }
}

/// Wakes the owner, if it waits, after the lock is released.
fn wake_owner<T, D>(mut state: MutexGuard<'_, State<T, D>>) {
    let owner = state.owner.take();
    drop(state);
    if let Some(owner) = owner {
        owner.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Word(usize);

    impl Weight for Word {
        fn weight_bytes(&self) -> usize {
            self.0
        }
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A member with this much to say.
    struct Says {
        member: Member,
        untold: VecDeque<Word>,
        turn: Option<Turn>,
        woken: Arc<Count>,
    }

    impl Says {
        fn new(queue: &Queue<Word, Word>, words: usize) -> Self {
            let untold = std::iter::repeat_with(|| Word(10)).take(words).collect();
            Self { member: queue.join().0, untold, turn: None, woken: Arc::default() }
        }

        fn say(&mut self, queue: &Queue<Word, Word>) -> bool {
            let waker = Waker::from(Arc::clone(&self.woken));
            queue.say(self.member, &mut self.untold, &mut self.turn, Some(&waker))
        }

        fn woken(&self) -> usize {
            self.woken.0.load(Ordering::Relaxed)
        }
    }

    fn queue(queue_max_messages: usize, queue_max_bytes: usize) -> Queue<Word, Word> {
        let limits = HallLimits { queue_max_messages, queue_max_bytes, ..HallLimits::default() };
        Queue::new(limits)
    }

    fn taken(queue: &Queue<Word, Word>) -> usize {
        let mut batch = VecDeque::new();
        queue.take(&mut batch);
        batch.iter().filter(|entry| matches!(entry, Entry::From(..))).count()
    }

    #[test]
    fn what_finds_no_room_stays_with_its_member_who_is_woken_when_there_is_some() {
        let queue = queue(3, 1_000);
        let mut ana = Says::new(&queue, 5);
        assert!(!ana.say(&queue));
        assert_eq!((ana.untold.len(), ana.woken()), (2, 0));
        assert_eq!((taken(&queue), ana.woken()), (3, 1));
        assert!(ana.say(&queue));
        assert_eq!((taken(&queue), ana.woken()), (2, 1), "who has said all is not woken");
    }

    #[test]
    fn bytes_are_bounded_too_and_an_oversized_message_passes_alone() {
        let queue = queue(100, 25);
        let mut ana = Says::new(&queue, 3);
        assert!(!ana.say(&queue));
        assert_eq!((ana.untold.len(), taken(&queue)), (1, 2));
        ana.untold.push_front(Word(1_000));
        assert!(!ana.say(&queue));
        assert_eq!((ana.untold.len(), taken(&queue)), (1, 1));
    }

    #[test]
    fn room_goes_round_and_who_gives_its_turn_away_wakes_the_next() {
        let queue = queue(1, 1_000);
        let mut first = Says::new(&queue, 1);
        assert!(first.say(&queue));
        let mut waiting: Vec<Says> = (0..WOKEN_AT_ONCE + 2).map(|_| Says::new(&queue, 2)).collect();
        for member in &mut waiting {
            assert!(!member.say(&queue));
        }
        taken(&queue);
        let woken: Vec<usize> = waiting.iter().map(Says::woken).collect();
        assert_eq!(woken[..WOKEN_AT_ONCE], [1; WOKEN_AT_ONCE]);
        assert_eq!(woken[WOKEN_AT_ONCE..], [0, 0], "not all at once");
        assert!(!waiting[0].say(&queue), "its second word has to wait again");
        let turn = waiting[1].turn.take().unwrap();
        queue.give_turn_away(turn);
        assert_eq!(waiting[WOKEN_AT_ONCE].woken(), 1);
        let turn = waiting[WOKEN_AT_ONCE + 1].turn.take().unwrap();
        queue.give_turn_away(turn);
        assert_eq!(waiting[0].woken(), 1, "it was not its turn yet, so nobody else has it");
    }

    #[test]
    fn the_owner_goes_on_when_nobody_is_behind() {
        let queue = queue(10, 1_000);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut ana = Says::new(&queue, 1);
        assert!(queue.poll_work(false, &waker).is_ready(), "somebody joined");
        taken(&queue);
        assert!(queue.poll_work(false, &waker).is_pending());
        assert!(ana.say(&queue));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        queue.fell_behind();
        assert!(queue.poll_work(true, &waker).is_pending());
        queue.caught_up();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert!(queue.poll_work(true, &waker).is_ready());
    }

    #[test]
    fn a_closed_queue_takes_and_forgets_everything_and_lets_nobody_in() {
        let queue = queue(1, 1_000);
        let mut ana = Says::new(&queue, 2);
        assert!(!queue.close_if_empty(), "somebody is here");
        assert!(!ana.say(&queue));
        assert_eq!(queue.close().len(), 2, "who joined, and a word");
        assert_eq!(ana.woken(), 1);
        assert!(ana.say(&queue) && ana.untold.is_empty());
        let (_, mailbox) = queue.join();
        assert!(mailbox.poll_cut(Waker::noop()).0.is_ready());
    }
}
