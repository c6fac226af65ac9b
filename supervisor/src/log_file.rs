//! Owns the way of log lines into a file: a bounded queue, and the thread that empties it. A disk that is slow or full
//! costs lines, which are counted and told, and holds up nobody.
//!
//! No crate has it: file-rotate says of no failed write, and tracing-appender neither limits the size of a file nor
//! opens it anew.

mod rotating;

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chappe_supervisor_api::LogSource;
use tracing::{info, warn};

use crate::log_format::LogFormat;
use crate::plan::LogFilePlan;
use rotating::RotatingFile;

/// The parent's end. The thread ends when this has gone.
#[derive(Debug)]
pub struct LogFile {
    queue: Arc<LineQueue>,
    format: LogFormat,
    node: String,
}

#[derive(Debug, Default)]
struct LineQueue {
    unwritten: Mutex<Unwritten>,
    changed: Condvar,
}

/// What the thread has not taken yet.
#[derive(Debug, Default)]
struct Unwritten {
    /// Whole lines with their newlines.
    lines: Vec<u8>,
    dropped: u64,
    reopen: bool,
    plan: Option<LogFilePlan>,
    /// Nothing more comes.
    ends: bool,
    /// All of it is written.
    ended: bool,
}

impl LogFile {
    /// `node` stands before each line, with the process that wrote it.
    pub fn start(plan: &LogFilePlan, node: &str, format: LogFormat) -> io::Result<LogFile> {
        let queue = Arc::new(LineQueue::default());
        let (theirs, file) = (Arc::clone(&queue), RotatingFile::new(plan.clone()));
        std::thread::Builder::new().name("chappe-log-file".to_owned()).spawn(move || write_all(&theirs, file))?;
        Ok(LogFile { queue, format, node: node.to_owned() })
    }

    /// Takes one line without its newline.
    pub fn offer(&self, source: LogSource, line: &[u8]) {
        let mut waiting = self.queue.unwritten();
        if waiting.lines.len() + line.len() > WAITING_BYTES_MAX {
            waiting.dropped += 1;
            return;
        }
        match (self.format, line.strip_prefix(b"{")) {
            (LogFormat::Json, Some(rest)) => {
                let head = format!(r#"{{"node":"{}","process":"{source}","#, self.node);
                waiting.lines.extend_from_slice(head.as_bytes());
                waiting.lines.extend_from_slice(rest);
            }
            _ => {
                waiting.lines.extend_from_slice(format!("{}/{source} ", self.node).as_bytes());
                waiting.lines.extend_from_slice(line);
            }
        }
        waiting.lines.push(b'\n');
        self.queue.changed.notify_all();
    }

    /// From now on.
    pub fn write_as(self, plan: &LogFilePlan) -> LogFile {
        self.queue.unwritten().plan = Some(plan.clone());
        self.queue.changed.notify_all();
        self
    }

    /// Another program has moved the file away.
    pub fn reopen(&self) {
        self.queue.unwritten().reopen = true;
        self.queue.changed.notify_all();
    }

    /// Waits a moment for the lines that were offered.
    pub fn finish(self) {
        let mut waiting = self.queue.unwritten();
        waiting.ends = true;
        self.queue.changed.notify_all();
        let ended = self.queue.changed.wait_timeout_while(waiting, FINISH_WITHIN, |waiting| !waiting.ended);
        drop(ended.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        self.queue.unwritten().ends = true;
        self.queue.changed.notify_all();
    }
}

impl LineQueue {
    fn unwritten(&self) -> MutexGuard<'_, Unwritten> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to do.
    fn take(&self) -> Unwritten {
        let idle = |waiting: &mut Unwritten| {
            waiting.lines.is_empty()
                && waiting.dropped == 0
                && !waiting.reopen
                && !waiting.ends
                && waiting.plan.is_none()
        };
        let waiting = self.changed.wait_while(self.unwritten(), idle);
        std::mem::take(&mut *waiting.unwrap_or_else(PoisonError::into_inner))
    }
}

/// The thread. What it says of itself goes the way of all lines.
fn write_all(queue: &LineQueue, mut file: RotatingFile) {
    let mut lost = 0;
    loop {
        let batch = queue.take();
        if let Some(plan) = batch.plan {
            file = RotatingFile::new(plan);
        }
        if batch.reopen {
            file.close();
        }
        match file.write(&batch.lines) {
            Ok(()) if lost > 0 && !batch.lines.is_empty() => {
                info!(file = %file.path().display(), lost, "the log file is written again");
                lost = 0;
            }
            Ok(()) => {}
            Err((error, lines)) => {
                if lost == 0 {
                    let file = file.path().display();
                    warn!(%file, %error, "the log file can't be written: lines are lost until it can be");
                }
                lost += lines;
            }
        }
        if batch.dropped > 0 {
            warn!(lines = batch.dropped, "log lines dropped: the log file was not written as fast as they came");
        }
        if batch.ends {
            queue.unwritten().ended = true;
            queue.changed.notify_all();
            return;
        }
    }
}

/// Bytes of log lines that may wait for a slow disk.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// A node that ends is not held up by a disk that hangs.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
