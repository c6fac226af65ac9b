//! Decides how long to wait before a dead process is started again. Knows no process and reads no clock.

use std::time::Duration;

/// The first death is answered at once, because a viewer waits; one that keeps dying must not eat the machine.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Deaths in a row, each after less than [`STEADY_AFTER`].
    quick_deaths: u32,
}

impl Backoff {
    /// The pause before the next start of a process that ran for `ran`.
    pub fn pause_after(&mut self, ran: Duration) -> Duration {
        if ran >= STEADY_AFTER {
            self.quick_deaths = 0;
        }
        let pause = match self.quick_deaths {
            0 => Duration::ZERO,
            n => FIRST_PAUSE.saturating_mul(1 << (n - 1).min(DOUBLINGS_MAX)).min(PAUSE_MAX),
        };
        self.quick_deaths = self.quick_deaths.saturating_add(1);
        pause
    }
}

/// A process that lived this long was healthy: its next death is answered at once again.
const STEADY_AFTER: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Keeps the shift in range; 100 ms doubled 6 times is past [`PAUSE_MAX`] already.
const DOUBLINGS_MAX: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses_ms(backoff: &mut Backoff, deaths: usize) -> Vec<u128> {
        (0..deaths).map(|_| backoff.pause_after(Duration::from_millis(1)).as_millis()).collect()
    }

    #[test]
    fn the_first_death_is_answered_at_once_and_later_ones_ever_later() {
        assert_eq!(pauses_ms(&mut Backoff::default(), 9), [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn ten_seconds_of_life_make_the_next_restart_immediate() {
        let mut backoff = Backoff::default();
        pauses_ms(&mut backoff, 5);
        assert_eq!(backoff.pause_after(Duration::from_secs(10)), Duration::ZERO);
        assert_eq!(pauses_ms(&mut backoff, 2), [100, 200]);
    }

    #[test]
    fn a_process_that_dies_for_days_does_not_overflow_the_pause() {
        let mut backoff = Backoff { quick_deaths: u32::MAX };
        assert_eq!(pauses_ms(&mut backoff, 2), [5000, 5000]);
    }
}
