//! Owns telling receivers of what happens here (webhooks). Never holds anything up: who is slow or gone is told later, from
//! a queue of bounded length.

mod post;
mod receivers;

pub use receivers::{Webhooks, check_receiver, read_secrets};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use chappe_signaling_events::{Attempt, Event, EventKind, Outbox, Outcome};
use chappe_signaling_service::{Service, unix_ms};
use hyper::Uri;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use post::{Poster, Signed};

/// Tells one receiver, for as long as the process lives.
pub async fn tell_receiver(service: Arc<Service>, receiver: Uri, secret_file: PathBuf) {
    let mut events = service.listen();
    let mut outbox = Outbox::default();
    let mut running: JoinSet<(Attempt, Outcome)> = JoinSet::new();
    let poster = Arc::new(Poster::new(receiver, secret_file));
    loop {
        if let Some(count) = outbox.poll_untold() {
            warn!(receiver = %poster.receiver(), count, "events were dropped: the receiver takes too few");
            outbox.push(Instant::now(), Arc::new(dropped(&service, count)));
        }
        while let Some(attempt) = outbox.poll_attempt(Instant::now()) {
            running.spawn(tell(Arc::clone(&poster), attempt));
        }
        let next = outbox.next_timeout().map(tokio::time::Instant::from_std);
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => outbox.push(Instant::now(), event),
                Err(RecvError::Lagged(count)) => outbox.drop_events(count),
                Err(RecvError::Closed) => return,
            },
            Some(Ok((attempt, outcome))) = running.join_next() => {
                outbox.handle_outcome(Instant::now(), &attempt, outcome);
            }
            () = tokio::time::sleep_until(next.unwrap_or_else(tokio::time::Instant::now)), if next.is_some() => {}
        }
    }
}

async fn tell(poster: Arc<Poster>, attempt: Attempt) -> (Attempt, Outcome) {
    let event = &attempt.event;
    let signed = Signed { id: &event.id, unix_seconds: unix_ms() / 1000, body: event.body() };
    let outcome = match poster.post(signed).await {
        Ok(()) => {
            debug!(receiver = %poster.receiver(), id = event.id, "an event was told");
            Outcome::Delivered
        }
        Err(why) => {
            info!(receiver = %poster.receiver(), id = event.id, kind = event.kind.as_text(), why, "an event is told later");
            Outcome::Failed
        }
    };
    (attempt, outcome)
}

fn dropped(service: &Service, count: u64) -> Event {
    let at_ms = unix_ms();
    Event {
        id: format!("{}-dropped-{at_ms}", service.node()),
        kind: EventKind::EventsDropped,
        at_ms,
        room: None,
        data: json!({ "node": service.node(), "dropped": count }),
    }
}
