//! Owns the JSON of the WebSocket protocol, version 1.

use axum::extract::ws::Utf8Bytes;
use chappe_sfu_api::{AliveMs, Codec, MediaKind, SessionId, SessionStats, Tile};
use chappe_signaling_chat::{ChatNotice, Gap, History, Person, Said};
use chappe_signaling_rooms::{MemberId, ResumeSecret, RoomName, SessionNotice, Showing, Slot, SlotState, StreamName};
use chappe_signaling_service::{PageEvent, Refusal, ShownStream, ShownTrack, Welcome, assert_unlocked};
use chappe_signaling_turn::IceServer;
use serde::{Deserialize, Serialize};

use crate::words::{lost_reason, parse_track_choice, showing, track_choice};

/// What a page asks; its number is read apart, so that an error can name it.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    Hello(PageHello),
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
    View {
        session: SessionId,
        tiles: Vec<Tile>,
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
    /// Another token of the same holder, before the first is over.
    Renew {
        token: String,
    },
    Ping {},
    /// The page may be closed now: an end of its connection is its own, unless a ping comes before.
    Leaving {},
}

#[derive(Debug, Deserialize)]
pub struct PageHello {
    pub version: u32,
    pub room: String,
    pub name: Option<String>,
    pub token: Option<String>,
    pub resume: Option<String>,
    #[serde(default)]
    pub sessions: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub struct SlotRequest {
    mid: String,
    stream: String,
    track: String,
    /// Of several encodings none with more lines than this.
    max: Option<u16>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    Welcome {
        id: u64,
        member: MemberId,
        resume: &'a ResumeSecret,
        resumed: bool,
        sessions: &'a [SessionId],
        room: &'a RoomName,
        streams: Vec<StreamText<'a>>,
        /// What the page shows beside these streams goes on until `streams` tells all there are.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        incomplete: bool,
        /// Who is in the room.
        here: &'a [Person],
        /// How many watch the room without being one of these.
        players: u32,
        /// What was said last.
        chat: ChatText<'a>,
        /// Origins of the cluster's nodes.
        servers: &'a [String],
        /// TURN servers with credentials for five minutes.
        ice_servers: &'a [IceServer],
    },
    /// In place of those of before.
    IceServers {
        ice_servers: &'a [IceServer],
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
    Streams {
        streams: &'a [StreamName],
    },
    Speaking {
        stream: &'a StreamName,
        speaking: bool,
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
    Unwatched {
        session: SessionId,
        mid: &'a str,
        encodings: &'a [u8],
    },
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

impl<'a> From<&'a PageEvent> for ServerMessage<'a> {
    fn from(event: &'a PageEvent) -> ServerMessage<'a> {
        match event {
            PageEvent::StreamAdded(stream) => ServerMessage::StreamAdded { stream: stream.into() },
            PageEvent::StreamChanged(stream) => ServerMessage::StreamChanged { stream: stream.into() },
            PageEvent::StreamRemoved(stream) => ServerMessage::StreamRemoved { stream },
            PageEvent::Streams(streams) => ServerMessage::Streams { streams },
            PageEvent::Speaking { stream, speaking } => ServerMessage::Speaking { stream, speaking: *speaking },
            PageEvent::Session(notice) => notice.into(),
            PageEvent::Players(players) => ServerMessage::Players { players: *players },
            PageEvent::Chat(notice) => notice.into(),
        }
    }
}

impl<'a> From<&'a SessionNotice> for ServerMessage<'a> {
    fn from(notice: &'a SessionNotice) -> ServerMessage<'a> {
        match notice {
            SessionNotice::SlotChanged(session, state) => {
                ServerMessage::SlotChanged { session: *session, slot: state.into() }
            }
            SessionNotice::SessionLost(session, reason) => {
                ServerMessage::SessionLost { session: *session, reason: lost_reason(*reason) }
            }
            SessionNotice::Unwatched { session, mid, encodings } => {
                ServerMessage::Unwatched { session: *session, mid, encodings }
            }
            SessionNotice::Move(session) => ServerMessage::Move { session: *session, reason: "drain" },
        }
    }
}

impl<'a> From<&'a Welcome> for ServerMessage<'a> {
    fn from(welcome: &'a Welcome) -> ServerMessage<'a> {
        ServerMessage::Welcome {
            id: welcome.id,
            member: welcome.member,
            resume: &welcome.resume,
            resumed: welcome.resumed,
            sessions: &welcome.sessions,
            room: &welcome.room,
            streams: welcome.streams.iter().map(StreamText::from).collect(),
            incomplete: welcome.is_incomplete,
            here: &welcome.here,
            players: welcome.players,
            chat: (&welcome.chat).into(),
            servers: &welcome.servers,
            ice_servers: &welcome.ice_servers,
        }
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    moderated: bool,
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
        assert_unlocked();
        serde_json::to_string(self).expect("a message has only string keys").into()
    }
}

impl<'a> From<&'a ShownStream> for StreamText<'a> {
    fn from(shown: &'a ShownStream) -> StreamText<'a> {
        StreamText {
            stream: &shown.stream,
            publisher: shown.publisher,
            name: shown.name.as_deref(),
            since_ms: shown.since_ms,
            tracks: shown.tracks.iter().map(TrackText::from).collect(),
        }
    }
}

impl<'a> From<&'a ShownTrack> for TrackText<'a> {
    fn from(track: &'a ShownTrack) -> TrackText<'a> {
        let ShownTrack { mid, kind, codec, active, muted, moderated } = track;
        TrackText { mid, kind: *kind, codec: *codec, active: *active, muted: *muted, moderated: *moderated }
    }
}

impl<'a> From<&'a SlotState> for SlotText<'a> {
    fn from(state: &'a SlotState) -> SlotText<'a> {
        let message = match &state.showing {
            Showing::Live | Showing::Waiting => None,
            Showing::Unsupported(message) => Some(message.as_str()),
        };
        let Slot { mid, stream, track, .. } = &state.slot;
        SlotText { mid, stream, track: track_choice(track), state: showing(&state.showing), message }
    }
}

impl SlotRequest {
    pub fn parse(self) -> Result<Slot, Refusal> {
        let stream = StreamName::parse(&self.stream)?;
        Ok(Slot { mid: self.mid, stream, track: parse_track_choice(&self.track), height_max: self.max })
    }
}
