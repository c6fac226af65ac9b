//! Owns how loud the sound of one track is, by the audio levels in its packets' headers (RFC 6464), so that viewers of many
//! hear the loudest. Never decides who is heard.

/// Of the sound of one track. It is looked at every now and then while it is audible.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Loudness {
    state: Audibility,
    /// A moving average, in sixteenths of a decibel above silence.
    average: u16,
    /// Since the last look.
    is_heard: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Audibility {
    /// Its packets say nothing of how loud they are.
    #[default]
    Untold,
    Silent,
    Audible,
}

impl Loudness {
    /// A packet that is so many decibels below the loudest there is. True if whether it is audible is other than before.
    #[inline]
    pub fn hear(&mut self, below_full: u8) -> bool {
        let level = u16::from(SILENT_AT.saturating_sub(below_full)) * SCALE;
        self.average = (self.average * (WEIGHT - 1) + level) / WEIGHT;
        let is_loud = below_full <= AUDIBLE_AT;
        self.is_heard |= is_loud;
        let before = self.state;
        self.state = match before {
            _ if is_loud => Audibility::Audible,
            Audibility::Untold => Audibility::Silent,
            other => other,
        };
        self.state != before
    }

    /// Whether it is still audible: a pause between two sentences is shorter than from one look to the next but one.
    pub fn look(&mut self) -> bool {
        if !std::mem::take(&mut self.is_heard) && self.state == Audibility::Audible {
            (self.state, self.average) = (Audibility::Silent, 0);
        }
        self.state == Audibility::Audible
    }

    pub fn state(&self) -> Audibility {
        self.state
    }

    /// In decibels above silence.
    pub fn level(&self) -> u8 {
        (self.average / SCALE) as u8
    }
}

/// In decibels below the loudest there is. A quiet room is at 60 and more once its noise is suppressed; the first sound of a
/// word is often at 50.
const AUDIBLE_AT: u8 = 60;
const SILENT_AT: u8 = 127;
const SCALE: u16 = 16;
/// Packets of 20 ms: a word is in the average within 80 ms, and out of it as soon.
const WEIGHT: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_loud_packet_makes_a_track_audible_and_a_look_at_silence_ends_it() {
        let mut loudness = Loudness::default();
        assert_eq!(loudness.state(), Audibility::Untold);
        assert!(loudness.hear(127) && !loudness.hear(127));
        assert_eq!((loudness.state(), loudness.level()), (Audibility::Silent, 0));
        assert!(loudness.hear(55) && !loudness.hear(30));
        assert!(loudness.look(), "it was heard since");
        assert!(!loudness.hear(80) && !loudness.look());
        assert_eq!((loudness.state(), loudness.level()), (Audibility::Silent, 0));
        assert!(loudness.hear(60));
    }

    fn play(loudness: &mut Loudness, below_full: u8, packets: usize) {
        for _ in 0..packets {
            loudness.hear(below_full);
        }
    }

    #[test]
    fn the_level_follows_within_a_few_packets() {
        let mut loudness = Loudness::default();
        play(&mut loudness, 27, 4);
        assert!((65..75).contains(&loudness.level()), "{}", loudness.level());
        play(&mut loudness, 27, 16);
        assert!((97..=100).contains(&loudness.level()), "{}", loudness.level());
        play(&mut loudness, 127, 10);
        assert!(loudness.level() <= 6, "{}", loudness.level());
    }
}
