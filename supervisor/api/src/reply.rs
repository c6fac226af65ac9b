//! What the supervisor answers, one line each.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{LogSource, ParseError, ProcessStatus};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SupervisorReply {
    Process(ProcessStatus),
    /// A line of the log, as it was written.
    Log(LogSource, String),
    /// The index of the worker that was added.
    Added(u16),
    /// Names of settings that were taken up, and of those that take effect when the node is started anew.
    Settings {
        changed: Vec<String>,
        fixed: Vec<String>,
    },
    /// Another program is started from now on, and this one was until now.
    ProgramBefore(PathBuf),
    /// The request is done, or its first answer complete.
    Ok,
    /// It is not done, and why.
    Error(String),
}

impl fmt::Display for SupervisorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SupervisorReply::Process(status) => write!(f, "process {status}"),
            SupervisorReply::Log(source, line) => write!(f, "log {source} {line}"),
            SupervisorReply::Added(worker) => write!(f, "added {worker}"),
            SupervisorReply::Settings { changed, fixed } => write!(f, "settings {} {}", listed(changed), listed(fixed)),
            SupervisorReply::ProgramBefore(path) => write!(f, "program-before {}", path.display()),
            SupervisorReply::Ok => f.write_str("ok"),
            SupervisorReply::Error(why) => write!(f, "error {}", why.replace('\n', " ")),
        }
    }
}

impl FromStr for SupervisorReply {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<SupervisorReply, ParseError> {
        let bad = || ParseError(text.to_owned());
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        match verb {
            "process" => rest.parse().map(SupervisorReply::Process),
            "log" => {
                let (source, line) = rest.split_once(' ').ok_or_else(bad)?;
                Ok(SupervisorReply::Log(source.parse()?, line.to_owned()))
            }
            "added" => rest.parse().map(SupervisorReply::Added).map_err(|_| bad()),
            "settings" => {
                let (changed, fixed) = rest.split_once(' ').ok_or_else(bad)?;
                Ok(SupervisorReply::Settings { changed: names(changed), fixed: names(fixed) })
            }
            "program-before" if rest.starts_with('/') => Ok(SupervisorReply::ProgramBefore(PathBuf::from(rest))),
            "ok" if rest.is_empty() => Ok(SupervisorReply::Ok),
            "error" => Ok(SupervisorReply::Error(rest.to_owned())),
            _ => Err(bad()),
        }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { NONE.to_owned() } else { names.join(",") }
}

fn names(text: &str) -> Vec<String> {
    if text == NONE { Vec::new() } else { text.split(',').map(str::to_owned).collect() }
}

/// In the place of a list.
const NONE: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_as_it_is_written() {
        let texts = [
            "process signaling up 10 99 0 -",
            "log worker-0 2026-01-01 INFO  two  spaces ",
            "log supervisor ",
            "added 3",
            "settings - -",
            "settings per-address,log-filter workers",
            "program-before /opt/some where/chappe",
            "ok",
            "error port 7003 is in use",
        ];
        for text in texts {
            assert_eq!(text.parse::<SupervisorReply>().unwrap().to_string(), text);
        }
        for text in ["", "ok 1", "log", "log nobody x", "added", "settings", "program-before x", "done"] {
            assert!(text.parse::<SupervisorReply>().is_err(), "{text:?}");
        }
    }
}
