//! Owns the JSON of the WebSocket protocol, version 1.

use axum::extract::ws::Utf8Bytes;
use chappe_sfu_api::{AliveMs, Codec, MediaKind, SessionId, SessionStats};
use chappe_signaling_chat::{ChatNotice, Gap, History, Person, Said};
use chappe_signaling_rooms::{
    MemberId, Registry, ResumeSecret, RoomName, Showing, Slot, SlotState, StreamName, Track, TrackChoice,
};
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// What a page asks; its number is read apart, so that an error can name it.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    Hello(Hello),
    Publish {
        stream: String,
        sdp: String,
        session: Option<SessionId>,
        instead_of: Option<SessionId>,
        #[serde(default)]
        listed: bool,
        alive_ms: Option<AliveMs>,
    },
    Unpublish {
        session: SessionId,
    },
    Watch {
        sdp: String,
        slots: Vec<SlotRequest>,
        session: Option<SessionId>,
        instead_of: Option<SessionId>,
        alive_ms: Option<AliveMs>,
    },
    Unwatch {
        session: SessionId,
    },
    Mute {
        session: SessionId,
        mid: String,
        muted: bool,
    },
    Stats {
        session: SessionId,
    },
    Say {
        text: String,
    },
    Typing {
        typing: bool,
    },
    Ping {},
}

#[derive(Debug, Deserialize)]
pub struct Hello {
    pub version: u32,
    pub room: String,
    pub name: Option<String>,
    pub resume: Option<String>,
    #[serde(default)]
    pub sessions: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct SlotRequest {
    mid: String,
    stream: String,
    track: String,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    Welcome {
        id: u64,
        member: MemberId,
        resume: ResumeSecret,
        resumed: bool,
        sessions: Vec<SessionId>,
        room: &'a RoomName,
        streams: Vec<StreamText<'a>>,
        /// Streams that these sessions show and of which no node has told yet.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        unheard: Vec<StreamName>,
        /// Who is in the room.
        here: Vec<Person>,
        /// How many watch the room without being one of these.
        players: u32,
        /// What was said last.
        chat: ChatText<'a>,
        /// Origins of the cluster's nodes.
        servers: Vec<String>,
        /// RTCIceServer objects; a worker is reached directly, so there are none yet.
        ice_servers: Vec<serde_json::Value>,
    },
    Answer {
        id: u64,
        session: SessionId,
        sdp: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        slots: Option<Vec<SlotText<'a>>>,
        /// Its worker is heard at least this often.
        #[serde(skip_serializing_if = "Option::is_none")]
        alive_ms: Option<AliveMs>,
    },
    Done {
        id: u64,
    },
    Pong {
        id: u64,
    },
    Stats {
        id: u64,
        session: SessionId,
        stats: &'a SessionStats,
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        error: &'a str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    StreamAdded {
        stream: StreamText<'a>,
    },
    StreamChanged {
        stream: StreamText<'a>,
    },
    StreamRemoved {
        stream: &'a StreamName,
    },
    SlotChanged {
        session: SessionId,
        slot: SlotText<'a>,
    },
    SessionLost {
        session: SessionId,
        reason: &'a str,
    },
    Joined {
        person: &'a Person,
    },
    Left {
        member: MemberId,
    },
    Here {
        people: &'a [Person],
    },
    Players {
        players: u32,
    },
    Typing {
        member: MemberId,
        typing: bool,
    },
    Chat {
        message: &'a Said,
    },
    ChatGap {
        lost: u64,
        before: Option<&'a str>,
    },
    ChatHistory(ChatText<'a>),
    Move {
        session: SessionId,
        reason: &'a str,
    },
}

/// The last messages of a room.
#[derive(Debug, Serialize)]
pub struct ChatText<'a> {
    pub messages: &'a [Said],
    pub gaps: &'a [Gap],
}

impl<'a> From<&'a History> for ChatText<'a> {
    fn from(history: &'a History) -> ChatText<'a> {
        ChatText { messages: &history.said, gaps: &history.gaps }
    }
}

impl<'a> From<&'a ChatNotice> for ServerMessage<'a> {
    /// What the chat says to the pages of its room.
    fn from(notice: &'a ChatNotice) -> ServerMessage<'a> {
        match notice {
            ChatNotice::Joined(person) => ServerMessage::Joined { person },
            ChatNotice::Left { member } => ServerMessage::Left { member: *member },
            ChatNotice::Here { people } => ServerMessage::Here { people },
            ChatNotice::Typing { member, typing } => ServerMessage::Typing { member: *member, typing: *typing },
            ChatNotice::Chat(message) => ServerMessage::Chat { message },
            ChatNotice::Gap(gap) => ServerMessage::ChatGap { lost: gap.lost, before: gap.before.as_deref() },
            ChatNotice::History(history) => ServerMessage::ChatHistory(history.into()),
        }
    }
}

/// `Stream` of the protocol.
#[derive(Debug, Serialize)]
pub struct StreamText<'a> {
    stream: &'a StreamName,
    publisher: Option<MemberId>,
    name: Option<&'a str>,
    since_ms: u64,
    tracks: Vec<TrackText<'a>>,
}

#[derive(Debug, Serialize)]
pub struct TrackText<'a> {
    mid: &'a str,
    kind: MediaKind,
    codec: Option<Codec>,
    active: bool,
    muted: bool,
}

#[derive(Debug, Serialize)]
pub struct SlotText<'a> {
    mid: &'a str,
    stream: &'a StreamName,
    track: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl ServerMessage<'_> {
    pub fn to_text(&self) -> Utf8Bytes {
        serde_json::to_string(self).expect("a message has only string keys").into()
    }
}

impl<'a> StreamText<'a> {
    /// None if it is not live.
    pub fn of(registry: &'a Registry, room: &RoomName, name: &'a StreamName) -> Option<StreamText<'a>> {
        let stream = registry.stream(room, name)?;
        let publisher = stream.publisher.as_ref();
        Some(StreamText {
            stream: name,
            publisher: publisher.map(|publisher| publisher.member),
            name: publisher.and_then(|publisher| publisher.name.as_deref()),
            since_ms: stream.since_ms,
            tracks: stream.tracks.iter().map(TrackText::of).collect(),
        })
    }

    pub fn all(registry: &'a Registry, room: &RoomName) -> Vec<StreamText<'a>> {
        let names = registry.room(room).into_iter().flat_map(|room| room.streams.keys());
        names.filter_map(|name| StreamText::of(registry, room, name)).collect()
    }
}

impl<'a> TrackText<'a> {
    fn of(track: &'a Track) -> TrackText<'a> {
        let (kind, codec) = (track.source.kind, track.codec());
        TrackText { mid: &track.mid, kind, codec, active: track.active, muted: track.muted }
    }
}

impl<'a> From<&'a SlotState> for SlotText<'a> {
    fn from(state: &'a SlotState) -> SlotText<'a> {
        let (text, message) = match &state.showing {
            Showing::Live => ("live", None),
            Showing::Waiting => ("waiting", None),
            Showing::Unsupported(message) => ("unsupported", Some(message.as_str())),
        };
        let Slot { mid, stream, track } = &state.slot;
        SlotText { mid, stream, track: track.as_text(), state: text, message }
    }
}

impl SlotRequest {
    pub fn parse(self) -> Result<Slot, Refusal> {
        let stream = StreamName::parse(&self.stream)?;
        Ok(Slot { mid: self.mid, stream, track: TrackChoice::parse(&self.track) })
    }
}
