//! Owns whether somebody speaks in a layer of sound, by the audio levels in its packets' headers (RFC 6464). Never decodes
//! sound, and never knows who listens.

use std::time::Duration;

/// Of the sound of one track. It is looked at every [`VOICE_LOOK`] while it is audible.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Voice {
    /// Grows with each packet that is loud, and falls with each that is not.
    score: u8,
    is_speaking: bool,
    /// Since the last look.
    is_heard: bool,
}

impl Voice {
    /// A packet that is so many decibels below the loudest there is. True if somebody begins to speak with it.
    pub fn hear(&mut self, below_full: u8) -> bool {
        self.is_heard |= below_full <= GOES_ON_AT;
        self.score = match below_full <= BEGINS_AT {
            true => (self.score + 1).min(SCORE_TO_BEGIN),
            false => self.score.saturating_sub(1),
        };
        let begins = !self.is_speaking && self.score == SCORE_TO_BEGIN;
        self.is_speaking |= begins;
        begins
    }

    /// Whether they still speak: a pause between two words is shorter than from one look to the next.
    pub fn look(&mut self) -> bool {
        if !std::mem::take(&mut self.is_heard) {
            *self = Voice::default();
        }
        self.is_speaking
    }

    pub fn is_speaking(&self) -> bool {
        self.is_speaking
    }
}

/// In decibels below the loudest there is: speech into a microphone is at 20 to 40, a quiet room at 60 and more.
const BEGINS_AT: u8 = 40;
const GOES_ON_AT: u8 = 50;
/// Packets of 20 ms: a cough is shorter.
const SCORE_TO_BEGIN: u8 = 8;
pub(super) const VOICE_LOOK: Duration = Duration::from_millis(800);

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(voice: &mut Voice, level: u8, packets: usize) -> usize {
        (0..packets).filter(|_| voice.hear(level)).count()
    }

    #[test]
    fn speech_begins_once_when_it_has_lasted_and_ends_after_a_look_at_silence() {
        let mut voice = Voice::default();
        assert_eq!(hear(&mut voice, 127, 100), 0);
        assert_eq!(hear(&mut voice, 30, 7), 0, "a cough");
        assert_eq!(hear(&mut voice, 127, 7), 0);
        assert_eq!(hear(&mut voice, 30, 100), 1);
        assert!(voice.look());
        hear(&mut voice, 127, 20);
        hear(&mut voice, 48, 1);
        hear(&mut voice, 127, 20);
        assert!(voice.look(), "it has been heard, though quietly");
        hear(&mut voice, 60, 40);
        assert!(!voice.look());
        assert!(!voice.is_speaking());
        assert_eq!(hear(&mut voice, 30, 100), 1, "again");
    }

    #[test]
    fn a_room_that_hums_does_not_speak() {
        let mut voice = Voice::default();
        assert_eq!(hear(&mut voice, 45, 1_000), 0);
        assert!(!voice.is_speaking());
    }
}
