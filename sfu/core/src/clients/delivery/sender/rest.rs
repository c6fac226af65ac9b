//! Owns how long a viewer that gave up what waited for it goes without a key frame of its own. Never asks for one.

use std::time::{Duration, Instant};

/// How long a viewer that gave up goes without a key frame of its own.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rest {
    /// Times in a row.
    times: u32,
    last: Option<Instant>,
    pub until: Option<Instant>,
}

impl Rest {
    pub fn note(&mut self, now: Instant) {
        if self.last.is_none_or(|last| now > last + REST_FORGOTTEN_AFTER) {
            self.times = 0;
        }
        let rest = if self.times == 0 { Duration::ZERO } else { REST_MIN * (1 << (self.times - 1).min(2)) };
        (self.times, self.last, self.until) = (self.times + 1, Some(now), Some(now + rest));
    }
}

/// The second time in a row; then twice as long, and four times at most.
const REST_MIN: Duration = Duration::from_secs(1);
const REST_FORGOTTEN_AFTER: Duration = Duration::from_secs(10);
