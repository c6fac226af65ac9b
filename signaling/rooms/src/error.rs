//! Owns why the registry does not do what it is asked. Never says how a client is told.

use chappe_cluster::StreamName;

use crate::limits::{MEMBERS_PER_ROOM_MAX, SESSIONS_PER_MEMBER_MAX};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    #[error(
        "someone already publishes under the name {0}: take another name, or show that it is yours (instead_of and the \
         session that has it); a publisher that is not heard for 6 s gives it up"
    )]
    StreamExists(StreamName),
    #[error("there is no such session: it was closed, or its worker died; make a new offer without it")]
    NoSuchSession,
    #[error("no m-line of the offer has the mid `{0}`")]
    NoSuchMid(String),
    #[error("an operator muted this track: it stays muted until the operator takes that back")]
    Moderated,
    #[error("this session watches, and publishes nothing that could be muted")]
    PublishesNothing,
    #[error("this session publishes no {0}")]
    NoSuchTrack(String),
    #[error("too many {0}")]
    TooMany(RoomLimit),
    #[error("a session's description became too long to be kept: offer fewer m-lines or codecs")]
    NoteTooLong,
}

/// Which limit was reached, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoomLimit {
    #[error("rooms on this server ({0}; its operator can raise rooms-max)")]
    Rooms(usize),
    #[error("streams in this room ({0}; the operator can raise streams-per-room)")]
    Streams(usize),
    #[error("members in this room on this node ({0}; {way})", way = way_of_members(*.0))]
    Members(usize),
    #[error("members on this server ({0}; its operator can raise members-max)")]
    AllMembers(usize),
    #[error("sessions of one member ({SESSIONS_PER_MEMBER_MAX})")]
    SessionsOfMember,
    #[error(
        "sessions of this address that are not connected yet ({0}): connect those, or wait until they are given up"
    )]
    Connecting(usize),
    #[error("pages of this address, with those that left in the last 30 s ({0})")]
    MembersOfAddress(usize),
}

fn way_of_members(cap: usize) -> &'static str {
    if cap < MEMBERS_PER_ROOM_MAX {
        "the operator can raise members-per-room"
    } else {
        "no node can have more: there is place on another node, or without joining (WHEP)"
    }
}
