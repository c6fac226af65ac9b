//! Decides how log lines look, those of other programs among them.

use std::borrow::Cow;
use std::fmt::Write as _;

use chappe_supervisor_api::ProcessName;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// One line per event, for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// A line about the log itself, which no subscriber writes. `text` has nothing that JSON escapes.
    pub(crate) fn notice(self, text: &str) -> String {
        match self {
            LogFormat::Text => format!("{text}\n"),
            LogFormat::Json => format!("{{\"level\":\"WARN\",\"fields\":{{\"message\":\"{text}\"}}}}\n"),
        }
    }

    /// A child's own log lines pass as they are. In JSON a line that is none (a message of the C library, say)
    /// is wrapped, so that every line of our standard error stays one JSON object.
    pub(crate) fn presented(self, line: &[u8], name: ProcessName) -> Cow<'_, [u8]> {
        if self == LogFormat::Text || line.starts_with(b"{") {
            return line.into();
        }
        let mut escaped = String::with_capacity(line.len() + 64);
        for c in String::from_utf8_lossy(line).chars() {
            match c {
                '"' | '\\' => escaped.extend(['\\', c]),
                c if c.is_control() => {
                    let _ = write!(escaped, "\\u{:04x}", u32::from(c));
                }
                c => escaped.push(c),
            }
        }
        format!(r#"{{"level":"ERROR","fields":{{"message":"{escaped}"}},"target":"{name}"}}"#).into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_a_json_log_is_an_object() {
        let name = ProcessName::Worker(0);
        let wrapped = LogFormat::Json.presented(b"free(): \"invalid\" \\ pointer\x01", name);
        let expected =
            r#"{"level":"ERROR","fields":{"message":"free(): \"invalid\" \\ pointer\u0001"},"target":"worker-0"}"#;
        assert_eq!(String::from_utf8_lossy(&wrapped), expected);
        assert_eq!(*LogFormat::Json.presented(b"{\"a\":1}", name), *b"{\"a\":1}");
        assert_eq!(*LogFormat::Text.presented(b"plain", name), *b"plain");
    }
}
