//! Owns which addresses clients, other nodes and pages are told, and in which order. Pure.

use std::net::{IpAddr, SocketAddr};

use super::interfaces::{InterfaceAddress, Interfaces};

/// What was said of the node when it started.
#[derive(Debug)]
pub struct Standing {
    pub public: Vec<IpAddr>,
    pub listener: Option<SocketAddr>,
    /// Hosts of the listener's certificate; none where it speaks plain HTTP.
    pub certified: Option<Vec<String>>,
}

/// At which addresses the node is reached, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// By clients.
    pub candidates: Vec<IpAddr>,
    /// By workers of other nodes: where clients do, and from whichever interface our datagrams leave.
    pub relays: Vec<IpAddr>,
    /// By pages, as URLs.
    pub origins: Vec<String>,
}

/// What one client is told, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    pub addresses: Vec<IpAddr>,
    /// The first one is where its request came in: the client has just reached us there.
    pub first_is_proven: bool,
}

impl Standing {
    pub fn reach(&self, interfaces: &Interfaces) -> Reach {
        let candidates = self.candidates_of(interfaces);
        let relays = relays_of(&candidates, interfaces);
        let origins = match self.listener {
            None => Vec::new(),
            // Under any other name or address a browser would refuse the certificate.
            Some(listener) if self.certified.is_some() => {
                let hosts = self.certified.iter().flatten().take(ADDRESSES_MAX);
                hosts.map(|host| format!("https://{host}:{}", listener.port())).collect()
            }
            Some(listener) if listener.ip().is_unspecified() => {
                candidates.iter().map(|ip| format!("http://{}", SocketAddr::new(*ip, listener.port()))).collect()
            }
            Some(listener) => vec![format!("http://{listener}")],
        };
        Reach { candidates, relays, origins }
    }

    /// The public addresses if they were named, else those of the interfaces. A server whose listener only this
    /// machine reaches is watched from here, so loopback is among them then.
    fn candidates_of(&self, interfaces: &Interfaces) -> Vec<IpAddr> {
        if !self.public.is_empty() {
            return distinct(self.public.iter().copied());
        }
        let is_local = self.listener.is_some_and(|listener| listener.ip().is_loopback());
        let all = ranked(interfaces);
        let ips = |wanted: fn(&InterfaceAddress) -> bool| all.iter().filter(move |it| wanted(it)).map(|it| it.ip);
        let loopback = || ips(|it| it.ip.is_loopback());
        let chosen = distinct(loopback().filter(|_| is_local).chain(ips(|it| is_offered(it.ip) && it.is_running)));
        let unplugged = || distinct(ips(|it| is_offered(it.ip)));
        // A machine without a network still serves itself.
        let alone = || distinct(loopback());
        [chosen].into_iter().chain([unplugged(), alone()]).find(|chosen| !chosen.is_empty()).unwrap_or_default()
    }

    pub fn candidates(&self, reach: &Reach, reached_at: Option<IpAddr>) -> Candidates {
        // Loopback stays last: whoever is on this machine reaches its other addresses too, Firefox not that one, and
        // behind a proxy that does not say so the client is elsewhere. A zone can't be told (RFC 8839 section 5.1).
        let can_be_told = |ip: &IpAddr| is_offered(*ip) || matches!(ip, IpAddr::V4(ip) if ip.is_link_local());
        let may_be_told = |ip: &IpAddr| self.public.is_empty() || self.public.contains(ip);
        let proven = reached_at.filter(can_be_told).filter(may_be_told);
        let addresses = distinct(proven.into_iter().chain(reach.candidates.iter().copied()));
        Candidates { addresses, first_is_proven: proven.is_some() }
    }
}

/// Those of the default routes first, and what leads to containers last.
fn ranked(interfaces: &Interfaces) -> Vec<&InterfaceAddress> {
    let mut all: Vec<&InterfaceAddress> = interfaces.addresses.iter().collect();
    all.sort_by_key(|address| (!interfaces.default.contains(&address.ip), address.kind));
    all
}

fn relays_of(candidates: &[IpAddr], interfaces: &Interfaces) -> Vec<IpAddr> {
    let own = ranked(interfaces).into_iter().map(|address| address.ip).filter(|ip| ip.is_loopback() || is_offered(*ip));
    let mut all: Vec<IpAddr> = candidates.iter().copied().chain(own).collect();
    // Loopback is only for nodes on one machine, and only if there is nothing else.
    if all.iter().any(|ip| !ip.is_loopback()) {
        all.retain(|ip| candidates.contains(ip) || !ip.is_loopback());
    }
    distinct(all.into_iter())
}

/// The first few, none of them twice.
fn distinct(ips: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut distinct: Vec<IpAddr> = Vec::new();
    for ip in ips {
        if distinct.len() < ADDRESSES_MAX && !distinct.contains(&ip) {
            distinct.push(ip);
        }
    }
    distinct
}

/// Link-local ones need a zone, which a candidate can't carry (RFC 8839 section 5.1), or mean that there is no network.
fn is_offered(ip: IpAddr) -> bool {
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !ip.is_loopback() && !ip.is_unspecified() && !is_link_local
}

/// A machine with many container bridges has dozens; each costs every client checks.
const ADDRESSES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::interfaces::LinkKind;
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn interfaces(default: &[&str], links: &[(LinkKind, &str)]) -> Interfaces {
        let address =
            |(kind, ip): &(LinkKind, &str)| InterfaceAddress { ip: ip.parse().unwrap(), kind: *kind, is_running: true };
        Interfaces { addresses: links.iter().map(address).collect(), default: ips(default) }
    }

    fn ordinary(addresses: &[&str]) -> Interfaces {
        interfaces(&[], &addresses.iter().map(|ip| (LinkKind::Ordinary, *ip)).collect::<Vec<_>>())
    }

    fn standing(public: &[&str], listener: &str) -> Standing {
        Standing { public: ips(public), listener: Some(listener.parse().unwrap()), certified: None }
    }

    #[test]
    fn named_public_addresses_are_the_only_ones() {
        let (standing, interfaces) = (standing(&["192.0.2.7"], "0.0.0.0:8080"), ordinary(&["127.0.0.1", "10.0.0.2"]));
        let reach = standing.reach(&interfaces);
        assert_eq!(reach.candidates, ips(&["192.0.2.7"]));
        assert_eq!(standing.candidates(&reach, Some("10.0.0.2".parse().unwrap())).addresses, ips(&["192.0.2.7"]));
    }

    #[test]
    fn a_loopback_listener_offers_loopback_too() {
        let interfaces = ordinary(&["10.0.0.2", "127.0.0.1", "::1", "fe80::1", "2001:db8::1"]);
        let candidates = |listener| standing(&[], listener).reach(&interfaces).candidates;
        assert_eq!(candidates("127.0.0.1:8080"), ips(&["127.0.0.1", "::1", "10.0.0.2", "2001:db8::1"]));
        assert_eq!(candidates("0.0.0.0:8080"), ips(&["10.0.0.2", "2001:db8::1"]));
    }

    #[test]
    fn a_machine_without_network_offers_loopback_and_no_address_twice() {
        let interfaces = ordinary(&["127.0.0.1", "127.0.0.1", "169.254.1.1"]);
        assert_eq!(standing(&[], "0.0.0.0:8080").reach(&interfaces).candidates, ips(&["127.0.0.1"]));
    }

    #[test]
    fn the_default_route_comes_first_and_what_leads_to_containers_last() {
        let links = [
            (LinkKind::Bridge, "172.17.0.1"),
            (LinkKind::Veth, "172.18.0.1"),
            (LinkKind::Ordinary, "10.0.0.2"),
            (LinkKind::Ordinary, "192.168.1.5"),
        ];
        let standing = standing(&[], "0.0.0.0:8080");
        let reach = standing.reach(&interfaces(&["192.168.1.5"], &links));
        assert_eq!(reach.candidates, ips(&["192.168.1.5", "10.0.0.2", "172.18.0.1", "172.17.0.1"]));
        assert_eq!(reach.relays, reach.candidates);
        assert_eq!(reach.origins.first().map(String::as_str), Some("http://192.168.1.5:8080"));
        let bridged = standing.reach(&interfaces(&["172.17.0.1"], &links));
        assert_eq!(bridged.candidates[0], ips(&["172.17.0.1"])[0], "unless the default route leads over it");
    }

    #[test]
    fn over_https_pages_are_told_the_names_of_the_certificate() {
        let certified = Some(vec!["a.example".to_owned(), "[2001:db8::1]".to_owned()]);
        let standing = Standing { certified, ..standing(&[], "0.0.0.0:8443") };
        let reach = standing.reach(&ordinary(&["10.0.0.2"]));
        assert_eq!(reach.origins, ["https://a.example:8443", "https://[2001:db8::1]:8443"]);
        assert_eq!(reach.candidates, ips(&["10.0.0.2"]));
    }

    #[test]
    fn where_the_request_came_in_comes_before_all_even_if_it_is_new() {
        let standing = standing(&[], "0.0.0.0:8080");
        let reach = standing.reach(&ordinary(&["127.0.0.1", "10.0.0.2", "10.1.0.2"]));
        let told = |at: &str| standing.candidates(&reach, Some(at.parse().unwrap()));
        let proven = |addresses: &[&str]| Candidates { addresses: ips(addresses), first_is_proven: true };
        assert_eq!(told("10.1.0.2"), proven(&["10.1.0.2", "10.0.0.2"]));
        assert_eq!(told("10.2.0.2"), proven(&["10.2.0.2", "10.0.0.2", "10.1.0.2"]));
        assert_eq!(told("169.254.3.4"), proven(&["169.254.3.4", "10.0.0.2", "10.1.0.2"]));
        for unfit in ["127.0.0.1", "fe80::1"] {
            let as_ever = Candidates { addresses: ips(&["10.0.0.2", "10.1.0.2"]), first_is_proven: false };
            assert_eq!(told(unfit), as_ever, "{unfit}");
        }
    }

    #[test]
    fn a_link_that_is_down_is_offered_only_where_there_is_no_other() {
        let mut down = ordinary(&["10.0.0.2", "10.1.0.2"]);
        down.addresses[0].is_running = false;
        let standing = standing(&[], "0.0.0.0:8080");
        assert_eq!(standing.reach(&down).candidates, ips(&["10.1.0.2"]));
        down.addresses[1].is_running = false;
        assert_eq!(standing.reach(&down).candidates, ips(&["10.0.0.2", "10.1.0.2"]));
    }
}
