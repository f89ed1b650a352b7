//! What is going to happen, in order.

use std::collections::BTreeMap;

use sockeye_proto::machine::Tick;

/// Events by (tick, sequence): what is due first comes first, and of two that are due together the
/// one that was put in first.
///
/// ```
/// use sockeye_proto::machine::Tick;
/// use sockeye_sim::network::EventQueue;
/// let mut queue = EventQueue::default();
/// queue.push(Tick::from_ns(2), "second");
/// queue.push(Tick::from_ns(2), "third");
/// queue.push(Tick::from_ns(1), "first");
/// let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
/// assert_eq!(order, ["first", "second", "third"]);
/// assert_eq!(queue.now(), Tick::from_ns(2));
/// ```
#[derive(Clone, Debug)]
pub struct EventQueue<E> {
    waiting: BTreeMap<(Tick, u64), E>,
    next_sequence: u64,
    now: Tick,
}

impl<E> EventQueue<E> {
    /// The virtual time: that of the event taken last.
    pub fn now(&self) -> Tick {
        self.now
    }

    /// This happens then; what is meant for the past happens now.
    pub fn push(&mut self, at: Tick, event: E) {
        self.waiting.insert((at.max(self.now), self.next_sequence), event);
        self.next_sequence += 1;
    }

    /// When the next event is due.
    pub fn next_at(&self) -> Option<Tick> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next event and moves the time to it.
    pub fn pop(&mut self) -> Option<(Tick, E)> {
        let ((at, _), event) = self.waiting.pop_first()?;
        self.now = at;
        Some((at, event))
    }
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), next_sequence: 0, now: Tick::START }
    }
}
