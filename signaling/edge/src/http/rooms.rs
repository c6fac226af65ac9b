//! Owns the list of rooms on the start page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use chappe_signaling_rooms::{Room, RoomName};
use chappe_signaling_service::Service;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct RoomEntry {
    room: RoomName,
    streams: usize,
}

/// Rooms of which all that is live wants to be found, by name: what somebody else says of a broadcast does not show the
/// way to a meeting. Operators have the others in the admin API.
pub async fn list(State(service): State<Arc<Service>>) -> impl IntoResponse {
    service.wait_settled().await;
    let entry = |(name, room): (&RoomName, &Room)| RoomEntry { room: name.clone(), streams: room.streams.len() };
    let rooms: Vec<RoomEntry> = {
        let state = service.state();
        let is_listed = |room: &Room| !room.streams.is_empty() && room.streams.values().all(|stream| stream.listed);
        let live = state.registry.rooms().filter(|(_, room)| is_listed(room));
        live.take(ROOMS_LISTED_MAX).map(entry).collect()
    };
    let headers: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
    (headers, Json(rooms))
}

/// A person reads no longer list.
const ROOMS_LISTED_MAX: usize = 200;
