//! Owns what one node's signaling asks of another's, as JSON. Never sends it.

use chappe_cluster::{NodeName, StreamList};
use chappe_sfu_api::{AliveMs, Boot, Epoch, SessionId, SessionStats, Tile, WorkerIndex};
use chappe_signaling_access::Access;
use chappe_signaling_rooms::{ChosenTracks, MemberId, ModeratedTrack, Owner, RoomName, Slot, StreamName};
use chappe_signaling_traces::TraceContext;
use serde::{Deserialize, Serialize};

use crate::callers::caller::Caller;
use crate::cluster::process_order::{ProcessOrder, ProcessOutcome};
use crate::refusal::RemoteRefusal;
use crate::request::{Answered, PatchOutcome, Precondition, Watched};
use crate::unlocked::assert_unlocked;

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
    /// An operator mutes tracks of a publisher, or takes that back.
    Moderate {
        session: SessionId,
        chosen: ChosenTracks,
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
    /// Which of these pages are there, or have sessions there?
    KnownPages {
        members: Vec<MemberId>,
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

impl NodeRequest {
    /// As traces call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            NodeRequest::Publish { .. } => "publish",
            NodeRequest::Watch { .. } => "watch",
            NodeRequest::Republish { .. } => "republish",
            NodeRequest::Rewatch { .. } => "rewatch",
            NodeRequest::Claim { .. } => "claim",
            _ => "other",
        }
    }
}

/// A request as it is sent, with the step that it is part of where its join is traced. Nodes that know nothing of traces
/// pass over that.
pub(crate) fn to_payload(request: &NodeRequest, part_of: Option<TraceContext>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Traced<'a> {
        #[serde(flatten)]
        request: &'a NodeRequest,
        traceparent: String,
    }
    assert_unlocked();
    let payload = match part_of {
        Some(step) => serde_json::to_vec(&Traced { request, traceparent: step.to_string() }),
        None => serde_json::to_vec(request),
    };
    payload.expect("a request has only string keys")
}

/// The step that a request is part of, where its join is traced.
pub fn part_of(payload: &[u8]) -> Option<TraceContext> {
    #[derive(Deserialize)]
    struct Traced {
        traceparent: Option<String>,
    }
    serde_json::from_slice::<Traced>(payload).ok()?.traceparent?.parse().ok()
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
    KnownPages { members: Vec<MemberId> },
    Closed { was_there: bool },
    Moderated { tracks: Vec<ModeratedTrack> },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_understood_with_its_trace_and_without_and_by_nodes_that_know_of_none() {
        let request = NodeRequest::Close { session: SessionId(7, 9) };
        let plain = serde_json::to_value(&request).unwrap();
        let untraced = to_payload(&request, None);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&untraced).unwrap(), plain);
        assert_eq!(part_of(&untraced), None);
        let step: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
        let traced = to_payload(&request, Some(step));
        assert_eq!(part_of(&traced), Some(step));
        let understood: NodeRequest = serde_json::from_slice(&traced).unwrap();
        assert_eq!(serde_json::to_value(&understood).unwrap(), plain);
    }
}
