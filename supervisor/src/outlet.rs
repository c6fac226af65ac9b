//! Owns the way out for log lines: the standard error of the parent, and the ring of the newest for operators who ask.
//! Never blocks, whoever reads it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use chappe_supervisor_api::{LogSource, ProcessName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing_subscriber::fmt::MakeWriter;

use crate::log_ring::LogRing;

/// A terminal stopped with Ctrl-S, or a pipe that nobody reads, must not stop the parent from replacing a dead
/// worker: what cannot be written now waits in a bounded queue, and what does not fit there is counted.
#[derive(Debug, Clone)]
pub struct Outlet(Arc<Mutex<Queue>>);

/// Which lines go to standard error. The ring has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    All,
    /// For a person who is about to read the banner.
    Warnings,
    /// What the parent says, and what children warn of: for a person who has read it.
    ParentAndWarnings,
}

impl Shown {
    /// `line` is as [`LogFormat::Text`] has it: time, level, and the rest. What has no level is no everyday line.
    fn takes(self, source: LogSource, line: &[u8]) -> bool {
        match (self, source) {
            (Shown::All, _) | (Shown::ParentAndWarnings, LogSource::Supervisor) => return true,
            (Shown::Warnings | Shown::ParentAndWarnings, _) => {}
        }
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (time, level) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        !(time.ends_with(b"Z") && matches!(level, b"INFO" | b"DEBUG" | b"TRACE"))
    }
}

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

#[derive(Debug)]
struct Queue {
    fd: OwnedFd,
    format: LogFormat,
    shown: Shown,
    lines: VecDeque<Vec<u8>>,
    /// Of the first line, how many bytes are out already.
    written: usize,
    bytes: usize,
    dropped: u64,
    ring: LogRing,
}

impl Outlet {
    pub fn new(fd: OwnedFd, format: LogFormat, shown: Shown) -> Outlet {
        let (lines, ring) = (VecDeque::new(), LogRing::default());
        Outlet(Arc::new(Mutex::new(Queue { fd, format, shown, lines, written: 0, bytes: 0, dropped: 0, ring })))
    }

    /// The standard error of this process.
    pub fn stderr(format: LogFormat, shown: Shown) -> io::Result<Outlet> {
        Ok(Outlet::new(rustix::io::fcntl_dupfd_cloexec(io::stderr(), 3)?, format, shown))
    }

    /// Takes one line without its newline.
    pub fn offer(&self, source: LogSource, line: &[u8]) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queue.ring.push(source, line);
        if queue.shown.takes(source, line) {
            queue.push(line);
        }
        queue.flush();
    }

    /// From now on.
    pub fn show(&self, shown: Shown) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).shown = shown;
    }

    /// Looks at the newest lines. `look` must not log.
    pub fn with_ring<T>(&self, look: impl FnOnce(&LogRing) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner).ring)
    }

    /// Writes what waits, as far as that is possible without blocking; true when nothing waits any more.
    pub fn flush(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

impl Queue {
    fn push(&mut self, line: &[u8]) {
        if self.bytes + line.len() > WAITING_BYTES_MAX {
            self.dropped += 1;
            return;
        }
        if self.dropped > 0 {
            let notice = self.format.notice(&format!("{} log lines dropped: nobody read standard error", self.dropped));
            self.dropped = 0;
            self.bytes += notice.len();
            self.lines.push_back(notice.into_bytes());
        }
        let mut owned = Vec::with_capacity(line.len() + 1);
        owned.extend_from_slice(line);
        owned.push(b'\n');
        self.bytes += owned.len();
        self.lines.push_back(owned);
    }

    fn flush(&mut self) -> bool {
        while let Some(line) = self.lines.front() {
            if !is_writable(&self.fd) {
                return false;
            }
            let rest = line.get(self.written..).unwrap_or_default();
            let chunk = rest.get(..WRITE_BYTES_MAX).unwrap_or(rest);
            match rustix::io::write(&self.fd, chunk) {
                Ok(count) => self.written += count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return false,
                // The reader is gone for good (EPIPE, EIO): there is nobody to tell.
                Err(_) => self.written = line.len(),
            }
            if self.written >= line.len() {
                self.bytes -= line.len();
                self.written = 0;
                self.lines.pop_front();
            }
        }
        true
    }
}

/// Whether [`WRITE_BYTES_MAX`] bytes can be written without blocking. A closed reader counts as writable: the
/// write then says so.
fn is_writable(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::OUT)];
    matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(ready) if ready > 0)
}

/// For `tracing`: one event is one call of `write`.
impl<'a> MakeWriter<'a> for Outlet {
    type Writer = EventWriter<'a>;

    fn make_writer(&'a self) -> EventWriter<'a> {
        EventWriter(self)
    }
}

pub struct EventWriter<'a>(&'a Outlet);

impl io::Write for EventWriter<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.offer(LogSource::Supervisor, event.strip_suffix(b"\n").unwrap_or(event));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of log lines that may wait for a slow reader.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// PIPE_BUF of Linux: a pipe that poll calls writable takes this much at once.
const WRITE_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn nobody_reading_neither_blocks_nor_grows_and_is_told_afterwards() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let outlet = Outlet::new(writer, LogFormat::Json, Shown::All);
        let line = [b'x'; 1023];
        for _ in 0..4096 {
            outlet.offer(LogSource::Supervisor, &line);
        }
        {
            let queue = outlet.0.lock().unwrap();
            assert!(queue.bytes <= WAITING_BYTES_MAX + 1024, "{} bytes wait", queue.bytes);
            assert!(queue.dropped > 2000);
        }
        let mut reader = std::fs::File::from(reader);
        let mut text = Vec::new();
        while !outlet.flush() {
            let mut some = [0; 65536];
            let count = reader.read(&mut some).unwrap();
            text.extend_from_slice(&some[..count]);
        }
        outlet.offer(LogSource::Supervisor, b"after");
        drop(outlet);
        reader.read_to_end(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let last: Vec<&str> = text.lines().rev().take(2).collect();
        assert_eq!(last[0], "after");
        assert!(last[1].ends_with("log lines dropped: nobody read standard error\"}}"), "{}", last[1]);
        assert!(last[1].starts_with("{\"level\":\"WARN\""), "{}", last[1]);
    }

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

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let outlet = Outlet::new(writer, LogFormat::Text, Shown::All);
        outlet.offer(LogSource::Supervisor, b"into the void");
        assert!(outlet.flush());
    }

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
