//! Which process of a node is meant.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;

/// `signaling`, `worker-0`. In the order in which processes are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcessName {
    Signaling,
    Worker(u16),
}

/// Who wrote a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogSource {
    Supervisor,
    Process(ProcessName),
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessName::Signaling => f.write_str("signaling"),
            ProcessName::Worker(index) => write!(f, "worker-{index}"),
        }
    }
}

impl FromStr for ProcessName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<ProcessName, ParseError> {
        if text == "signaling" {
            return Ok(ProcessName::Signaling);
        }
        let index = text.strip_prefix("worker-").and_then(|index| index.parse().ok());
        index.map(ProcessName::Worker).ok_or_else(|| ParseError(text.to_owned()))
    }
}

impl fmt::Display for LogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogSource::Supervisor => f.write_str("supervisor"),
            LogSource::Process(name) => name.fmt(f),
        }
    }
}

impl FromStr for LogSource {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<LogSource, ParseError> {
        match text {
            "supervisor" => Ok(LogSource::Supervisor),
            name => name.parse().map(LogSource::Process),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let sources = ["supervisor", "signaling", "worker-0", "worker-65535"];
        for text in sources {
            assert_eq!(text.parse::<LogSource>().unwrap().to_string(), text);
        }
        for text in ["", "worker", "worker-", "worker-65536", "worker-0 ", "Signaling"] {
            assert!(text.parse::<LogSource>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn signaling_comes_before_all_workers() {
        assert!(ProcessName::Signaling < ProcessName::Worker(0) && ProcessName::Worker(2) < ProcessName::Worker(10));
    }
}
