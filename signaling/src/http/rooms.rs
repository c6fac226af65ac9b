//! Owns the list of rooms on the start page.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use serde::Serialize;

use crate::app::App;
use crate::room::{Room, RoomName};

#[derive(Debug, Serialize)]
struct RoomEntry {
    room: RoomName,
    streams: usize,
}

/// Rooms in which something is live, by name.
pub async fn list(State(app): State<Arc<App>>) -> impl IntoResponse {
    app.wait_settled().await;
    let entry = |(name, room): (&RoomName, &Room)| RoomEntry { room: name.clone(), streams: room.streams.len() };
    let rooms: Vec<RoomEntry> = {
        let hub = app.hub();
        let live = hub.registry.rooms().filter(|(_, room)| !room.streams.is_empty());
        live.take(ROOMS_LISTED_MAX).map(entry).collect()
    };
    let headers: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
    (headers, Json(rooms))
}

/// A person reads no longer list.
const ROOMS_LISTED_MAX: usize = 200;
