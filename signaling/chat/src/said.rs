//! Owns who is in a room and what was said there, as data that pages are shown. Never decides who is told.

use chappe_cluster::MemberId;
use serde::{Deserialize, Serialize};

/// A page as the others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub member: MemberId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What its application says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

/// What is shown of a member. Of two the greater one is what all nodes agree on.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shown {
    pub name: Option<String>,
    pub metadata: Option<String>,
}

impl Person {
    pub(crate) fn of(member: MemberId, shown: &Shown) -> Person {
        Person { member, name: shown.name.clone(), metadata: shown.metadata.clone() }
    }

    pub(crate) fn into_shown(self) -> (MemberId, Shown) {
        (self.member, Shown { name: self.name, metadata: self.metadata })
    }
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
