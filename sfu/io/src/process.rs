//! Owns what ties a worker process to its core, its parent and its signals. Never decides when to stop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Keeps the calling thread on one core.
pub fn pin_to_core(core: usize) -> io::Result<()> {
    if core >= CpuSet::MAX_CPU {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("no core {core}")));
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// Has the kernel kill this process (SIGKILL) when its parent dies. Fails when the parent is not
/// `expected_parent`: then it died between our start and this call, and no signal would ever come.
pub fn die_with_parent(expected_parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = getppid().map(Pid::as_raw_pid);
    if parent.and_then(|pid| u32::try_from(pid).ok()) == Some(expected_parent) {
        Ok(())
    } else {
        Err(io::Error::other(format!("the parent process {expected_parent} is gone")))
    }
}

/// SIGTERM as a descriptor that becomes readable.
#[derive(Debug)]
pub struct Termination {
    fd: OwnedFd,
}

impl Termination {
    /// Blocks SIGTERM and SIGINT for the calling thread, so call it before starting others. SIGTERM is
    /// then read from here. SIGINT is swallowed: a terminal sends Ctrl-C to the whole process group, and
    /// it is the parent's to turn it into an orderly stop.
    pub fn block() -> io::Result<Termination> {
        // SAFETY: an all-zero sigset_t is valid memory for sigemptyset to initialise; the set outlives the
        // calls, and signalfd copies it.
        let fd = unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGTERM);
            libc::sigaddset(&mut set, libc::SIGINT);
            let code = libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
            if code != 0 {
                return Err(io::Error::from_raw_os_error(code));
            }
            libc::signalfd(-1, &set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC)
        };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: signalfd just returned this descriptor to us and nobody else knows it.
        Ok(Termination { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Whether SIGTERM arrived since the last call.
    pub fn arrived(&self) -> io::Result<bool> {
        let mut arrived = false;
        let mut record = [0u8; size_of::<libc::signalfd_siginfo>()];
        loop {
            match rustix::io::read(&self.fd, &mut record) {
                // ssi_signo is the record's first field (signalfd(2)).
                Ok(count) if count == record.len() => {
                    let signal = u32::from_ne_bytes([record[0], record[1], record[2], record[3]]);
                    arrived |= i32::try_from(signal) == Ok(libc::SIGTERM);
                }
                Ok(_) | Err(rustix::io::Errno::AGAIN) => return Ok(arrived),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Termination {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Resident memory of this process, in bytes.
pub fn resident_bytes() -> io::Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    Ok(pages.saturating_mul(rustix::param::page_size() as u64))
}

#[cfg(test)]
mod tests;
