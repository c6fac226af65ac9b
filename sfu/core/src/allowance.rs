//! Owns how often something is done for somebody who can ask for it at any rate. Never does it.

use std::time::{Duration, Instant};

/// One each interval, and a burst of them after a pause: a bucket of tokens, kept as one instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    interval: Duration,
    burst: u32,
    /// When all that was taken is paid for, at one for each interval.
    paid_at: Option<Instant>,
}

impl Allowance {
    /// `burst` is how many may be taken at once; one at least.
    pub const fn new(interval: Duration, burst: u32) -> Allowance {
        Allowance { interval, burst, paid_at: None }
    }

    /// Whether any was ever taken.
    pub fn has_begun(&self) -> bool {
        self.paid_at.is_some()
    }

    /// Whether one more may be taken now.
    pub fn is_left(&self, now: Instant) -> bool {
        self.paid_at.is_none_or(|at| at <= now + self.interval * self.burst.saturating_sub(1))
    }

    /// Takes one, if one is left now.
    pub fn take(&mut self, now: Instant) -> bool {
        let is_left = self.is_left(now);
        if is_left {
            self.paid_at = Some(self.paid_at.map_or(now, |at| at.max(now)) + self.interval);
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::start;

    const INTERVAL: Duration = Duration::from_millis(10);

    #[test]
    fn one_is_taken_each_interval_and_a_burst_at_once() {
        let (mut allowance, start) = (Allowance::new(INTERVAL, 32), start());
        assert_eq!((0..1_000).filter(|_| allowance.take(start)).count(), 32);
        let each = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!((1..=1_000).filter(|ms| allowance.take(each(*ms))).count(), 100);
        assert_eq!((0..1_000).filter(|_| allowance.take(each(60_000))).count(), 32, "a pause earns no more");
    }

    #[test]
    fn a_burst_is_never_exceeded_within_one_interval() {
        let (mut allowance, start) = (Allowance::new(INTERVAL, 2), start());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let taken: Vec<u64> = (0..=25).filter(|ms| allowance.take(at(*ms))).collect();
        assert_eq!(taken, [0, 1, 10, 20]);
    }

    #[test]
    fn asking_takes_nothing() {
        let (mut allowance, start) = (Allowance::new(INTERVAL, 1), start());
        assert!((0..3).all(|_| allowance.is_left(start)));
        assert!(allowance.take(start));
        assert!(!allowance.is_left(start + INTERVAL - Duration::from_millis(1)));
        assert!(allowance.is_left(start + INTERVAL));
    }
}
