//! Owns the JSON of the admin API: arrays of objects with stable ids and snake_case keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chappe_sfu_api::{LoadReport, MediaKind, SessionId, SessionStats, TrackId};
use serde::Serialize;

use crate::app::{App, Hub};
use crate::http::HttpError;
use crate::refusal::Refusal;
use crate::room::{Member, MemberId, Room, RoomName, Stream, StreamName};
use crate::session::{Role, Session, Showing, SlotState};
use crate::workers::WorkerView;

#[derive(Debug, Serialize)]
struct NodeEntry<'a> {
    id: &'a str,
    node: &'a str,
    pid: u32,
    version: &'static str,
    state: &'static str,
    uptime_ms: u64,
    workers: usize,
    workers_serving: usize,
    sessions: usize,
    rooms: usize,
    members: usize,
}

#[derive(Debug, Serialize)]
struct WorkerEntry<'a> {
    id: String,
    node: &'a str,
    index: u16,
    pid: Option<u32>,
    media_port: Option<u16>,
    state: &'static str,
    sessions: u32,
    sessions_max: u32,
    /// Share of one core, 0–1.
    cpu: f64,
    rss_bytes: u64,
    /// Processes replaced since the node started.
    restarts: u64,
    bits_per_second_in: u64,
    bits_per_second_out: u64,
    packets_per_second_in: u64,
    packets_per_second_out: u64,
    load: &'a LoadReport,
}

#[derive(Debug, Serialize)]
struct RoomEntry<'a> {
    id: &'a RoomName,
    room: &'a RoomName,
    streams: usize,
    members: usize,
    sessions: usize,
    worker: Option<String>,
}

#[derive(Debug, Serialize)]
struct RoomDetail<'a> {
    #[serde(flatten)]
    entry: RoomEntry<'a>,
    stream_list: Vec<StreamEntry<'a>>,
    member_list: Vec<MemberEntry<'a>>,
    session_list: Vec<SessionEntry<'a>>,
}

#[derive(Debug, Serialize)]
struct StreamEntry<'a> {
    /// Room and name.
    id: String,
    room: &'a RoomName,
    stream: &'a StreamName,
    session: SessionId,
    worker: Option<String>,
    since_ms: u64,
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
    muted: bool,
}

#[derive(Debug, Serialize)]
struct MemberEntry<'a> {
    id: MemberId,
    name: Option<&'a str>,
    connected: bool,
    sessions: usize,
}

#[derive(Debug, Serialize)]
struct SessionEntry<'a> {
    id: SessionId,
    kind: &'static str,
    state: &'static str,
    node: &'a str,
    worker: String,
    room: &'a RoomName,
    /// Published, or none for a viewer.
    stream: Option<&'a StreamName>,
    member: Option<MemberId>,
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

pub async fn nodes(State(app): State<Arc<App>>) -> Response {
    let hub = app.hub();
    let serving = hub.workers.iter().filter(|view| view.state.as_text() == "serving").count();
    let uptime = app.started().elapsed().unwrap_or_default().as_millis();
    let node = NodeEntry {
        id: &app.node,
        node: &app.node,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION"),
        state: if serving > 0 { "serving" } else { "unavailable" },
        uptime_ms: u64::try_from(uptime).unwrap_or(u64::MAX),
        workers: hub.workers.len(),
        workers_serving: serving,
        sessions: hub.registry.sessions().count(),
        rooms: hub.registry.rooms().count(),
        members: hub.registry.members(),
    };
    Json([node]).into_response()
}

pub async fn workers(State(app): State<Arc<App>>) -> Response {
    let hub = app.hub();
    let entries: Vec<WorkerEntry<'_>> = hub.workers.iter().map(|view| worker_entry(&app, view)).collect();
    Json(entries).into_response()
}

pub async fn rooms(State(app): State<Arc<App>>) -> Response {
    let hub = app.hub();
    let entries: Vec<RoomEntry<'_>> =
        hub.registry.rooms().map(|(name, room)| room_entry(&app, &hub, name, room)).collect();
    Json(entries).into_response()
}

pub async fn room(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, HttpError> {
    let name = RoomName::parse(&name).map_err(Refusal::from)?;
    let hub = app.hub();
    let Some(room) = hub.registry.room(&name) else {
        return Err(missing("room"));
    };
    let detail = RoomDetail {
        entry: room_entry(&app, &hub, &name, room),
        stream_list: room.streams.iter().map(|(stream, live)| stream_entry(&app, &hub, &name, stream, live)).collect(),
        member_list: room.members.iter().filter_map(|id| hub.registry.member(*id)).map(member_entry).collect(),
        session_list: room
            .sessions
            .iter()
            .filter_map(|id| hub.registry.session(*id))
            .map(|s| session_entry(&app, s))
            .collect(),
    };
    Ok(Json(detail).into_response())
}

pub async fn streams(State(app): State<Arc<App>>) -> Response {
    let hub = app.hub();
    let live =
        hub.registry.rooms().flat_map(|(room, there)| there.streams.iter().map(move |(name, s)| (room, name, s)));
    let entries: Vec<StreamEntry<'_>> = live.map(|(room, name, s)| stream_entry(&app, &hub, room, name, s)).collect();
    Json(entries).into_response()
}

pub async fn sessions(State(app): State<Arc<App>>) -> Response {
    let hub = app.hub();
    let mut sessions: Vec<&Session> = hub.registry.sessions().collect();
    sessions.sort_by_key(|session| session.id);
    let entries: Vec<SessionEntry<'_>> = sessions.into_iter().map(|session| session_entry(&app, session)).collect();
    Json(entries).into_response()
}

pub async fn session(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, HttpError> {
    let id: SessionId = id.parse().map_err(|_| missing("session"))?;
    let stats = match app.session_stats(id).await {
        Err(Refusal::NoSuchSession) => return Err(missing("session")),
        stats => stats.ok(),
    };
    let hub = app.hub();
    let Some(session) = hub.registry.session(id) else {
        return Err(missing("session"));
    };
    Ok(Json(SessionDetail { entry: session_entry(&app, session), stats }).into_response())
}

pub async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}

fn missing(what: &str) -> HttpError {
    HttpError::new(axum::http::StatusCode::NOT_FOUND, "not_found", format!("there is no such {what} now"))
}

fn worker_id(app: &App, index: chappe_sfu_api::WorkerIndex) -> String {
    format!("{}/{}", app.node, index.0)
}

fn worker_entry<'a>(app: &'a App, view: &'a WorkerView) -> WorkerEntry<'a> {
    WorkerEntry {
        id: worker_id(app, view.index),
        node: &app.node,
        index: view.index.0,
        pid: view.hello.as_ref().map(|hello| hello.pid),
        media_port: view.hello.as_ref().map(|hello| hello.media_port),
        state: view.state.as_text(),
        sessions: view.load.sessions,
        sessions_max: view.sessions_max(),
        cpu: view.load.cpu,
        rss_bytes: view.load.rss_bytes,
        restarts: view.restarts(),
        bits_per_second_in: view.rates.bits_in,
        bits_per_second_out: view.rates.bits_out,
        packets_per_second_in: view.rates.packets_in,
        packets_per_second_out: view.rates.packets_out,
        load: &view.load,
    }
}

fn room_entry<'a>(app: &App, hub: &Hub, name: &'a RoomName, room: &Room) -> RoomEntry<'a> {
    RoomEntry {
        id: name,
        room: name,
        streams: room.streams.len(),
        members: room.members.len(),
        sessions: room.sessions.len(),
        worker: hub.registry.worker_of(name).map(|worker| worker_id(app, worker)),
    }
}

fn stream_entry<'a>(
    app: &App,
    hub: &Hub,
    room: &'a RoomName,
    name: &'a StreamName,
    stream: &'a Stream,
) -> StreamEntry<'a> {
    let track = |track: &'a crate::room::Track| TrackEntry {
        id: track.source.track,
        mid: &track.mid,
        kind: track.source.kind,
        codec: track.codec(),
        active: track.active,
        muted: track.muted,
    };
    StreamEntry {
        id: format!("{room}/{name}"),
        room,
        stream: name,
        session: stream.session,
        worker: hub.registry.session(stream.session).map(|session| worker_id(app, session.worker)),
        since_ms: stream.since_ms,
        viewers: hub.registry.viewers(room, name).count(),
        tracks: stream.tracks.iter().map(track).collect(),
    }
}

fn member_entry(member: &Member) -> MemberEntry<'_> {
    let connected = matches!(member.connection, crate::room::Connection::Up(_));
    MemberEntry { id: member.id, name: member.name.as_deref(), connected, sessions: member.sessions.len() }
}

fn session_entry<'a>(app: &'a App, session: &'a Session) -> SessionEntry<'a> {
    let stream = match &session.note.role {
        Role::Publish { stream, .. } => Some(stream),
        Role::Watch { .. } => None,
    };
    SessionEntry {
        id: session.id,
        kind: session.note.kind(),
        state: session.state_text(),
        node: &app.node,
        worker: worker_id(app, session.worker),
        room: &session.note.room,
        stream,
        member: session.member(),
        since_ms: session.note.since_ms,
        slots: session.shown.iter().map(slot_entry).collect(),
    }
}

fn slot_entry(state: &SlotState) -> SlotEntry<'_> {
    let text = match state.showing {
        Showing::Live => "live",
        Showing::Waiting => "waiting",
        Showing::Unsupported(_) => "unsupported",
    };
    SlotEntry { mid: &state.slot.mid, stream: &state.slot.stream, track: state.slot.track.as_text(), state: text }
}
