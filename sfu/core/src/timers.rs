//! Owns when each thing of a table wants to be woken. Never wakes one.

use std::time::Instant;

use crate::keys::Key;

/// A binary heap of deadlines, one per key, in which a deadline can be moved: it holds at most one entry per key,
/// however often it is changed.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    heap: Vec<(Instant, K)>,
    /// Position in the heap plus one; zero for a key without deadline.
    places: Vec<u32>,
}

impl<K> Default for Timers<K> {
    fn default() -> Timers<K> {
        Timers { heap: Vec::new(), places: Vec::new() }
    }
}

impl<K: Key> Timers<K> {
    pub fn next(&self) -> Option<Instant> {
        self.heap.first().map(|(at, _)| *at)
    }

    /// The deadline of a key becomes `at`.
    pub fn set(&mut self, key: K, at: Option<Instant>) {
        let place = self.place(key);
        match (place, at) {
            (None, None) => {}
            (None, Some(at)) => {
                if self.places.len() <= key.place() {
                    self.places.resize(key.place() + 1, 0);
                }
                self.heap.push((at, key));
                self.settle(self.heap.len() - 1);
            }
            (Some(place), Some(at)) => {
                if self.heap[place].0 != at {
                    self.heap[place].0 = at;
                    self.settle(place);
                }
            }
            (Some(place), None) => {
                self.heap.swap_remove(place);
                self.places[key.place()] = 0;
                if place < self.heap.len() {
                    self.settle(place);
                }
            }
        }
    }

    /// The deadline of a key becomes `at` if that is earlier than what it has.
    pub fn lower(&mut self, key: K, at: Instant) {
        if self.place(key).is_none_or(|place| self.heap[place].0 > at) {
            self.set(key, Some(at));
        }
    }

    /// Takes out one key whose deadline has come.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.heap.first()?;
        if at > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }

    fn place(&self, key: K) -> Option<usize> {
        let place = *self.places.get(key.place())?;
        (place as usize).checked_sub(1)
    }

    /// Restores the order around an entry that changed, and notes where it and its neighbours are.
    fn settle(&mut self, mut place: usize) {
        while place > 0 && self.heap[place].0 < self.heap[(place - 1) / 2].0 {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let mut least = place;
            for child in [left, right] {
                if child < self.heap.len() && self.heap[child].0 < self.heap[least].0 {
                    least = child;
                }
            }
            if least == place {
                break;
            }
            self.swap(place, least);
            place = least;
        }
        self.note(place);
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.note(a);
        self.note(b);
    }

    fn note(&mut self, place: usize) {
        let key = self.heap[place].1;
        self.places[key.place()] = place as u32 + 1;
    }
}

/// A deadline becomes `at` if that is earlier.
pub(crate) fn lower(deadline: &mut Option<Instant>, at: Option<Instant>) {
    if let Some(at) = at {
        *deadline = Some(deadline.map_or(at, |known| known.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::keys::SessionKey;

    proptest! {
        #[test]
        fn keys_come_out_in_the_order_of_their_last_deadlines(
            steps in proptest::collection::vec((0usize..20, proptest::option::of(0u64..1000), any::<bool>()), 1..200)
        ) {
            let start = crate::sim::start();
            let at = |ms| start + Duration::from_millis(ms);
            let (mut timers, mut model) = (Timers::<SessionKey>::default(), BTreeMap::new());
            for (place, ms, lower) in steps {
                let key = SessionKey::new(place);
                match (ms, lower) {
                    (Some(ms), true) => {
                        timers.lower(key, at(ms));
                        let known = model.entry(key).or_insert(ms);
                        *known = ms.min(*known);
                    }
                    (Some(ms), false) => { timers.set(key, Some(at(ms))); model.insert(key, ms); }
                    (None, _) => { timers.set(key, None); model.remove(&key); }
                }
                prop_assert_eq!(timers.next(), model.values().min().map(|ms| at(*ms)));
            }
            let mut last = 0;
            while let Some(next) = timers.next() {
                prop_assert_eq!(timers.pop_due(next - Duration::from_nanos(1)), None);
                let key = timers.pop_due(next).expect("due");
                let ms = model.remove(&key).expect("known once");
                prop_assert!(ms >= last);
                last = ms;
            }
            prop_assert!(model.is_empty());
        }
    }
}
