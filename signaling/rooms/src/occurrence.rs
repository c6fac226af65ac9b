//! Owns what of the changes of the registry is of interest to somebody outside: who came, who left, what is published.
//! Never decides who is told.

use chappe_cluster::{RoomName, StreamName};
use chappe_sfu_api::{Codec, MediaKind};
use serde::Serialize;

#[derive(Debug, Clone, PartialEq)]
pub enum Occurrence {
    /// The first client of a room on this node is there.
    RoomStarted(RoomName),
    /// The last one has left.
    RoomFinished(RoomName),
    Joined(RoomName, Participant),
    Left(RoomName, Participant),
    Published(RoomName, StreamName, PublishedTrack),
    Unpublished(RoomName, StreamName, PublishedTrack),
    /// The same publisher goes on somewhere else.
    Moved {
        room: RoomName,
        stream: StreamName,
        from: Location,
        to: Location,
    },
}

/// A page, or a WHIP or WHEP client whose media connection stood.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Participant {
    /// Of a page its id, of other clients the alias of their session. It proves nothing.
    pub id: String,
    pub name: Option<String>,
    /// What its token says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    pub kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedTrack {
    pub mid: String,
    pub kind: MediaKind,
    pub codec: Option<Codec>,
}

/// Where a stream is published.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Location {
    pub node: String,
    pub worker: u16,
}
