//! Owns the form of what was found. Never looks at anything.

use serde::Serialize;

/// What was looked at, and what to do about it.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub what: &'static str,
    pub verdict: Verdict,
    pub found: String,
    /// Empty where nothing has to be done.
    pub remedy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    pub fn ok(what: &'static str, found: impl Into<String>) -> Finding {
        Finding { what, verdict: Verdict::Ok, found: found.into(), remedy: String::new() }
    }

    pub fn warn(what: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { what, verdict: Verdict::Warn, found: found.into(), remedy: remedy.into() }
    }

    pub fn fail(what: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { what, verdict: Verdict::Fail, found: found.into(), remedy: remedy.into() }
    }
}
