//! Tells on standard error how far long work is: one line that changes on a terminal, a line per change elsewhere.

use std::io::{IsTerminal as _, Write as _};

pub struct Progress {
    is_terminal: bool,
    last: String,
}

impl Progress {
    pub fn begin() -> Progress {
        Progress { is_terminal: std::io::stderr().is_terminal(), last: String::new() }
    }

    pub fn tell(&mut self, text: &str) {
        if text == self.last {
            return;
        }
        self.last = text.to_owned();
        let mut out = std::io::stderr().lock();
        // Nobody may be reading; that is no reason to stop.
        let _ = if self.is_terminal { write!(out, "\r\u{1b}[K{text}") } else { writeln!(out, "{text}") };
    }
}

/// What comes next begins on a line of its own.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_terminal && !self.last.is_empty() {
            let _ = writeln!(std::io::stderr());
        }
    }
}
