//! Owns counting places, of connections or of datagrams that wait: how many there are, and how many of them one address
//! may hold. Never touches a socket.
//!
//! A listener of signaling counts so as well, and ends idle connections for new ones (`signaling/edge/src/http/places.rs`).
//! The one crate below both is the contract between signaling and worker, which has no logic.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Whoever has an IPv6 address has all of its network (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Holder(IpAddr);

impl Holder {
    pub(crate) fn of(ip: IpAddr) -> Holder {
        match ip {
            IpAddr::V4(_) => Holder(ip),
            IpAddr::V6(v6) => Holder(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into()),
        }
    }

    /// Not from the Internet: it may be a proxy that connects for many.
    fn may_be_proxy(self) -> bool {
        match self.0 {
            IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
            // The network of ::1 is ::.
            IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Places {
    limits: Limits,
    taken: usize,
    /// Has only those who hold something.
    of_each: HashMap<Holder, usize>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) all: usize,
    pub(crate) address: usize,
    /// Of an address that may be a proxy.
    pub(crate) proxy: usize,
}

impl Places {
    pub(crate) fn new(limits: Limits) -> Places {
        Places { limits, taken: 0, of_each: HashMap::new() }
    }

    pub(crate) fn are_taken(&self) -> bool {
        self.taken >= self.limits.all
    }

    pub(crate) fn has_share(&self, holder: Holder) -> bool {
        let share = if holder.may_be_proxy() { self.limits.proxy } else { self.limits.address };
        self.of_each.get(&holder).is_some_and(|held| *held >= share)
    }

    pub(crate) fn take(&mut self, holder: Holder) {
        self.taken += 1;
        *self.of_each.entry(holder).or_default() += 1;
    }

    pub(crate) fn give_back(&mut self, holder: Holder) {
        self.taken = self.taken.saturating_sub(1);
        if let Some(held) = self.of_each.get_mut(&holder) {
            *held -= 1;
            if *held == 0 {
                self.of_each.remove(&holder);
            }
        }
    }
}
