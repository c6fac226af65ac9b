//! Owns the reasons for which a request of a client is refused, with what to do about it. Never says how a client is
//! told: whoever has its connection does.

use chappe_sfu_api::{CommandError, ErrorCode};
use chappe_signaling_access::{Denied, TokenError};
use chappe_signaling_rooms::{BadName, RoomError};
use chappe_signaling_sdp::SdpError;
use serde::{Deserialize, Serialize};

use crate::workers::link::WorkerError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    BadName(#[from] BadName),
    #[error("{0}")]
    Sdp(#[from] SdpError),
    #[error("{0}")]
    Rooms(#[from] RoomError),
    #[error("nobody publishes {0} here now: try again later, or ask to wait for it with ?wait=1")]
    NoSuchStream(String),
    #[error("{0} can't be told from what it is now: ask for it again")]
    Conflict(&'static str),
    #[error("the viewer can't show what is published: {0}")]
    NotDecodable(String),
    /// Its token is not good, or there is none.
    #[error("{0}")]
    Token(TokenError),
    /// Its token is good, and not for this.
    #[error("{0}")]
    Denied(Denied),
    #[error("too many {0}")]
    TooMany(Limit),
    #[error("the view is not sensible: {0}")]
    BadView(#[from] BadView),
    #[error("no worker takes sessions now (all are full, draining or starting): try again in a moment")]
    NoWorker,
    /// Each that serves has as many sessions as it may.
    #[error(
        "every worker has as many sessions as it may ({0}; the operator can raise sessions-per-worker, or add workers): \
         try again in a moment"
    )]
    WorkersFull(u32),
    /// Its process ended, or the connection to it broke, while it was asked.
    #[error("the worker of this session went away while it was asked: try again in a moment")]
    WorkerGone,
    #[error("the worker refused: {0}")]
    Worker(CommandError),
    #[error("the worker of this session does not answer: try again in a moment")]
    WorkerSilent,
    #[error("the node that has this session does not answer: try again in a moment")]
    NodeSilent,
    /// Another node's refusal, in its words.
    #[error("{}", .0.message)]
    Elsewhere(RemoteRefusal),
}

/// What is wrong with a view, for whoever wrote the page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadView {
    #[error("tile `{0}` is none of the m-lines that this session watches")]
    UnknownMid(String),
    #[error("tile `{0}` is there twice")]
    Twice(String),
    #[error("tile `{mid}` is {width}x{height} pixels: at most {TILE_EDGE_MAX} each are believed")]
    TooLarge { mid: String, width: u16, height: u16 },
    #[error("tile `{0}` has priority 0: hide it with `visible: false`, or give it 1 to 255")]
    NoPriority(String),
    #[error("this session publishes: only one that watches has a view")]
    Publishes,
}

/// Longest edge of a tile, in device pixels: a wall of screens.
pub const TILE_EDGE_MAX: u16 = 16_384;

/// Which limit was reached, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    #[error("pages connected to this server ({0}), or of them from this address ({1})")]
    Connections(usize, usize),
    #[error("requests from this address at the same time ({0})")]
    Requests(usize),
    #[error("messages: at most {0} per second on average")]
    Messages(u32),
    #[error("joins: at most {0} per second from one address, and by one token")]
    Joins(u32),
    #[error("changes of sessions: at most {0} per second from one address, and by one token")]
    Changes(u32),
    #[error("messages of the chat: at most {0} per second from one address, and by one token")]
    Says(u32),
    #[error("wrong tokens from this address: at most {0} per second")]
    WrongTokens(u32),
    #[error("slots in one watch request ({0})")]
    Watched(usize),
}

/// A refusal of another node, in its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteRefusal {
    pub code: String,
    pub message: String,
    /// As HTTP says it.
    pub status: u16,
    pub retry_after_ms: Option<u64>,
}

impl RemoteRefusal {
    /// It has no place now: another node may.
    pub fn is_unavailable(&self) -> bool {
        self.code == "unavailable"
    }
}

impl Refusal {
    /// Whether another worker or node may still do what was asked.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::NoWorker | Self::WorkersFull(_) | Self::WorkerGone | Self::WorkerSilent | Self::NodeSilent => true,
            Self::Worker(error) => matches!(error.code, ErrorCode::Limit | ErrorCode::Draining),
            Self::Elsewhere(refusal) => refusal.is_unavailable(),
            _ => false,
        }
    }
}

impl From<WorkerError> for Refusal {
    fn from(error: WorkerError) -> Refusal {
        match error {
            WorkerError::Refused(error) => Refusal::Worker(error),
            WorkerError::Gone => Refusal::WorkerGone,
            WorkerError::Silent => Refusal::WorkerSilent,
        }
    }
}
