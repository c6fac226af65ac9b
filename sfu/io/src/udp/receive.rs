//! Owns the buffers of batched receive. One call takes up to [`BatchReceiver::MESSAGES_MAX`] trains of
//! datagrams (UDP_GRO) out of the kernel and allocates nothing.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::slice::ChunksMut;
use std::time::Duration;

use super::UdpSocket;
use super::address::NAME_BYTES;
use super::control::{Ancillary, CONTROL_BYTES};
use super::message::MessageBuffers;

pub struct BatchReceiver {
    messages: Box<[MessageBuffers]>,
    headers: Box<[libc::mmsghdr]>,
    iovecs: Box<[libc::iovec]>,
    data: Box<[u8]>,
    /// How many messages the last call filled.
    filled: usize,
    overflowed: u64,
    failed: u64,
}

/// Datagrams of one peer that arrived together: all `segment` bytes long but the last, which may be shorter.
pub struct Train<'a> {
    pub remote: SocketAddr,
    /// To which of our addresses they came; none when the kernel did not say.
    pub local: Option<IpAddr>,
    pub bytes: &'a mut [u8],
    pub segment: usize,
    /// When the kernel got the first of them, as Unix time; none when it did not say.
    pub arrived: Option<Duration>,
}

impl Train<'_> {
    pub fn datagrams(&mut self) -> ChunksMut<'_, u8> {
        self.bytes.chunks_mut(self.segment.max(1))
    }
}

impl BatchReceiver {
    /// Trains per call. 32 × 64 KiB of buffers, of which only the touched pages are resident.
    pub const MESSAGES_MAX: usize = 32;

    pub fn new() -> BatchReceiver {
        let count = Self::MESSAGES_MAX;
        // SAFETY: mmsghdr and iovec are plain C structs of integers and pointers; all-zero (null) is valid.
        let (header, iovec): (libc::mmsghdr, libc::iovec) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        BatchReceiver {
            messages: vec![MessageBuffers::EMPTY; count].into_boxed_slice(),
            headers: vec![header; count].into_boxed_slice(),
            iovecs: vec![iovec; count].into_boxed_slice(),
            data: vec![0; count * TRAIN_BYTES].into_boxed_slice(),
            filled: 0,
            overflowed: 0,
            failed: 0,
        }
    }

    /// Takes what has arrived, at most [`BatchReceiver::MESSAGES_MAX`] trains. Returns how many trains there are; 0 when
    /// there is nothing to read, or the kernel could not read it now ([`BatchReceiver::failed`]): what waits is announced
    /// again.
    pub fn receive(&mut self, socket: &UdpSocket) -> usize {
        self.filled = 0;
        let buffers = self.data.chunks_exact_mut(TRAIN_BYTES);
        for (((message_buffers, header), iovec), buffer) in
            self.messages.iter_mut().zip(&mut self.headers).zip(&mut self.iovecs).zip(buffers)
        {
            iovec.iov_base = buffer.as_mut_ptr().cast();
            iovec.iov_len = buffer.len();
            let message = &mut header.msg_hdr;
            message.msg_name = message_buffers.name.bytes.as_mut_ptr().cast();
            message.msg_namelen = NAME_BYTES as libc::socklen_t;
            message.msg_iov = iovec;
            message.msg_iovlen = 1;
            message.msg_control = message_buffers.control.bytes.as_mut_ptr().cast();
            message.msg_controllen = CONTROL_BYTES as _;
            message.msg_flags = 0;
            header.msg_len = 0;
        }
        for _ in 0..TRIES_MAX {
            // SAFETY: each header points to a name, an iovec, a buffer and a control buffer of its own with
            // their true lengths; all of them are boxes of `self`, which is borrowed exclusively.
            let count = unsafe {
                libc::recvmmsg(
                    socket.fd.as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    self.headers.len() as libc::c_uint,
                    libc::MSG_DONTWAIT,
                    std::ptr::null_mut(),
                )
            };
            if let Ok(count) = usize::try_from(count) {
                self.filled = count;
                self.note_overflow();
                return count;
            }
            match std::io::Error::last_os_error().raw_os_error() {
                Some(libc::EAGAIN) => return 0,
                // An ICMP error of an earlier send is reported here once: nothing is wrong with the socket.
                Some(libc::EINTR | libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EMSGSIZE) => {}
                // ENOMEM, ENOBUFS and whatever a later kernel has: no reason to end those who are served.
                _ => self.failed += 1,
            }
        }
        0
    }

    /// Calls that the kernel refused for a reason that is no peer's.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Datagrams that found the socket's receive buffer full, as far as later ones told.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// When the kernel got what the last call took first, as Unix time. None when it took nothing, or the kernel did not say.
    pub fn oldest(&self) -> Option<Duration> {
        self.control(0)?.arrived
    }

    /// The newest datagram has the newest count.
    fn note_overflow(&mut self) {
        let Some(newest) = self.filled.checked_sub(1) else { return };
        if let Some(count) = self.control(newest).and_then(|control| control.overflowed) {
            self.overflowed += u64::from(count.wrapping_sub(self.overflowed as u32));
        }
    }

    /// What the control messages of one of those that the last call took say.
    fn control(&self, place: usize) -> Option<Ancillary> {
        let (buffers, header) = self.messages.iter().zip(&self.headers).take(self.filled).nth(place)?;
        #[allow(clippy::unnecessary_cast)] // msg_controllen is 32 bits wide on musl
        let control = buffers.control.decode(header.msg_hdr.msg_controllen as usize);
        Some(control)
    }

    /// What the last call took. Trains that were cut off or carry no address are left out; they do not
    /// occur with buffers of 64 KiB.
    pub fn trains<'a>(&'a mut self, socket: &UdpSocket) -> impl Iterator<Item = Train<'a>> {
        let only_address = socket.only_address();
        let buffers = self.data.chunks_exact_mut(TRAIN_BYTES);
        self.messages.iter().zip(&self.headers).zip(buffers).take(self.filled).filter_map(
            move |((message_buffers, header), buffer)| {
                let message = &header.msg_hdr;
                if message.msg_flags & libc::MSG_TRUNC != 0 {
                    return None;
                }
                let remote = message_buffers.name.decode(message.msg_namelen)?;
                #[allow(clippy::unnecessary_cast)] // msg_controllen is 32 bits wide on musl
                let control = message_buffers.control.decode(message.msg_controllen as usize);
                let length = header.msg_len as usize;
                let bytes = buffer.get_mut(..length)?;
                let segment = control.segment.filter(|segment| *segment > 0).unwrap_or(length);
                let local = only_address.or(control.local);
                Some(Train { remote, local, bytes, segment, arrived: control.arrived })
            },
        )
    }
}

impl Default for BatchReceiver {
    fn default() -> Self {
        BatchReceiver::new()
    }
}

/// A train is at most one IP packet's worth of payload: 65,535 bytes.
const TRAIN_BYTES: usize = 1 << 16;
/// Calls until something is read, or given up for this turn.
const TRIES_MAX: usize = 8;
