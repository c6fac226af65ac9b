//! Owns which packet each of the last transport-wide numbers was, so that one that feedback says did not arrive can be
//! repeated without being asked for: the client's NACK may have been lost, and comes again only after a round trip and
//! more. Never repeats it.

use std::num::NonZeroU8;

use arrayvec::ArrayVec;

use crate::keys::{Key, SendLine};

/// A packet of an m-line as it left, by its sequence number there; a repeat has that of what it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Original {
    /// Its place plus one: with none of it an entry has four bytes, and each viewer has hundreds of these.
    line: NonZeroU8,
    pub seq: u16,
}

impl Original {
    #[inline]
    pub fn of(line: SendLine, index: u64) -> Original {
        Original { line: NonZeroU8::MIN.saturating_add(line.place() as u8), seq: index as u16 }
    }

    pub fn line(self) -> SendLine {
        SendLine::new(usize::from(self.line.get()) - 1)
    }
}

/// The last [`KEPT`] numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Missed {
    /// With the first number: a client without numbers never needs it.
    ring: Option<Box<[Option<Original>; KEPT]>>,
    newest: u16,
    told: ArrayVec<Original, TOLD_MAX>,
}

impl Missed {
    /// The packet of a number, if it is one that can be repeated.
    #[inline]
    pub fn note_sent(&mut self, number: u16, original: Option<Original>) {
        self.newest = number;
        let ring = self.ring.get_or_insert_with(|| Box::new([None; KEPT]));
        ring[usize::from(number) % KEPT] = original;
    }

    /// Feedback says of a number whether it arrived. Each is believed once.
    pub fn note_fate(&mut self, number: u16, is_received: bool) {
        if usize::from(self.newest.wrapping_sub(number)) >= KEPT {
            return;
        }
        let Some(ring) = &mut self.ring else { return };
        let original = ring[usize::from(number) % KEPT].take();
        if let Some(original) = original.filter(|_| !is_received) {
            // What is too much of a line that is as bad as this is left to the NACK.
            let _ = self.told.try_push(original);
        }
    }

    /// Reads what is noted of the last numbers, so many of them, and what the next one is noted over.
    #[inline]
    pub fn read(&self, numbers: usize) -> u64 {
        let Some(ring) = &self.ring else { return 0 };
        let back = (0..=numbers).step_by(ENTRIES_PER_LINE);
        let read = back.map(|back| ring[usize::from(self.newest.wrapping_add(1).wrapping_sub(back as u16)) % KEPT]);
        read.fold(0, |sum, original| sum ^ original.map_or(0, |original| u64::from(original.seq)))
    }

    /// What did not arrive, since the last time this was asked.
    pub fn take(&mut self) -> ArrayVec<Original, TOLD_MAX> {
        std::mem::take(&mut self.told)
    }
}

/// 2 kB: half a second of 10 Mbit/s in packets of 1200 bytes. Feedback comes within a round trip and 250 ms.
const KEPT: usize = 512;
/// In 64 bytes, which is what a processor fetches at a time.
const ENTRIES_PER_LINE: usize = 16;
/// Of one feedback packet.
pub(crate) const TOLD_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn original(seq: u16) -> Option<Original> {
        Some(Original::of(SendLine::new(3), seq.into()))
    }

    #[test]
    fn each_has_four_bytes() {
        assert_eq!(size_of::<[Option<Original>; KEPT]>(), 4 * KEPT);
        let last = SendLine::new(crate::spec::TRACKS_PER_SESSION_MAX - 1);
        assert_eq!(
            Original::of(last, 65_541),
            Original { line: NonZeroU8::new(last.place() as u8 + 1).unwrap(), seq: 5 }
        );
        assert_eq!(Original::of(last, 0).line(), last);
    }

    #[test]
    fn what_did_not_arrive_is_told_once() {
        let mut missed = Missed::default();
        for number in 65_000_u16..65_010 {
            missed.note_sent(number, original(number.wrapping_sub(65_000)));
        }
        missed.note_sent(65_010, None);
        (65_000..65_011).for_each(|number| missed.note_fate(number, number != 65_004 && number != 65_010));
        assert_eq!(missed.take().into_iter().map(Some).collect::<Vec<_>>(), [original(4)]);
        missed.note_fate(65_004, false);
        assert!(missed.take().is_empty());
    }

    #[test]
    fn numbers_that_were_never_sent_or_long_ago_tell_nothing() {
        let mut missed = Missed::default();
        for number in 0..1_000_u16 {
            missed.note_sent(number, original(number));
        }
        for number in [0, 487, 1_000, 1_500, 40_000] {
            missed.note_fate(number, false);
        }
        assert!(missed.take().is_empty());
        (488..1_000).for_each(|number| missed.note_fate(number, false));
        assert_eq!(missed.take().len(), TOLD_MAX, "and no more than that at once");
    }
}
