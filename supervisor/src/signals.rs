//! Turns SIGINT, SIGTERM and SIGHUP into readable bytes. Never decides what they mean.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Sockets that become readable with each signal.
#[derive(Debug)]
pub struct Signals {
    stop: UnixStream,
    hangup: UnixStream,
    began_on_terminal: bool,
}

impl Signals {
    /// Takes the signals over. SIGHUP only where it is not ignored, so that `nohup chappe` outlives its terminal.
    pub fn catch() -> io::Result<Signals> {
        let (stop, stopping) = pair()?;
        let (hangup, hanging_up) = pair()?;
        pipe::register(SIGINT, stopping.try_clone()?)?;
        pipe::register(SIGTERM, stopping)?;
        if !is_ignored(SIGHUP) {
            pipe::register(SIGHUP, hanging_up)?;
        }
        Ok(Signals { stop, hangup, began_on_terminal: is_on_terminal() })
    }

    /// How many signals to stop came since the last call.
    pub fn take_stops(&self) -> usize {
        take(&self.stop)
    }

    /// Whether SIGHUP came since the last call.
    pub fn take_hangup(&self) -> bool {
        take(&self.hangup) > 0
    }

    /// Whether the terminal that this process was started on has gone: its end is what SIGHUP told of then.
    pub fn has_lost_terminal(&self) -> bool {
        self.began_on_terminal && !is_on_terminal()
    }

    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.stop.as_fd(), self.hangup.as_fd()]
    }
}

fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    Ok((reader, writer.into()))
}

fn take(socket: &UnixStream) -> usize {
    let mut bytes = [0; 16];
    rustix::io::read(socket, &mut bytes[..]).unwrap_or(0)
}

/// One that was hung up is none any more.
fn is_on_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
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
