//! Owns what a room knows of one local member, and how fast it may speak.

use std::time::{Duration, Instant};

use crate::error::SayError;
use crate::limits::{SAY_BURST, SAY_INTERVAL};
use crate::said::Shown;

#[derive(Debug)]
pub(super) struct LocalMember {
    pub shown: Shown,
    /// When the member will have been silent for long enough to have its whole burst again.
    pub fresh_at: Instant,
    /// When it may next be told that the member types.
    pub typing_at: Instant,
}

impl LocalMember {
    /// A bucket of `SAY_BURST` tokens, kept as the time at which it is full.
    pub fn spend(&mut self, now: Instant) -> Result<(), SayError> {
        let fresh_at = self.fresh_at.max(now) + SAY_INTERVAL;
        let debt_max = SAY_INTERVAL * SAY_BURST;
        let debt = fresh_at.saturating_duration_since(now);
        if debt > debt_max {
            return Err(SayError::TooFast { retry_after: (debt - debt_max).max(Duration::from_millis(1)) });
        }
        self.fresh_at = fresh_at;
        Ok(())
    }
}
