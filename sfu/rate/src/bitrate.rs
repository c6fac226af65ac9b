//! Owns the unit of rates.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// Bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Bitrate(u64);

impl Bitrate {
    pub const ZERO: Bitrate = Bitrate(0);

    #[inline]
    pub const fn from_bps(bps: u64) -> Bitrate {
        Bitrate(bps)
    }

    pub const fn from_kbps(kbps: u64) -> Bitrate {
        Bitrate(kbps.saturating_mul(1000))
    }

    #[inline]
    pub const fn bps(self) -> u64 {
        self.0
    }

    #[inline]
    pub fn kbps(self) -> f64 {
        self.0 as f64 / 1e3
    }

    /// What is negative or not a number is zero.
    #[inline]
    pub(crate) fn of_kbps(kbps: f64) -> Bitrate {
        Bitrate((kbps * 1e3) as u64)
    }

    #[inline]
    pub fn scaled(self, factor: f64) -> Bitrate {
        Bitrate((self.0 as f64 * factor) as u64)
    }

    #[inline]
    pub fn bytes_in(self, duration: Duration) -> u64 {
        (self.0 as f64 * duration.as_secs_f64() / 8.0) as u64
    }

    /// How long `bytes` take at this rate.
    #[inline]
    pub fn time_of(self, bytes: u64) -> Duration {
        Duration::from_micros((bytes as f64 * 8e6 / self.0.max(1) as f64) as u64)
    }

    /// Zero if `other` is more.
    #[inline]
    pub const fn less(self, other: Bitrate) -> Bitrate {
        Bitrate(self.0.saturating_sub(other.0))
    }
}

impl Add for Bitrate {
    type Output = Bitrate;

    #[inline]
    fn add(self, other: Bitrate) -> Bitrate {
        Bitrate(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} kbit/s", self.kbps())
    }
}
