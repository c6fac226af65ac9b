//! How workers reach each other, and which tracks come from another worker.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{Boot, Epoch, MediaKind, TrackId};

/// The association of this worker with another one. It lives as long as both processes do: a peer that is
/// replaced has another boot number, and is another peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSpec {
    pub peer: Boot,
    /// Datagrams of the peer are taken from these addresses and no others, and sent to the first.
    pub addresses: Vec<SocketAddr>,
    /// Of what we send.
    pub seal: RelayKey,
    /// Of what the peer sends.
    pub open: RelayKey,
}

/// One direction of an association: AES-128-GCM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayKey {
    pub key: [u8; 16],
    pub salt: [u8; 12],
}

impl fmt::Debug for RelayKey {
    /// A secret never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayKey(…)")
    }
}

/// A track that is published on another worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginSpec {
    pub track: TrackId,
    pub kind: MediaKind,
    /// The worker to ask for it: the one on which it is published, or one that relays it.
    pub peer: Boot,
    /// Of the stream.
    pub epoch: Epoch,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerStats {
    pub peer: Boot,
    /// Its heartbeats arrive.
    pub alive: bool,
    pub round_trip_ms: Option<f64>,
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RelayStats {
    pub track: TrackId,
    pub peer: Boot,
    pub direction: RelayDirection,
    /// Hops from the worker on which the track is published to this one.
    pub depth: u8,
    pub packets: u64,
    pub bytes: u64,
    /// Packets that never came; 0 for outgoing.
    pub lost: u64,
    /// Packets that were asked for again (incoming) or sent again (outgoing).
    pub repaired: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayDirection {
    In,
    Out,
}
