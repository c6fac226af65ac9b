//! Decides which log lines a node shows on its standard error. The ring and the log file have all of them.

use std::io::{self, IsTerminal as _};

use chappe_supervisor_api::LogSource;

use crate::log_format::LogFormat;
use crate::plan::NodePlan;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    All,
    /// For a person who is about to read the banner.
    Warnings,
    /// What the parent says, and what children warn of: for a person who has read it.
    ParentAndWarnings,
}

impl Shown {
    /// A person at a terminal reads the banner, and then only what matters, unless they asked for the log.
    pub fn at_start(plan: &NodePlan) -> Shown {
        let is_asked_for = plan.log_filter.is_some() || std::env::var_os("RUST_LOG").is_some();
        let is_watched = plan.log == LogFormat::Text && io::stderr().is_terminal();
        if is_watched && !is_asked_for { Shown::Warnings } else { Shown::All }
    }

    /// The same once the banner is out.
    pub fn from_then_on(plan: &NodePlan) -> Shown {
        match Shown::at_start(plan) {
            Shown::Warnings => Shown::ParentAndWarnings,
            shown => shown,
        }
    }

    /// `line` is as [`LogFormat::Text`] has it: time, level, and the rest. What has no level is no everyday line.
    pub fn takes(self, source: LogSource, line: &[u8]) -> bool {
        match (self, source) {
            (Shown::All, _) | (Shown::ParentAndWarnings, LogSource::Supervisor) => return true,
            (Shown::Warnings | Shown::ParentAndWarnings, _) => {}
        }
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (time, level) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        !(time.ends_with(b"Z") && matches!(level, b"INFO" | b"DEBUG" | b"TRACE"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chappe_supervisor_api::ProcessName;

    #[test]
    fn a_person_who_watches_sees_what_the_parent_says_and_what_children_warn_of() {
        let worker = LogSource::Process(ProcessName::Worker(0));
        let lines = [
            (worker, "2026-11-29T10:53:43.782844Z  INFO worker{worker=0}: worker started", false),
            (worker, "2026-11-29T10:53:43.782844Z DEBUG worker{worker=0}: a look", false),
            (worker, "2026-11-29T10:53:43.782844Z  WARN worker{worker=0}: full", true),
            (worker, "2026-11-29T10:53:43.782844Z ERROR worker{worker=0}: panic: lost", true),
            (worker, "free(): INFO pointer", true),
            (worker, "", true),
            (LogSource::Supervisor, "2026-11-29T10:53:43.782844Z  INFO chappe_supervisor: stopping", true),
        ];
        for (source, line, expected) in lines {
            assert_eq!(Shown::ParentAndWarnings.takes(source, line.as_bytes()), expected, "{line}");
            let before = expected && source != LogSource::Supervisor;
            assert_eq!(Shown::Warnings.takes(source, line.as_bytes()), before, "{line}");
            assert!(Shown::All.takes(source, line.as_bytes()));
        }
    }
}
