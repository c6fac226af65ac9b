//! Owns how long a viewer that gave up what waited for it goes without a key frame of its own. Never asks for one.

use std::time::{Duration, Instant};

use chappe_sfu_rate::Bitrate;

/// How long a viewer that gave up goes without a key frame of its own.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rest {
    /// Times in a row.
    times: u32,
    last: Option<Instant>,
    until: Option<Instant>,
    /// What it gave up takes so much.
    takes: Bitrate,
}

impl Rest {
    /// What takes so much of the line was given up, which is believed to carry `estimate`.
    pub fn note(&mut self, now: Instant, takes: Bitrate, estimate: Bitrate) {
        if estimate >= takes || self.last.is_none_or(|last| now > last + REST_FORGOTTEN_AFTER) {
            self.times = 0;
        }
        let rest = if self.times == 0 { Duration::ZERO } else { REST_MIN * (1 << (self.times - 1).min(2)) };
        (self.times, self.last, self.until) = (self.times + 1, Some(now), Some(now + rest));
        self.takes = takes;
    }

    /// It ends early on a line that turned out to carry what was given up.
    pub fn lasts(&self, now: Instant, estimate: impl FnOnce() -> Bitrate) -> bool {
        self.until.is_some_and(|until| now < until) && estimate() < self.takes
    }
}

/// The second time in a row; then twice as long, and four times at most.
const REST_MIN: Duration = Duration::from_secs(1);
const REST_FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const TAKES: Bitrate = Bitrate::from_kbps(2_500);
    const SLOW: Bitrate = Bitrate::from_kbps(700);
    const FAST: Bitrate = Bitrate::from_kbps(3_000);

    #[test]
    fn it_grows_with_each_time_in_a_row() {
        let (mut rest, mut now) = (Rest::default(), Instant::now());
        let lengths = (0..5).map(|_| {
            rest.note(now, TAKES, SLOW);
            let length = (0..100u32).take_while(|tenths| rest.lasts(now + *tenths * REST_MIN / 10, || SLOW)).count();
            now += REST_MIN;
            length
        });
        assert_eq!(lengths.collect::<Vec<_>>(), [0, 10, 20, 40, 40]);
    }

    #[test]
    fn it_ends_as_soon_as_the_line_carries_what_was_given_up() {
        let (mut rest, now) = (Rest::default(), Instant::now());
        for _ in 0..4 {
            rest.note(now, TAKES, SLOW);
        }
        assert!(rest.lasts(now, || SLOW));
        assert!(!rest.lasts(now, || FAST));
        rest.note(now, TAKES, FAST);
        assert!(!rest.lasts(now, || SLOW), "what waited was of the time before");
    }
}
