//! Owns batched send: runs of datagrams go out as few system calls as the kernel allows (UDP_SEGMENT over
//! sendmmsg), and one by one where it refuses. A peer that cannot be reached never stops the others.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use arrayvec::ArrayVec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::UdpSocket;
use super::address::is_default_loopback;
use super::message::MessageBuffers;

/// A run of datagrams for one peer: all `segment` bytes long but the last, which may be shorter.
#[derive(Debug, Clone, Copy)]
pub struct Transmit<'a> {
    pub remote: SocketAddr,
    /// Which of our addresses it leaves from; none: the kernel chooses.
    pub local: Option<IpAddr>,
    pub bytes: &'a [u8],
    pub segment: usize,
}

/// What became of the datagrams of one [`BatchSender::send`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SendReport {
    pub packets: u64,
    pub bytes: u64,
    /// System calls that sent.
    pub calls: u64,
    /// Messages within these calls: each a run of datagrams to one peer, or one datagram.
    pub runs: u64,
    /// Datagrams dropped because the socket took no more within the caller's patience.
    pub blocked: u64,
    /// Datagrams dropped because their peer cannot be reached, or not with this size.
    pub failed: u64,
}

/// The headers of batched send, and what it learned about the peers it serves.
pub struct BatchSender {
    messages: Box<[MessageBuffers]>,
    headers: Box<[libc::mmsghdr]>,
    iovecs: Box<[libc::iovec]>,
    segmentation: Segmentation,
    refused: RefusedPeers,
}

/// Whether runs go out whole, where the peer's path takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segmentation {
    On,
    Off,
}

/// Peers to whom the kernel refused a run and sent its datagrams one by one: their path has a small MTU, or a device
/// that can't segment. Each is asked again after a while; what one path refuses says nothing of the others.
#[derive(Debug, Default)]
struct RefusedPeers {
    /// Runs to leave apart until the next one is tried whole.
    runs_left: HashMap<SocketAddr, u32>,
}

impl RefusedPeers {
    fn note(&mut self, peer: SocketAddr) {
        if self.runs_left.len() >= REFUSED_PEERS_MAX {
            // Each of them is found out again with one run.
            self.runs_left.clear();
        }
        self.runs_left.insert(peer, RUNS_BEFORE_PROBE);
    }

    /// Whether the next run to this peer is to leave in single datagrams.
    fn take(&mut self, peer: SocketAddr) -> bool {
        if self.runs_left.is_empty() {
            return false;
        }
        let Some(left) = self.runs_left.get_mut(&peer) else { return false };
        *left -= 1;
        if *left == 0 {
            self.runs_left.remove(&peer);
        }
        true
    }
}

/// How one call to the kernel went.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Sent(usize),
    Interrupted,
    Blocked,
    /// The first message was refused in a way that segmentation may have caused.
    Refused,
    /// The first message cannot reach its peer.
    Failed,
}

impl Outcome {
    /// What an error of sendmmsg(2) means; none of them for more than the first message.
    fn of_error(errno: Option<i32>, is_run: bool) -> Outcome {
        match errno {
            Some(libc::EINTR) => Outcome::Interrupted,
            Some(libc::EAGAIN) => Outcome::Blocked,
            // EIO: the device has no checksum offload; EINVAL, EMSGSIZE: the segment exceeds the path's MTU.
            Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP | libc::EMSGSIZE) if is_run => Outcome::Refused,
            // EHOSTUNREACH, ENETUNREACH, ECONNREFUSED, EACCES, EPERM, EMSGSIZE of a single datagram: this peer only.
            // ENOBUFS, ENOMEM: for this message; the next may be smaller, or leave by another device.
            _ => Outcome::Failed,
        }
    }
}

impl BatchSender {
    /// Messages (runs) per system call.
    pub const MESSAGES_MAX: usize = 64;

    pub fn new() -> BatchSender {
        // One more, for the datagrams of a refused run while the rest of the batch waits in its buffers.
        let count = Self::MESSAGES_MAX + 1;
        // SAFETY: mmsghdr and iovec are plain C structs of integers and pointers; all-zero (null) is valid.
        let (header, iovec): (libc::mmsghdr, libc::iovec) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        BatchSender {
            messages: vec![MessageBuffers::EMPTY; count].into_boxed_slice(),
            headers: vec![header; count].into_boxed_slice(),
            iovecs: vec![iovec; count].into_boxed_slice(),
            segmentation: Segmentation::On,
            refused: RefusedPeers::default(),
        }
    }

    /// A sender that never asks the kernel to segment.
    pub fn without_segmentation() -> BatchSender {
        BatchSender { segmentation: Segmentation::Off, ..BatchSender::new() }
    }

    /// Whether runs to this peer leave whole for now.
    pub fn segments_to(&self, peer: SocketAddr) -> bool {
        self.segmentation == Segmentation::On && !self.refused.runs_left.contains_key(&peer)
    }

    /// Sends all runs in order. When the socket takes no more, waits at most `patience` once, then drops
    /// what is left: media never waits.
    pub fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        runs: impl IntoIterator<Item = Transmit<'a>>,
        patience: Duration,
    ) -> SendReport {
        let mut report = SendReport::default();
        let mut patience = Some(patience);
        let mut pending = ArrayVec::<Transmit<'a>, { BatchSender::MESSAGES_MAX }>::new();
        for run in runs {
            let segment = run.segment.clamp(1, DATAGRAM_BYTES_MAX);
            let is_apart =
                self.segmentation == Segmentation::Off || run.bytes.len() > segment && self.refused.take(run.remote);
            let message_bytes =
                if is_apart { segment } else { segment * (DATAGRAM_BYTES_MAX / segment).min(SEGMENTS_MAX) };
            for bytes in run.bytes.chunks(message_bytes) {
                pending.push(Transmit { bytes, segment, ..run });
                if pending.is_full() {
                    self.submit(socket, &pending, &mut patience, &mut report);
                    pending.clear();
                }
            }
        }
        self.submit(socket, &pending, &mut patience, &mut report);
        report
    }

    fn submit(
        &mut self,
        socket: &UdpSocket,
        pending: &[Transmit<'_>],
        patience: &mut Option<Duration>,
        report: &mut SendReport,
    ) {
        let mut next = 0;
        for (index, transmit) in pending.iter().enumerate() {
            self.fill(index, socket, transmit);
        }
        while let Some(rest) = pending.get(next..).filter(|rest| !rest.is_empty()) {
            match self.call(socket, next, rest.len(), rest) {
                Outcome::Sent(count) => {
                    report.calls += 1;
                    report.runs += count as u64;
                    for sent in rest.iter().take(count) {
                        report.packets += sent.packets();
                        report.bytes += sent.bytes.len() as u64;
                    }
                    next += count;
                }
                Outcome::Interrupted => {}
                Outcome::Blocked => match patience.take() {
                    Some(limit) => wait_writable(socket, limit),
                    None => {
                        report.blocked += rest.iter().map(Transmit::packets).sum::<u64>();
                        return;
                    }
                },
                Outcome::Refused => {
                    self.send_apart(socket, &rest[0], report);
                    next += 1;
                }
                Outcome::Failed => {
                    report.failed += rest[0].packets();
                    next += 1;
                }
            }
        }
    }

    /// Sends the datagrams of a run that the kernel refused one by one, and learns whether the run was
    /// refused for being a run.
    fn send_apart(&mut self, socket: &UdpSocket, run: &Transmit<'_>, report: &mut SendReport) {
        let before = report.packets;
        for bytes in run.bytes.chunks(run.segment) {
            let single = Transmit { bytes, ..*run };
            self.fill(Self::MESSAGES_MAX, socket, &single);
            match self.call(socket, Self::MESSAGES_MAX, 1, &[single]) {
                Outcome::Sent(_) => {
                    report.calls += 1;
                    report.runs += 1;
                    report.packets += 1;
                    report.bytes += bytes.len() as u64;
                }
                Outcome::Interrupted | Outcome::Blocked => report.blocked += 1,
                Outcome::Refused | Outcome::Failed => report.failed += 1,
            }
        }
        if report.packets > before {
            self.refused.note(run.remote);
        }
    }

    fn fill(&mut self, index: usize, socket: &UdpSocket, transmit: &Transmit<'_>) {
        let message_buffers = &mut self.messages[index];
        let iovec = &mut self.iovecs[index];
        iovec.iov_base = transmit.bytes.as_ptr().cast_mut().cast();
        iovec.iov_len = transmit.bytes.len();
        // A run is at most DATAGRAM_BYTES_MAX long, so its segment fits 16 bits.
        let segment = (transmit.bytes.len() > transmit.segment).then_some(transmit.segment as u16);
        let control_bytes = message_buffers.control.encode(segment, transmit.source(socket));
        let message = &mut self.headers[index].msg_hdr;
        message.msg_namelen = message_buffers.name.encode(transmit.remote, socket.family).unwrap_or(0);
        message.msg_name = message_buffers.name.bytes.as_mut_ptr().cast();
        message.msg_iov = iovec;
        message.msg_iovlen = 1;
        message.msg_control =
            if control_bytes == 0 { std::ptr::null_mut() } else { message_buffers.control.bytes.as_mut_ptr().cast() };
        message.msg_controllen = control_bytes as _;
        message.msg_flags = 0;
    }

    /// One system call over the messages from `first` on, which were filled from `transmits` and point into them.
    fn call(&mut self, socket: &UdpSocket, first: usize, count: usize, transmits: &[Transmit<'_>]) -> Outcome {
        debug_assert_eq!(count, transmits.len());
        let headers = &mut self.headers[first..first + count];
        // SAFETY: `fill` pointed each of these headers to a name, an iovec and a control buffer of `self`,
        // and the iovec to bytes that `transmits` still borrows; the kernel only reads the bytes.
        let sent = unsafe {
            libc::sendmmsg(
                socket.fd.as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as libc::c_uint,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        if let Ok(sent) = usize::try_from(sent) {
            return Outcome::Sent(sent);
        }
        let is_run = transmits.first().is_some_and(|first| first.bytes.len() > first.segment);
        Outcome::of_error(std::io::Error::last_os_error().raw_os_error(), is_run)
    }
}

impl Default for BatchSender {
    fn default() -> Self {
        BatchSender::new()
    }
}

impl Transmit<'_> {
    fn packets(&self) -> u64 {
        self.bytes.len().div_ceil(self.segment.max(1)) as u64
    }

    /// The source address to ask the kernel for, where it would not choose it by itself.
    fn source(&self, socket: &UdpSocket) -> Option<IpAddr> {
        let remote = self.remote.ip();
        let local = self.local.filter(|local| local.is_ipv4() == remote.is_ipv4())?;
        let chosen_anyway = !socket.wildcard || (local == remote && is_default_loopback(local));
        (!chosen_anyway).then_some(local)
    }
}

fn wait_writable(socket: &UdpSocket, limit: Duration) {
    let timeout =
        Timespec { tv_sec: i64::try_from(limit.as_secs()).unwrap_or(0), tv_nsec: limit.subsec_nanos().into() };
    let mut wanted = [PollFd::new(&socket.fd, PollFlags::OUT)];
    // Whatever it says, the next send tells.
    let _ = poll(&mut wanted, Some(&timeout));
}

/// UDP_MAX_SEGMENTS of kernels before 6.9; later ones take 128.
const SEGMENTS_MAX: usize = 64;
/// Largest UDP payload over IPv4: 65,535 less 20 bytes of IP and 8 of UDP header.
const DATAGRAM_BYTES_MAX: usize = 65_507;
/// Runs to a peer that leave in single datagrams before one is tried whole again: some 30 s of a picture.
const RUNS_BEFORE_PROBE: u32 = 1_000;
/// Peers that are remembered for it.
const REFUSED_PEERS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_is_short_of_memory_costs_the_message_and_nothing_else() {
        for errno in [libc::ENOMEM, libc::ENOBUFS, libc::EPERM, libc::ENETUNREACH, libc::ENOSYS] {
            assert_eq!(
                [false, true].map(|run| Outcome::of_error(Some(errno), run)),
                [Outcome::Failed, Outcome::Failed]
            );
        }
        assert_eq!(Outcome::of_error(Some(libc::EMSGSIZE), false), Outcome::Failed);
        assert_eq!(Outcome::of_error(Some(libc::EMSGSIZE), true), Outcome::Refused, "it is sent in single datagrams");
    }
}
