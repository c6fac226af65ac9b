//! Owns which addresses answers name: where clients reach the workers. Never opens a socket.

use std::io;
use std::net::IpAddr;

/// The addresses of the candidates: the public ones if they were named, else those of the interfaces. A
/// server whose listener only this machine reaches is watched from here, so loopback comes first then.
pub fn candidate_addresses(public: &[IpAddr], loopback_listener: bool) -> io::Result<Vec<IpAddr>> {
    let interfaces: Vec<IpAddr> = if_addrs::get_if_addrs()?.iter().map(if_addrs::Interface::ip).collect();
    Ok(choose(public, &interfaces, loopback_listener))
}

/// At which workers of other nodes reach ours: where clients do, and from whichever interface our datagrams leave.
pub fn relay_addresses(candidates: &[IpAddr]) -> io::Result<Vec<IpAddr>> {
    let mut all = candidates.to_vec();
    let interfaces = if_addrs::get_if_addrs()?;
    all.extend(interfaces.iter().map(if_addrs::Interface::ip).filter(|ip| !is_link_local(ip)));
    let mut seen = Vec::new();
    all.retain(|ip| {
        !seen.contains(ip) && {
            seen.push(*ip);
            true
        }
    });
    // Loopback is only for nodes on one machine, and only if there is nothing else.
    if all.iter().any(|ip| !ip.is_loopback()) {
        all.retain(|ip| candidates.contains(ip) || !ip.is_loopback());
    }
    all.truncate(ADDRESSES_MAX);
    Ok(all)
}

fn choose(public: &[IpAddr], interfaces: &[IpAddr], loopback: bool) -> Vec<IpAddr> {
    let mut chosen: Vec<IpAddr> = Vec::new();
    let is_loopback = |ip: &&IpAddr| ip.is_loopback();
    let reachable = |ip: &&IpAddr| !ip.is_loopback() && !ip.is_unspecified() && !is_link_local(ip);
    if !public.is_empty() {
        return public.iter().copied().take(ADDRESSES_MAX).collect();
    }
    if loopback {
        chosen.extend(interfaces.iter().filter(is_loopback));
    }
    chosen.extend(interfaces.iter().filter(reachable));
    if chosen.is_empty() {
        // A machine without a network still serves itself.
        chosen.extend(interfaces.iter().filter(is_loopback));
    }
    let mut seen = Vec::new();
    chosen.retain(|ip| {
        !seen.contains(ip) && {
            seen.push(*ip);
            true
        }
    });
    chosen.truncate(ADDRESSES_MAX);
    chosen
}

/// They need a zone, which a candidate can't carry (RFC 8839 section 5.1).
fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// A machine with many container bridges has dozens; each costs every client checks.
const ADDRESSES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn named_public_addresses_are_the_only_ones() {
        let interfaces = ips(&["127.0.0.1", "10.0.0.2"]);
        assert_eq!(choose(&ips(&["192.0.2.7"]), &interfaces, false), ips(&["192.0.2.7"]));
    }

    #[test]
    fn a_loopback_listener_offers_loopback_first() {
        let interfaces = ips(&["10.0.0.2", "127.0.0.1", "::1", "fe80::1", "2001:db8::1"]);
        assert_eq!(choose(&[], &interfaces, true), ips(&["127.0.0.1", "::1", "10.0.0.2", "2001:db8::1"]));
        assert_eq!(choose(&[], &interfaces, false), ips(&["10.0.0.2", "2001:db8::1"]));
    }

    #[test]
    fn a_machine_without_network_offers_loopback_and_no_address_twice() {
        assert_eq!(choose(&[], &ips(&["127.0.0.1", "127.0.0.1", "169.254.1.1"]), false), ips(&["127.0.0.1"]));
    }
}
