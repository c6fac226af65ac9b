//! Owns telling receivers of what happens here (webhooks). Never holds anything up: who is slow or gone is told later, from
//! a queue of bounded length, which the next process goes on with.

mod folder;
mod journal;
mod post;
mod receivers;

pub use receivers::{Webhooks, check_receiver, read_secrets};

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chappe_signaling_events::{EventAttempt, EventFate, EventKind, Outbox, Outcome, PublicEvent};
use chappe_signaling_service::{Service, unix_ms};
use hyper::Uri;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{OnceCell, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tracing::{debug, info, warn};

use folder::Folder;
use journal::{Journal, forget_others};
use post::{Poster, Signed};

/// A task for each.
#[derive(Debug)]
pub struct Receivers {
    pub tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Receivers {
    /// Tells all of them of what happens from now on, and of what processes before could not. `socket` is the
    /// supervisor's: its directory is there for the next process, too.
    pub fn tell(service: &Arc<Service>, webhooks: Option<Webhooks>, socket: Option<&Path>) -> Receivers {
        let (mut tasks, (stop, stopped)) = (JoinSet::new(), watch::channel(false));
        let (receivers, secret_file, state) = webhooks
            .map_or_else(Default::default, |webhooks| (webhooks.receivers, webhooks.secret_file, webhooks.state));
        let (node, run) = (service.node().clone(), socket.and_then(Path::parent).map(Path::to_owned));
        let folder = FolderOpening::new(move || Folder::open(state.as_deref(), &node, run.as_deref()));
        for (number, receiver) in receivers.iter().enumerate() {
            let poster = Arc::new(Poster::new(receiver.clone(), secret_file.clone()));
            let begin = Telling::begin(Arc::clone(service), (number, receiver.clone()), poster, folder.clone());
            let (events, stopped) = (service.listen(), stopped.clone());
            tasks.spawn(async move { begin.await.run(events, stopped).await });
        }
        tasks.spawn(async move {
            let folder = folder.opened().await;
            let _ = spawn_blocking(move || forget_others(&folder, &receivers)).await;
        });
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
    number: usize,
    poster: Arc<Poster>,
    folder: Arc<Folder>,
    journal: Journal,
    outbox: Outbox,
}

/// The folder of all receivers, which is opened where nobody waits for the disk but they.
#[derive(Clone)]
struct FolderOpening {
    open: Arc<dyn Fn() -> Folder + Send + Sync>,
    folder: Arc<OnceCell<Arc<Folder>>>,
}

impl FolderOpening {
    fn new(open: impl Fn() -> Folder + Send + Sync + 'static) -> FolderOpening {
        FolderOpening { open: Arc::new(open), folder: Arc::default() }
    }

    async fn opened(&self) -> Arc<Folder> {
        let opening = async {
            let open = Arc::clone(&self.open);
            // It does not panic, and it is not cancelled once it runs.
            Arc::new(spawn_blocking(move || open()).await.unwrap_or_default())
        };
        Arc::clone(self.folder.get_or_init(|| opening).await)
    }
}

impl Telling {
    /// With what the process before has left. Thousands may wait: they are read where nobody waits for it.
    async fn begin(
        service: Arc<Service>,
        (number, receiver): (usize, Uri),
        poster: Arc<Poster>,
        folder: FolderOpening,
    ) -> Telling {
        let folder = folder.opened().await;
        let there = Arc::clone(&folder);
        let opening = spawn_blocking(move || Journal::open(&there, &receiver));
        // It does not panic, and it is not cancelled once it runs.
        let (journal, outbox) = opening.await.unwrap_or_else(|_| (Journal::nowhere(), Outbox::default()));
        Telling { service, number, poster, folder, journal, outbox }
    }

    async fn run(mut self, mut events: Receiver<Arc<PublicEvent>>, mut stop: watch::Receiver<bool>) {
        let mut running: JoinSet<(EventAttempt, Outcome)> = JoinSet::new();
        loop {
            if let Some(count) = self.outbox.poll_untold() {
                warn!(receiver = %self.poster.receiver(), count, "events were dropped: the receiver takes too few");
                self.outbox.push(Instant::now(), Arc::new(dropped(&self.service, count)));
            }
            // Written before it is told: who is killed meanwhile has it told twice and not never.
            self.journal.note(&mut self.outbox).await;
            self.service.deliveries.note(self.number, self.outbox.figures());
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
                    self.handle_outcome(&attempt, outcome);
                }
                () = tokio::time::sleep_until(next.unwrap_or_else(tokio::time::Instant::now)), if next.is_some() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            self.take_all(&mut events);
        }
        self.take_all(&mut events);
        while let Some(Ok((attempt, outcome))) = running.try_join_next() {
            self.handle_outcome(&attempt, outcome);
        }
        self.journal.note_now(&mut self.outbox);
        let (receiver, count) = (self.poster.receiver(), self.outbox.queued());
        match self.folder.lasts() {
            _ if count == 0 => {}
            true => info!(receiver, count, "events wait for a receiver: the next signaling tells them"),
            false => warn!(
                receiver,
                count, "events wait for a receiver: the next signaling tells them, the node's end loses them"
            ),
        }
    }

    fn handle_outcome(&mut self, attempt: &EventAttempt, outcome: Outcome) {
        let fate = self.outbox.handle_outcome(Instant::now(), attempt, outcome);
        let (receiver, event) = (self.poster.receiver(), &attempt.event);
        let (id, kind) = (event.id.as_str(), event.kind.as_text());
        match fate {
            EventFate::Over => debug!(receiver, id, "an event was told"),
            EventFate::ToldAgain => debug!(receiver, id, "an event is told again"),
            EventFate::GivenUp => {
                warn!(receiver, id, kind, "an event is given up: the receiver did not take it for a day")
            }
        }
    }

    /// What is there already is written down together.
    fn take_all(&mut self, events: &mut Receiver<Arc<PublicEvent>>) {
        loop {
            match events.try_recv() {
                Ok(event) => self.outbox.push(Instant::now(), event),
                Err(TryRecvError::Lagged(count)) => self.outbox.drop_events(count),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }
}

async fn tell(poster: Arc<Poster>, attempt: EventAttempt) -> (EventAttempt, Outcome) {
    let event = &attempt.event;
    let signed = Signed { id: &event.id, unix_seconds: unix_ms() / 1000, body: event.body() };
    let outcome = match poster.post(signed).await {
        Ok(()) => Outcome::Delivered,
        Err(why) => {
            info!(receiver = %poster.receiver(), id = event.id, kind = event.kind.as_text(), why, "an event was not taken");
            Outcome::Failed
        }
    };
    (attempt, outcome)
}

fn dropped(service: &Service, count: u64) -> PublicEvent {
    let at_ms = unix_ms();
    PublicEvent {
        id: format!("{}-dropped-{at_ms}", service.node()),
        kind: EventKind::EventsDropped,
        at_ms,
        room: None,
        data: json!({ "node": service.node(), "dropped": count }),
    }
}
