//! Owns how often one client's feedback on single packets is read. Never reads any.

use std::time::{Duration, Instant};

/// A few bytes of feedback may speak of thousands of packets, and who sends them need not mean it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FeedbackAllowance {
    /// When all that was read is paid for, at one for each [`INTERVAL`].
    paid_at: Option<Instant>,
}

impl FeedbackAllowance {
    /// Whether one more is read now.
    pub fn take(&mut self, now: Instant) -> bool {
        let paid_at = self.paid_at.map_or(now, |at| at.max(now));
        if paid_at >= now + BURST * INTERVAL {
            return false;
        }
        self.paid_at = Some(paid_at + INTERVAL);
        true
    }
}

/// libwebrtc sends transport-wide feedback each 50 ms at most (`remote_estimator_proxy.cc`), and that of RFC 8888 each 25 ms,
/// in more than one packet where there are many.
const INTERVAL: Duration = Duration::from_millis(10);
/// What a line that stood still gives back at once.
const BURST: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_are_read_each_second_and_some_at_once() {
        let (mut allowance, start) = (FeedbackAllowance::default(), Instant::now());
        assert_eq!((0..1_000).filter(|_| allowance.take(start)).count(), 32);
        let each = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!((1..=1_000).filter(|ms| allowance.take(each(*ms))).count(), 100);
        assert_eq!((0..1_000).filter(|_| allowance.take(each(60_000))).count(), 32);
    }
}
