//! Owns ICE-TCP sockets: the listener and connections that carry one datagram per RFC 4571 frame.
//! Never waits for a peer: what a slow one does not take is dropped in whole frames.

mod framing;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, acceptfrom_with, send, sockopt};

pub use framing::{FRAME_BYTES_MAX, FrameKind, FrameReader, FrameTooLong, FrameWriter};

use crate::udp::normalise_ip;

/// A listening socket.
#[derive(Debug)]
pub struct TcpListener {
    fd: OwnedFd,
    local: SocketAddr,
}

impl TcpListener {
    pub fn adopt(fd: OwnedFd) -> io::Result<TcpListener> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        let local = SocketAddr::try_from(rustix::net::getsockname(&fd)?)?;
        Ok(TcpListener { fd, local })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next connection; none when nobody waits. Being out of descriptors or memory is an error, and the
    /// connection stays in the queue.
    pub fn accept(&self) -> io::Result<Option<TcpConnection>> {
        for _ in 0..BROKEN_MAX {
            match acceptfrom_with(&self.fd, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((fd, Some(remote))) => {
                    // One that can't be set up is of no use, and says nothing of the next.
                    let remote = SocketAddr::try_from(remote).ok();
                    if let Some(connection) = remote.and_then(|remote| TcpConnection::adopt(fd, remote).ok()) {
                        return Ok(Some(connection));
                    }
                }
                Ok((_, None)) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) if is_shortage(error) => return Err(error.into()),
                // The peer gave up while it waited, or the network had an error for it (accept(2)), or a filter
                // refuses it: there may be others.
                Err(_) => {}
            }
        }
        Ok(None)
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// One connection, accepted or (in clients) made.
#[derive(Debug)]
pub struct TcpConnection {
    fd: OwnedFd,
    remote: SocketAddr,
    reader: FrameReader,
    writer: FrameWriter,
}

/// What one read brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Bytes came in: frames may be complete, and there may be more to read.
    Some,
    Nothing,
    /// The peer closed, or the connection broke.
    Closed,
}

/// The connection broke while writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl TcpConnection {
    /// Takes over a connected socket.
    pub fn adopt(fd: OwnedFd, remote: SocketAddr) -> io::Result<TcpConnection> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        sockopt::set_tcp_nodelay(&fd, true)?;
        sockopt::set_tcp_user_timeout(&fd, USER_TIMEOUT_MS)?;
        let remote = SocketAddr::new(normalise_ip(remote.ip()), remote.port());
        Ok(TcpConnection { fd, remote, reader: FrameReader::new(), writer: FrameWriter::new(WRITE_QUEUE_BYTES_MAX) })
    }

    /// IPv4-mapped addresses are normalised to IPv4.
    pub fn remote_addr(&self) -> SocketAddr {
        self.remote
    }

    /// Reads once. Take all frames ([`TcpConnection::next_frame`]) before the next call.
    pub fn receive(&mut self) -> Read {
        loop {
            return match rustix::io::read(&self.fd, self.reader.spare()) {
                Ok(0) => Read::Closed,
                Ok(count) => {
                    self.reader.advance(count);
                    Read::Some
                }
                Err(Errno::AGAIN) => Read::Nothing,
                Err(Errno::INTR) => continue,
                Err(_) => Read::Closed,
            };
        }
    }

    /// The next complete frame. An error means that the stream can't be understood any more: close it.
    pub fn next_frame(&mut self) -> Result<Option<&mut [u8]>, FrameTooLong> {
        self.reader.next_frame()
    }

    /// Queues the datagrams of a run (all `segment` long but the last), each in a frame of its own.
    /// Returns how many were dropped because the queue is full. Nothing is sent before [`TcpConnection::flush`].
    pub fn queue(&mut self, bytes: &[u8], segment: usize, kind: FrameKind) -> u64 {
        bytes.chunks(segment.max(1)).map(|frame| u64::from(!self.writer.push(frame, kind))).sum()
    }

    /// Sends what the kernel takes of the queue.
    pub fn flush(&mut self) -> Result<(), Broken> {
        while !self.writer.unsent().is_empty() {
            match send(&self.fd, self.writer.unsent(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => self.writer.advance(count),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(_) => return Err(Broken),
            }
        }
        Ok(())
    }

    /// Whether bytes wait for the socket to become writable.
    pub fn wants_write(&self) -> bool {
        !self.writer.unsent().is_empty()
    }
}

impl AsFd for TcpConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Of descriptors or memory: the next call would fail, too.
fn is_shortage(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
}

/// Connections in a row that are of no use. The listener is announced again if there are more.
const BROKEN_MAX: usize = 64;
/// How long sent bytes may stay unacknowledged before the kernel gives the connection up, in milliseconds.
const USER_TIMEOUT_MS: u32 = 15_000;
/// Half a second of a 4 Mbit/s stream: what is older is of no use to a live viewer.
const WRITE_QUEUE_BYTES_MAX: usize = 256 << 10;

#[cfg(test)]
mod tests;
