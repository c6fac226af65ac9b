//! Owns how often one viewer may have its publisher asked for a key frame. Never asks and never sends.

use std::time::{Duration, Instant};

use crate::allowance::Allowance;

/// What a viewer may still ask for. Each key frame costs all viewers of the track, so that one with a bad path, or
/// one that asks for fun, has a share and no more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyframeAllowance {
    /// Of requests that are passed on whatever is cached.
    requests: Allowance,
    /// When a request last counted, or was answered from the cache.
    asked: Option<Instant>,
    answered: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyframeAnswer {
    /// The publisher is asked, together with all who ask now.
    Ask,
    /// What is cached is sent again, to this viewer alone.
    Cached,
    /// One is on its way.
    Nothing,
}

impl Default for KeyframeAllowance {
    fn default() -> KeyframeAllowance {
        KeyframeAllowance { requests: Allowance::new(EARN_INTERVAL, BURST), asked: None, answered: None }
    }
}

impl KeyframeAllowance {
    pub fn decide(&mut self, now: Instant, is_cached: bool) -> KeyframeAnswer {
        let is_recent = |at: Option<Instant>, span: Duration| at.is_some_and(|at| now < at + span);
        if is_recent(self.asked, ON_ITS_WAY) {
            return KeyframeAnswer::Nothing;
        }
        if self.requests.take(now) {
            self.asked = Some(now);
            return KeyframeAnswer::Ask;
        }
        if is_cached {
            if is_recent(self.answered, CACHED_INTERVAL) {
                return KeyframeAnswer::Nothing;
            }
            self.answered = Some(now);
            return KeyframeAnswer::Cached;
        }
        if is_recent(self.asked, UNCACHED_INTERVAL) {
            return KeyframeAnswer::Nothing;
        }
        self.asked = Some(now);
        KeyframeAnswer::Ask
    }
}

/// Requests that are passed on one after the other.
const BURST: u32 = 2;
/// One more is allowed each time this has passed: as long as a cached key frame lasts.
const EARN_INTERVAL: Duration = Duration::from_secs(10);
/// A publisher is not asked more often anyway.
const ON_ITS_WAY: Duration = Duration::from_millis(500);
/// Between two answers from the cache.
const CACHED_INTERVAL: Duration = Duration::from_secs(1);
/// Between two requests beyond the allowance while nothing is cached.
const UNCACHED_INTERVAL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::start;

    /// How each of 100 requests a second is answered for `seconds`.
    fn flood(seconds: u64, is_cached: bool) -> (usize, usize) {
        let mut allowance = KeyframeAllowance::default();
        let answers: Vec<_> = (0..seconds * 100)
            .map(|at| allowance.decide(start() + Duration::from_millis(at * 10), is_cached))
            .collect();
        let count = |of: KeyframeAnswer| answers.iter().filter(|answer| **answer == of).count();
        (count(KeyframeAnswer::Ask), count(KeyframeAnswer::Cached))
    }

    #[test]
    fn a_flood_of_requests_asks_the_publisher_seldom() {
        let (asked, cached) = flood(60, true);
        assert!(asked <= 8 && (45..=60).contains(&cached), "{asked} asked, {cached} from the cache");
        let (asked, _) = flood(60, false);
        assert!((20..=34).contains(&asked), "{asked}: a viewer is not left without a picture");
    }

    #[test]
    fn a_viewer_that_asks_now_and_then_is_always_heard() {
        let mut allowance = KeyframeAllowance::default();
        for at in 0..20 {
            assert_eq!(allowance.decide(start() + Duration::from_secs(at * 10), true), KeyframeAnswer::Ask);
        }
    }
}
