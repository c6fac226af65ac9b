//! Owns where `tracing` events go: in the parent to its outlet, in a child to the pipe that the parent reads.
//! A child never waits for that pipe: a line that finds it full is dropped and counted.

use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::outlet::{LogFormat, Outlet};

/// Of the parent.
pub(crate) fn init(format: LogFormat, outlet: Outlet) {
    install(format, outlet);
    // Said once, here: the children read the same variable.
    if let Some(error) = bad_filter() {
        tracing::warn!(%error, "RUST_LOG is not understood, so info is logged; an example: RUST_LOG=info,chappe_signaling=debug");
    }
}

/// What is wrong with `RUST_LOG`, if it is set and not a filter.
fn bad_filter() -> Option<String> {
    let text = std::env::var_os(EnvFilter::DEFAULT_ENV)?;
    match text.to_str() {
        Some(text) => EnvFilter::try_new(text).err().map(|error| error.to_string()),
        None => Some("not UTF-8".to_owned()),
    }
}

/// Of a child: standard error becomes non-blocking, and a panic becomes a log line.
pub(crate) fn init_child(format: LogFormat) -> io::Result<()> {
    let stderr = io::stderr();
    fcntl_setfl(&stderr, fcntl_getfl(&stderr)? | OFlags::NONBLOCK)?;
    install(format, PipeLog { format, dropped: Mutex::new(0) });
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, %backtrace, "panic: {}", message_of(panic));
    }));
    Ok(())
}

fn message_of<'a>(panic: &'a std::panic::PanicHookInfo<'_>) -> &'a str {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

fn install<W>(format: LogFormat, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER_DEFAULT));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false);
    // A second subscriber in one process (tests) is refused, and the first stays.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

struct PipeLog {
    format: LogFormat,
    dropped: Mutex<u64>,
}

impl PipeLog {
    fn offer(&self, event: &[u8]) {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        if *dropped > 0 {
            if !write_at_once(notice(self.format, *dropped).as_bytes()) {
                *dropped += 1;
                return;
            }
            *dropped = 0;
        }
        if !write_at_once(&fitting(event, self.format)) {
            *dropped += 1;
        }
    }
}

/// Writes up to [`LINE_BYTES_MAX`] are atomic (pipe(7)): all of a line goes out, or nothing.
fn write_at_once(line: &[u8]) -> bool {
    loop {
        match rustix::io::write(io::stderr(), line) {
            Ok(count) => return count == line.len(),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

fn notice(format: LogFormat, dropped: u64) -> String {
    format.notice(&format!("{dropped} log lines dropped: the pipe to the parent was full"))
}

/// A line that a pipe takes at once. Half a JSON object would be none, so an over-long one is named instead.
fn fitting(event: &[u8], format: LogFormat) -> std::borrow::Cow<'_, [u8]> {
    if event.len() <= LINE_BYTES_MAX {
        return event.into();
    }
    match format {
        LogFormat::Text => {
            let text = String::from_utf8_lossy(event.get(..LINE_BYTES_MAX - CUT_MARK.len() - 4).unwrap_or_default());
            format!("{}{CUT_MARK}", text.trim_end_matches(char::REPLACEMENT_CHARACTER)).into_bytes().into()
        }
        LogFormat::Json => {
            let size = event.len();
            let text = format!("a log line of {size} bytes was left out, the limit is {LINE_BYTES_MAX}");
            format.notice(&text).into_bytes().into()
        }
    }
}

impl<'a> MakeWriter<'a> for PipeLog {
    type Writer = EventWriter<'a>;

    fn make_writer(&'a self) -> EventWriter<'a> {
        EventWriter(self)
    }
}

struct EventWriter<'a>(&'a PipeLog);

impl io::Write for EventWriter<'_> {
    /// `tracing` calls this once per event.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.offer(event);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// PIPE_BUF of Linux, in bytes with the newline.
const LINE_BYTES_MAX: usize = 4096;
const CUT_MARK: &str = " [cut]\n";

/// What happens, and not each attempt of the NATS library to connect: the engine says that once.
const FILTER_DEFAULT: &str = "info,async_nats=off";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_over_long_line_still_fits_the_pipe_and_still_ends() {
        let long = "ä".repeat(LINE_BYTES_MAX);
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = fitting(long.as_bytes(), format);
            assert!(line.len() <= LINE_BYTES_MAX && line.ends_with(b"\n"), "{format:?}");
            assert!(std::str::from_utf8(&line).is_ok());
        }
    }

    #[test]
    fn a_line_of_ordinary_length_passes_as_it_is() {
        assert_eq!(*fitting(b"hello\n", LogFormat::Json), *b"hello\n");
    }
}
