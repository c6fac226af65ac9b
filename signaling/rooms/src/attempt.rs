//! Owns to whom a name gives way whose publisher is not connected yet. Never reads a clock.

use std::time::Duration;

use chappe_cluster::MemberId;
use chappe_sfu_api::SessionId;
use chappe_signaling_access::Holder;
use serde::{Deserialize, Serialize};

use crate::address::ClientAddress;

/// What is known of the client of a session; of a publisher it counts until its media path has come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Of the client; none: it is not known.
    pub address: Option<ClientAddress>,
    /// Unix time since which this address has the name that is published, over however many sessions.
    pub since_ms: u64,
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
    /// The client itself, which tries again, gets it at once. Others have to leave it the time to connect, or they could
    /// keep everybody from publishing; and have it then, or one who never connects could keep the name.
    pub fn gives_way_to(&self, proof: &Proof) -> bool {
        self.address.is_none_or(|address| proof.address == Some(address))
            || proof.at_ms >= self.since_ms.saturating_add(CONNECTS_WITHIN_MS)
    }
}

/// A browser on a bad line: candidates that fail, over TCP in the end, and DTLS with a lost flight.
const CONNECTS_WITHIN_MS: u64 = Duration::from_secs(10).as_millis() as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_left_to_who_connects_and_not_to_who_never_does() {
        let address = |last: u8| Some(ClientAddress::from(std::net::IpAddr::from([192, 0, 2, last])));
        let attempt = Attempt { address: address(1), since_ms: 1_000 };
        let by = |address, at_ms| attempt.gives_way_to(&Proof { address, at_ms, ..Proof::default() });
        assert!(by(address(1), 1_000), "it tries again");
        assert!(!by(address(2), 1_000) && !by(address(2), 10_999) && !by(None, 10_999));
        assert!(by(address(2), 11_000));
        let unknown = Attempt { address: None, ..attempt };
        assert!(unknown.gives_way_to(&Proof::default()));
    }
}
