//! Owns why a page is not let in, and why nothing was said.

use std::time::Duration;

use crate::limits::ROOM_MEMBERS_MAX;

/// Why a page is not counted among those who are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    #[error("this node has {ROOM_MEMBERS_MAX} members in the room already; join on another node")]
    RoomFull,
    #[error("this node has all the rooms already that it can have; join on another node")]
    TooManyRooms,
}

/// Why nothing was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SayError {
    #[error("the text is longer than {max} characters; send it in parts")]
    TooLong { max: usize },
    #[error("the text is empty; write something")]
    Empty,
    #[error("too many messages; wait {} ms", retry_after.as_millis())]
    TooFast { retry_after: Duration },
    #[error("not a member of this room; join it first")]
    NotHere,
}
