//! Owns the SRTP indices of SSRCs that no m-line receives at the moment. An SSRC keeps its roll-over counter and what
//! was received of it for as long as the session's keys live (RFC 3711 section 3.2.3), whatever is negotiated.

use super::replay::ReplayWindow;
use crate::wire::rtp::Ssrc;

/// How far each SSRC had come, the one touched last at the end; at most [`RETIRED_MAX`].
#[derive(Debug, Default)]
pub struct RetiredStreams {
    highest: Vec<(Ssrc, u64)>,
}

impl RetiredStreams {
    /// The SSRC is received no more, for now.
    pub fn retire(&mut self, ssrc: Ssrc, window: &ReplayWindow) {
        if let Some(highest) = window.highest() {
            self.note(ssrc, highest);
        }
    }

    /// An authentic packet came that is of no m-line.
    pub fn note(&mut self, ssrc: Ssrc, index: u64) {
        let before = self.remove(ssrc);
        if self.highest.len() >= RETIRED_MAX {
            self.highest.remove(0);
        }
        self.highest.push((ssrc, before.map_or(index, |before| before.max(index))));
    }

    /// The window for a packet of the SSRC: where it ended, or a new one.
    pub fn window(&self, ssrc: Ssrc) -> ReplayWindow {
        let known = self.highest.iter().find(|(known, _)| *known == ssrc);
        known.map_or_else(ReplayWindow::new, |(_, highest)| ReplayWindow::resumed(*highest))
    }

    /// The SSRC is received again; its window is the caller's from now on.
    pub fn resume(&mut self, ssrc: Ssrc) -> ReplayWindow {
        let window = self.window(ssrc);
        self.remove(ssrc);
        window
    }

    fn remove(&mut self, ssrc: Ssrc) -> Option<u64> {
        let at = self.highest.iter().position(|(known, _)| *known == ssrc)?;
        Some(self.highest.remove(at).1)
    }
}

/// SSRCs of one session, each of which the client has sent authentic packets of: 16 kB.
const RETIRED_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ssrc_that_comes_back_goes_on_where_it_ended_and_repeats_nothing() {
        let mut window = ReplayWindow::new();
        [65_530, 65_540].into_iter().for_each(|index| window.accept(index));
        let mut retired = RetiredStreams::default();
        retired.retire(Ssrc(1), &window);
        let resumed = retired.resume(Ssrc(1));
        assert_eq!((resumed.guess(5), resumed.guess(6)), (65_541, 65_542));
        assert!(resumed.check(65_541));
        for old in [0, 65_530, 65_535, 65_540] {
            assert!(!resumed.check(old), "{old}");
        }
        assert_eq!(retired.resume(Ssrc(1)), ReplayWindow::new(), "it is the caller's now");
    }

    #[test]
    fn what_comes_meanwhile_moves_an_index_forward_only() {
        let mut retired = RetiredStreams::default();
        [70_000, 69_000, 100_000].into_iter().for_each(|index| retired.note(Ssrc(1), index));
        assert_eq!(retired.window(Ssrc(1)).highest(), Some(100_000));
    }

    #[test]
    fn the_ssrc_untouched_for_longest_is_forgotten_when_there_are_too_many() {
        let mut retired = RetiredStreams::default();
        retired.note(Ssrc(0), 1 << 17);
        for ssrc in 1..RETIRED_MAX as u32 {
            retired.note(Ssrc(ssrc), 1 << 17);
        }
        retired.note(Ssrc(0), 1 << 18);
        retired.note(Ssrc(u32::MAX), 1);
        assert_eq!(retired.highest.len(), RETIRED_MAX);
        assert_eq!(retired.window(Ssrc(0)).highest(), Some(1 << 18));
        assert_eq!(retired.window(Ssrc(1)).highest(), None);
    }
}
