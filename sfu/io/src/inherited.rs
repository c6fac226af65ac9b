//! Owns the adoption of sockets that the parent process bound and handed down. Never opens one.

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

use rustix::net::{AddressFamily, SocketType, sockopt};

/// What an inherited descriptor must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    /// A bound UDP socket.
    Udp,
    /// A listening TCP socket.
    TcpListener,
    /// A listening Unix stream socket.
    UnixListener,
}

/// Takes ownership of descriptor `fd`, which must have been inherited at start and belong to nobody else
/// in this process. Fails when it is not a socket of the expected kind, and when it was taken before.
pub fn take(fd: RawFd, kind: SocketKind) -> io::Result<OwnedFd> {
    if fd < FIRST_INHERITED {
        return Err(refused(fd, "is a standard stream"));
    }
    let mut taken = TAKEN.lock().map_err(|_| refused(fd, "cannot be taken after a panic"))?;
    if taken.contains(&fd) {
        return Err(refused(fd, "was taken before"));
    }
    // SAFETY: F_GETFD only asks whether the number is open in this process.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1 {
        return Err(refused(fd, "is not open"));
    }
    // SAFETY: the number is open (just asked), was never taken through here, and the caller's contract is
    // that it was inherited and has no other owner.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    match check(&owned, kind) {
        Ok(()) => {
            rustix::io::fcntl_setfd(&owned, rustix::io::FdFlags::CLOEXEC)?;
            taken.push(fd);
            Ok(owned)
        }
        Err(why) => {
            // Not ours after all: it must stay open for whoever owns it.
            let _ = std::os::fd::IntoRawFd::into_raw_fd(owned);
            Err(refused(fd, why))
        }
    }
}

/// Numbers handed out, so that none gets two owners.
static TAKEN: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// 0, 1 and 2 are the standard streams.
const FIRST_INHERITED: RawFd = 3;

fn check(fd: impl AsFd, kind: SocketKind) -> Result<(), &'static str> {
    let fd = fd.as_fd();
    let socket_type = sockopt::socket_type(fd).map_err(|_| "is not a socket")?;
    let domain = sockopt::socket_domain(fd).map_err(|_| "is not a socket")?;
    let listens = sockopt::socket_acceptconn(fd).unwrap_or(false);
    let internet = domain == AddressFamily::INET || domain == AddressFamily::INET6;
    match kind {
        SocketKind::Udp if internet && socket_type == SocketType::DGRAM => Ok(()),
        SocketKind::Udp => Err("is not a UDP socket"),
        SocketKind::TcpListener if internet && socket_type == SocketType::STREAM && listens => Ok(()),
        SocketKind::TcpListener => Err("is not a listening TCP socket"),
        SocketKind::UnixListener if domain == AddressFamily::UNIX && socket_type == SocketType::STREAM && listens => {
            Ok(())
        }
        SocketKind::UnixListener => Err("is not a listening Unix stream socket"),
    }
}

fn refused(fd: RawFd, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("inherited descriptor {fd} {why}"))
}

#[cfg(test)]
mod tests;
