//! Owns what a moment is here: microseconds since a zero of the caller's choice, so that all state is plain data.

use std::ops::Add;
use std::time::Duration;

/// A moment of the sender's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time(u64);

impl Time {
    #[inline]
    pub const fn from_micros(micros: u64) -> Time {
        Time(micros)
    }

    pub const fn from_millis(millis: u64) -> Time {
        Time(millis * 1000)
    }

    #[inline]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Zero if `earlier` is later.
    #[inline]
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Milliseconds, negative if `other` is later.
    #[inline]
    pub(crate) fn millis_after(self, other: Time) -> f64 {
        self.0 as f64 / 1e3 - other.0 as f64 / 1e3
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    #[inline]
    fn add(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }
}
