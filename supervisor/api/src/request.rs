//! What the supervisor can be asked.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{LogSource, ParseError, ProcessName};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SupervisorRequest {
    /// All processes; with `follow`, all of them again after each change.
    Processes { follow: bool },
    /// Starts one more worker, which gets the next index.
    Add,
    /// The last worker (or one after which all are leaving) is not replaced any more. When it still runs after
    /// `within_ms` it is asked to end, and killed soon after.
    Remove { worker: u16, within_ms: u64 },
    /// Takes [`SupervisorRequest::Remove`] back.
    Keep { worker: u16 },
    /// Ends a process now; another takes its place at once.
    Restart { name: ProcessName },
    /// Processes are started from this file from now on.
    Program { path: PathBuf },
    /// The settings are read again, as at SIGHUP. Signaling hears of those that concern it when it is replaced, which is
    /// left to who asks.
    ReadSettings,
    /// The newest log lines that are kept, at most `lines`; with `follow`, those that come from then on, too.
    Log { of: Option<LogSource>, lines: usize, follow: bool },
}

impl fmt::Display for SupervisorRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let once = |follow: &bool| if *follow { FOLLOW } else { ONCE };
        match self {
            SupervisorRequest::Processes { follow } => write!(f, "processes {}", once(follow)),
            SupervisorRequest::Add => f.write_str("add"),
            SupervisorRequest::Remove { worker, within_ms } => write!(f, "remove {worker} {within_ms}"),
            SupervisorRequest::Keep { worker } => write!(f, "keep {worker}"),
            SupervisorRequest::Restart { name } => write!(f, "restart {name}"),
            SupervisorRequest::Program { path } => write!(f, "program {}", path.display()),
            SupervisorRequest::ReadSettings => f.write_str(SETTINGS),
            SupervisorRequest::Log { of, lines, follow } => {
                let of = of.map_or(ALL.to_owned(), |source| source.to_string());
                write!(f, "log {of} {lines} {}", once(follow))
            }
        }
    }
}

impl FromStr for SupervisorRequest {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<SupervisorRequest, ParseError> {
        let bad = || ParseError(text.to_owned());
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let words: Vec<&str> = rest.split(' ').collect();
        match (verb, &words[..]) {
            ("processes", [follow]) => Ok(SupervisorRequest::Processes { follow: follows(follow).ok_or_else(bad)? }),
            ("add", [""]) => Ok(SupervisorRequest::Add),
            ("remove", [worker, within_ms]) => Ok(SupervisorRequest::Remove {
                worker: worker.parse().map_err(|_| bad())?,
                within_ms: within_ms.parse().map_err(|_| bad())?,
            }),
            ("keep", [worker]) => Ok(SupervisorRequest::Keep { worker: worker.parse().map_err(|_| bad())? }),
            ("restart", [name]) => Ok(SupervisorRequest::Restart { name: name.parse()? }),
            ("program", _) if rest.starts_with('/') => Ok(SupervisorRequest::Program { path: PathBuf::from(rest) }),
            (SETTINGS, [""]) => Ok(SupervisorRequest::ReadSettings),
            ("log", [of, lines, follow]) => Ok(SupervisorRequest::Log {
                of: if *of == ALL { None } else { Some(of.parse()?) },
                lines: lines.parse().map_err(|_| bad())?,
                follow: follows(follow).ok_or_else(bad)?,
            }),
            _ => Err(bad()),
        }
    }
}

fn follows(word: &str) -> Option<bool> {
    match word {
        FOLLOW => Some(true),
        ONCE => Some(false),
        _ => None,
    }
}

const SETTINGS: &str = "settings";
const FOLLOW: &str = "follow";
const ONCE: &str = "once";
/// Not the name of any source.
const ALL: &str = "all";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_is_written() {
        let texts = [
            "processes once",
            "processes follow",
            "add",
            "remove 3 60000",
            "keep 3",
            "restart signaling",
            "restart worker-0",
            "program /opt/new release/chappe",
            "settings",
            "log all 100 once",
            "log worker-1 0 follow",
            "log supervisor 5 once",
        ];
        for text in texts {
            assert_eq!(text.parse::<SupervisorRequest>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let texts = [
            "",
            "add 2",
            "processes",
            "remove 3",
            "remove x 1",
            "remove 70000 1",
            "keep",
            "restart",
            "restart worker",
            "settings workers",
            "program chappe",
            "log all",
            "log nobody 1 once",
            "log all -1 once",
            "stop",
        ];
        for text in texts {
            assert!(text.parse::<SupervisorRequest>().is_err(), "{text:?}");
        }
    }
}
