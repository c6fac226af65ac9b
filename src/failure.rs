//! Owns what a person reads when the program cannot do what they asked: one line that says what to do.

use std::fmt;
use std::process::ExitCode;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The command line, the environment or the file of settings is wrong.
    Usage(String),
    /// The machine refuses: a port in use, no permission.
    Start(String),
    /// A node that was asked refuses, or could not do it.
    Refused(String),
    /// No node answers.
    NotReached(String),
    /// Ctrl-C ended the waiting for what goes on all the same.
    Interrupted(String),
    /// Nobody reads what is printed: the end of the command, of which nobody wants to be told.
    ReaderGone,
}

impl Failure {
    /// For who gave this command, if it was one of ours; with where to read on.
    pub fn message(&self, command: Option<&str>) -> String {
        let line = readable(&self.to_string());
        match (self, command) {
            (Failure::Usage(_), Some(command)) => format!("{line} (chappe {command} --help)"),
            (Failure::Usage(_), None) => format!("{line} (chappe --help)"),
            _ => line,
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Start(_) | Failure::Refused(_) => ExitCode::from(1),
            Failure::NotReached(_) => ExitCode::from(3),
            Failure::Interrupted(_) => ExitCode::from(ENDED_BY_CTRL_C),
            Failure::ReaderGone => ExitCode::SUCCESS,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(line)
            | Failure::Start(line)
            | Failure::Refused(line)
            | Failure::NotReached(line)
            | Failure::Interrupted(line) => f.write_str(line),
            Failure::ReaderGone => f.write_str("nobody reads what is printed"),
        }
    }
}

pub fn usage<T>(line: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Usage(line.into()))
}

/// The message of clap without its usage block, on one line, with what it lists in our words.
pub fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let told = text.lines().map(str::trim).take_while(|line| {
        let ends = ["Usage:", "For more information"];
        !ends.iter().any(|end| line.starts_with(end))
    });
    // A number below zero is not meant to be a file of that name.
    let told = told.filter(|line| !line.is_empty() && !line.starts_with("tip: to pass "));
    let told = told.map(|line| {
        let list = LISTS.iter().find_map(|list| line.strip_prefix(list)?.strip_suffix(']'));
        match (list, line.strip_prefix("tip: a similar ").and_then(|tip| tip.split_once(" exists: "))) {
            (Some(list), _) => format!("there are {list}"),
            (None, Some((_, near))) => format!("did you mean {near}?"),
            (None, None) => line.to_owned(),
        }
    });
    // What is listed below a line belongs to it.
    let line = told.collect::<Vec<_>>().join("; ").replace(":; ", ": ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// One line whatever was typed, and of what is longer than anybody types the beginning.
fn readable(line: &str) -> String {
    let visible: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words = visible.split(' ').map(|word| match word.char_indices().nth(WORD_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &word[..end]),
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// As a shell reports it.
const ENDED_BY_CTRL_C: u8 = 130;
const LISTS: [&str; 2] = ["[possible values: ", "[subcommands: "];
const WORD_CHARS_MAX: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_told_in_one_line_that_can_be_read() {
        let told = Failure::Usage(format!("--admin {}\n\u{1b}: wants a URL", "é".repeat(5_000))).message(Some("ls"));
        assert_eq!(told, format!("--admin {}…  : wants a URL (chappe ls --help)", "é".repeat(WORD_CHARS_MAX)));
    }
}
