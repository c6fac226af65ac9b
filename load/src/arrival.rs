//! Owns reading a datagram together with the time at which the kernel got it, so that polling on a tick does
//! not show in a latency.

use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// Makes a socket non-blocking and has the kernel note when each datagram arrives.
pub fn prepare(socket: &UdpSocket) -> anyhow::Result<()> {
    socket.set_nonblocking(true)?;
    setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
    Ok(())
}

/// The next datagram that waits: its length and when it came.
pub fn receive(socket: &UdpSocket, bytes: &mut [u8]) -> Option<(usize, SystemTime)> {
    let mut control = nix::cmsg_space!(TimeSpec);
    let mut iov = [IoSliceMut::new(bytes)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut iov, Some(&mut control), flags).ok()?;
    let stamp = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
        _ => None,
    });
    Some((message.bytes, stamp.map_or_else(SystemTime::now, |stamp| SystemTime::UNIX_EPOCH + stamp)))
}

/// Nanoseconds since 1970, as it fits a packet.
pub fn unix_nanos(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}
