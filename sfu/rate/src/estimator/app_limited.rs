//! Owns the knowledge that much less is sent than the line is thought to carry. Draws no conclusion from it.
//!
//! `alr_detector.cc` (application limited region) with its interval budget.

use crate::bitrate::Bitrate;
use crate::time::Time;

#[derive(Debug, Clone)]
pub(crate) struct AppLimited {
    /// Bytes unused of 0.65 of the estimate, at most those of [`WINDOW_S`].
    left: f64,
    at: Time,
    is_limited: bool,
}

impl AppLimited {
    pub fn new(now: Time) -> AppLimited {
        AppLimited { left: 0.0, at: now, is_limited: false }
    }

    #[inline]
    pub fn read(&self) -> u64 {
        self.left.to_bits()
    }

    pub fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// At once after a probe, too, when so little of the estimate arrives.
    pub fn uses_little(&self, arriving: Option<Bitrate>, estimate: Bitrate) -> bool {
        self.is_limited || arriving.is_some_and(|arriving| arriving < estimate.scaled(USAGE))
    }

    #[inline]
    pub fn handle_sent(&mut self, now: Time, bytes: u32, estimate: Bitrate) {
        let rate = estimate.bps() as f64 / 8.0 * USAGE;
        let most = rate * WINDOW_S;
        let elapsed = now.since(self.at).as_micros() as f64 / 1e6;
        self.at = now;
        self.left = (self.left + elapsed * rate - f64::from(bytes)).clamp(-most, most);
        if self.left > START * most {
            self.is_limited = true;
        } else if self.left < STOP * most {
            self.is_limited = false;
        }
    }
}

/// bandwidth_usage_ratio, start_budget_level_ratio, stop_budget_level_ratio.
const USAGE: f64 = 0.65;
const START: f64 = 0.8;
const STOP: f64 = 0.5;
/// kWindowMs of `interval_budget.cc`.
const WINDOW_S: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_estimate_is_limited_and_all_of_it_is_not() {
        for (bytes, limited) in [(625, true), (1250, false)] {
            let mut detector = AppLimited::new(Time::default());
            for tick in 0..200 {
                detector.handle_sent(Time::from_millis(tick * 10), bytes, Bitrate::from_kbps(1000));
            }
            assert_eq!(detector.is_limited(), limited, "{bytes} bytes each 10 ms");
        }
    }
}
