//! Turns SIGINT, SIGTERM and SIGHUP into readable bytes. Never decides what they mean.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// A socket that becomes readable with each signal that asks the program to stop.
#[derive(Debug)]
pub struct StopSignals(UnixStream);

impl StopSignals {
    /// Takes the signals over. SIGHUP only where it is not ignored, so that `nohup chappe` outlives its terminal.
    pub fn catch() -> io::Result<StopSignals> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        pipe::register(SIGINT, OwnedFd::from(writer.try_clone()?))?;
        pipe::register(SIGTERM, OwnedFd::from(writer.try_clone()?))?;
        if !is_ignored(SIGHUP) {
            pipe::register(SIGHUP, OwnedFd::from(writer))?;
        }
        Ok(StopSignals(reader))
    }

    /// How many signals came since the last call.
    pub fn take(&self) -> usize {
        let mut bytes = [0; 16];
        rustix::io::read(&self.0, &mut bytes[..]).unwrap_or(0)
    }
}

impl AsFd for StopSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether this process was started with the signal ignored (proc(5): SigIgn, bit n-1 for signal n).
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
