//! Owns what one node's signaling asks of another's, as JSON. Never sends it.

use chappe_cluster::{NodeName, StreamList};
use chappe_sfu_api::{AliveMs, Boot, Epoch, SessionId, SessionStats, Tile, WorkerIndex};
use chappe_signaling_access::Access;
use chappe_signaling_rooms::{MemberId, Owner, RoomName, Slot, StreamName};
use serde::{Deserialize, Serialize};

use crate::callers::caller::Caller;
use crate::cluster::process_order::{ProcessOrder, ProcessOutcome};
use crate::refusal::RemoteRefusal;
use crate::request::{Answered, PatchOutcome, Precondition, Watched};

/// Answered by one [`NodeReply`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeRequest {
    /// Who serves this name?
    Ping,
    Publish {
        room: RoomName,
        stream: StreamName,
        offer: String,
        owner: Option<Owner>,
        /// Shown by the client as proof of the name.
        instead_of: Option<SessionId>,
        #[serde(default)]
        listed: bool,
        #[serde(default)]
        takes_over: bool,
        #[serde(default)]
        alive_ms: Option<AliveMs>,
        #[serde(default)]
        caller: Option<Caller>,
        worker: WorkerIndex,
        /// The highest epoch that the asking node knows of the name.
        known: Option<Epoch>,
    },
    Watch {
        room: RoomName,
        slots: Watched,
        offer: String,
        owner: Option<Owner>,
        #[serde(default)]
        alive_ms: Option<AliveMs>,
        #[serde(default)]
        caller: Option<Caller>,
        worker: WorkerIndex,
    },
    Republish {
        session: SessionId,
        member: MemberId,
        offer: String,
    },
    Rewatch {
        session: SessionId,
        member: MemberId,
        offer: String,
        slots: Vec<Slot>,
    },
    Patch {
        session: SessionId,
        precondition: Precondition,
        fragment: String,
        #[serde(default)]
        caller: Option<Caller>,
    },
    /// A WHIP or WHEP client ends a session of its own.
    CloseOwn {
        session: SessionId,
        caller: Caller,
    },
    /// An operator ends a session, or the node of a page that left.
    Close {
        session: SessionId,
    },
    /// A page ends a session of its own.
    End {
        session: SessionId,
        member: MemberId,
        publishes: bool,
    },
    Mute {
        session: SessionId,
        member: MemberId,
        mid: String,
        muted: bool,
    },
    View {
        session: SessionId,
        member: MemberId,
        tiles: Vec<Tile>,
    },
    /// `member`: a page asks about a session of its own; none: an operator.
    Stats {
        session: SessionId,
        member: Option<MemberId>,
    },
    /// A page has come to the node that is its home now, and these sessions of its live.
    Claim {
        page: Owner,
        living: Vec<SessionId>,
        /// The page's token.
        #[serde(default)]
        access: Option<Access>,
    },
    /// A page is gone for good from `home`, as far as that node knows.
    MemberGone {
        member: MemberId,
        home: NodeName,
    },
    /// A part of its list of streams.
    Streams {
        part: u32,
    },
    /// Workers that are about to ask for relays.
    #[serde(rename = "meet")]
    AcceptPeer {
        node: NodeName,
        boot: Boot,
        with: Boot,
    },
    Drain {
        deadline_ms: u64,
    },
    CancelDrain,
    /// For the processes of that node.
    Operate {
        order: ProcessOrder,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeReply {
    Pong { instance: u64, started_ms: u64 },
    Answered { answered: Answered },
    Patched { outcome: PatchOutcome },
    Stats { stats: SessionStats },
    Claimed { sessions: Vec<SessionId> },
    Streams { list: StreamList },
    Closed { was_there: bool },
    Operated { outcome: ProcessOutcome },
    Done,
    Refused { told: RemoteRefusal },
}

/// What is sent to a node without an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeNotice {
    /// For a page that is connected there: a message of the WebSocket protocol as it is.
    Deliver { member: MemberId, text: String, ended: Option<SessionId> },
}
