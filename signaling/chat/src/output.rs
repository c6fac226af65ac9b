//! Owns what the chat tells those around it: pages are told notices, the owner is told what to publish and
//! which subjects to subscribe to. Never sends anything.

use chappe_cluster::{MemberId, RoomName};
use serde::Serialize;

use crate::message::RoomMessage;
use crate::said::{Gap, History, Person, Said};

/// To be done in this order: a room is subscribed to before its first question is published.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatOutput {
    Subscribe(RoomName),
    Unsubscribe(RoomName),
    /// To all nodes that are subscribed to the room. It does not matter whether this node hears it too.
    Publish(RoomName, RoomMessage),
    /// To all local pages of the room, the one it is about and the one that spoke included.
    Tell(RoomName, ChatNotice),
}

/// What a page shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChatNotice {
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
