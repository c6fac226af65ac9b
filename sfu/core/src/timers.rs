//! Owns when each session wants to be woken. Never wakes one.

use std::time::Instant;

/// A binary heap of deadlines, one per slot, in which a deadline can be moved: it holds at most one entry
/// per session however often the session changes its mind.
#[derive(Debug, Default)]
pub struct Timers {
    heap: Vec<(Instant, u32)>,
    /// Position in the heap plus one; zero for a slot without deadline.
    places: Vec<u32>,
}

impl Timers {
    pub fn next(&self) -> Option<Instant> {
        self.heap.first().map(|(at, _)| *at)
    }

    /// The deadline of a slot becomes `at`.
    pub fn set(&mut self, slot: u32, at: Option<Instant>) {
        let place = self.place(slot);
        match (place, at) {
            (None, None) => {}
            (None, Some(at)) => {
                if self.places.len() <= slot as usize {
                    self.places.resize(slot as usize + 1, 0);
                }
                self.heap.push((at, slot));
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
                self.places[slot as usize] = 0;
                if place < self.heap.len() {
                    self.settle(place);
                }
            }
        }
    }

    /// The deadline of a slot becomes `at` if that is earlier than what it has.
    pub fn lower(&mut self, slot: u32, at: Instant) {
        if self.place(slot).is_none_or(|place| self.heap[place].0 > at) {
            self.set(slot, Some(at));
        }
    }

    /// Takes out one slot whose deadline has come.
    pub fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let (at, slot) = *self.heap.first()?;
        if at > now {
            return None;
        }
        self.set(slot, None);
        Some(slot)
    }

    fn place(&self, slot: u32) -> Option<usize> {
        let place = *self.places.get(slot as usize)?;
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
        let slot = self.heap[place].1;
        self.places[slot as usize] = place as u32 + 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slots_come_out_in_the_order_of_their_last_deadlines(
            steps in proptest::collection::vec((0u32..20, proptest::option::of(0u64..1000), any::<bool>()), 1..200)
        ) {
            let start = crate::sim::start();
            let at = |ms| start + Duration::from_millis(ms);
            let (mut timers, mut model) = (Timers::default(), BTreeMap::new());
            for (slot, ms, lower) in steps {
                match (ms, lower) {
                    (Some(ms), true) => {
                        timers.lower(slot, at(ms));
                        let known = model.entry(slot).or_insert(ms);
                        *known = ms.min(*known);
                    }
                    (Some(ms), false) => { timers.set(slot, Some(at(ms))); model.insert(slot, ms); }
                    (None, _) => { timers.set(slot, None); model.remove(&slot); }
                }
                prop_assert_eq!(timers.next(), model.values().min().map(|ms| at(*ms)));
            }
            let mut last = 0;
            while let Some(next) = timers.next() {
                prop_assert_eq!(timers.pop_due(next - Duration::from_nanos(1)), None);
                let slot = timers.pop_due(next).expect("due");
                let ms = model.remove(&slot).expect("known once");
                prop_assert!(ms >= last);
                last = ms;
            }
            prop_assert!(model.is_empty());
        }
    }
}
