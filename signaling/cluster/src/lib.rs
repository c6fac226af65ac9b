//! Owns what a node knows of the cluster: the names of things, the records nodes tell each other, the replica
//! made of them, and which worker a new session goes to. Pure: no sockets, no clock, no randomness.

#![forbid(unsafe_code)]

mod name;
mod placement;
mod record;

pub use name::{BadName, MemberId, NodeName, ResumeSecret, RoomName, StreamName};
pub use placement::{Cost, HOLDERS_MAX, Load, Reservations, SILENCE_MAX_MS, View, Wanted, choose};
pub use record::{
    NodePhase, NodeState, StreamChange, StreamDelta, StreamList, StreamRecord, WorkerPhase, WorkerRecord, WorkerRef,
};
