//! Owns the numbers of RTP that wrap: sequence numbers, their unwrapped form, and the SSRC.

use std::fmt;

/// Synchronisation source (RFC 3550 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A 16-bit sequence number. It has no total order, so it does not implement `Ord`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seq(pub u16);

impl Seq {
    /// Whether `self` comes after `other` on the shorter way around. At exactly half the circle
    /// (32,768 apart) the larger number is the newer one, so that two numbers always have an order.
    pub fn is_newer_than(self, other: Seq) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        if ahead == HALF_CIRCLE { self.0 > other.0 } else { ahead != 0 && ahead < HALF_CIRCLE }
    }

    /// How many steps forward from `other` to `self`, around the circle.
    pub fn steps_after(self, other: Seq) -> u16 {
        self.0.wrapping_sub(other.0)
    }

    pub fn next(self) -> Seq {
        Seq(self.0.wrapping_add(1))
    }
}

/// A sequence number that never wraps: 2^16 × the number of wraps + the 16 bits on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExtendedSeq(pub u64);

impl ExtendedSeq {
    /// The first number of a received stream, for bookkeeping: it starts in the second cycle, so that a
    /// packet that was overtaken by the first one still has a number of its own. It is not an SRTP index,
    /// whose roll-over counter starts at 0 (RFC 3711 section 3.3.1).
    pub fn first(seq: Seq) -> ExtendedSeq {
        ExtendedSeq(CYCLE | u64::from(seq.0))
    }

    /// The number nearest to `self` whose low 16 bits are `seq`. Never below zero.
    pub fn unwrap(self, seq: Seq) -> ExtendedSeq {
        let ahead = seq.steps_after(self.seq());
        if seq == self.seq() || seq.is_newer_than(self.seq()) {
            return ExtendedSeq(self.0.saturating_add(u64::from(ahead)));
        }
        let behind = self.seq().steps_after(seq);
        match self.0.checked_sub(u64::from(behind)) {
            Some(older) => ExtendedSeq(older),
            None => ExtendedSeq(u64::from(seq.0)),
        }
    }

    pub fn seq(self) -> Seq {
        Seq((self.0 & 0xffff) as u16)
    }

    pub fn next(self) -> ExtendedSeq {
        ExtendedSeq(self.0.saturating_add(1))
    }
}

const HALF_CIRCLE: u16 = 1 << 15;
const CYCLE: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_number_after_the_last_is_newer_than_it() {
        assert!(Seq(0).is_newer_than(Seq(65_535)));
        assert!(!Seq(65_535).is_newer_than(Seq(0)));
        assert!(!Seq(7).is_newer_than(Seq(7)));
        assert!(Seq(40_000).is_newer_than(Seq(40_000 - 32_768)), "half the circle: the larger number");
        assert!(!Seq(40_000 - 32_768).is_newer_than(Seq(40_000)));
        assert_eq!(Seq(65_535).next(), Seq(0));
        assert_eq!(Seq(2).steps_after(Seq(65_534)), 4);
    }

    #[test]
    fn a_stream_unwraps_across_the_wrap_and_back() {
        let first = ExtendedSeq::first(Seq(65_534));
        let after = first.unwrap(Seq(1));
        assert_eq!(after.0, first.0 + 3);
        assert_eq!(after.unwrap(Seq(65_535)).0, first.0 + 1);
    }

    #[test]
    fn unwrapping_at_the_very_start_does_not_go_below_zero() {
        assert_eq!(ExtendedSeq(3).unwrap(Seq(65_535)), ExtendedSeq(65_535));
    }

    proptest! {
        #[test]
        fn any_two_different_numbers_have_exactly_one_newer(a: u16, b: u16) {
            prop_assume!(a != b);
            prop_assert_ne!(Seq(a).is_newer_than(Seq(b)), Seq(b).is_newer_than(Seq(a)));
        }

        #[test]
        fn unwrap_finds_every_number_within_half_a_circle(start in 100_000u64..1 << 40, step in -32_767i64..32_767) {
            let target = ExtendedSeq(start.checked_add_signed(step).expect("in range"));
            prop_assert_eq!(ExtendedSeq(start).unwrap(target.seq()), target);
        }
    }
}
