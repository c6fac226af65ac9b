//! Owns what all clients of the server share: who may relay, and whereto.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chappe_signaling_turn::{Counts, Refused, TurnServers};

use crate::quota::{Budget, Quota, Share};

/// What is relayed to, and for how long.
pub trait RelayTargets: Send + Sync + fmt::Debug {
    /// Where datagrams for this address go, if it is a media port of ours.
    fn destination(&self, peer: SocketAddr) -> Option<SocketAddr>;
    /// Whether a node of ours has the address.
    fn is_of_a_node(&self, ip: IpAddr) -> bool;
    /// At which address relayed ports are told to be; none without one of that family.
    fn relay_address(&self, is_ipv6: bool) -> Option<IpAddr>;
    /// Whether the page or session that was told credentials goes on.
    fn is_served(&self, client: &str) -> bool;
    /// It has an allocation: who it is was proved.
    fn note_relayed(&self, client: &str);
}

/// What the server is told.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Made the credentials that are shown here.
    pub credentials: TurnServers,
    pub media: Arc<dyn RelayTargets>,
    pub counts: Arc<Counts>,
}

#[derive(Debug)]
pub struct Shared {
    pub terms: Terms,
    pub clients: Arc<Quota<IpAddr>>,
    /// Allocations of one user.
    pub allocations: Arc<Quota<String>>,
    /// Answers over UDP to whoever shows no credentials: what somebody else's address may be sent.
    pub challenges: Budget,
    /// Answers over UDP to whoever shows a user's name and has no allocation.
    pub attempts: Budget,
}

impl Shared {
    pub fn new(terms: Terms) -> Arc<Shared> {
        Arc::new(Shared {
            terms,
            clients: Quota::new(CLIENTS_MAX, CLIENTS_OF_ADDRESS_MAX),
            allocations: Quota::new(ALLOCATIONS_MAX, ALLOCATIONS_OF_USER_MAX),
            challenges: Budget::per_second(ANSWERS_PER_SECOND_MAX),
            attempts: Budget::per_second(ANSWERS_PER_SECOND_MAX),
        })
    }

    /// None, and counted: there are too many.
    pub fn admit(&self, remote: SocketAddr) -> Option<Share<IpAddr>> {
        let place = self.clients.take(holder(remote.ip()));
        if place.is_none() {
            self.terms.counts.refuse(Refused::Clients);
        }
        place
    }

    /// Of a user whose credentials are good now.
    pub fn password(&self, username: &str) -> Option<String> {
        let now: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.terms.credentials.credential_of(username, now)
    }

    /// Whether whoever was told these credentials is still there.
    pub fn is_served(&self, username: &str) -> bool {
        TurnServers::client_of(username).is_some_and(|client| self.terms.media.is_served(client))
    }

    /// As [`Shared::is_served`], of one that has an allocation.
    pub fn goes_on(&self, username: &str) -> bool {
        TurnServers::client_of(username).into_iter().for_each(|client| self.terms.media.note_relayed(client));
        self.is_served(username)
    }
}

/// Whoever has an IPv6 address has all of its network (RFC 6177).
fn holder(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
    }
}

/// One without an allocation goes after 5 s.
const CLIENTS_MAX: usize = 4_096;
/// All behind one NAT.
const CLIENTS_OF_ADDRESS_MAX: usize = 512;
/// Each is a socket.
const ALLOCATIONS_MAX: usize = 2_048;
/// A page has a connection for what it publishes and one for what it watches, two while it moves, and a browser allocates
/// for each of its networks and each URL that it was told.
const ALLOCATIONS_OF_USER_MAX: usize = 24;
/// Each has about 120 bytes for the 28 of its request.
const ANSWERS_PER_SECOND_MAX: u32 = 500;
