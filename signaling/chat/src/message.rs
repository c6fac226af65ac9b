//! Owns what nodes tell each other about a room, in JSON: fields may be added, unknown fields and unknown
//! kinds are ignored. Checks sizes and counts, because a message may come from another version or be forged
//! by whoever reaches the message bus. Never decides what it means.

use std::collections::BTreeMap;

use chappe_cluster::{MemberId, NodeName};
use serde::{Deserialize, Serialize};

use crate::limits::{COUNTER_MAX, HISTORY_MAX, METADATA_BYTES_MAX, NAME_CHARACTERS_MAX, REMOTES_MAX, ROOM_MEMBERS_MAX};
use crate::said::Person;
use crate::text::is_clean_text;

/// One message on the subject of a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomMessage {
    #[serde(rename = "from")]
    pub(crate) header: Header,
    #[serde(flatten)]
    pub(crate) body: Body,
}

/// Who speaks, and how much it has said: every message shows whether an earlier one was lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    #[serde(flatten)]
    pub life: Life,
    /// How long the sender has had the room.
    pub age_ms: u64,
    /// The number that the sender's next chat message gets; the first one of a life is 0.
    pub next: u64,
}

/// A node, from when it opened a room until it forgot it. Its chat messages are numbered from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Life {
    pub node: NodeName,
    /// Of the process; greater than that of an earlier one.
    pub instance: u64,
    /// Counts the rooms that the process opened.
    pub opening: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Body {
    /// I have subscribed, or was cut off: who is with you?
    Hello {
        roll: Roll,
    },
    /// Who is with me. The answer to `Hello` and `Ask`; for those that asked, with the number of my first
    /// message since they opened the room.
    State {
        roll: Roll,
        kept: Kept,
        #[serde(default)]
        bases: BTreeMap<NodeName, u64>,
    },
    /// The same as a digest, from time to time.
    Pulse {
        version: u64,
        count: u64,
        digest: u64,
        kept: Kept,
    },
    /// Your pulse does not fit what I know of you: who is with you?
    Ask {
        to: NodeName,
    },
    Join {
        version: u64,
        person: Person,
    },
    Leave {
        version: u64,
        member: MemberId,
    },
    Chat {
        line: Line,
    },
    Typing {
        member: MemberId,
        typing: bool,
    },
    /// I miss these of your messages.
    Want {
        of: Life,
        numbers: Vec<u64>,
    },
    /// Here they are; and these are not to be had.
    Again {
        lines: Vec<Line>,
        absent: Vec<u64>,
    },
    /// I have opened the room: what was said before?
    WantHistory {
        to: NodeName,
    },
    /// What was said before, a part of it; whether it is the last part, and whether I know of nothing else.
    Past {
        lines: Vec<PastLine>,
        last: bool,
        complete: bool,
    },
    /// I unsubscribe: nobody is with me.
    Bye,
    /// A newer version speaks.
    #[serde(other)]
    Unknown,
}

/// The local members of a node. The version counts their changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Roll {
    pub version: u64,
    pub members: Vec<Person>,
}

/// How many messages a node could tell a newcomer, and whether it knows of no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub lines: u64,
    pub complete: bool,
}

/// A chat message of the sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub number: u64,
    pub member: MemberId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub text: String,
    pub at_ms: u64,
}

/// A chat message of any node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PastLine {
    #[serde(flatten)]
    pub life: Life,
    #[serde(flatten)]
    pub line: Line,
}

impl RoomMessage {
    /// The node that published it.
    pub fn node(&self) -> &NodeName {
        &self.header.life.node
    }

    /// Whether everything is within the limits that a node keeps towards its own pages.
    pub(crate) fn is_sound(&self) -> bool {
        let counted = |count: usize, max: usize| count <= max;
        let body = match &self.body {
            Body::Hello { roll } => roll.is_sound(),
            Body::State { roll, bases, .. } => roll.is_sound() && counted(bases.len(), REMOTES_MAX),
            Body::Pulse { version, count, .. } => *version < COUNTER_MAX && *count <= ROOM_MEMBERS_MAX as u64,
            Body::Join { version, person } => *version < COUNTER_MAX && is_shown(person),
            Body::Leave { version, .. } => *version < COUNTER_MAX,
            Body::Chat { line } => line.is_sound() && line.number < self.header.next,
            Body::Want { numbers, .. } => counted(numbers.len(), HISTORY_MAX),
            Body::Again { lines, absent } => {
                let said = |line: &Line| line.is_sound() && line.number < self.header.next;
                counted(lines.len() + absent.len(), HISTORY_MAX) && lines.iter().all(said)
            }
            Body::Past { lines, .. } => {
                counted(lines.len(), HISTORY_MAX) && lines.iter().all(|past| past.line.is_sound())
            }
            Body::Ask { .. } | Body::Typing { .. } | Body::WantHistory { .. } | Body::Bye | Body::Unknown => true,
        };
        body && self.header.next < COUNTER_MAX
    }
}

impl Roll {
    fn is_sound(&self) -> bool {
        self.version < COUNTER_MAX && self.members.len() <= ROOM_MEMBERS_MAX && self.members.iter().all(is_shown)
    }
}

impl Line {
    fn is_sound(&self) -> bool {
        self.number < COUNTER_MAX && is_shown_name(self.name.as_deref()) && is_clean_text(&self.text)
    }
}

fn is_shown(person: &Person) -> bool {
    is_shown_name(person.name.as_deref()) && is_shown_metadata(person.metadata.as_deref())
}

pub(crate) fn is_shown_metadata(metadata: Option<&str>) -> bool {
    metadata.is_none_or(|text| text.len() <= METADATA_BYTES_MAX)
}

fn is_shown_name(name: Option<&str>) -> bool {
    name.is_none_or(|name| name.chars().take(NAME_CHARACTERS_MAX + 1).count() <= NAME_CHARACTERS_MAX)
}
