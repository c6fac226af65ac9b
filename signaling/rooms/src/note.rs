//! Owns what is written into a worker's memory about a session, so that signaling can die and go on
//! where it was. Never holds what the worker knows itself (credentials, m-lines).

use chappe_cluster::{MemberId, NodeName, RoomName, StreamName};
use chappe_sfu_api::MediaKind;
use chappe_signaling_access::Access;
use chappe_signaling_sdp as sdp;
use serde::{Deserialize, Serialize};

use crate::attempt::Attempt;
use crate::error::RoomError;

/// Stored as JSON in [`chappe_sfu_api::SessionSpec::note`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub version: u32,
    pub room: RoomName,
    /// Unix time at which a viewer's session began; of a publisher, since when it publishes the stream, over however many
    /// sessions in which it proved to be the same.
    pub since_ms: u64,
    /// The page it belongs to; none for WHIP and WHEP.
    pub owner: Option<Owner>,
    /// Where the client asked from, and, of a publisher, how it came to have its name.
    #[serde(default)]
    pub attempt: Option<Attempt>,
    /// The token that it was made with; none where nobody is asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    pub role: Role,
}

/// The page of a session. Its secret is not here: a member's id proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub member: MemberId,
    /// Shown to others.
    pub name: Option<String>,
    /// The node that has the page's connection, or had it last.
    pub home: NodeName,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Publish {
        stream: StreamName,
        /// Mids of what the publisher muted.
        muted: Vec<String>,
        /// What an operator muted, also if the client has taken it away since.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        moderated: Vec<Moderated>,
        /// To stand in the list of what is live.
        #[serde(default)]
        listed: bool,
        sdp: sdp::PublishNote,
    },
    Watch {
        slots: Vec<Slot>,
        sdp: sdp::WatchNote,
    },
}

/// A track that an operator muted, or, without a mid, one of this kind that may come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moderated {
    pub mid: String,
    pub kind: MediaKind,
}

/// Which m-line of a viewer shows which track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub mid: String,
    pub stream: StreamName,
    pub track: TrackChoice,
    /// Of several encodings of the picture none with more lines than this, if there is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height_max: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackChoice {
    /// The stream's n-th audio track.
    Audio(usize),
    /// The stream's n-th video track.
    Video(usize),
    /// The track with this mid in the publisher's description.
    Mid(String),
}

impl Note {
    pub fn to_text(&self) -> Result<String, RoomError> {
        let text = serde_json::to_string(self).expect("a note has only string keys");
        if text.len() > chappe_sfu_api::NOTE_BYTES_MAX {
            return Err(RoomError::NoteTooLong);
        }
        Ok(text)
    }

    /// None for a note of another version or another program: such a session can't be taken up.
    pub fn from_text(text: &str) -> Option<Note> {
        serde_json::from_str::<Note>(text).ok().filter(|note| note.version == NOTE_VERSION)
    }

    /// Of a page what it is called, of other clients what their token calls them.
    pub fn shown_name(&self) -> Option<&str> {
        match &self.owner {
            Some(owner) => owner.name.as_deref(),
            None => self.access.as_ref().and_then(|access| access.name.as_deref()),
        }
    }

    /// One of [`SESSION_KINDS`].
    pub fn kind(&self) -> &'static str {
        match (&self.owner, &self.role) {
            (None, Role::Publish { .. }) => "whip",
            (None, Role::Watch { .. }) => "whep",
            (Some(_), Role::Publish { .. }) => "page_publish",
            (Some(_), Role::Watch { .. }) => "page_watch",
        }
    }
}

pub const SESSION_KINDS: [&str; 4] = ["whip", "whep", "page_publish", "page_watch"];

/// Raised when a note is no longer understood by the previous version.
pub const NOTE_VERSION: u32 = 3;
