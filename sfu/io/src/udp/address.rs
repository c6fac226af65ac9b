//! Owns the kernel's form of socket addresses, as bytes. An IPv4 address never leaves here in its
//! IPv6-mapped form, so that one peer has one address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Of a socket. One of IPv6 carries IPv4 as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// `sockaddr_in` or `sockaddr_in6`, whichever is in use; 4-byte aligned as the kernel's structs are.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(4))]
pub(super) struct SocketName {
    pub(super) bytes: [u8; NAME_BYTES],
}

/// `sizeof(struct sockaddr_in6)`.
pub(super) const NAME_BYTES: usize = 28;
/// `sizeof(struct sockaddr_in)`.
const NAME_V4_BYTES: usize = 16;

impl SocketName {
    pub(super) const EMPTY: SocketName = SocketName { bytes: [0; NAME_BYTES] };

    /// Writes `address` as a socket of `family` wants it and returns its length; none when an IPv4 socket
    /// is asked for IPv6.
    pub(super) fn encode(&mut self, address: SocketAddr, family: Family) -> Option<u32> {
        match (family, address) {
            (Family::V4, SocketAddr::V4(v4)) => {
                self.put_family_and_port(libc::AF_INET, v4.port());
                self.bytes[4..8].copy_from_slice(&v4.ip().octets());
                self.bytes[8..16].fill(0);
                Some(NAME_V4_BYTES as u32)
            }
            (Family::V4, SocketAddr::V6(_)) => None,
            (Family::V6, SocketAddr::V4(v4)) => {
                self.put_v6(v4.port(), v4.ip().to_ipv6_mapped(), 0);
                Some(NAME_BYTES as u32)
            }
            (Family::V6, SocketAddr::V6(v6)) => {
                self.put_v6(v6.port(), *v6.ip(), v6.scope_id());
                Some(NAME_BYTES as u32)
            }
        }
    }

    pub(super) fn decode(&self, length: u32) -> Option<SocketAddr> {
        let [f0, f1, p0, p1, ..] = self.bytes;
        let port = u16::from_be_bytes([p0, p1]);
        match (i32::from(u16::from_ne_bytes([f0, f1])), usize::try_from(length).ok()?) {
            (libc::AF_INET, NAME_V4_BYTES..) => {
                let octets: [u8; 4] = self.bytes[4..8].try_into().ok()?;
                Some(SocketAddr::V4(SocketAddrV4::new(octets.into(), port)))
            }
            (libc::AF_INET6, NAME_BYTES..) => {
                let octets: [u8; 16] = self.bytes[8..24].try_into().ok()?;
                let scope_id = u32::from_ne_bytes(self.bytes[24..28].try_into().ok()?);
                Some(match normalise_ip(IpAddr::V6(octets.into())) {
                    IpAddr::V4(v4) => SocketAddr::V4(SocketAddrV4::new(v4, port)),
                    // The flow label is no part of who somebody is.
                    IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, scope_id)),
                })
            }
            _ => None,
        }
    }

    fn put_family_and_port(&mut self, family: i32, port: u16) {
        self.bytes[0..2].copy_from_slice(&(family as u16).to_ne_bytes());
        self.bytes[2..4].copy_from_slice(&port.to_be_bytes());
    }

    fn put_v6(&mut self, port: u16, ip: Ipv6Addr, scope_id: u32) {
        self.put_family_and_port(libc::AF_INET6, port);
        self.bytes[4..8].fill(0);
        self.bytes[8..24].copy_from_slice(&ip.octets());
        self.bytes[24..28].copy_from_slice(&scope_id.to_ne_bytes());
    }
}

/// `::ffff:a.b.c.d` as the IPv4 address it stands for (RFC 4291 section 2.5.5.2).
pub fn normalise_ip(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// 127.0.0.1 and ::1, which the kernel itself chooses as source towards themselves.
pub(super) fn is_default_loopback(ip: IpAddr) -> bool {
    ip == IpAddr::V4(Ipv4Addr::LOCALHOST) || ip == IpAddr::V6(Ipv6Addr::LOCALHOST)
}
