//! Owns to whom a name gives way whose publisher is not connected yet. Never reads a clock.

use std::time::Duration;

use chappe_cluster::MemberId;
use chappe_sfu_api::SessionId;
use chappe_signaling_access::Holder;
use serde::{Deserialize, Serialize};

use crate::address::ClientAddress;

/// What is known of the client of a session; of a publisher it counts until its media path has come to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Of the client; none: it is not known.
    pub address: Option<ClientAddress>,
    /// Unix time since which this address has the name that is published, over however many sessions.
    pub since_ms: u64,
    /// The name was another address's, which was connecting under it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub displaced_another: bool,
    /// Addresses that lost the name lately and may not displace another's attempt now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub displaced: Vec<Displaced>,
}

/// An address that had the name and never connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Displaced {
    pub address: Option<ClientAddress>,
    /// Unix time at which another one got the name.
    pub at_ms: u64,
}

/// What a publisher shows for a name that somebody has: that it is the same client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proof {
    /// The page that asks, which has proved who it is; none for WHIP.
    pub member: Option<MemberId>,
    /// An earlier session: only its own client was told its id.
    pub session: Option<SessionId>,
    /// Where the client asks from.
    pub address: Option<ClientAddress>,
    /// Unix time at which it asks.
    pub at_ms: u64,
    /// Whose token it shows.
    pub holder: Option<Holder>,
    pub takeover: Takeover,
}

/// Whether the client wants a name also from one who publishes under it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Takeover {
    #[default]
    No,
    /// It has to be its own: made with a token of the same holder.
    Own,
    /// Its token permits it for the streams of others.
    Any,
}

impl Attempt {
    /// The first one under a name.
    pub fn new(address: Option<ClientAddress>, now_ms: u64) -> Attempt {
        Attempt { address, since_ms: now_ms, displaced_another: false, displaced: Vec::new() }
    }

    /// The client that tries again gets the name at once, and so does another one: an attempt that never connects keeps
    /// nobody out. But an address that was displaced may not displace in its turn for ten seconds, or one that asks again
    /// and again would take the name between two tries of another.
    pub fn gives_way_to(&self, proof: &Proof) -> bool {
        let mut barred = self.barred(proof.at_ms);
        proof.address == self.address
            || barred.clone().count() < BARRED_MAX && barred.all(|displaced| displaced.address != proof.address)
    }

    /// The attempt of the client that gets the name from this one.
    pub fn followed_by(&self, address: Option<ClientAddress>, now_ms: u64) -> Attempt {
        let mut displaced: Vec<Displaced> = self.barred(now_ms).copied().collect();
        if address == self.address {
            return Attempt { displaced, ..self.clone() };
        }
        if !self.may_come_back(now_ms) {
            if displaced.len() == BARRED_MAX {
                // One that has proved that the name is its own gets it also now.
                displaced.remove(0);
            }
            displaced.push(Displaced { address: self.address, at_ms: now_ms });
        }
        Attempt { address, since_ms: now_ms, displaced_another: true, displaced }
    }

    /// Whether the client that is displaced may displace at once: the first under the name, if it had no time to connect.
    /// Of two others the name would go to and fro.
    fn may_come_back(&self, now_ms: u64) -> bool {
        !self.displaced_another && now_ms < self.since_ms.saturating_add(CONNECTS_WITHIN_MS)
    }

    fn barred(&self, now_ms: u64) -> impl Iterator<Item = &Displaced> + Clone {
        self.displaced.iter().filter(move |displaced| now_ms < displaced.at_ms.saturating_add(CONNECTS_WITHIN_MS))
    }
}

/// A browser on a bad line: candidates that fail, over TCP in the end, and DTLS with a lost flight.
const CONNECTS_WITHIN_MS: u64 = Duration::from_secs(10).as_millis() as u64;
/// While so many are barred whoever has the name keeps it: it changes hands so often within that time, and the list,
/// which stands in the session's note, stays short.
const BARRED_MAX: usize = 4;

#[cfg(test)]
mod tests;
