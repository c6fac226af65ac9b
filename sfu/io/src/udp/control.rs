//! Owns control messages (cmsg(3)) as bytes: segment sizes and local addresses, both ways, and when a datagram came.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::address::normalise_ip;

/// Room for the control messages of one datagram, aligned as the kernel's headers are.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct ControlBuffer {
    pub(super) bytes: [u8; CONTROL_BYTES],
}

/// A segment size (24 bytes), an IPv6 packet info (40), a count of overflows (24) and a moment (32), with room to spare.
pub(super) const CONTROL_BYTES: usize = 128;

/// `struct cmsghdr`: a length in machine words, level, type.
const HEADER_BYTES: usize = size_of::<usize>() + 8;

/// What the control messages of a received datagram said.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ancillary {
    /// UDP_GRO: all datagrams of the train are this long but the last.
    pub(super) segment: Option<usize>,
    pub(super) local: Option<IpAddr>,
    /// SO_RXQ_OVFL: datagrams dropped for want of room before this one, since the socket was opened, modulo 2^32.
    pub(super) overflowed: Option<u32>,
    /// SO_TIMESTAMPNS: when the kernel got it, as Unix time.
    pub(super) arrived: Option<Duration>,
}

impl ControlBuffer {
    pub(super) const EMPTY: ControlBuffer = ControlBuffer { bytes: [0; CONTROL_BYTES] };

    /// Writes what a send needs and returns the length; 0 for nothing.
    pub(super) fn encode(&mut self, segment: Option<u16>, source: Option<IpAddr>) -> usize {
        let mut at = 0;
        if let Some(segment) = segment {
            at = self.put(at, libc::SOL_UDP, libc::UDP_SEGMENT, &segment.to_ne_bytes());
        }
        match source {
            // struct in_pktinfo: interface (0: any), source, and a field the kernel only writes.
            Some(IpAddr::V4(ip)) => {
                let mut info = [0u8; 12];
                info[4..8].copy_from_slice(&ip.octets());
                at = self.put(at, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            // struct in6_pktinfo: source, interface.
            Some(IpAddr::V6(ip)) => {
                let mut info = [0u8; 20];
                info[..16].copy_from_slice(&ip.octets());
                at = self.put(at, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
            None => {}
        }
        at
    }

    pub(super) fn decode(&self, length: usize) -> Ancillary {
        let mut received = Ancillary::default();
        let mut rest = self.bytes.get(..length).unwrap_or(&self.bytes);
        while let Some((level, kind, data, next)) = split_message(rest) {
            match (level, kind) {
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    received.segment = data.first_chunk().and_then(|b| usize::try_from(i32::from_ne_bytes(*b)).ok());
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    received.overflowed = data.first_chunk().map(|b| u32::from_ne_bytes(*b));
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => received.arrived = decode_time(data),
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    received.local =
                        data.get(4..8).and_then(<[u8]>::first_chunk).map(|b: &[u8; 4]| Ipv4Addr::from(*b).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    received.local = data.first_chunk().map(|b: &[u8; 16]| normalise_ip(Ipv6Addr::from(*b).into()));
                }
                _ => {}
            }
            rest = next;
        }
        received
    }

    fn put(&mut self, at: usize, level: i32, kind: i32, data: &[u8]) -> usize {
        let length = HEADER_BYTES + data.len();
        let end = at + align(length);
        let out = &mut self.bytes[at..end];
        out[..size_of::<usize>()].copy_from_slice(&length.to_ne_bytes());
        out[size_of::<usize>()..][..4].copy_from_slice(&level.to_ne_bytes());
        out[size_of::<usize>() + 4..][..4].copy_from_slice(&kind.to_ne_bytes());
        out[HEADER_BYTES..length].copy_from_slice(data);
        out[length..].fill(0);
        end
    }
}

/// `struct timespec` of a 64 bit machine.
fn decode_time(data: &[u8]) -> Option<Duration> {
    let (seconds, rest) = data.split_first_chunk::<8>()?;
    let (seconds, nanos) = (i64::from_ne_bytes(*seconds), i64::from_ne_bytes(*rest.first_chunk::<8>()?));
    Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?))
}

/// CMSG_ALIGN.
const fn align(length: usize) -> usize {
    length.next_multiple_of(size_of::<usize>())
}

/// The first message of `bytes` as level, type and data, and what follows it.
fn split_message(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let (header, _) = bytes.split_at_checked(HEADER_BYTES)?;
    let (length, kinds) = header.split_at(size_of::<usize>());
    let length = usize::from_ne_bytes(length.try_into().ok()?);
    let level = i32::from_ne_bytes(kinds.get(..4)?.try_into().ok()?);
    let kind = i32::from_ne_bytes(kinds.get(4..8)?.try_into().ok()?);
    let data = bytes.get(HEADER_BYTES..length)?;
    Some((level, kind, data, bytes.get(align(length)..).unwrap_or(&[])))
}
