//! Owns what a node knows of the cluster: the names of things, the records nodes tell each other, the replica
//! made of them, and which worker a new session goes to. Pure: no sockets, no clock, no randomness.

#![forbid(unsafe_code)]

mod compatible;
mod name;
mod placement;
mod precedence;
mod record;
mod replica;
mod stream_log;
mod tag;

pub use compatible::may_share_cluster;
pub use name::{BadName, MemberId, NodeName, ResumeSecret, RoomName, StreamName};
pub use placement::{
    Cost, HOLDERS_MAX, Load, Reservations, SILENCE_MAX_MS, TrackRate, View, WORKERS_PER_NODE_MAX, Wanted, choose,
};
pub use precedence::{next_epoch, outranks};
pub use record::{
    NodePhase, NodeState, StreamChange, StreamDelta, StreamList, StreamRecord, WorkerPhase, WorkerRecord, WorkerRef,
};
pub use replica::{LastHeard, NODES_MAX, Output, Replica};
pub use stream_log::{STREAMS_PER_NODE_MAX, StreamLog};
pub use tag::{node_tag, session_id, session_tag};
