//! Owns what this node tells others without waiting for an answer. Never sends it.

use chappe_cluster::{NodeName, NodeState, StreamDelta};
use chappe_signaling_chat::RoomMessage;
use chappe_signaling_rooms::{AudienceReport, MemberId, RoomName, SessionNotice};

use crate::cluster::message::NodeRequest;

/// Something for other nodes.
#[derive(Debug, Clone)]
pub enum Outgoing {
    Presence(NodeState),
    Streams(StreamDelta),
    Audience(AudienceReport),
    /// To a page that is connected to that node.
    Page(NodeName, MemberId, SessionNotice),
    /// Nobody waits for the answer.
    Request(NodeName, NodeRequest),
    /// To everybody who has the room.
    Room(RoomName, RoomMessage),
}

/// Subject of who is in a room and what they say.
pub fn room_subject(room: &RoomName) -> String {
    format!("room/{room}")
}
