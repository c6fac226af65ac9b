//! Owns what nodes tell each other about themselves: presence, and the streams that are published on them.
//! Never says how it travels.

use std::net::IpAddr;

use chappe_sfu_api::{Boot, Epoch, MediaKind, SessionId, WorkerIndex};
use serde::{Deserialize, Serialize};

use crate::{MemberId, NodeName, RoomName, StreamName};

/// Presence: what a node is and how busy. Told four times a second and at each change of its workers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeState {
    pub node: NodeName,
    /// Drawn at random when the node's signaling process starts.
    pub instance: u64,
    /// Counts presences of this instance, so that an older one that comes late is known as such.
    pub sequence: u64,
    /// Unix time at which this instance started.
    pub started_ms: u64,
    /// Of the program.
    pub version: String,
    pub region: Option<String>,
    /// Origins at which pages and WHIP clients reach this node, such as `http://10.0.0.1:8080`; empty on a node
    /// that only carries media.
    pub origins: Vec<String>,
    /// At which clients and other workers reach this node's workers, the preferred one first.
    pub addresses: Vec<IpAddr>,
    pub phase: NodePhase,
    pub workers: Vec<WorkerRecord>,
    /// Version of the node's list of streams; see [`StreamDelta`].
    pub streams_version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodePhase {
    Serving,
    /// Takes no new sessions and is about to leave.
    Draining,
}

/// One worker of a node, as of its last load report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerRecord {
    pub index: WorkerIndex,
    /// Of the present process; none before the first.
    pub boot: Option<Boot>,
    pub pid: Option<u32>,
    pub media_port: u16,
    pub phase: WorkerPhase,
    pub sessions: u32,
    pub sessions_max: u32,
    /// Share of one core, 0–1.
    pub cpu: f64,
    pub rss_bytes: u64,
    pub restarts: u64,
    /// When the process began, as Unix time; 0 where that is not known.
    #[serde(default)]
    pub started_ms: u64,
    pub bits_per_second_in: u64,
    pub bits_per_second_out: u64,
    pub packets_per_second_in: u64,
    pub packets_per_second_out: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerPhase {
    Connecting,
    Serving,
    Draining,
    Lost,
}

#[cfg(test)]
impl WorkerRecord {
    /// Serving, with nothing to do.
    pub fn idle(index: u16, boot: u64) -> WorkerRecord {
        WorkerRecord {
            index: WorkerIndex(index),
            boot: Some(Boot(boot)),
            pid: Some(1),
            media_port: 7000 + index,
            phase: WorkerPhase::Serving,
            sessions: 0,
            sessions_max: 1_000,
            cpu: 0.0,
            rss_bytes: 0,
            restarts: 0,
            started_ms: 0,
            bits_per_second_in: 0,
            bits_per_second_out: 0,
            packets_per_second_in: 0,
            packets_per_second_out: 0,
        }
    }
}

/// Names one worker of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkerRef {
    pub node: NodeName,
    pub index: WorkerIndex,
}

/// One published stream, told by the node that has its publisher's session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamRecord {
    pub room: RoomName,
    pub stream: StreamName,
    /// Fences: of two records of one name the higher (epoch, then node name) is right.
    pub epoch: Epoch,
    /// The publisher's.
    pub session: SessionId,
    pub worker: WorkerIndex,
    pub boot: Boot,
    /// Unix time.
    pub since_ms: u64,
    /// The page that publishes; none for WHIP.
    pub publisher: Option<MemberId>,
    /// Shown name of the publisher.
    pub name: Option<String>,
    /// The publisher is not heard any more: the name goes to whoever asks for it.
    pub yields: bool,
    /// The publisher wants everybody to find it.
    #[serde(default)]
    pub listed: bool,
    /// To whom it gives way while its publisher is not connected yet, as the signaling of the owner wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<serde_json::Value>,
    /// Whose token it is published with, as the signaling of the owner wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Kinds that an operator muted, also of a track that the publisher has taken away since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moderated: Vec<MediaKind>,
    /// Tracks and codecs, as the signaling of the owner wrote them. Opaque here.
    pub description: String,
}

/// One change of a node's list of streams. Versions of an instance count up by one from 1, so that a receiver
/// that misses one asks for the whole list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamDelta {
    pub node: NodeName,
    pub instance: u64,
    /// The list has this version after the change.
    pub version: u64,
    pub change: StreamChange,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "a few at a time are told, or wait")]
pub enum StreamChange {
    Put(StreamRecord),
    Gone { room: RoomName, stream: StreamName, epoch: Epoch },
}

/// All streams of a node, for who asks, in as many parts as it takes. Parts of different versions do not belong
/// together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamList {
    pub node: NodeName,
    pub instance: u64,
    pub version: u64,
    /// Counted from 0.
    pub part: u32,
    pub parts: u32,
    pub streams: Vec<StreamRecord>,
}
