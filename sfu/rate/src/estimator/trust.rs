//! Owns how far delay and probes are believed: how long a queue must be for overuse to count, and when the result of a probe
//! is that of the line and not of what others leave of it. Changes no rate.
//!
//! Our own. libwebrtc believes each sign; its encoder follows a little less or more at once, a source with layers loses a layer.

use std::time::Duration;

use crate::time::Time;

#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    overused_at: Option<Time>,
    /// When a sender that was far below its estimate was last without a queue.
    calm_at: Option<Time>,
    /// When a probe of such a sender was believed.
    probed_at: Option<Time>,
    /// When the line was measured last, by a probe or by a queue that drained.
    measured_at: Option<Time>,
}

impl Trust {
    pub fn handle_calm(&mut self, now: Time) {
        self.calm_at = Some(now);
    }

    pub fn handle_overuse(&mut self, now: Time) {
        self.overused_at = Some(now);
    }

    pub fn handle_probed(&mut self, now: Time, is_app_limited: bool) {
        self.probed_at = is_app_limited.then_some(now);
        self.handle_measured(now);
    }

    pub fn handle_measured(&mut self, now: Time) {
        self.measured_at = Some(now);
    }

    /// Whether the line was measured just now.
    pub fn is_measured(&self, now: Time) -> bool {
        self.measured_at.is_some_and(|at| now.since(at) < NEWS)
    }

    /// Overuse with a shorter queue is not believed: few packets make a noisy trend, and what a layer begins with after a
    /// probe makes a trend of its own.
    pub fn queue_min(&self, now: Time, is_app_limited: bool) -> Duration {
        match self.probed_at.is_some_and(|at| now.since(at) < PROBE_HOLDS) {
            true => REFUTES_PROBE,
            false if is_app_limited => NOT_NOISE,
            false => Duration::ZERO,
        }
    }

    /// Whether a probe that came more slowly than it was sent measured the line, whose queue it is part of.
    pub fn is_calm(&self, now: Time) -> bool {
        let was_calm = self.calm_at.is_some_and(|at| now.since(at) <= PROBE_TAKES);
        was_calm || self.overused_at.is_none_or(|at| now.since(at) >= CALM)
    }
}

const NOT_NOISE: Duration = Duration::from_millis(25);
/// A layer has begun by then.
const PROBE_HOLDS: Duration = Duration::from_secs(1);
const REFUTES_PROBE: Duration = Duration::from_millis(50);
/// From its first packet to the feedback on its last.
const PROBE_TAKES: Duration = Duration::from_millis(300);
/// Until the next feedback.
const NEWS: Duration = Duration::from_millis(100);
/// A line without overuse for so long is thought to be ours.
const CALM: Duration = Duration::from_secs(5);
