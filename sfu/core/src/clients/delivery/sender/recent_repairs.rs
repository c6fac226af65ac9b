//! Owns when one viewer was last sent a packet again. Never sends it.

use std::time::{Duration, Instant};

/// The last repairs of one viewer and track: one packet is not repeated more often than once per round trip.
pub(crate) struct RecentRepairs {
    ring: [(u16, Option<Instant>); RECENT_REPAIRS],
    next: usize,
}

impl Default for RecentRepairs {
    fn default() -> RecentRepairs {
        RecentRepairs { ring: [(0, None); RECENT_REPAIRS], next: 0 }
    }
}

impl RecentRepairs {
    pub fn may_repeat(&mut self, lost: u16, round_trip: Duration, now: Instant) -> bool {
        let too_soon = |at: &Option<Instant>| at.is_some_and(|at| now < at + round_trip);
        if let Some((_, at)) = self.ring.iter_mut().find(|(seq, at)| *seq == lost && at.is_some()) {
            let may = !too_soon(at);
            if may {
                *at = Some(now);
            }
            return may;
        }
        self.ring[self.next] = (lost, Some(now));
        self.next = (self.next + 1) % RECENT_REPAIRS;
        true
    }
}

/// Repairs that are remembered per viewer and track.
const RECENT_REPAIRS: usize = 64;
