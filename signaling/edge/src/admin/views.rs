//! Owns the JSON of the admin API: arrays of objects with stable ids and snake_case keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chappe_cluster::NodeName;
use chappe_sfu_api::{MediaKind, SessionId, SessionStats, TrackId, UncachedReason};
use chappe_signaling_rooms::{
    Connection, Member, MemberId, Role, Room, RoomError, RoomName, Session, Slot, SlotState, Stream, StreamName, Track,
};
use chappe_signaling_service::{Refusal, Service, ServiceState};
use serde::Serialize;
use serde_json::Value;

use crate::error::{HttpError, missing};
use crate::words::{showing, track_choice};

#[derive(Debug, Serialize)]
struct RoomEntry<'a> {
    id: &'a RoomName,
    room: &'a RoomName,
    streams: usize,
    members: usize,
    /// Who watches and is no member, on all nodes.
    players: u32,
    /// On this node.
    sessions: usize,
    /// With a publisher or, on this node, a viewer of the room.
    workers: BTreeSet<String>,
}

#[derive(Debug, Serialize)]
struct RoomDetail {
    #[serde(flatten)]
    entry: Value,
    stream_list: Vec<Value>,
    member_list: Vec<Value>,
    session_list: Vec<Value>,
}

#[derive(Debug, Serialize)]
struct StreamEntry<'a> {
    /// Room and name.
    id: String,
    room: &'a RoomName,
    stream: &'a StreamName,
    session: SessionId,
    node: &'a NodeName,
    worker: String,
    epoch: u64,
    since_ms: u64,
    /// Everybody finds it in the list of what is live.
    listed: bool,
    /// On this node.
    viewers: usize,
    tracks: Vec<TrackEntry<'a>>,
}

#[derive(Debug, Serialize)]
struct TrackEntry<'a> {
    id: TrackId,
    mid: &'a str,
    kind: MediaKind,
    codec: Option<chappe_sfu_api::Codec>,
    active: bool,
    /// By its publisher or an operator.
    muted: bool,
    /// By an operator: nobody gets it.
    moderated: bool,
    /// Of video of this node: whether viewers begin at once with the last key frame and all since then.
    gop_cached: Option<bool>,
    gop_uncached_reason: Option<UncachedReason>,
}

#[derive(Debug, Serialize)]
struct MemberEntry<'a> {
    id: MemberId,
    name: Option<&'a str>,
    /// What its token says of it.
    metadata: Option<&'a str>,
    connected: bool,
    sessions: usize,
}

#[derive(Debug, Serialize)]
struct SessionEntry<'a> {
    id: SessionId,
    kind: &'static str,
    state: &'static str,
    node: &'a NodeName,
    worker: String,
    room: &'a RoomName,
    /// Published, or none for a viewer.
    stream: Option<&'a StreamName>,
    member: Option<MemberId>,
    /// Of its page or of its token, and what that says of it.
    name: Option<&'a str>,
    metadata: Option<&'a str>,
    since_ms: u64,
    slots: Vec<SlotEntry<'a>>,
}

#[derive(Debug, Serialize)]
struct SlotEntry<'a> {
    mid: &'a str,
    stream: &'a StreamName,
    track: &'a str,
    state: &'static str,
}

#[derive(Debug, Serialize)]
struct SessionDetail<'a> {
    #[serde(flatten)]
    entry: SessionEntry<'a>,
    /// From its worker; none if that does not answer.
    stats: Option<SessionStats>,
}

pub async fn rooms(State(service): State<Arc<Service>>) -> Response {
    let names: Vec<RoomName> = service.state().registry.rooms().map(|(name, _)| name.clone()).collect();
    Json(in_turns(&service, &names, 1, |state, name| room_value(&service, state, name))).into_response()
}

pub async fn room(State(service): State<Arc<Service>>, Path(name): Path<String>) -> Result<Response, HttpError> {
    let name = RoomName::parse(&name).map_err(Refusal::from)?;
    let (entry, streams, members, sessions) = {
        let state = service.state();
        let room = state.registry.room(&name).ok_or_else(|| missing("room"))?;
        let streams: Vec<StreamName> = room.streams.keys().cloned().collect();
        let members: Vec<MemberId> = room.members.iter().copied().collect();
        let sessions: Vec<SessionId> = room.sessions.iter().copied().collect();
        (room_value(&service, &state, &name).ok_or_else(|| missing("room"))?, streams, members, sessions)
    };
    let stream = |state: &ServiceState, stream: &StreamName| {
        value(&stream_entry(state, &name, stream, state.registry.stream(&name, stream)?))
    };
    let detail = RoomDetail {
        entry,
        stream_list: in_turns(&service, &streams, STREAMS_PER_TURN, stream),
        member_list: in_turns(&service, &members, ENTRIES_PER_TURN, |state, id| {
            value(&member_entry(state.registry.member(*id)?))
        }),
        session_list: session_values(&service, &sessions),
    };
    Ok(Json(detail).into_response())
}

pub async fn streams(State(service): State<Arc<Service>>) -> Response {
    let names: Vec<(RoomName, StreamName)> = {
        let state = service.state();
        let live = state.registry.rooms().flat_map(|(room, there)| there.streams.keys().map(move |name| (room, name)));
        live.map(|(room, name)| (room.clone(), name.clone())).collect()
    };
    let entry = |state: &ServiceState, (room, name): &(RoomName, StreamName)| {
        value(&stream_entry(state, room, name, state.registry.stream(room, name)?))
    };
    Json(in_turns(&service, &names, STREAMS_PER_TURN, entry)).into_response()
}

pub async fn sessions(State(service): State<Arc<Service>>) -> Response {
    let mut ids: Vec<SessionId> = service.state().registry.sessions().map(|session| session.id).collect();
    ids.sort_unstable();
    Json(session_values(&service, &ids)).into_response()
}

pub async fn session(State(service): State<Arc<Service>>, Path(id): Path<String>) -> Result<Response, HttpError> {
    let id: SessionId = id.parse().map_err(|_| missing("session"))?;
    let stats = match service.session_stats(id).await {
        Err(Refusal::Rooms(RoomError::NoSuchSession)) => return Err(missing("session")),
        stats => stats.ok(),
    };
    let state = service.state();
    let Some(session) = state.registry.session(state.registry.named(id)) else {
        // A session of another node: its counters are all that is known here.
        let Some(stats) = stats else { return Err(missing("session")) };
        return Ok(Json(serde_json::json!({ "id": id, "stats": stats })).into_response());
    };
    Ok(Json(SessionDetail { entry: session_entry(&service, session), stats }).into_response())
}

fn session_values(service: &Service, ids: &[SessionId]) -> Vec<Value> {
    in_turns(service, ids, ENTRIES_PER_TURN, |state, id| value(&session_entry(service, state.registry.session(*id)?)))
}

/// What a long list says, in turns of the lock between which clients get it. What has gone meanwhile is left out.
fn in_turns<K>(
    service: &Service,
    keys: &[K],
    per_turn: usize,
    entry: impl Fn(&ServiceState, &K) -> Option<Value>,
) -> Vec<Value> {
    let some = |keys: &[K]| {
        let state = service.state();
        keys.iter().filter_map(|key| entry(&state, key)).collect::<Vec<_>>()
    };
    keys.chunks(per_turn).flat_map(some).collect()
}

fn value(entry: &impl Serialize) -> Option<Value> {
    serde_json::to_value(entry).ok()
}

/// Each takes a few microseconds.
const ENTRIES_PER_TURN: usize = 64;
/// Each has up to 32 tracks.
const STREAMS_PER_TURN: usize = 8;

pub async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}

fn worker_id(service: &Service, index: chappe_sfu_api::WorkerIndex) -> String {
    format!("{}/{}", service.node(), index.0)
}

fn room_value(service: &Service, state: &ServiceState, name: &RoomName) -> Option<Value> {
    value(&room_entry(service, state, name, state.registry.room(name)?))
}

fn room_entry<'a>(service: &Service, state: &ServiceState, name: &'a RoomName, room: &Room) -> RoomEntry<'a> {
    RoomEntry {
        id: name,
        room: name,
        streams: room.streams.len(),
        members: room.members.len(),
        players: state.registry.audience.of(name),
        sessions: room.sessions.len(),
        workers: workers_of(service, room),
    }
}

fn workers_of(service: &Service, room: &Room) -> BTreeSet<String> {
    let ours = room.workers().into_iter().map(|worker| worker_id(service, worker));
    let homes = room.streams.values().map(|stream| format!("{}/{}", stream.home.node, stream.home.worker.0));
    ours.chain(homes).collect()
}

fn stream_entry<'a>(
    state: &ServiceState,
    room: &'a RoomName,
    name: &'a StreamName,
    stream: &'a Stream,
) -> StreamEntry<'a> {
    let home = state
        .worker(stream.home.worker)
        .filter(|view| view.hello.as_ref().is_some_and(|hello| hello.boot == stream.home.boot));
    let uncached = |track: &Track| {
        let uncached = &home?.load.uncached;
        let found = uncached.binary_search_by_key(&track.source.track, |uncached| uncached.track).ok()?;
        uncached.get(found).map(|uncached| uncached.reason)
    };
    let track = |track: &'a Track| TrackEntry {
        id: track.source.track,
        mid: &track.mid,
        kind: track.source.kind,
        codec: track.codec(),
        active: track.active,
        muted: track.muted,
        moderated: track.moderated,
        gop_cached: home
            .filter(|_| track.source.kind == MediaKind::Video && track.active)
            .map(|_| uncached(track).is_none()),
        gop_uncached_reason: uncached(track),
    };
    StreamEntry {
        id: format!("{room}/{name}"),
        room,
        stream: name,
        session: stream.session,
        node: &stream.home.node,
        worker: format!("{}/{}", stream.home.node, stream.home.worker.0),
        epoch: stream.epoch.0,
        since_ms: stream.since_ms,
        listed: stream.listed,
        viewers: state.registry.viewers(room, name).len(),
        tracks: stream.tracks.iter().map(track).collect(),
    }
}

fn member_entry(member: &Member) -> MemberEntry<'_> {
    let connected = matches!(member.connection, Connection::Up(_));
    let (name, metadata) = (member.name.as_deref(), member.metadata.as_deref());
    MemberEntry { id: member.id, name, metadata, connected, sessions: member.sessions.len() }
}

fn session_entry<'a>(service: &'a Service, session: &'a Session) -> SessionEntry<'a> {
    let stream = match &session.note.role {
        Role::Publish { stream, .. } => Some(stream),
        Role::Watch { .. } => None,
    };
    SessionEntry {
        id: session.id,
        kind: session.note.kind(),
        state: session.state_text(),
        node: service.node(),
        worker: worker_id(service, session.worker),
        room: &session.note.room,
        stream,
        member: session.member(),
        name: session.note.shown_name(),
        metadata: session.note.access.as_ref().and_then(|access| access.metadata.as_deref()),
        since_ms: session.note.since_ms,
        slots: session.shown.iter().map(slot_entry).collect(),
    }
}

fn slot_entry(state: &SlotState) -> SlotEntry<'_> {
    let Slot { mid, stream, track, .. } = &state.slot;
    SlotEntry { mid, stream, track: track_choice(track), state: showing(&state.showing) }
}
