//! Owns what all clients of the server share: who may relay, and whereto.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chappe_signaling_turn::{Counts, TurnServers};

use crate::quota::{Budget, Quota};

/// What is relayed to.
pub trait Media: Send + Sync + fmt::Debug {
    /// Where datagrams for this address go, if it is a media port of ours.
    fn destination(&self, peer: SocketAddr) -> Option<SocketAddr>;
    /// At which address relayed ports are told to be; none without one of that family.
    fn relay_address(&self, is_ipv6: bool) -> Option<IpAddr>;
}

/// What the server is told.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Made the credentials that are shown here.
    pub credentials: TurnServers,
    pub media: Arc<dyn Media>,
    pub counts: Arc<Counts>,
}

#[derive(Debug)]
pub struct Shared {
    pub terms: Terms,
    /// Allocations of one user.
    pub allocations: Arc<Quota>,
    /// Answers to whoever has not shown credentials: what somebody else's address may be sent.
    pub challenges: Budget,
}

impl Shared {
    pub fn new(terms: Terms) -> Arc<Shared> {
        let allocations = Quota::new(ALLOCATIONS_MAX, ALLOCATIONS_OF_USER_MAX);
        Arc::new(Shared { terms, allocations, challenges: Budget::per_second(CHALLENGES_PER_SECOND_MAX) })
    }

    /// Of a user whose credentials are good now.
    pub fn password(&self, username: &str) -> Option<String> {
        let now: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.terms.credentials.credential_of(username, now)
    }
}

/// Each is a socket.
const ALLOCATIONS_MAX: usize = 2_048;
/// A page has a connection for what it publishes and one for what it watches, two while it moves, and a browser allocates
/// for each of its networks and each URL that it was told.
const ALLOCATIONS_OF_USER_MAX: usize = 24;
/// Each has about 120 bytes for the 28 of its request.
const CHALLENGES_PER_SECOND_MAX: u32 = 500;
