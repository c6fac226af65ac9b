//! Owns which packets of a source one viewer was not sent, so that the numbers of the others have no gap and still lead
//! back to them. Never numbers a packet.

use std::collections::VecDeque;

/// The last packets that were left out, by their sequences.
///
/// It remembers [`REMEMBERED_MAX`] of them: with a temporal layer left out that is every second packet of some two
/// seconds, as long as a viewer asks for repeats. What was sent before the oldest of them has numbers nobody knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeftOut {
    /// Ascending.
    sequences: VecDeque<u64>,
    /// Those that are not remembered, and the newest of them.
    forgotten: u64,
    newest_forgotten: Option<u64>,
}

impl LeftOut {
    /// A packet that is newer than all before is left out.
    pub fn push(&mut self, sequence: u64) {
        if self.sequences.len() >= REMEMBERED_MAX {
            self.newest_forgotten = self.sequences.pop_front();
            self.forgotten += 1;
        }
        self.sequences.push_back(sequence);
    }

    /// How many were left out in all.
    pub fn count(&self) -> u64 {
        self.forgotten + self.sequences.len() as u64
    }

    /// How many were left out before this one. `None` if it was left out itself, or is so old that it is not known.
    #[inline]
    pub fn before(&self, sequence: u64) -> Option<u64> {
        match self.sequences.back() {
            Some(newest) if sequence <= *newest => {
                let is_known = self.newest_forgotten.is_none_or(|forgotten| sequence > forgotten);
                let earlier = self.sequences.binary_search(&sequence).err()?;
                is_known.then_some(self.forgotten + earlier as u64)
            }
            _ => Some(self.count()),
        }
    }

    /// Which sequence it is that would be `packed` if the sequences of all that was left out before were taken by others:
    /// the way back from [`LeftOut::before`].
    pub fn undo(&self, packed: u64) -> Option<u64> {
        // Where the first is that lies beyond: the gap between a sequence and what it is packed to only grows.
        let (mut low, mut high) = (0, self.sequences.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.sequences.get(middle) {
                Some(sequence) if sequence - (self.forgotten + middle as u64) <= packed => low = middle + 1,
                _ => high = middle,
            }
        }
        let sequence = packed + self.forgotten + low as u64;
        self.newest_forgotten.is_none_or(|forgotten| sequence > forgotten).then_some(sequence)
    }
}

/// Packets that were left out and are remembered, 8 kB of them.
const REMEMBERED_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is left out has no place, and the others have one after the other, which leads back to them.
        #[test]
        fn the_others_have_places_without_gaps(steps in proptest::collection::vec(any::<bool>(), 1..6_000)) {
            let mut left_out = LeftOut::default();
            let mut sent = Vec::new();
            for (sequence, is_sent) in (1_000_u64..).zip(steps) {
                if is_sent {
                    let before = left_out.before(sequence);
                    prop_assert_eq!(before, Some(left_out.count()));
                    prop_assert_eq!(sequence - left_out.count(), 1_000 + sent.len() as u64);
                    sent.push(sequence);
                } else {
                    left_out.push(sequence);
                    prop_assert_eq!(left_out.before(sequence), None);
                }
            }
            for (place, sequence) in sent.iter().enumerate().rev() {
                let packed = 1_000 + place as u64;
                match left_out.before(*sequence) {
                    Some(before) => {
                        prop_assert_eq!(sequence - before, packed);
                        prop_assert_eq!(left_out.undo(packed), Some(*sequence));
                    }
                    // So old that it is not known any more: then nothing else is said to be it.
                    None => prop_assert_eq!(left_out.undo(packed), None),
                }
            }
        }
    }

    #[test]
    fn every_second_packet_of_two_seconds_is_remembered() {
        let mut left_out = LeftOut::default();
        (0..4_000).filter(|at| at % 2 == 1).for_each(|at| left_out.push(at));
        assert_eq!(left_out.count(), 2_000);
        assert_eq!(left_out.undo(1_999), Some(3_998));
        assert_eq!(left_out.undo(1_000), Some(2_000));
        assert_eq!((left_out.undo(900), left_out.before(1_800)), (None, None), "longer ago than anybody asks for it");
    }
}
