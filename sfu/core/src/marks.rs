//! Owns the lists "look at this before the next flush": each thing once, in the order in which it was marked. Never
//! knows why.

use std::collections::VecDeque;

use crate::keys::Key;

/// Keys of one table that wait to be looked at.
#[derive(Debug)]
pub(crate) struct Marks<K> {
    order: VecDeque<K>,
    /// By the place of the key.
    is_marked: Vec<bool>,
}

impl<K> Default for Marks<K> {
    fn default() -> Marks<K> {
        Marks { order: VecDeque::new(), is_marked: Vec::new() }
    }
}

impl<K: Key> Marks<K> {
    /// However often it is marked, it is looked at once.
    pub fn mark(&mut self, key: K) {
        if self.is_marked.len() <= key.place() {
            self.is_marked.resize(key.place() + 1, false);
        }
        if !std::mem::replace(&mut self.is_marked[key.place()], true) {
            self.order.push_back(key);
        }
    }

    /// The one that was marked first, which is to be looked at now.
    pub fn take(&mut self) -> Option<K> {
        self.remove_at(0)
    }

    /// The one at this place in the order.
    pub fn at(&self, place: usize) -> Option<K> {
        self.order.get(place).copied()
    }

    pub fn remove_at(&mut self, place: usize) -> Option<K> {
        let key = self.order.remove(place)?;
        self.is_marked[key.place()] = false;
        Some(key)
    }

    /// What it names is gone.
    pub fn forget(&mut self, key: K) {
        if self.is_marked.get(key.place()).is_some_and(|is_marked| *is_marked) {
            self.is_marked[key.place()] = false;
            self.order.retain(|marked| *marked != key);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = K> + '_ {
        self.order.iter().copied()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::TrackKey;

    fn track(place: usize) -> TrackKey {
        TrackKey::new(place)
    }

    #[test]
    fn each_is_taken_once_in_the_order_of_its_first_mark() {
        let mut marks = Marks::default();
        [3, 1, 3, 2, 1].into_iter().for_each(|place| marks.mark(track(place)));
        assert_eq!(marks.iter().collect::<Vec<_>>(), [track(3), track(1), track(2)]);
        assert_eq!((marks.take(), marks.remove_at(1), marks.at(1)), (Some(track(3)), Some(track(2)), None));
        marks.mark(track(3));
        assert_eq!([marks.take(), marks.take(), marks.take()], [Some(track(1)), Some(track(3)), None]);
    }

    #[test]
    fn what_is_gone_is_not_looked_at_and_its_key_can_be_marked_anew() {
        let mut marks = Marks::default();
        [1, 2].into_iter().for_each(|place| marks.mark(track(place)));
        marks.forget(track(1));
        marks.forget(track(7));
        assert_eq!(marks.iter().collect::<Vec<_>>(), [track(2)]);
        marks.mark(track(1));
        assert_eq!(marks.iter().collect::<Vec<_>>(), [track(2), track(1)]);
    }
}
