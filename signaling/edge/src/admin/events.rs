//! Owns `GET /api/v1/events`: what happens on this node as server-sent events, with the bodies of the webhooks. A
//! listener that is too slow is told how many events it missed, and holds up nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use chappe_signaling_events::{Event, EventKind};
use chappe_signaling_service::{Service, unix_ms};
use futures_util::stream;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

pub async fn events(State(service): State<Arc<Service>>) -> impl IntoResponse {
    let listener = Listener { events: service.listen(), node: service.node().to_string() };
    let messages = stream::unfold(listener, next_message);
    Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

struct Listener {
    events: broadcast::Receiver<Arc<Event>>,
    node: String,
}

/// None when the process ends.
async fn next_message(mut listener: Listener) -> Option<(Result<Message, Infallible>, Listener)> {
    let message = match listener.events.recv().await {
        Ok(event) => Message::default().id(event.id.clone()).event(event.kind.as_text()).data(event.body()),
        Err(RecvError::Lagged(count)) => {
            let (kind, at_ms) = (EventKind::EventsDropped, unix_ms());
            let data = json!({ "node": listener.node, "dropped": count });
            let told = Event { id: String::new(), kind, at_ms, room: None, data };
            Message::default().event(kind.as_text()).data(told.body())
        }
        Err(RecvError::Closed) => return None,
    };
    Some((Ok(message), listener))
}

/// Proxies close what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
