//! Owns how many messages a page may send.

use std::time::Instant;

/// A bucket of tokens: bursts are fine, a flood is not. It takes the time as an argument and has no table of keys, which
/// is all that governor would add.
#[derive(Debug)]
pub struct Allowance {
    tokens: f64,
    filled: Instant,
}

impl Allowance {
    pub fn new(now: Instant) -> Allowance {
        Allowance { tokens: f64::from(MESSAGES_BURST_MAX), filled: now }
    }

    /// Takes one message from the allowance; false if there is none left.
    pub fn take(&mut self, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * f64::from(MESSAGES_PER_SECOND_MAX);
        self.tokens = (self.tokens + gained).min(f64::from(MESSAGES_BURST_MAX));
        self.filled = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

/// Messages a page may send at once; one that opens many sessions needs a few dozen.
const MESSAGES_BURST_MAX: u32 = 100;

/// Messages per second on average.
pub const MESSAGES_PER_SECOND_MAX: u32 = 20;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_and_a_flood_is_cut_to_the_rate() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        assert_eq!((0..500).filter(|_| allowance.take(start)).count(), 100);
        let later = start + Duration::from_secs(2);
        assert_eq!((0..500).filter(|_| allowance.take(later)).count(), 40);
        let much_later = start + Duration::from_secs(3600);
        assert_eq!((0..500).filter(|_| allowance.take(much_later)).count(), 100);
    }
}
