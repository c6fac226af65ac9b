//! Owns the list of rooms on the start page.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use chappe_signaling_access::Action;
use chappe_signaling_rooms::{Room, RoomName, StreamName};
use chappe_signaling_service::{Caller, Service};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct RoomEntry {
    room: RoomName,
    streams: usize,
    /// Of the streams, where something else is live in the room that nobody is to be led to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<StreamName>,
}

impl RoomEntry {
    /// None: nothing in it is to be found.
    fn of(name: &RoomName, room: &Room) -> Option<RoomEntry> {
        let listed = room.listed();
        let (streams, is_all) = (listed.len(), listed.len() == room.streams.len());
        let names = listed.into_iter().filter(|_| !is_all).cloned().collect();
        (streams > 0).then(|| RoomEntry { room: name.clone(), streams, names })
    }
}

/// Rooms in which something wants to be found, by name; a token shows no others than its own. Operators have all of them in
/// the admin API.
pub async fn list(State(service): State<Arc<Service>>, Extension(caller): Extension<Caller>) -> impl IntoResponse {
    service.wait_settled().await;
    let rooms: Vec<RoomEntry> = {
        let state = service.state();
        let is_permitted = |name: &RoomName| {
            caller.pass.as_ref().is_none_or(|pass| pass.grants.check(name.as_str(), Action::Join).is_ok())
        };
        let live = state.registry.rooms().filter(|(name, _)| is_permitted(name));
        live.filter_map(|(name, room)| RoomEntry::of(name, room)).take(ROOMS_LISTED_MAX).collect()
    };
    let headers: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
    (headers, Json(rooms))
}

/// A person reads no longer list.
const ROOMS_LISTED_MAX: usize = 200;
