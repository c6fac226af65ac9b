//! Owns the memory of rises that were taken back soon: what took how much, how often, and how long to wait with the next rise
//! to as much. Never decides to rise.

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::bitrate::Bitrate;
use crate::time::Time;

#[derive(Debug, Clone, Default)]
pub(crate) struct Failures {
    kept: ArrayVec<Failure, KEPT>,
}

/// Rises to about the same.
#[derive(Debug, Clone, Copy)]
struct Failure {
    total: Bitrate,
    /// In a row.
    count: u32,
    at: Time,
    /// Of the waits: viewers behind one line that failed together do not try together.
    stretch: f64,
}

impl Failures {
    /// A rise to so much did not last. `chance` is a number that other viewers have others of.
    pub fn note(&mut self, now: Time, total: Bitrate, chance: u64) {
        let stretch = 0.5 + (chance % 1000) as f64 / 1000.0;
        if let Some(known) = self.kept.iter_mut().find(|failure| failure.is_about(total)) {
            *known = Failure { total, count: known.count + 1, at: now, stretch };
            return;
        }
        if self.kept.is_full() {
            self.kept.pop_at(0);
        }
        self.kept.push(Failure { total, count: 1, at: now, stretch });
    }

    pub fn forget(&mut self, now: Time) {
        self.kept.retain(|failure| now.since(failure.at) <= FORGOTTEN);
    }

    /// How long more must have fitted before a rise to so much; none if nothing speaks against it.
    pub fn wait(&self, total: Bitrate) -> Option<Duration> {
        let against = self.kept.iter().filter(|failure| total >= failure.total.scaled(LESS));
        against.map(|failure| (WAIT * (1 << failure.count.min(DOUBLED_MAX))).mul_f64(failure.stretch)).max()
    }

    /// Less than what failed.
    pub fn below(&self) -> Option<Bitrate> {
        self.kept.iter().map(|failure| failure.total.scaled(LESS)).max()
    }
}

impl Failure {
    fn is_about(&self, total: Bitrate) -> bool {
        total >= self.total.scaled(LESS) && self.total >= total.scaled(LESS)
    }
}

/// Of one viewer: as many layers.
const KEPT: usize = 4;
const FORGOTTEN: Duration = Duration::from_secs(30);
/// Doubled for each failure in a row: 1, 2, 4 s and no more.
const WAIT: Duration = Duration::from_millis(500);
const DOUBLED_MAX: u32 = 3;
/// What takes less than this of what failed is another layer.
const LESS: f64 = 0.9;
