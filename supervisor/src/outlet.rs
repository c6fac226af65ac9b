//! Owns the way out for log lines: the standard error of the parent, the ring of the newest for operators who ask, and
//! the log file where there is one. Never blocks, whoever reads it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chappe_supervisor_api::LogSource;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing_subscriber::fmt::MakeWriter;

use crate::log_file::LogFile;
use crate::log_format::LogFormat;
use crate::log_ring::LogRing;
use crate::plan::LogFilePlan;
use crate::shown::Shown;

/// A terminal stopped with Ctrl-S, or a pipe that nobody reads, must not stop the parent from replacing a dead
/// worker: what cannot be written now waits in a bounded queue, and what does not fit there is counted.
#[derive(Debug, Clone)]
pub struct Outlet(Arc<Mutex<Queue>>);

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
    file: Option<LogFile>,
}

impl Outlet {
    pub fn new(fd: OwnedFd, format: LogFormat, shown: Shown) -> Outlet {
        let (lines, ring) = (VecDeque::new(), LogRing::default());
        let queue = Queue { fd, format, shown, lines, written: 0, bytes: 0, dropped: 0, ring, file: None };
        Outlet(Arc::new(Mutex::new(queue)))
    }

    /// The standard error of this process.
    pub fn stderr(format: LogFormat, shown: Shown) -> io::Result<Outlet> {
        Ok(Outlet::new(rustix::io::fcntl_dupfd_cloexec(io::stderr(), 3)?, format, shown))
    }

    /// Takes one line without its newline.
    pub fn offer(&self, source: LogSource, line: &[u8]) {
        let mut queue = self.queue();
        queue.ring.push(source, line);
        if let Some(file) = &queue.file {
            file.offer(source, line);
        }
        if queue.shown.takes(source, line) {
            queue.push(line);
        }
        queue.flush();
    }

    /// From now on.
    pub fn show(&self, shown: Shown) {
        self.queue().shown = shown;
    }

    /// All lines go there, too, from now on; none: to no file. `node` stands before each.
    pub fn write_file(&self, plan: Option<&LogFilePlan>, node: &str) -> io::Result<()> {
        let mut queue = self.queue();
        queue.file = match (queue.file.take(), plan) {
            (_, None) => None,
            (Some(file), Some(plan)) => Some(file.write_as(plan)),
            (None, Some(plan)) => Some(LogFile::start(plan, node, queue.format)?),
        };
        Ok(())
    }

    /// Another program has moved the file away.
    pub fn reopen_file(&self) {
        if let Some(file) = &self.queue().file {
            file.reopen();
        }
    }

    /// Ends the file with all that was offered, if the disk takes it in time. No lock is held meanwhile.
    pub fn finish_file(&self) {
        let file = self.queue().file.take();
        file.into_iter().for_each(LogFile::finish);
    }

    /// Looks at the newest lines. `look` must not log.
    pub fn with_ring<T>(&self, look: impl FnOnce(&LogRing) -> T) -> T {
        look(&self.queue().ring)
    }

    /// Writes what waits, as far as that is possible without blocking; true when nothing waits any more.
    pub fn flush(&self) -> bool {
        self.queue().flush()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_reader_that_went_away_is_no_error() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let outlet = Outlet::new(writer, LogFormat::Text, Shown::All);
        outlet.offer(LogSource::Supervisor, b"into the void");
        assert!(outlet.flush());
    }
}
