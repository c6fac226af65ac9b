//! Owns what the lines of clients that are gone were thought to carry, for their return. Estimates no line.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use chappe_sfu_rate::Known;

use crate::clients::neighbours::network;
use crate::crypto::dtls::CertificateId;
use crate::keys::Index;
use crate::transport::Transport;

/// A client as its handshake has proven it: it holds the key of this certificate, and is in this network. An address
/// alone is that of a household, or of thousands behind one NAT; a certificate alone is that of a laptop, which has
/// another line elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProvenClient {
    certificate: CertificateId,
    network: IpAddr,
}

/// Clients that are gone. Each adds nothing before it has finished a handshake and told of what it was sent.
#[derive(Default)]
pub(crate) struct Returning {
    /// Those of each network, in the order in which they left.
    networks: Index<IpAddr, Vec<Gone>>,
}

struct Gone {
    certificate: CertificateId,
    known: Known,
    at: Instant,
}

impl ProvenClient {
    /// None before the handshake is complete, or if its flights went to several addresses.
    pub fn of(transport: &Transport) -> Option<ProvenClient> {
        let address = transport.proven_route()?.remote().ip();
        Some(ProvenClient { certificate: transport.peer()?, network: network(address) })
    }

    pub fn is_at(&self, address: IpAddr) -> bool {
        network(address) == self.network
    }
}

impl Returning {
    /// What its line carried when it left, the last time. It is believed once: one that finds another line now has
    /// measured that when it leaves, or has left too soon to be sure of anything.
    pub fn take(&mut self, now: Instant, client: ProvenClient) -> Option<Known> {
        let gone = self.networks.get_mut(&client.network)?;
        let place = gone.iter().position(|gone| gone.certificate == client.certificate)?;
        let taken = gone.remove(place);
        if gone.is_empty() {
            self.networks.remove(&client.network);
        }
        taken.is_fresh(now).then_some(taken.known)
    }

    /// A client leaves. Of its network those are forgotten that left first; what is known of other networks is not
    /// given up for it while it is fresh.
    pub fn note(&mut self, now: Instant, client: ProvenClient, known: Known) {
        self.take(now, client);
        if self.networks.len() >= NETWORKS_MAX && !self.networks.contains_key(&client.network) {
            self.networks.retain(|_, gone| gone.last().is_some_and(|last| last.is_fresh(now)));
            if self.networks.len() >= NETWORKS_MAX {
                return;
            }
        }
        let gone = self.networks.entry(client.network).or_default();
        if gone.len() >= CLIENTS_PER_NETWORK_MAX {
            gone.remove(0);
        }
        gone.push(Gone { certificate: client.certificate, known, at: now });
    }
}

impl Gone {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < KEPT_FOR
    }
}

/// Who comes back later may find that others use the line by now.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// With [`CLIENTS_PER_NETWORK_MAX`] of each they take 1 MB.
const NETWORKS_MAX: usize = 2_048;
/// A household, or an office that comes back from its break.
const CLIENTS_PER_NETWORK_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use chappe_sfu_rate::Bitrate;

    use super::*;

    fn kbps(kbps: u64) -> Known {
        Known { estimate: Bitrate::from_kbps(kbps) }
    }

    fn client(certificate: usize, address: usize) -> ProvenClient {
        let address = IpAddr::from((address as u32).to_be_bytes());
        ProvenClient { certificate: CertificateId::of(&certificate.to_be_bytes()), network: network(address) }
    }

    fn known_of(returning: &Returning) -> usize {
        returning.networks.values().map(Vec::len).sum()
    }

    #[test]
    fn what_a_client_left_with_last_is_believed_once_and_for_a_while() {
        let (mut returning, now) = (Returning::default(), crate::sim::start());
        returning.note(now, client(1, 1), kbps(900));
        returning.note(now, client(1, 1), kbps(2_500));
        assert_eq!(returning.take(now + KEPT_FOR / 2, client(1, 1)), Some(kbps(2_500)));
        assert_eq!(returning.take(now, client(1, 1)), None);
        returning.note(now, client(1, 1), kbps(900));
        assert_eq!(returning.take(now + KEPT_FOR, client(1, 1)), None);
        assert!(returning.networks.is_empty());
    }

    #[test]
    fn nobody_else_at_its_address_is_taken_for_it_nor_is_it_itself_elsewhere() {
        let (mut returning, now) = (Returning::default(), crate::sim::start());
        returning.note(now, client(1, 1), kbps(2_500));
        assert_eq!(returning.take(now, client(2, 1)), None);
        assert_eq!(returning.take(now, client(1, 2)), None);
        assert_eq!(returning.take(now, client(1, 1)), Some(kbps(2_500)));
    }

    #[test]
    fn of_one_network_those_that_left_first_are_forgotten() {
        let (mut returning, now) = (Returning::default(), crate::sim::start());
        (0..=CLIENTS_PER_NETWORK_MAX).for_each(|certificate| returning.note(now, client(certificate, 1), kbps(900)));
        assert_eq!(known_of(&returning), CLIENTS_PER_NETWORK_MAX);
        assert_eq!(returning.take(now, client(0, 1)), None);
        assert_eq!(returning.take(now, client(CLIENTS_PER_NETWORK_MAX, 1)), Some(kbps(900)));
    }

    #[test]
    fn of_so_many_networks_those_are_kept_that_are_fresh() {
        let (mut returning, now) = (Returning::default(), crate::sim::start());
        (0..NETWORKS_MAX + 10).for_each(|address| returning.note(now, client(1, address), kbps(900)));
        assert_eq!(known_of(&returning), NETWORKS_MAX);
        assert_eq!(returning.take(now, client(1, NETWORKS_MAX)), None);
        returning.note(now + KEPT_FOR, client(1, NETWORKS_MAX), kbps(900));
        assert_eq!(known_of(&returning), 1);
    }
}
