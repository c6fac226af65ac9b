//! A process as the supervisor tells of it.

use std::fmt;
use std::str::FromStr;

use crate::{ParseError, ProcessName};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStatus {
    pub name: ProcessName,
    pub state: ProcessState,
    /// None while it waits for its next start.
    pub pid: Option<u32>,
    /// Since its process was started; 0 without one.
    pub up_ms: u64,
    /// Processes that were in this place before.
    pub restarts: u64,
    /// UDP and TCP port; workers only.
    pub media_port: Option<u16>,
}

/// The life of a process's place, as `lifecycle.rs` of the supervisor draws it. One that is gone is not told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// About to be started for the first time.
    Starting,
    Up,
    /// Died or could not be started; the next start waits.
    BackingOff,
    /// Was told to end, and is replaced then.
    Restarting,
    /// Ends when its sessions have, and is not replaced.
    Leaving,
}

impl ProcessState {
    const ALL: [ProcessState; 5] = [
        ProcessState::Starting,
        ProcessState::Up,
        ProcessState::BackingOff,
        ProcessState::Restarting,
        ProcessState::Leaving,
    ];

    pub fn as_text(self) -> &'static str {
        match self {
            ProcessState::Starting => "starting",
            ProcessState::Up => "up",
            ProcessState::BackingOff => "backing-off",
            ProcessState::Restarting => "restarting",
            ProcessState::Leaving => "leaving",
        }
    }
}

impl FromStr for ProcessState {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<ProcessState, ParseError> {
        ProcessState::ALL.into_iter().find(|state| state.as_text() == text).ok_or_else(|| ParseError(text.to_owned()))
    }
}

/// `worker-0 up 4711 12345 0 7000`; `-` for what there is not.
impl fmt::Display for ProcessStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProcessStatus { name, state, up_ms, restarts, .. } = self;
        let number = |number: Option<u32>| number.map_or(NONE.to_owned(), |number| number.to_string());
        let (pid, port) = (number(self.pid), number(self.media_port.map(u32::from)));
        write!(f, "{name} {} {pid} {up_ms} {restarts} {port}", state.as_text())
    }
}

impl FromStr for ProcessStatus {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<ProcessStatus, ParseError> {
        let bad = || ParseError(text.to_owned());
        let words: Vec<&str> = text.split(' ').collect();
        let [name, state, pid, up_ms, restarts, media_port] = words[..] else { return Err(bad()) };
        Ok(ProcessStatus {
            name: name.parse()?,
            state: state.parse()?,
            pid: optional(pid).map_err(|()| bad())?,
            up_ms: up_ms.parse().map_err(|_| bad())?,
            restarts: restarts.parse().map_err(|_| bad())?,
            media_port: optional(media_port).map_err(|()| bad())?,
        })
    }
}

fn optional<T: FromStr>(word: &str) -> Result<Option<T>, ()> {
    if word == NONE { Ok(None) } else { word.parse().map(Some).map_err(|_| ()) }
}

const NONE: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_as_it_is_written() {
        for text in ["worker-0 up 4711 12345 0 7000", "worker-3 backing-off - 0 7 7003", "signaling leaving 1 2 0 -"] {
            assert_eq!(text.parse::<ProcessStatus>().unwrap().to_string(), text);
        }
        for text in ["", "worker-0 up", "worker-0 down 1 2 0 -", "signaling up x 2 0 -", "signaling up 1 2 0 - more"] {
            assert!(text.parse::<ProcessStatus>().is_err(), "{text:?}");
        }
    }
}
