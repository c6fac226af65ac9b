//! Owns the reasons for which a request of a client is refused, their codes (`web/PROTOCOL.md`) and
//! how long to wait. Never formats a response: HTTP and WebSocket each do that their own way.

use std::time::Duration;

use chappe_sfu_api::{CommandError, ErrorCode};
use chappe_signaling_rooms::{BadName, RoomError, RoomLimit};
use chappe_signaling_sdp::SdpError;

use crate::cluster::Told;

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
    #[error("too many {0}")]
    TooMany(Limit),
    #[error("no worker takes sessions now (all are full, draining or starting): try again in a moment")]
    NoWorker,
    #[error("the worker refused: {0}")]
    Worker(CommandError),
    #[error("the worker of this session does not answer: try again in a moment")]
    WorkerSilent,
    #[error("the node that has this session does not answer: try again in a moment")]
    NodeSilent,
    /// Another node's refusal, in its words.
    #[error("{}", .0.message)]
    Elsewhere(Told),
}

/// Which limit was reached, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    #[error("pages connected to this server ({0}), or of them from this address ({1})")]
    Connections(usize, usize),
    #[error("requests from this address at the same time ({0})")]
    Requests(usize),
    #[error("messages: at most {0} per second on average")]
    Messages(u32),
    #[error("slots in one watch request ({0})")]
    Slots(usize),
}

impl Refusal {
    /// Code for machines, from the table in `web/PROTOCOL.md`; `no_such_stream` and `conflict` are HTTP's own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadName(_) => "bad_name",
            Self::Sdp(error) => error.code(),
            Self::NoSuchStream(_) => "no_such_stream",
            Self::Rooms(error) => room_code(error),
            Self::Conflict(_) => "conflict",
            Self::NotDecodable(_) => "no_codec",
            Self::TooMany(_) => "too_many",
            Self::NoWorker | Self::WorkerSilent | Self::NodeSilent => "unavailable",
            Self::Elsewhere(told) => CODES.iter().find(|code| **code == told.code).copied().unwrap_or("internal"),
            Self::Worker(error) => match error.code {
                ErrorCode::Limit | ErrorCode::Draining => "unavailable",
                ErrorCode::NotFound => "no_such_session",
                ErrorCode::Invalid => "bad_sdp",
                ErrorCode::Exists | ErrorCode::StaleEpoch => "internal",
            },
        }
    }

    /// When it makes sense to ask again without changing anything.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Elsewhere(told) => told.retry_after(),
            Self::NoWorker | Self::WorkerSilent | Self::NodeSilent => Some(RETRY_SOON),
            Self::Worker(error) if matches!(error.code, ErrorCode::Limit | ErrorCode::Draining) => Some(RETRY_LATER),
            Self::NoSuchStream(_) | Self::Rooms(RoomError::StreamExists(_)) => Some(RETRY_LATER),
            Self::Rooms(RoomError::TooMany(RoomLimit::Connecting(_) | RoomLimit::MembersOfAddress(_))) => {
                Some(RETRY_LATER)
            }
            Self::TooMany(Limit::Messages(_) | Limit::Connections(..) | Limit::Requests(_)) => Some(RETRY_SOON),
            _ => None,
        }
    }
}

fn room_code(error: &RoomError) -> &'static str {
    match error {
        RoomError::StreamExists(_) => "stream_exists",
        RoomError::NoSuchSession => "no_such_session",
        RoomError::NoSuchMid(_) => "bad_sdp",
        RoomError::TooMany(_) | RoomError::NoteTooLong => "too_many",
    }
}

/// All codes, to recognise another node's.
const CODES: &[&str] = &[
    "bad_name",
    "bad_sdp",
    "bad_message",
    "no_codec",
    "stream_exists",
    "no_such_stream",
    "no_such_session",
    "conflict",
    "too_many",
    "unavailable",
];

/// A worker that died is back well within this; HTTP knows only whole seconds.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// Time for someone else to leave or to start publishing.
const RETRY_LATER: Duration = Duration::from_secs(2);
