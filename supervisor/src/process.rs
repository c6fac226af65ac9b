//! One running child: its process, the descriptor that tells of its death, the pipe of its log lines.
//! Never decides whether it runs again.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;

use chappe_supervisor_api::ProcessName;
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::lines::LineSplitter;

/// What to start, again and again.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    pub name: ProcessName,
    pub program: PathBuf,
    /// `--restarts N` is appended at each start.
    pub args: Vec<OsString>,
    /// Inherited under the same numbers, which `args` tell the child.
    pub fds: Vec<Rc<OwnedFd>>,
    /// Told to those who ask; workers only.
    pub media_port: Option<u16>,
}

#[derive(Debug)]
pub struct Process {
    child: Child,
    death: OwnedFd,
    log: OwnedFd,
    lines: LineSplitter,
    /// What it is told later.
    told: OwnedFd,
}

impl Process {
    /// Starts a child that has `spec.fds` and standard error, and nothing else of ours.
    pub fn spawn(spec: &ChildSpec, restarts: u64) -> io::Result<Process> {
        let (log, log_writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let (input, told) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&told, true)?;
        rustix::io::ioctl_fionbio(&log, true)?;
        // More room for a burst; the default of 64 KiB serves too where the user's limit forbids it.
        let _ = rustix::pipe::fcntl_setpipe_size(&log, LOG_PIPE_BYTES);
        let mut command = Command::new(&spec.program);
        command.arg0("chappe").args(&spec.args).arg("--restarts").arg(restarts.to_string());
        command.stdin(Stdio::from(input)).stdout(Stdio::from(log_writer.try_clone()?)).stderr(Stdio::from(log_writer));
        // Of its own group: Ctrl-C reaches the parent alone, which then stops its children in order.
        command.process_group(0);
        let mut child = with_inherited(&spec.fds, || command.spawn())?;
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(death) => Ok(Process { child, death, log, lines: LineSplitter::default(), told }),
            Err(e) => {
                end(&mut child);
                Err(e.into())
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Readable once the process is dead.
    pub fn death(&self) -> BorrowedFd<'_> {
        self.death.as_fd()
    }

    /// Readable when it logged something.
    pub fn log(&self) -> BorrowedFd<'_> {
        self.log.as_fd()
    }

    /// Passes on the lines that wait, at most [`LOG_READS_MAX`] reads of them: one chatty child must not keep
    /// the parent from the others. False when the child closed its end.
    pub fn read_log(&mut self, mut line: impl FnMut(&[u8])) -> bool {
        let mut bytes = [0; LOG_READ_BYTES];
        for _ in 0..LOG_READS_MAX {
            match rustix::io::read(&self.log, &mut bytes[..]) {
                Ok(0) => {
                    self.lines.finish(&mut line);
                    return false;
                }
                Ok(count) => self.lines.push(bytes.get(..count).unwrap_or_default(), &mut line),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return true,
            }
        }
        true
    }

    /// How it ended, when it did; reaps it.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Says a line, which it hears when it looks. One that has not looked for long misses it; so does one that is gone.
    pub fn tell(&self, line: &str) {
        let _ = rustix::io::write(&self.told, format!("{line}\n").as_bytes());
    }

    /// A process that is gone already is no error.
    pub fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.death, signal);
    }
}

/// A process that nobody supervises any more must not live on. Does nothing where it was reaped.
impl Drop for Process {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Lets a child inherit `fds` under their own numbers. Safe because this process has one thread: nobody else can
/// fork while the flag is off.
fn with_inherited<T>(fds: &[Rc<OwnedFd>], spawn: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    for fd in fds {
        let flags = fcntl_getfd(fd)?;
        fcntl_setfd(fd, flags - FdFlags::CLOEXEC)?;
    }
    let result = spawn();
    for fd in fds {
        fcntl_setfd(fd, FdFlags::CLOEXEC)?;
    }
    result
}

/// For people: `exited with code 3`, `was killed by signal 9 (SIGKILL)`.
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => match signal_name(signal) {
            Some(name) => format!("was killed by signal {signal} ({name})"),
            None => format!("was killed by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    signal_hook::low_level::signal_name(signal)
}

const LOG_PIPE_BYTES: usize = 256 << 10;
const LOG_READ_BYTES: usize = 16 << 10;
const LOG_READS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_described_by_its_exit_code_or_its_signal() {
        assert_eq!(describe(ExitStatus::from_raw(3 << 8)), "exited with code 3");
        assert_eq!(describe(ExitStatus::from_raw(9)), "was killed by signal 9 (SIGKILL)");
        assert_eq!(describe(ExitStatus::from_raw(11)), "was killed by signal 11 (SIGSEGV)");
    }
}
