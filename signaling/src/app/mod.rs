//! Owns the state of the process and what clients ask of it: publishing, watching, going on, leaving.
//! Never speaks HTTP or WebSocket.
//!
//! All state is in one [`Hub`] behind one lock, whose holds are measured (`lock.rs`) and never last across an
//! await, and commands and events are queued while it is held: whatever the registry decided first also
//! reaches workers and pages first.

mod admission;
mod chat;
mod drain;
mod drain_file;
mod effects;
mod hub;
mod lock;
mod moves;
mod names;
mod nodes;
mod page;
mod patch;
mod place;
mod publish;
mod relays;
mod remote;
mod serve;
mod watch;
mod workers;

#[cfg(test)]
pub mod bed;

use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use admission::Admission;
use chappe_cluster::NodeName;
use chappe_sfu_api::{AliveMs, SessionId, WorkerIndex};
use chappe_signaling_rooms::{Session, SlotState};
use lock::HubLock;
use moves::Moves;
use serde::{Deserialize, Serialize};
use tokio::sync::watch as flag;

use crate::access::{AddressLimits, Share, Shares};
use crate::addresses::Addresses;
use crate::cluster::Cluster;
use crate::config::AuthMode;
use crate::http::Caller;
use crate::refusal::{Limit, Refusal};
use crate::workers::{WorkerError, WorkerLink};

pub use drain::Ending;
pub use drain_file::DrainFile;
pub use hub::{Following, Hub, Sink};
pub use lock::{HoldTimes, HubTurn};
pub use page::{Join, Joined};
pub use patch::{PatchOutcome, Precondition};
pub use publish::PublishRequest;
pub use watch::{Slots, WatchRequest};

/// Shared by all connections.
#[derive(Debug)]
pub struct App {
    pub cluster: Cluster,
    pub auth: AuthMode,
    hub: HubLock,
    admission: Admission,
    /// Who was asked to leave a node or worker that drains. Never locked together with the hub.
    moves: Mutex<Moves>,
    links: Vec<WorkerLink>,
    pub addresses: Addresses,
    limits: AddressLimits,
    started: SystemTime,
    drain_file: DrainFile,
    /// False until the workers that live have told their sessions: before that, nobody can say whether a
    /// name is free or a session exists.
    settled: flag::Sender<bool>,
    /// One per WebSocket, also before it says hello.
    page_places: Arc<Shares>,
    /// Set when the process has to end by itself.
    ending: flag::Sender<Option<Ending>>,
}

/// A session as its client needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub session: SessionId,
    pub etag: String,
    pub sdp: String,
    /// Viewers only.
    pub slots: Vec<SlotState>,
    /// How often the client hears of its worker, if it asked for that.
    #[serde(default)]
    pub alive_ms: Option<AliveMs>,
}

impl Answered {
    fn of(session: &Session, sdp: String) -> Answered {
        let (etag, slots) = (session.etag(), session.shown.clone());
        Answered { session: session.id, etag, sdp, slots, alive_ms: session.alive_ms }
    }
}

impl App {
    pub fn new(
        cluster: Cluster,
        auth: AuthMode,
        links: Vec<WorkerLink>,
        addresses: Addresses,
        limits: AddressLimits,
        drain_file: DrainFile,
    ) -> Arc<App> {
        let hub = HubLock::new(Hub::new(links.len(), &cluster, Instant::now()));
        Arc::new(App {
            cluster,
            auth,
            hub,
            admission: Admission::new(),
            moves: Mutex::default(),
            links,
            addresses,
            limits,
            started: SystemTime::now(),
            drain_file,
            settled: flag::channel(false).0,
            page_places: Shares::new(PAGES_MAX),
            ending: flag::channel(None).0,
        })
    }

    /// This node.
    pub fn node(&self) -> &NodeName {
        self.cluster.own()
    }

    /// The state, for one turn.
    #[track_caller]
    pub fn hub(&self) -> HubTurn<'_> {
        self.hub.turn()
    }

    pub fn lock_holds(&self) -> &HoldTimes {
        self.hub.holds()
    }

    /// Room for one more WebSocket, for as long as it is held.
    pub fn page_place(&self, caller: Caller) -> Result<Share, Refusal> {
        let each_max = if caller.is_proxy { PAGES_OF_PROXY_MAX } else { PAGES_OF_CLIENT_MAX };
        let share = self.page_places.take(caller.address, each_max);
        share.ok_or(Refusal::TooMany(Limit::Connections(PAGES_MAX, each_max)))
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

    fn link(&self, worker: WorkerIndex) -> Result<&WorkerLink, Refusal> {
        self.links.get(usize::from(worker.0)).ok_or(Refusal::NoWorker)
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
const PAGES_MAX: usize = 20_000;
/// Of them from one address: a school behind one NAT.
const PAGES_OF_CLIENT_MAX: usize = PAGES_MAX / 8;
/// From a proxy that does not say who its clients are, and from this machine.
const PAGES_OF_PROXY_MAX: usize = PAGES_MAX / 2;

pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
