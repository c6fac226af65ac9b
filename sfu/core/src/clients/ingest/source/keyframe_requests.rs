//! Owns when a publisher is asked for a key frame of one encoding. Never asks.

use std::time::{Duration, Instant};

/// Requests of many viewers for a key frame, merged into few.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyframeRequests {
    wanted: bool,
    last: Option<Instant>,
    pub sent: u64,
    /// Of FIR (RFC 5104 section 4.3.1.1).
    pub command: u8,
}

impl KeyframeRequests {
    /// Somebody needs one.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// One arrived: everybody who asked until now is served.
    pub fn satisfy(&mut self) {
        self.wanted = false;
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let last = self.last.filter(|_| self.wanted)?;
        Some(last + KEYFRAME_REQUEST_INTERVAL)
    }

    /// Whether to ask the publisher now. It stays wanted, and is asked for again, until it arrives.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let due = self.wanted && self.last.is_none_or(|last| now >= last + KEYFRAME_REQUEST_INTERVAL);
        if due {
            self.last = Some(now);
            self.sent += 1;
            self.command = self.command.wrapping_add(1);
        }
        due
    }
}

/// A publisher is asked for a key frame at most this often.
pub(crate) const KEYFRAME_REQUEST_INTERVAL: Duration = Duration::from_millis(500);
