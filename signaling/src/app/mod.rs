//! Owns the state of the process and what clients ask of it: publishing, watching, going on, leaving.
//! Never speaks HTTP or WebSocket.
//!
//! All state is in one [`Hub`] behind one plain mutex. It is held for microseconds, never across an
//! await, and commands and events are queued while it is held: whatever the registry decided first also
//! reaches workers and pages first.

mod hub;
mod page;
mod patch;
mod place;
mod publish;
mod watch;
mod workers;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use chappe_sfu_api::{SessionId, SessionStats, WorkerIndex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch as flag};

pub use hub::{Hub, Sink};
pub use page::{Join, Joined};
pub use patch::{PatchOutcome, Precondition};
pub use publish::PublishRequest;
pub use watch::{Slots, WatchRequest};

use crate::config::AuthMode;
use crate::refusal::Refusal;
use crate::room::Effect;
use crate::session::SlotState;
use crate::workers::{Reply, WorkerError, WorkerLink};

/// Shared by all connections.
#[derive(Debug)]
pub struct App {
    pub node: String,
    pub auth: AuthMode,
    hub: Mutex<Hub>,
    links: Vec<WorkerLink>,
    addresses: Vec<std::net::IpAddr>,
    started: SystemTime,
    /// False until the workers that live have told their sessions: before that, nobody can say whether a
    /// name is free or a session exists.
    settled: flag::Sender<bool>,
    /// One per WebSocket, also before it says hello.
    page_places: Arc<Semaphore>,
}

/// A session as its client needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub session: SessionId,
    pub etag: String,
    pub sdp: String,
    /// Viewers only.
    pub slots: Vec<SlotState>,
}

impl App {
    pub fn new(node: String, auth: AuthMode, links: Vec<WorkerLink>, addresses: Vec<std::net::IpAddr>) -> Arc<App> {
        let hub = Mutex::new(Hub::new(links.len()));
        let (settled, _) = flag::channel(false);
        let page_places = Arc::new(Semaphore::new(PAGES_MAX));
        Arc::new(App { node, auth, hub, links, addresses, started: SystemTime::now(), settled, page_places })
    }

    /// The state. The guard must not live across an await; the compiler sees to it, because it is not `Send`.
    pub fn hub(&self) -> MutexGuard<'_, Hub> {
        // A panic while the lock was held is a bug of ours; the other rooms go on with what there is.
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more WebSocket, for as long as it is held.
    pub fn page_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.page_places).try_acquire_owned().ok()
    }

    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// The workers had their chance to report.
    pub fn settle(&self) {
        self.settled.send_replace(true);
    }

    pub fn is_settled(&self) -> bool {
        *self.settled.borrow()
    }

    pub async fn wait_settled(&self) {
        // The sender lives as long as the app, so this can't fail.
        let _ = self.settled.subscribe().wait_for(|settled| *settled).await;
    }

    /// Ends a session; it does not matter whether it is there. Returns whether it was.
    pub async fn close(&self, session: SessionId) -> bool {
        self.wait_settled().await;
        let mut hub = self.hub();
        let was_there = hub.registry.session(session).is_some();
        let effects = hub.registry.end(session, None);
        self.apply(&hub, effects);
        was_there
    }

    /// Counters of a session, from its worker.
    pub async fn session_stats(&self, session: SessionId) -> Result<SessionStats, Refusal> {
        let waiting = {
            let hub = self.hub();
            let worker = hub.registry.session(session).ok_or(Refusal::NoSuchSession)?.worker;
            self.link(worker)?.request(chappe_sfu_api::Command::SessionStats { session })
        };
        match waiting.reply().await? {
            Reply::Stats(stats) => Ok(stats),
            Reply::Done => Err(Refusal::NoSuchSession),
        }
    }

    fn link(&self, worker: WorkerIndex) -> Result<&WorkerLink, Refusal> {
        self.links.get(usize::from(worker.0)).ok_or(Refusal::NoWorker)
    }

    /// Carries out what a change of the registry made necessary. The lock is still held.
    pub fn apply(&self, hub: &Hub, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Command(worker, command) => match self.link(worker) {
                    Ok(link) => link.send(command),
                    Err(_) => tracing::error!(worker = worker.0, "no such worker"),
                },
                Effect::Tell(member, notice) => hub.tell(member, notice),
                Effect::TellRoom(room, notice) => hub.tell_room(&room, notice),
            }
        }
    }
}

impl From<WorkerError> for Refusal {
    fn from(error: WorkerError) -> Refusal {
        match error {
            WorkerError::Refused(error) => Refusal::Worker(error),
            WorkerError::Gone => Refusal::NoWorker,
            WorkerError::Silent => Refusal::WorkerSilent,
        }
    }
}

/// WebSockets at a time.
pub const PAGES_MAX: usize = 20_000;

pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
