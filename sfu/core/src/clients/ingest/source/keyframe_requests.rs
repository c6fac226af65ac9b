//! Owns when a publisher is asked for a key frame of one encoding. Never asks.

use std::time::{Duration, Instant};

/// Requests of many viewers for a key frame, merged into few.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyframeRequests {
    wanted: bool,
    /// Between two requests, as whoever wants it says.
    pause: Duration,
    last: Option<Instant>,
    pub sent: u64,
    /// Of FIR (RFC 5104 section 4.3.1.1).
    pub command: u8,
}

impl KeyframeRequests {
    /// Somebody needs one, which the publisher is asked for once in so long.
    pub fn want(&mut self, pause: Duration) {
        (self.wanted, self.pause) = (true, pause);
    }

    /// One arrived: everybody who asked until now is served.
    pub fn satisfy(&mut self) {
        self.wanted = false;
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let last = self.last.filter(|_| self.wanted)?;
        Some(last + self.pause)
    }

    /// Whether to ask the publisher now. It stays wanted, and is asked for again, until it arrives.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let due = self.wanted && self.last.is_none_or(|last| now >= last + self.pause);
        if due {
            self.last = Some(now);
            self.sent += 1;
            self.command = self.command.wrapping_add(1);
        }
        due
    }
}
