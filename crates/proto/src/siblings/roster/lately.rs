//! When something was last so, for as many things as there is room for.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::Tick;

/// Things with the time of each; when it is full, the oldest makes room.
#[derive(Debug)]
pub(super) struct Lately<K> {
    max: usize,
    when: BTreeMap<K, Tick>,
    by_time: BTreeSet<(Tick, K)>,
}

impl<K: Copy + Ord> Lately<K> {
    /// Room for so many, at least one.
    pub(super) fn new(max: usize) -> Self {
        Self { max, when: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// It is so now.
    pub(super) fn note(&mut self, now: Tick, thing: K) {
        self.forget(thing);
        if self.when.len() >= self.max
            && let Some((_, oldest)) = self.by_time.pop_first()
        {
            self.when.remove(&oldest);
        }
        self.when.insert(thing, now);
        self.by_time.insert((now, thing));
    }

    /// It is so no longer.
    pub(super) fn forget(&mut self, thing: K) {
        if let Some(then) = self.when.remove(&thing) {
            self.by_time.remove(&(then, thing));
        }
    }

    /// When it was last so, as far as that is remembered.
    pub(super) fn when(&self, thing: K) -> Option<Tick> {
        self.when.get(&thing).copied()
    }

    /// Forgets all others.
    pub(super) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.when.retain(|thing, _| keep(thing));
        self.by_time.retain(|(_, thing)| keep(thing));
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.when.len(), self.by_time.len());
        self.when.len()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.when.clear();
        self.by_time.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ns: u64) -> Tick {
        Tick::from_ns(ns)
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut lately = Lately::new(2);
        lately.note(at(1), 'a');
        lately.note(at(2), 'b');
        lately.note(at(3), 'a');
        lately.note(at(4), 'c');
        assert_eq!(
            ['a', 'b', 'c'].map(|thing| lately.when(thing)),
            [Some(at(3)), None, Some(at(4))]
        );
        assert_eq!(lately.len(), 2);
    }

    #[test]
    fn what_is_forgotten_leaves_its_place() {
        let mut lately = Lately::new(2);
        for thing in 0..10 {
            lately.note(at(1), thing);
            lately.forget(thing);
        }
        lately.note(at(1), 10);
        lately.note(at(1), 11);
        lately.retain(|thing| *thing != 10);
        assert_eq!((lately.when(10), lately.when(11)), (None, Some(at(1))));
        assert_eq!(lately.len(), 1);
        lately.clear();
        assert_eq!(lately.len(), 0);
    }
}
