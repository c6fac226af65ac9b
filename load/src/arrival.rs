//! Owns reading a datagram together with the time at which the kernel got it, so that polling on a tick does
//! not show in a latency.

use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// What was read from a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadDatagram {
    /// Bytes.
    pub length: usize,
    /// When the kernel got it.
    pub at: SystemTime,
    /// Datagrams that the kernel threw away since the socket was opened, because nobody read: the machine's loss, not
    /// the server's.
    pub overflowed: u32,
}

/// Makes a socket non-blocking, has the kernel note when each datagram arrives, and has it keep what comes while a busy
/// machine lets nobody read.
pub fn prepare(socket: &UdpSocket) -> anyhow::Result<()> {
    socket.set_nonblocking(true)?;
    setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
    setsockopt(socket, sockopt::RxqOvfl, &1)?;
    if setsockopt(socket, sockopt::RcvBufForce, &BUFFER_BYTES).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &BUFFER_BYTES)?;
    }
    Ok(())
}

/// The next datagram that waits.
pub fn receive(socket: &UdpSocket, bytes: &mut [u8]) -> Option<ReadDatagram> {
    let mut control = nix::cmsg_space!(TimeSpec, u32);
    let mut iov = [IoSliceMut::new(bytes)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut iov, Some(&mut control), flags).ok()?;
    let (mut at, mut overflowed) = (None, 0);
    for control in message.cmsgs().ok()? {
        match control {
            ControlMessageOwned::ScmTimestampns(stamp) => at = Some(SystemTime::UNIX_EPOCH + Duration::from(stamp)),
            ControlMessageOwned::RxqOvfl(count) => overflowed = count,
            _ => {}
        }
    }
    Some(ReadDatagram { length: message.bytes, at: at.unwrap_or_else(SystemTime::now), overflowed })
}

/// Nanoseconds since 1970, as it fits a packet.
pub fn unix_nanos(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}

/// A second of 10 Mbit/s and more, as the kernel counts it.
const BUFFER_BYTES: usize = 4 << 20;
