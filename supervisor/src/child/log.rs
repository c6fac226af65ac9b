//! Owns where `tracing` events go: in the parent to its outlet, in a child to the pipe that the parent reads.
//! A child never waits for that pipe: a line that finds it full is dropped and counted.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::log_format::LogFormat;
use crate::outlet::Outlet;

/// Which events are logged, while the process runs.
pub struct LogFilter(Box<dyn Fn(EnvFilter) + Send + Sync>);

impl LogFilter {
    /// None: what `RUST_LOG` says. What can't be parsed was refused before it got here.
    pub(crate) fn set(&self, named: Option<&str>) {
        (self.0)(filter(named));
    }
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogFilter")
    }
}

/// What is wrong with a filter, if anything.
pub fn check_log_filter(text: &str) -> Result<(), String> {
    let shown = text.chars().all(|c| !c.is_control());
    let parsed = EnvFilter::try_new(text).map_err(|error| error.to_string());
    let problem = match parsed {
        _ if text.trim().is_empty() => Some("it is empty".to_owned()),
        _ if !shown => Some("it has control characters".to_owned()),
        parsed => parsed.err(),
    };
    match problem {
        None if text.len() <= FILTER_BYTES_MAX => Ok(()),
        problem => {
            let why = problem.unwrap_or_else(|| format!("longer than {FILTER_BYTES_MAX} characters"));
            Err(format!("wants a filter such as debug or info,chappe_signaling=debug ({why})"))
        }
    }
}

/// Of the parent.
pub(crate) fn init(format: LogFormat, named: Option<&str>, outlet: Outlet) -> LogFilter {
    let installed = install(format, named, outlet);
    // Said once, here: the children read the same variable.
    if let Some(error) = bad_filter() {
        tracing::warn!(%error, "RUST_LOG is not understood, so info is logged; an example: RUST_LOG=info,chappe_signaling=debug");
    }
    installed
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
pub(crate) fn init_child(format: LogFormat, named: Option<&str>) -> io::Result<LogFilter> {
    let stderr = io::stderr();
    fcntl_setfl(&stderr, fcntl_getfl(&stderr)? | OFlags::NONBLOCK)?;
    let installed = install(format, named, PipeLog { format, dropped: Mutex::new(0) });
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, %backtrace, "panic: {}", message_of(panic));
    }));
    Ok(installed)
}

fn message_of<'a>(panic: &'a std::panic::PanicHookInfo<'_>) -> &'a str {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

fn filter(named: Option<&str>) -> EnvFilter {
    let named = named.and_then(|text| EnvFilter::try_new(text).ok());
    let filter = named.or_else(|| EnvFilter::try_from_default_env().ok());
    filter.unwrap_or_else(|| EnvFilter::new(FILTER_DEFAULT))
}

fn install<W>(format: LogFormat, named: Option<&str>, writer: W) -> LogFilter
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter(named)).with_writer(writer).with_ansi(false);
    // A second subscriber in one process (tests) is refused, and the first stays.
    match format {
        LogFormat::Text => {
            let builder = builder.with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            LogFilter(Box::new(move |filter| drop(handle.reload(filter))))
        }
        LogFormat::Json => {
            let builder = builder.json().with_filter_reloading();
            let handle = builder.reload_handle();
            let _ = builder.try_init();
            LogFilter(Box::new(move |filter| drop(handle.reload(filter))))
        }
    }
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
/// Far more than anybody writes, and little enough for the line that tells it to a child.
const FILTER_BYTES_MAX: usize = 1_024;
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
