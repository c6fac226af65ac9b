//! Owns what the parent says while a child runs: lines on standard input, each of which is done. Never waits for one.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use chappe_supervisor_api::ProcessName;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::log::LogFilter;

#[derive(Debug)]
pub struct ParentLines {
    /// Of this process.
    name: ProcessName,
    input: io::Stdin,
    log: LogFilter,
    /// Of a line that has not ended.
    begun: Vec<u8>,
}

impl ParentLines {
    pub(super) fn follow(name: ProcessName, log: LogFilter) -> io::Result<ParentLines> {
        let input = io::stdin();
        fcntl_setfl(&input, fcntl_getfl(&input)? | OFlags::NONBLOCK)?;
        Ok(ParentLines { name, input, log, begun: Vec::new() })
    }

    /// Does what has been said. False: no more will be said.
    pub fn handle_ready(&mut self) -> bool {
        let mut bytes = [0; READ_BYTES];
        let count = match rustix::io::read(&self.input, &mut bytes[..]) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return matches!(error, rustix::io::Errno::AGAIN | rustix::io::Errno::INTR),
        };
        self.begun.extend_from_slice(bytes.get(..count).unwrap_or_default());
        while let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            self.handle_line(String::from_utf8_lossy(&line).trim_end());
        }
        self.begun.len() <= LINE_BYTES_MAX
    }

    /// The same, on a thread of its own.
    pub fn follow_on_thread(mut self) {
        std::thread::spawn(move || {
            loop {
                let waited = poll(&mut [PollFd::new(&self.input, PollFlags::IN)], None);
                let goes_on = matches!(waited, Ok(_) | Err(rustix::io::Errno::INTR));
                if !goes_on || !self.handle_ready() {
                    return;
                }
            }
        });
    }

    fn handle_line(&self, line: &str) {
        match line.split_once(' ').unwrap_or((line, "")) {
            (LOG_FILTER, filter) => {
                self.log.set(Some(filter).filter(|filter| !filter.is_empty()));
                tracing::debug!(filter, "{} logs by another filter", self.name);
            }
            _ => tracing::warn!(line, "the parent says what this version does not understand"),
        }
    }
}

impl AsFd for ParentLines {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }
}

/// What the parent says when the filter is another one.
pub(crate) fn log_filter_line(filter: Option<&str>) -> String {
    format!("{LOG_FILTER} {}", filter.unwrap_or_default())
}

const LOG_FILTER: &str = "log-filter";
const READ_BYTES: usize = 4 << 10;
/// What is longer was not said by a parent of ours.
const LINE_BYTES_MAX: usize = 64 << 10;
