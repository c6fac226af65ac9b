//! Owns what pages are told, as values, and the opening through which they are. Never writes a word of a protocol:
//! whoever has a page's connection does.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chappe_sfu_api::{Codec, MediaKind, SessionId};
use chappe_signaling_chat::{ChatNotice, History, Person};
use chappe_signaling_rooms::{MemberId, ResumeSecret, RoomName, SessionNotice, Stream, StreamName, Track};
use chappe_signaling_turn::IceServer;

/// The way to one page.
pub trait PageLink: fmt::Debug + Send + Sync {
    /// Hands in a message at once. False: there is no place for it, so the page misses something.
    fn push(&self, message: PageMessage) -> bool;

    /// The connection ends.
    fn stop(&self);
}

#[derive(Debug, Clone)]
pub enum PageMessage {
    /// The first one of a connection.
    Welcome(Box<Welcome>),
    Event(Arc<SharedEvent>),
    /// An event in the words of another node, which has the page's session.
    Rendered(String),
}

/// One event, for all pages that are told it.
#[derive(Debug)]
pub struct SharedEvent {
    pub event: PageEvent,
    /// Left by whoever renders it first, for all others.
    pub text: OnceLock<Bytes>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PageEvent {
    StreamAdded(ShownStream),
    StreamChanged(ShownStream),
    StreamRemoved(StreamName),
    /// All there are: whoever was welcomed with an incomplete list knows now what is over.
    Streams(Vec<StreamName>),
    Speaking {
        stream: StreamName,
        speaking: bool,
    },
    Session(SessionNotice),
    /// So many watch the room and are no members.
    Players(u32),
    Chat(ChatNotice),
}

/// What a page is told on entering.
#[derive(Debug, Clone)]
pub struct Welcome {
    /// Number of the request that it answers.
    pub id: u64,
    pub member: MemberId,
    pub resume: ResumeSecret,
    pub resumed: bool,
    pub sessions: Vec<SessionId>,
    pub room: RoomName,
    pub streams: Vec<ShownStream>,
    /// This node, just started, has not heard of all nodes' streams yet.
    pub is_incomplete: bool,
    /// Who is in the room.
    pub here: Vec<Person>,
    /// How many watch the room without being one of these.
    pub players: u32,
    /// What was said last.
    pub chat: History,
    /// Origins of the cluster's nodes.
    pub servers: Vec<String>,
    /// With credentials of this page.
    pub ice_servers: Vec<IceServer>,
}

/// A stream as the pages of its room see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownStream {
    pub stream: StreamName,
    pub publisher: Option<MemberId>,
    /// Of its publisher.
    pub name: Option<String>,
    pub since_ms: u64,
    pub tracks: Vec<ShownTrack>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ShownTrack {
    pub mid: String,
    pub kind: MediaKind,
    pub codec: Option<Codec>,
    pub active: bool,
    pub muted: bool,
    /// By an operator.
    pub moderated: bool,
}

impl PageMessage {
    pub fn event(event: PageEvent) -> PageMessage {
        PageMessage::Event(Arc::new(SharedEvent { event, text: OnceLock::new() }))
    }
}

impl ShownStream {
    pub fn of(name: &StreamName, stream: &Stream) -> ShownStream {
        let publisher = stream.publisher.as_ref();
        ShownStream {
            stream: name.clone(),
            publisher: publisher.map(|publisher| publisher.member),
            name: publisher.and_then(|publisher| publisher.name.clone()),
            since_ms: stream.since_ms,
            tracks: stream.tracks.iter().map(ShownTrack::of).collect(),
        }
    }
}

impl ShownTrack {
    fn of(track: &Track) -> ShownTrack {
        ShownTrack {
            mid: track.mid.clone(),
            kind: track.source.kind,
            codec: track.codec(),
            active: track.active,
            muted: track.muted,
            moderated: track.moderated,
        }
    }
}
