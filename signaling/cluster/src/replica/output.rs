//! Owns what a replica says of changes in what it knows. Never decides what follows from them.

use chappe_sfu_api::Epoch;

use crate::{NodeName, RoomName, StreamName, StreamRecord};

#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a few at a time are told, or wait")]
pub enum Output {
    /// Also said of a node that was lost and speaks again.
    NodeJoined(NodeName),
    /// It has spoken, or a link to it came up or fell silent: placement has to look at it again.
    NodeChanged(NodeName),
    /// After its streams are gone. Also said of a node that has left in order.
    NodeLost(NodeName),
    StreamPut(NodeName, StreamRecord),
    StreamGone {
        node: NodeName,
        room: RoomName,
        stream: StreamName,
        epoch: Epoch,
    },
    /// Ask the node for this part of its [`StreamList`]. Repeated until it came.
    WantList {
        node: NodeName,
        part: u32,
    },
    /// Another process speaks under our name, and is no leftover of an earlier instance of ours: it has been heard
    /// for a while. Who started later has to give way.
    Duplicate {
        node: NodeName,
        instance: u64,
        started_ms: u64,
    },
}
