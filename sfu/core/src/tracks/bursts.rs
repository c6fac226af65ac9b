//! Owns the judgement whether a packet that leaves a frame incomplete should wait for the next one, which saves
//! system calls, or leave at once. Never decides for how long.

use std::time::Instant;

/// How often, lately, the next packet of a track came within the tick: a moving average of hits and misses.
///
/// Learned from arrivals alone, whether or not the packets waited: a track that stops to come in bursts is noticed
/// within a few packets, and so is one that begins to. A new track is taken to send packets singly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bursts {
    share: u8,
}

impl Bursts {
    /// The packet after an incomplete frame came: within the tick, or too late to have been waited for.
    #[inline]
    pub fn note(&mut self, in_time: bool) {
        if in_time {
            self.share += (u8::MAX - self.share).div_ceil(WEIGHT);
        } else {
            self.share -= self.share.div_ceil(WEIGHT);
        }
    }

    /// Whether waiting pays more often than not.
    #[inline]
    pub fn is_expected(self) -> bool {
        self.share >= EVEN
    }
}

/// The turn of the event loop in which packets came last: what arrived before its end could not be looked at sooner.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn {
    span: Option<(Instant, Instant)>,
}

impl Turn {
    pub fn new(began: Instant, ended: Instant) -> Turn {
        Turn { span: Some((began, ended)) }
    }

    /// From when on the packet after one that came at `before` could have been looked at. Sending to hundreds of viewers
    /// takes milliseconds: a packet found right after that did not come late.
    #[inline]
    pub fn free_after(self, before: Instant) -> Instant {
        match self.span {
            Some((began, ended)) if began <= before => before.max(ended),
            _ => before,
        }
    }
}

/// The newest arrival counts for one part in this many.
const WEIGHT: u8 = 8;
const EVEN: u8 = u8::MAX / 2 + 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn after(arrivals: impl IntoIterator<Item = bool>) -> Bursts {
        let mut bursts = Bursts::default();
        arrivals.into_iter().for_each(|in_time| bursts.note(in_time));
        bursts
    }

    #[test]
    fn a_change_of_habit_is_noticed_within_a_few_packets() {
        assert!(!after([]).is_expected());
        assert!(!after([true; 3]).is_expected());
        assert!(after([true; 8]).is_expected());
        let settled = [true; 1_000];
        assert!(after(settled.into_iter().chain([false; 3])).is_expected(), "one pause between frames is no habit");
        assert!(!after(settled.into_iter().chain([false; 8])).is_expected());
    }

    #[test]
    fn only_the_turn_that_a_packet_came_in_excuses_the_next_one() {
        let start = crate::sim::start();
        let at = |millis| start + std::time::Duration::from_millis(millis);
        let turn = Turn::new(at(10), at(16));
        assert_eq!(turn.free_after(at(10)), at(16));
        assert_eq!(turn.free_after(at(17)), at(17), "came after it");
        assert_eq!(turn.free_after(at(9)), at(9), "another turn was between");
        assert_eq!(Turn::default().free_after(at(9)), at(9));
    }

    #[test]
    fn the_share_stays_within_its_bounds() {
        assert_eq!(after([true; 1_000]).share, u8::MAX);
        assert_eq!(after([true, false].into_iter().chain([false; 1_000])).share, 0);
    }
}
