//! Owns `GET /api/v1/events`: what happens on this node as server-sent events, with the bodies of the webhooks. A
//! listener that is too slow is told how many events it missed, and holds up nothing. One whose token is over is told
//! that.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use chappe_signaling_events::{EventKind, PublicEvent};
use chappe_signaling_service::{Service, unix_ms};
use futures_util::stream;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::access::operator::{AccessEnd, OperatorAccess, end_of};

pub async fn events(
    State(service): State<Arc<Service>>,
    access: Option<Extension<OperatorAccess>>,
) -> impl IntoResponse {
    let access = access.map(|Extension(access)| access);
    let listener = Listener { events: service.listen(), node: service.node().to_string(), access };
    let messages = stream::unfold(Some(listener), next_message);
    Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

struct Listener {
    events: broadcast::Receiver<Arc<PublicEvent>>,
    node: String,
    /// None where nobody is asked for a token.
    access: Option<OperatorAccess>,
}

/// None when the process ends, and after the last message.
async fn next_message(listener: Option<Listener>) -> Option<(Result<Message, Infallible>, Option<Listener>)> {
    let mut listener = listener?;
    let heard = tokio::select! {
        biased;
        end = end_of(&mut listener.access) => return Some((Ok(farewell(end)), None)),
        heard = listener.events.recv() => heard,
    };
    let message = match heard {
        Ok(event) => Message::default().id(event.id.clone()).event(event.kind.as_text()).data(event.body()),
        Err(RecvError::Lagged(count)) => {
            let (kind, at_ms) = (EventKind::EventsDropped, unix_ms());
            let data = json!({ "node": listener.node, "dropped": count });
            let told = PublicEvent { id: String::new(), kind, at_ms, room: None, data };
            Message::default().event(kind.as_text()).data(told.body())
        }
        Err(RecvError::Closed) => return None,
    };
    Some((Ok(message), Some(listener)))
}

/// In the form of an error of HTTP. No receiver of webhooks gets it.
fn farewell(end: AccessEnd) -> Message {
    let told = json!({ "error": end.code(), "message": end.to_string() });
    Message::default().event("ended").data(told.to_string())
}

/// Proxies close what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
