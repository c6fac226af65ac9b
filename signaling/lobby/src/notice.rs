//! Owns what a lobby tells those around it: pages are told notices, the owner is told what to publish and
//! which subjects to subscribe to. Never sends anything.

use std::time::Duration;

use chappe_cluster::{MemberId, RoomName};
use serde::{Deserialize, Serialize};

use crate::limits::{ROOM_MEMBERS_MAX, ROOMS_MAX};
use crate::message::RoomMessage;

/// To be done in this order: a room is subscribed to before its first question is published.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Subscribe(RoomName),
    Unsubscribe(RoomName),
    /// To all nodes that are subscribed to the room. It does not matter whether this node hears it too.
    Publish(RoomName, RoomMessage),
    /// To all local pages of the room, the one it is about and the one that spoke included.
    Tell(RoomName, Notice),
}

/// What a page shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Notice {
    /// Came; or, if it was here already, has another name now.
    Joined(Person),
    Left {
        member: MemberId,
    },
    Chat(Said),
    /// Ends by itself: after 5 s without another word of it, when the member speaks, or when it leaves.
    Typing {
        member: MemberId,
        typing: bool,
    },
    Gap(Gap),
    /// Everybody who is here, in place of what the page knew; sent when many came or went at once.
    Here {
        people: Vec<Person>,
    },
    /// The last messages, in place of those with an `id` among them and before all others. Sent once after a
    /// room was opened on this node, when another node told what was said before.
    History(History),
}

/// A page as the others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub member: MemberId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One chat message. Everything but the text was set by the node of the one who spoke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The same on every node, and never that of another message.
    pub id: String,
    pub member: MemberId,
    pub name: Option<String>,
    pub text: String,
    /// Unix time in milliseconds on the node of the one who spoke; there it never runs backwards in a room.
    pub at_ms: u64,
}

/// Messages that were said, and could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The `id` of the message that showed that others are missing; none if they are the last ones.
    pub before: Option<String>,
    pub lost: u64,
}

/// The last messages of a room, in the order in which this node saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct History {
    pub said: Vec<Said>,
    pub gaps: Vec<Gap>,
}

/// Why a page is not counted among those who are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    #[error("this node has {ROOM_MEMBERS_MAX} members in the room already; join on another node")]
    RoomFull,
    #[error("this node has {ROOMS_MAX} rooms already; join on another node")]
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
