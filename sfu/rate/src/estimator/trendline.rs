//! Owns the filter that sees a queue grow, and the overuse detector with its adaptive threshold. Never changes a rate.
//!
//! `trendline_estimator.cc`; the threshold is that of the GCC draft, section 5.4.

use crate::estimator::ReceiverTime;
use crate::estimator::inter_arrival::Delta;

/// What the delay says of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Usage {
    #[default]
    Normal,
    /// A queue grows.
    Overusing,
    /// A queue drains.
    Underusing,
}

#[derive(Debug, Clone)]
pub(crate) struct Trendline {
    first_arrival: Option<ReceiverTime>,
    deltas: u32,
    accumulated_ms: f64,
    smoothed_ms: f64,
    /// Arrival and smoothed delay in milliseconds, a ring.
    window: [(f64, f64); WINDOW],
    filled: usize,
    at: usize,
    trend_before: f64,
    threshold: f64,
    adapted_at: Option<ReceiverTime>,
    /// How long it is over the threshold.
    over_ms: Option<f64>,
    over_groups: u32,
    usage: Usage,
}

impl Default for Trendline {
    fn default() -> Trendline {
        Trendline {
            first_arrival: None,
            deltas: 0,
            accumulated_ms: 0.0,
            smoothed_ms: 0.0,
            window: [(0.0, 0.0); WINDOW],
            filled: 0,
            at: 0,
            trend_before: 0.0,
            threshold: THRESHOLD,
            adapted_at: None,
            over_ms: None,
            over_groups: 0,
            usage: Usage::Normal,
        }
    }
}

impl Trendline {
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Reads all of it.
    #[inline]
    pub fn read(&self) -> u64 {
        self.window.iter().step_by(POINTS_PER_LINE).fold(self.threshold.to_bits(), |sum, (x, _)| sum ^ x.to_bits())
    }

    pub fn handle(&mut self, delta: Delta, arrival: ReceiverTime) {
        self.deltas = (self.deltas + 1).min(DELTAS_MAX);
        let first = *self.first_arrival.get_or_insert(arrival);
        self.accumulated_ms += delta.arrived_ms - delta.sent_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.accumulated_ms;
        self.window[self.at] = (arrival.millis_after(first), self.smoothed_ms);
        self.at = (self.at + 1) % WINDOW;
        self.filled = (self.filled + 1).min(WINDOW);
        let trend = if self.filled == WINDOW { self.slope() } else { None };
        self.detect(trend.unwrap_or(self.trend_before), delta.sent_ms, arrival);
    }

    /// Least squares: about (send rate - capacity) / capacity.
    fn slope(&self) -> Option<f64> {
        let count = WINDOW as f64;
        let (sum_x, sum_y) = self.window.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (mut numerator, mut denominator) = (0.0, 0.0);
        for (x, y) in self.window {
            numerator += (x - mean_x) * (y - mean_y);
            denominator += (x - mean_x) * (x - mean_x);
        }
        (denominator > 0.0).then(|| numerator / denominator)
    }

    fn detect(&mut self, trend: f64, sent_ms: f64, arrival: ReceiverTime) {
        if self.deltas < 2 {
            return;
        }
        let modified = f64::from(self.deltas.min(DELTAS_FULL)) * trend * GAIN;
        if modified > self.threshold {
            // At first, half of the time since the group before.
            let over = self.over_ms.map_or(sent_ms / 2.0, |over| over + sent_ms);
            self.over_ms = Some(over);
            self.over_groups += 1;
            if over > OVERUSE_MS && self.over_groups > 1 && trend >= self.trend_before {
                self.over_ms = Some(0.0);
                self.over_groups = 0;
                self.usage = Usage::Overusing;
            }
        } else {
            self.over_ms = None;
            self.over_groups = 0;
            self.usage = if modified < -self.threshold { Usage::Underusing } else { Usage::Normal };
        }
        self.trend_before = trend;
        self.adapt(modified.abs(), arrival);
    }

    /// The threshold follows the trend, so that a flow beside a greedy one is not starved.
    fn adapt(&mut self, modified: f64, arrival: ReceiverTime) {
        let elapsed_ms = self.adapted_at.map_or(0.0, |at| arrival.millis_after(at)).clamp(0.0, ADAPT_MS_MAX);
        self.adapted_at = Some(arrival);
        // A spike, such as of a sudden drop of the capacity, says nothing of the noise.
        if modified > self.threshold + ADAPT_OFFSET_MAX {
            return;
        }
        let gain = if modified < self.threshold { ADAPT_DOWN } else { ADAPT_UP };
        self.threshold += gain * (modified - self.threshold) * elapsed_ms;
        self.threshold = self.threshold.clamp(THRESHOLD_MIN, THRESHOLD_MAX);
    }
}

const WINDOW: usize = 20;
/// In 64 bytes, which is what a processor fetches at a time.
const POINTS_PER_LINE: usize = 4;
const SMOOTHING: f64 = 0.9;
const GAIN: f64 = 4.0;
/// kMinNumDeltas and kDeltaCounterMax.
const DELTAS_FULL: u32 = 60;
const DELTAS_MAX: u32 = 1000;
/// kOverUsingTimeThreshold.
const OVERUSE_MS: f64 = 10.0;
/// del_var_th(0), K_u, K_d of the draft, in its section 4's table.
const THRESHOLD: f64 = 12.5;
const ADAPT_UP: f64 = 0.0087;
const ADAPT_DOWN: f64 = 0.039;
const THRESHOLD_MIN: f64 = 6.0;
const THRESHOLD_MAX: f64 = 600.0;
/// kMaxAdaptOffsetMs, and kMaxTimeDeltaMs.
const ADAPT_OFFSET_MAX: f64 = 15.0;
const ADAPT_MS_MAX: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// The usage after `groups` groups that are 20 ms apart and `growth_ms` later each.
    fn after(groups: i64, growth_ms: f64) -> Usage {
        let mut trendline = Trendline::default();
        let mut arrival = 0.0;
        for _ in 0..groups {
            arrival += 20.0 + growth_ms;
            let delta = Delta { sent_ms: 20.0, arrived_ms: 20.0 + growth_ms };
            trendline.handle(delta, ReceiverTime::from_micros((arrival * 1e3) as i64));
        }
        trendline.usage()
    }

    #[test]
    fn a_growing_queue_is_overuse_a_draining_one_underuse_and_an_even_one_neither() {
        assert_eq!(after(100, 0.0), Usage::Normal);
        assert_eq!(after(100, 4.0), Usage::Overusing);
        assert_eq!(after(100, -4.0), Usage::Underusing);
    }

    #[test]
    fn fewer_groups_than_the_window_prove_nothing() {
        assert_eq!(after(19, 10.0), Usage::Normal);
    }
}
