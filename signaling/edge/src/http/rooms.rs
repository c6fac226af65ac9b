//! Owns the list of rooms on the start page.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use chappe_signaling_access::Action;
use chappe_signaling_rooms::{Room, RoomName};
use chappe_signaling_service::{Caller, Service};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct RoomEntry {
    room: RoomName,
    streams: usize,
}

/// Rooms of which all that is live wants to be found, by name: what somebody else says of a broadcast does not show the
/// way to a meeting, and a token shows no others than its own. Operators have the others in the admin API.
pub async fn list(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>) -> impl IntoResponse {
    service.wait_settled().await;
    let entry = |(name, room): (&RoomName, &Room)| RoomEntry { room: name.clone(), streams: room.streams.len() };
    let rooms: Vec<RoomEntry> = {
        let state = service.state();
        let is_listed = |room: &Room| !room.streams.is_empty() && room.streams.values().all(|stream| stream.listed);
        let is_permitted = |name: &RoomName| {
            caller.pass.as_ref().is_none_or(|pass| pass.grants.check(name.as_str(), Action::Join).is_ok())
        };
        let live = state.registry.rooms().filter(|(name, room)| is_listed(room) && is_permitted(name));
        live.take(ROOMS_LISTED_MAX).map(entry).collect()
    };
    let headers: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
    (headers, Json(rooms))
}

/// A person reads no longer list.
const ROOMS_LISTED_MAX: usize = 200;
