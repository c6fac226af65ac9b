//! Owns the verdict on how far this worker is behind, and how much it gives up for that. Never gives anything up itself.
//!
//! It is behind when media waits long before it is sent, or too long to be sent at all, its thread has hardly a pause, and
//! that lasts. Then it gives up a step more: top layers, new sessions, all but the lowest layers. It takes a step back when there is room for
//! what that brings.
//!
//! ```text
//!          behind for BEHIND_WINDOWS, and not catching up        room for calm_goal windows
//!   step ────────────────────────────────────────────► + 1   ──────────────────────────► - 1        (0 ..= STEPS_MAX)
//! ```

use std::time::{Duration, Instant};

use chappe_sfu_core::Relief;

pub(crate) struct Overload {
    step: u8,
    began: Instant,
    /// In the present window: the longest that media had waited, how long the thread worked, and whether media was too old
    /// to be sent.
    waited: Duration,
    worked: Duration,
    skipped: bool,
    skipped_total: u64,
    /// In the one before.
    waited_before: Duration,
    /// Windows in a row in which it was behind.
    behind: u32,
    /// Windows in a row with room for a step back, and how many it takes.
    calm: u32,
    calm_goal: u32,
    /// When media was too old last, and whether it had been shortly before.
    skipped_at: Option<Instant>,
    skips_again: bool,
    /// When a step was taken back last.
    eased_at: Option<Instant>,
}

impl Overload {
    pub fn new(now: Instant) -> Overload {
        Overload {
            step: 0,
            began: now,
            waited: Duration::ZERO,
            worked: Duration::ZERO,
            skipped: false,
            skipped_total: 0,
            skipped_at: None,
            skips_again: false,
            waited_before: Duration::ZERO,
            behind: 0,
            calm: 0,
            calm_goal: CALM_WINDOWS,
            eased_at: None,
        }
    }

    /// From 0, nothing is given up, to [`STEPS_MAX`].
    pub fn step(&self) -> u8 {
        self.step
    }

    /// Whether new sessions are more than there is room for.
    pub fn refuses(&self) -> bool {
        self.step >= REFUSES_FROM
    }

    pub fn relief(&self) -> Relief {
        match self.step {
            0 => Relief::None,
            1 | 2 => Relief::NotTheTop,
            _ => Relief::LowestOnly,
        }
    }

    /// So much media was too old to be sent, since the start.
    pub fn note_skipped(&mut self, total: u64) {
        self.skipped |= std::mem::replace(&mut self.skipped_total, total) != total;
    }

    /// After each turn of the loop: since when it worked, and how long the media had waited that waits longest. True when
    /// what is given up changes.
    pub fn note_turn(&mut self, began: Instant, ended: Instant, waited: Duration) -> bool {
        self.worked += ended.saturating_duration_since(began);
        self.waited = self.waited.max(waited);
        let window = ended.saturating_duration_since(self.began);
        if window < WINDOW {
            return false;
        }
        let busy = self.worked.as_secs_f64() / window.as_secs_f64();
        let before = self.step;
        self.judge(ended, busy);
        (self.began, self.worked, self.skipped) = (ended, Duration::ZERO, false);
        (self.waited_before, self.waited) = (self.waited, Duration::ZERO);
        self.step != before
    }

    fn judge(&mut self, now: Instant, busy: f64) {
        let since_skip = self.skipped_at.map(|at| now.saturating_duration_since(at));
        if self.skipped {
            // Once is a stall.
            self.skips_again = since_skip.is_some_and(|since| since < SKIPS_AGAIN_WITHIN);
            self.skipped_at = Some(now);
        }
        // What waits gets less by what is not sent at all, and there is little to do until the key frame after that.
        let has_skipped = self.skipped || since_skip.is_some_and(|since| since < SKIPPED_LATELY);
        let skips = self.skipped && self.skips_again;
        let is_behind = busy >= BUSY && (self.waited >= WAITED || skips);
        let catches_up = !skips && self.waited <= self.waited_before.mul_f64(CATCHES_UP);
        self.behind = match is_behind && !catches_up {
            true => self.behind + 1,
            false if has_skipped && self.skips_again => self.behind,
            false => 0,
        };
        let has_room = self.step > 0 && self.waited < WAITED && busy < ROOM && !has_skipped;
        self.calm = if has_room { self.calm + 1 } else { 0 };
        if self.behind >= BEHIND_WINDOWS {
            self.behind = 0;
            if self.eased_at.take().is_some_and(|at| now.saturating_duration_since(at) < REGRETTED) {
                self.calm_goal = (2 * self.calm_goal).min(CALM_WINDOWS_MAX);
            }
            self.step = (self.step + 1).min(STEPS_MAX);
        } else if self.calm >= self.calm_goal {
            self.calm = 0;
            self.step -= 1;
            self.eased_at = Some(now);
        }
        if self.step == 0 && self.eased_at.is_none_or(|at| now.saturating_duration_since(at) > FORGOTTEN) {
            self.calm_goal = CALM_WINDOWS;
        }
    }
}

/// Top layers, new sessions, lower layers.
pub(crate) const STEPS_MAX: u8 = 3;
const REFUSES_FROM: u8 = 2;
const WINDOW: Duration = Duration::from_millis(100);
/// A machine that is busy with others lets a worker wait as long, but then the worker has pauses.
const BUSY: f64 = 0.9;
const WAITED: Duration = Duration::from_millis(100);
/// What waits gets less so fast that it needs no further step.
const CATCHES_UP: f64 = 0.9;
const BEHIND_WINDOWS: u32 = 3;
/// A publisher sends a key frame within this after it was asked for one.
const SKIPPED_LATELY: Duration = Duration::from_millis(300);
const SKIPS_AGAIN_WITHIN: Duration = Duration::from_secs(1);
/// What layers bring is not known: several times what is sent now.
const ROOM: f64 = 0.5;
/// All of it is taken back within a second.
const CALM_WINDOWS: u32 = 3;
const CALM_WINDOWS_MAX: u32 = 80;
/// A step back that had to be taken again so soon makes the next one wait twice as long.
const REGRETTED: Duration = Duration::from_secs(3);
const FORGOTTEN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
