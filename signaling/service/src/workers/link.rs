//! Owns the queue of commands to one worker. Commands leave in the order in which they were given.
//!
//! A queue, and no trait for what a worker does: whoever holds its other end is the worker (a connection, or a test), and nothing
//! of it can run, or wait, under the service's lock.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chappe_sfu_api::{Command, CommandError, PeerStats, RelayStats, SessionStats, WorkerIndex};
use tokio::sync::{Notify, mpsc, oneshot};

/// Where commands for one worker are handed in.
#[derive(Debug, Clone)]
pub struct WorkerLink {
    queue: mpsc::Sender<WorkerCommand>,
    /// A command found no place: the connection has to be made anew, which brings both into agreement.
    overflowed: Arc<Notify>,
}

/// The ways to all workers of this node, by index. They come and go.
#[derive(Debug, Default)]
pub struct Links(RwLock<Vec<WorkerLink>>);

/// Where the connection takes the commands for its worker from.
#[derive(Debug)]
pub struct WorkerQueue {
    pub commands: mpsc::Receiver<WorkerCommand>,
    pub overflowed: Arc<Notify>,
}

/// A command on its way, with the place where its reply is awaited.
#[derive(Debug)]
pub struct WorkerCommand {
    pub command: Command,
    pub reply: Option<oneshot::Sender<Result<WorkerReply, WorkerError>>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum WorkerReply {
    Done,
    Stats(SessionStats),
    Relays(Relays),
}

/// What a worker relays, and with whom.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Relays {
    pub peers: Vec<PeerStats>,
    pub relays: Vec<RelayStats>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    #[error("the worker refused: {0}")]
    Refused(CommandError),
    #[error("the worker is gone")]
    Gone,
    #[error("the worker did not answer within {} s", REPLY_SECONDS_MAX)]
    Silent,
}

/// A reply to come.
#[derive(Debug)]
pub struct Waiting(Option<oneshot::Receiver<Result<WorkerReply, WorkerError>>>);

impl WorkerLink {
    /// Hands in a command whose outcome nobody waits for. What finds no place because the worker takes
    /// nothing any more is desired state: it is told again when the next connection is in agreement.
    pub fn send(&self, command: Command) {
        if self.queue.try_send(WorkerCommand { command, reply: None }).is_err() {
            tracing::warn!("the queue of commands to a worker is full");
            self.overflowed.notify_one();
        }
    }

    /// Hands in a command at once; the reply can be awaited later, without any lock held.
    pub fn request(&self, command: Command) -> Waiting {
        let (reply, waiting) = oneshot::channel();
        match self.queue.try_send(WorkerCommand { command, reply: Some(reply) }) {
            Ok(()) => Waiting(Some(waiting)),
            Err(_) => Waiting(None),
        }
    }
}

impl Links {
    pub fn new(links: Vec<WorkerLink>) -> Links {
        Links(RwLock::new(links))
    }

    pub fn to(&self, worker: WorkerIndex) -> Option<WorkerLink> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(usize::from(worker.0)).cloned()
    }

    /// To the worker after the last.
    pub fn push(&self, link: WorkerLink) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(link);
    }

    /// Commands to the last worker have nobody to take them any more.
    pub fn pop(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).pop();
    }
}

impl Waiting {
    pub async fn reply(self) -> Result<WorkerReply, WorkerError> {
        let Some(waiting) = self.0 else {
            return Err(WorkerError::Gone);
        };
        match tokio::time::timeout(Duration::from_secs(REPLY_SECONDS_MAX), waiting).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => Err(WorkerError::Gone),
            Err(_) => Err(WorkerError::Silent),
        }
    }
}

/// The two ends of the queue to one worker.
pub fn worker_link() -> (WorkerLink, WorkerQueue) {
    let (queue, commands) = mpsc::channel(QUEUE_COMMANDS_MAX);
    let overflowed = Arc::new(Notify::new());
    (WorkerLink { queue, overflowed: Arc::clone(&overflowed) }, WorkerQueue { commands, overflowed })
}

/// A stream that changes sends one command per viewer at once, so this is above a worker's sessions.
const QUEUE_COMMANDS_MAX: usize = 16_384;

/// A worker answers within a millisecond; after this it hangs.
pub const REPLY_SECONDS_MAX: u64 = 5;
