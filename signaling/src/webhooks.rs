//! Owns telling receivers of what happens here (webhooks). Never holds anything up: who is slow or gone is told later, from
//! a queue of bounded length, which the next process goes on with.

mod journal;
mod post;
mod receivers;

pub use receivers::{Webhooks, check_receiver, read_secrets};

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chappe_signaling_events::{Attempt, Event, EventKind, Outbox, Outcome};
use chappe_signaling_service::{Service, unix_ms};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use journal::{Journal, forget_others};
use post::{Poster, Signed};

/// A task for each.
#[derive(Debug)]
pub struct Receivers {
    pub tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Receivers {
    /// Tells all of them of what happens from now on, and of what the process before could not. `socket` is the
    /// supervisor's: its directory is there for the next process, too.
    pub fn tell(service: &Arc<Service>, webhooks: Option<Webhooks>, socket: Option<&Path>) -> Receivers {
        let (receivers, secret_file) =
            webhooks.map_or_else(Default::default, |webhooks| (webhooks.receivers, webhooks.secret_file));
        let dir = socket.and_then(Path::parent);
        dir.into_iter().for_each(|dir| forget_others(dir, &receivers));
        let (mut tasks, (stop, stopped)) = (JoinSet::new(), watch::channel(false));
        for receiver in receivers {
            let (journal, outbox) = Journal::open(dir, &receiver);
            let poster = Arc::new(Poster::new(receiver, secret_file.clone()));
            let telling = Telling { service: Arc::clone(service), poster, journal, outbox };
            tasks.spawn(telling.run(service.listen(), stopped.clone()));
        }
        Receivers { tasks, stop }
    }

    /// Once nothing happens any more: writes down what waits.
    pub async fn finish(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// One receiver.
struct Telling {
    service: Arc<Service>,
    poster: Arc<Poster>,
    journal: Journal,
    outbox: Outbox,
}

impl Telling {
    async fn run(mut self, mut events: Receiver<Arc<Event>>, mut stop: watch::Receiver<bool>) {
        let mut running: JoinSet<(Attempt, Outcome)> = JoinSet::new();
        loop {
            if let Some(count) = self.outbox.poll_untold() {
                warn!(receiver = %self.poster.receiver(), count, "events were dropped: the receiver takes too few");
                self.outbox.push(Instant::now(), Arc::new(dropped(&self.service, count)));
            }
            // Written before it is told: who is killed meanwhile has it told twice and not never.
            self.journal.note(&mut self.outbox).await;
            while let Some(attempt) = self.outbox.poll_attempt(Instant::now()) {
                running.spawn(tell(Arc::clone(&self.poster), attempt));
            }
            let next = self.outbox.next_timeout().map(tokio::time::Instant::from_std);
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.outbox.push(Instant::now(), event),
                    Err(RecvError::Lagged(count)) => self.outbox.drop_events(count),
                    Err(RecvError::Closed) => break,
                },
                Some(Ok((attempt, outcome))) = running.join_next() => {
                    self.outbox.handle_outcome(Instant::now(), &attempt, outcome);
                }
                () = tokio::time::sleep_until(next.unwrap_or_else(tokio::time::Instant::now)), if next.is_some() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            self.take_all(&mut events);
        }
        self.take_all(&mut events);
        while let Some(Ok((attempt, outcome))) = running.try_join_next() {
            self.outbox.handle_outcome(Instant::now(), &attempt, outcome);
        }
        self.journal.note_now(&mut self.outbox);
    }

    /// What is there already is written down together.
    fn take_all(&mut self, events: &mut Receiver<Arc<Event>>) {
        loop {
            match events.try_recv() {
                Ok(event) => self.outbox.push(Instant::now(), event),
                Err(TryRecvError::Lagged(count)) => self.outbox.drop_events(count),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
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
