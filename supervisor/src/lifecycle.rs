//! The life of a place for a process: its state, what leads to the next one, and what is due in it. Starts nothing,
//! signals nothing and reads no clock.
//!
//! ```text
//!              started                 died
//!   Starting ───────────► Up ──────────────────► BackingOff
//!    │  ▲ │ cannot start  │ ▲                     │   ▲   │
//!    │  │ └───────────────┼─┼─────────────────────┼───┤   │
//!    │  └─────────────────┼─┼── its time came ────┘   │   │
//!    │    leave, restart  │ │ stay (not asked yet)    │   │
//!    │                    ▼ │          died, replaced │   │
//!    │                   Ending ──────────────────────┘   │
//!    │ leave                │ died, left                  │ leave
//!    └──────────────────────┴──────► Gone ◄───────────────┘
//! ```

use std::time::Instant;

use chappe_supervisor_api::ProcessState;

/// `P` is the running process; it is there in exactly the states that have one.
#[derive(Debug, PartialEq, Eq)]
pub enum State<P> {
    /// To be started now.
    Starting,
    Up {
        process: P,
        since: Instant,
    },
    /// The process died or could not be started; the next start comes at this time.
    BackingOff {
        until: Instant,
    },
    /// The process is to end.
    Ending {
        process: P,
        since: Instant,
        next: Step,
        then: Then,
    },
    Gone,
}

/// What becomes of a place whose process ends as it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Replace,
    Leave,
}

/// How a process is brought to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It may still end by itself.
    Ask { at: Instant, kill_at: Instant },
    /// It has SIGTERM.
    Kill { at: Instant },
    /// It has SIGKILL.
    Killed,
}

/// What is to be done in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Start,
    /// SIGTERM.
    Ask,
    /// SIGKILL.
    Kill,
}

impl<P> State<P> {
    pub fn process(&self) -> Option<&P> {
        match self {
            State::Up { process, .. } | State::Ending { process, .. } => Some(process),
            State::Starting | State::BackingOff { .. } | State::Gone => None,
        }
    }

    pub fn process_mut(&mut self) -> Option<&mut P> {
        match self {
            State::Up { process, .. } | State::Ending { process, .. } => Some(process),
            State::Starting | State::BackingOff { .. } | State::Gone => None,
        }
    }

    /// When the present process was started.
    pub fn since(&self) -> Option<Instant> {
        match self {
            State::Up { since, .. } | State::Ending { since, .. } => Some(*since),
            State::Starting | State::BackingOff { .. } | State::Gone => None,
        }
    }

    /// As others are told; none once it is gone.
    pub fn process_state(&self) -> Option<ProcessState> {
        match self {
            State::Starting => Some(ProcessState::Starting),
            State::Up { .. } => Some(ProcessState::Up),
            State::BackingOff { .. } => Some(ProcessState::BackingOff),
            State::Ending { then: Then::Replace, .. } => Some(ProcessState::Restarting),
            State::Ending { then: Then::Leave, .. } => Some(ProcessState::Leaving),
            State::Gone => None,
        }
    }

    /// When something is due, at `now` for what is due already.
    pub fn wakeup(&self, now: Instant) -> Option<Instant> {
        match self {
            State::Starting => Some(now),
            State::BackingOff { until } => Some(*until),
            State::Ending { next: Step::Ask { at, .. } | Step::Kill { at }, .. } => Some(*at),
            State::Up { .. } | State::Ending { next: Step::Killed, .. } | State::Gone => None,
        }
    }

    /// Says it once: the state moves on with it, but for a start, which the caller reports.
    pub fn take_due(&mut self, now: Instant) -> Option<Due> {
        if self.wakeup(now).is_none_or(|at| at > now) {
            return None;
        }
        match self {
            State::Starting | State::BackingOff { .. } => Some(Due::Start),
            State::Ending { next, .. } => match *next {
                Step::Ask { kill_at, .. } => {
                    *next = Step::Kill { at: kill_at };
                    Some(Due::Ask)
                }
                Step::Kill { .. } | Step::Killed => {
                    *next = Step::Killed;
                    Some(Due::Kill)
                }
            },
            State::Up { .. } | State::Gone => None,
        }
    }

    pub fn handle_started(&mut self, process: P, now: Instant) {
        *self = State::Up { process, since: now };
    }

    pub fn handle_not_started(&mut self, until: Instant) {
        *self = State::BackingOff { until };
    }

    /// `until`: when the next process may start, where there is to be one.
    pub fn handle_death(&mut self, until: Instant) {
        *self = match self {
            State::Ending { then: Then::Leave, .. } | State::Gone => State::Gone,
            State::Up { .. } | State::Ending { .. } | State::Starting | State::BackingOff { .. } => {
                State::BackingOff { until }
            }
        };
    }

    /// The process is to end for good: from `at` on it is asked, at `kill_at` it is killed. What was said before
    /// about that holds where it is earlier.
    pub fn leave(&mut self, at: Instant, kill_at: Instant) {
        *self = match std::mem::replace(self, State::Gone) {
            State::Up { process, since } => {
                State::Ending { process, since, next: Step::Ask { at, kill_at }, then: Then::Leave }
            }
            State::Ending { process, since, next, .. } => {
                State::Ending { process, since, next: next.earlier(at, kill_at), then: Then::Leave }
            }
            State::Starting | State::BackingOff { .. } | State::Gone => State::Gone,
        };
    }

    /// Takes [`State::leave`] back; false when it is too late.
    pub fn stay(&mut self) -> bool {
        *self = match std::mem::replace(self, State::Gone) {
            State::Ending { process, since, next: Step::Ask { .. }, then: Then::Leave } => State::Up { process, since },
            other => other,
        };
        !matches!(self, State::Ending { then: Then::Leave, .. } | State::Gone)
    }

    /// Another process is to take this one's place now. Where none runs, the next one waits no longer. False in a
    /// place that is left.
    pub fn restart(&mut self, now: Instant, kill_at: Instant) -> bool {
        *self = match std::mem::replace(self, State::Gone) {
            State::Up { process, since } => {
                State::Ending { process, since, next: Step::Ask { at: now, kill_at }, then: Then::Replace }
            }
            State::BackingOff { .. } => State::BackingOff { until: now },
            other => other,
        };
        !matches!(self, State::Ending { then: Then::Leave, .. } | State::Gone)
    }
}

impl Step {
    fn earlier(self, ask_at: Instant, kill_by: Instant) -> Step {
        match self {
            Step::Ask { at, kill_at } => Step::Ask { at: at.min(ask_at), kill_at: kill_at.min(kill_by) },
            Step::Kill { at } => Step::Kill { at: at.min(kill_by) },
            Step::Killed => Step::Killed,
        }
    }
}

#[cfg(test)]
mod tests;
