//! Owns the list of things that a change of the registry makes necessary elsewhere.

use chappe_cluster::{MemberId, NodeName, RoomName, StreamName};
use chappe_sfu_api::{Command, Epoch, PointedViewer, SessionId, WorkerIndex};

use crate::session::SlotState;

/// To be carried out in order, while the registry is still locked, so that two changes never overtake
/// each other on their way to a worker or a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Wanted of a worker; nobody waits for the reply.
    Command(WorkerIndex, Command),
    /// What a viewer on this worker is sent changes its source; told together with the other viewers of the change.
    Point(WorkerIndex, PointedViewer),
    /// More viewers of a stream that changed than one turn of the lock has time for are brought in line in turns of
    /// their own.
    AttachLater(Vec<SessionId>),
    /// Viewers are switched to the successor of this session, and see it until they can be: it ends when they had the
    /// time.
    EndSoon(SessionId, LostReason),
    /// To one page that is connected here.
    Tell(MemberId, SessionNotice),
    /// To one page that is connected to another node.
    TellAt(NodeName, MemberId, SessionNotice),
    /// Other nodes are told what this stream of ours is like now.
    Announce(RoomName, StreamName),
    /// Other nodes are told that our stream of this epoch is over.
    Withdraw(RoomName, StreamName, Epoch),
    /// To every page of a room.
    TellRoom(RoomName, StreamNotice),
}

/// What the pages of a room are told of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamNotice {
    Added(StreamName),
    Changed(StreamName),
    Removed(StreamName),
    /// Somebody speaks in it, or fell silent.
    Speaking(StreamName, bool),
    /// From now on what is not among the room's streams is over.
    All,
}

/// What a page is told of one of its sessions, wherever it is connected.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionNotice {
    SlotChanged(SessionId, SlotState),
    SessionLost(SessionId, LostReason),
    /// These encodings of a published m-line are watched by nobody, by their places: they need not be sent.
    Unwatched {
        session: SessionId,
        mid: String,
        encodings: Vec<u8>,
    },
    /// The page makes a new session and keeps this one until that carries media.
    Move(SessionId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LostReason {
    WorkerDied,
    /// The client is not heard any more (or never was).
    Expired,
    /// The transport failed for good.
    Failed,
    /// Another session of the same page has taken over.
    Moved,
    /// Someone else took over the stream's name.
    TakenOver,
    /// An operator or a drain ended it.
    Ended,
    /// The token that it was made with is over.
    TokenExpired,
    /// The key of its token is.
    TokenRevoked,
}
