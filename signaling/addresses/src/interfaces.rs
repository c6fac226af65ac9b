//! Owns what the kernel says of this machine's addresses. Never decides which of them are told to anybody.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    pub addresses: Vec<InterfaceAddress>,
    /// From which the default routes of IPv4 and IPv6 are taken.
    pub default: Vec<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceAddress {
    pub ip: IpAddr,
    pub kind: LinkKind,
    /// Up, and its cable or peer is there.
    pub is_running: bool,
}

/// How likely it is that clients are behind a link, most likely first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkKind {
    Ordinary,
    /// One end of a pair whose other end is in another network namespace: the outside in a container, on its host
    /// one container.
    Veth,
    /// Of containers or virtual machines, as long as the default route does not lead over it.
    Bridge,
}

impl Interfaces {
    pub fn read() -> io::Result<Interfaces> {
        let address = |interface: if_addrs::Interface| InterfaceAddress {
            ip: interface.ip(),
            kind: LinkKind::of(&interface.name),
            is_running: interface.is_oper_up(),
        };
        let addresses = if_addrs::get_if_addrs()?.into_iter().map(address).collect();
        let default = [FAR_V4, FAR_V6].into_iter().filter_map(source_towards).collect();
        Ok(Interfaces { addresses, default })
    }
}

impl LinkKind {
    fn of(name: &str) -> LinkKind {
        let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        // In a namespace that was entered without its own /sys only the name tells.
        if Path::new("/sys/class/net").join(name).join("bridge").exists() || starts(BRIDGES) {
            LinkKind::Bridge
        } else if starts(VETHS) {
            LinkKind::Veth
        } else {
            LinkKind::Ordinary
        }
    }
}

/// The address that the kernel sends from to somebody far away. Connecting a datagram socket sends nothing.
fn source_towards(far: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if far.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(far, DISCARD_PORT)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// Of a root name server: no test or private network has a route of its own there.
const FAR_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 41, 0, 4));
const FAR_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30));
const DISCARD_PORT: u16 = 9;

/// What Docker, libvirt, LXC, Podman, CNI plugins and hypervisors call theirs.
const BRIDGES: &[&str] =
    &["docker", "br-", "virbr", "lxcbr", "lxdbr", "podman", "cni", "flannel", "cilium", "vmnet", "vboxnet"];
const VETHS: &[&str] = &["veth", "cali", "lxc", "vnet", "tap"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_of_containers_is_told_by_its_name_where_nothing_else_tells() {
        for name in ["docker0", "br-3f2a90c1d2e4", "virbr0", "lxcbr0", "podman1", "cni0"] {
            assert_eq!(LinkKind::of(name), LinkKind::Bridge, "{name}");
        }
        assert_eq!(LinkKind::of("veth12ab"), LinkKind::Veth);
        for name in ["eth0", "enp3s0", "wlan0", "wg0", "bond0", "broadband"] {
            assert_eq!(LinkKind::of(name), LinkKind::Ordinary, "{name}");
        }
    }

    #[test]
    fn loopback_is_read_as_running() {
        let read = Interfaces::read().unwrap();
        let loopback = read.addresses.iter().find(|address| address.ip.is_loopback());
        assert!(loopback.is_some_and(|address| address.is_running), "{read:?}");
    }
}
