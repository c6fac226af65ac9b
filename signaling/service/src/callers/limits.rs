//! Owns how much one address may have that costs it nothing to ask for, and the word in the log when it wants more.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chappe_signaling_rooms::RoomError;
use tracing::warn;

use crate::callers::caller::Caller;

/// Of sessions that are not connected yet, and of pages with those that are waited for: each may have so many.
#[derive(Debug, Default)]
pub struct AddressLimits {
    /// Named by the operator, and then good for every address.
    each_max: Option<usize>,
    refused: Mutex<Refused>,
}

#[derive(Debug, Default)]
struct Refused {
    said_at: Option<Instant>,
    since: u64,
}

impl AddressLimits {
    pub fn new(each_max: Option<usize>) -> AddressLimits {
        AddressLimits { each_max, refused: Mutex::default() }
    }

    pub fn each_max(&self, caller: &Caller) -> usize {
        let by_kind = if caller.is_proxy { OF_PROXY_MAX } else { PER_ADDRESS_MAX };
        self.each_max.unwrap_or(by_kind)
    }

    /// Tells the operator, once a minute.
    pub fn handle_refused(&self, now: Instant, caller: &Caller, error: &RoomError) {
        let Some(times) = self.refused.lock().unwrap_or_else(PoisonError::into_inner).count(now) else { return };
        let address = caller.address;
        warn!(%address, times, "an address has all that it may have (--per-address): {error}");
    }
}

impl Refused {
    /// How often there was a refusal since that was last said, if it is to be said now.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.since += 1;
        if self.said_at.is_some_and(|said| now.saturating_duration_since(said) < SAID_EVERY) {
            return None;
        }
        self.said_at = Some(now);
        Some(std::mem::take(&mut self.since))
    }
}

/// All behind one NAT; half of what one worker takes (4,096 sessions).
const PER_ADDRESS_MAX: usize = 2_000;
/// A proxy that does not say who its clients are, and this machine: not bounded by what a worker takes.
const OF_PROXY_MAX: usize = 10_000;
const SAID_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_said_at_once_and_then_once_a_minute_with_their_number() {
        let (mut refused, start) = (Refused::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(refused.count(at(0)), Some(1));
        assert!((1..60).all(|second| refused.count(at(second)).is_none()));
        assert_eq!(refused.count(at(60)), Some(60));
        assert_eq!(refused.count(at(61)), None);
    }
}
