//! Owns what the log says of panics (where, and with which words) and of waits that failed, for the first of each minute.
//! Never decides what becomes of one: the core contains a panic, or the process ends.

use std::io;
use std::panic::PanicHookInfo;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often a fault that comes again and again is logged. A peer that has found a panic can repeat it as often as it
/// connects; the log is not its to fill.
#[derive(Debug, Default)]
struct Allowance {
    /// Start of the minute, and what was logged in it.
    minute: Option<Instant>,
    logged: u32,
    /// Not logged since the last that was.
    silent: u64,
}

/// From now on panics of this process go to its log instead of standard error.
pub(crate) fn log_panics() {
    let allowance = Mutex::new(Allowance::default());
    std::panic::set_hook(Box::new(move |panic| {
        let silent = allowance.lock().ok().and_then(|mut allowance| allowance.take(Instant::now()));
        if let Some(silent) = silent {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, words = words(panic), silent, "panic");
        }
    }));
}

/// Waits that the kernel refused.
#[derive(Debug, Default)]
pub(crate) struct FailedWaits {
    count: u64,
    allowance: Allowance,
}

impl FailedWaits {
    pub(crate) fn note(&mut self, now: Instant, error: &io::Error) {
        self.count += 1;
        if let Some(silent) = self.allowance.take(now) {
            tracing::error!(%error, count = self.count, silent, "waiting for events failed");
        }
    }

    /// Since the start.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

impl Allowance {
    /// Whether to log one; how many were not before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.minute.is_none_or(|minute| now.saturating_duration_since(minute) >= MINUTE) {
            (self.minute, self.logged) = (Some(now), 0);
        }
        if self.logged >= PER_MINUTE_MAX {
            self.silent += 1;
            return None;
        }
        self.logged += 1;
        Some(std::mem::take(&mut self.silent))
    }
}

/// What the panic says. It may repeat what a peer sent, so no more than a line of it.
fn words(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let words =
        payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    words.unwrap_or("no words").chars().take(WORDS_CHARS_MAX).collect::<String>().escape_debug().to_string()
}

const MINUTE: Duration = Duration::from_secs(60);
const PER_MINUTE_MAX: u32 = 10;
const WORDS_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_panics_is_ten_lines_a_minute_and_a_count() {
        let (start, mut allowance) = (Instant::now(), Allowance::default());
        let logged = (0..1_000).filter(|_| allowance.take(start).is_some()).count();
        assert_eq!(logged, 10);
        assert_eq!(allowance.take(start + MINUTE), Some(990));
        assert_eq!(allowance.take(start + MINUTE), Some(0));
    }
}
