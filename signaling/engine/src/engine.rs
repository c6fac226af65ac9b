//! Owns what an engine promises to the rest of signaling. Never says how an engine keeps the promise.

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::drops::Drops;
use crate::error::EngineError;
use crate::key::{Key, Subject};

/// What the nodes of a cluster share. All of it is bounded in time: with nobody there, a call fails soon instead of
/// waiting for better days.
#[async_trait]
pub trait Engine: Send + Sync + fmt::Debug {
    /// The entry under `key` as the store has it now.
    async fn get(&self, key: &Key) -> Result<Option<KeyValue>, EngineError>;

    /// Writes the first value of `key`; [`EngineError::Exists`] when there is one.
    async fn create(&self, key: &Key, value: Bytes) -> Result<Revision, EngineError>;

    /// Replaces the value of `key` if its entry still has the revision `expected`; [`EngineError::Conflict`] when
    /// somebody else has written or deleted it since.
    async fn update(&self, key: &Key, value: Bytes, expected: Revision) -> Result<Revision, EngineError>;

    /// Deletes `key`. Without `expected` that what is not there is deleted already; with it, anything but an entry of
    /// that revision is a [`EngineError::Conflict`].
    async fn delete(&self, key: &Key, expected: Option<Revision>) -> Result<(), EngineError>;

    /// Follows all keys below `prefix`, which is whole segments ("streams", "streams/room") or empty for all keys; the
    /// key that equals `prefix` is not below it.
    ///
    /// What comes first is a [`Change::Put`] for all there is and then [`Change::Synced`]. Changes follow in the order
    /// of their revisions. Of several writes to one key a slow receiver may see the last only. [`Change::Reset`] says
    /// that changes may have been missed: what is known is void, all there is comes again, then [`Change::Synced`].
    /// With the store out of reach the watch is silent; see [`Engine::health`]. Dropping the receiver ends it.
    async fn watch(&self, prefix: &str) -> Result<mpsc::Receiver<Change>, EngineError>;

    /// Asks the node of that name and waits for its reply. [`EngineError::NobodyThere`] comes at once when no one
    /// serves it; [`EngineError::Timeout`] leaves open whether the request was acted on.
    async fn request(&self, node: &str, payload: Bytes, within: Duration) -> Result<Bytes, EngineError>;

    /// Receives the requests to the node of that name. When two serve one name, each request goes to one of them.
    /// Requests wait in a queue of [`WAITING_MAX`], beyond which the oldest, nearest to its asker's time
    /// limit, is dropped and counted. Dropping the receiver ends the service.
    async fn receive_requests(&self, node: &str) -> Result<mpsc::Receiver<Incoming>, EngineError>;

    /// Sends to everybody who subscribes to `subject` now, oneself included: at most once, and to each in the order in
    /// which this engine published.
    async fn publish(&self, subject: &Subject, payload: Bytes) -> Result<(), EngineError>;

    /// Receives what anyone publishes to `subject`. At most [`WAITING_MAX`] messages wait for the receiver,
    /// beyond which the oldest is dropped and counted ([`Engine::drops`]): the newer ones say
    /// more about now. Nothing tells the receiver, so what must not be missed has a number of its own. The
    /// subscription outlives lost connections, messages in between do not; dropping the receiver ends it.
    async fn subscribe(&self, subject: &Subject) -> Result<mpsc::Receiver<Bytes>, EngineError>;

    /// Whether other nodes can be reached. The embedded engine is always [`Health::Up`].
    fn health(&self) -> watch::Receiver<Health>;

    /// What was received and found no place.
    fn drops(&self) -> &Drops;
}

/// What the store has under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    pub key: Key,
    pub value: Bytes,
    pub revision: Revision,
}

/// Names one write. A later write has a higher one, whatever its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key has this value: it was there when the watch began, or was written since.
    Put(KeyValue),
    Deleted {
        key: Key,
        revision: Revision,
    },
    /// All there was has been told.
    Synced,
    /// Forget what this watch has told; all there is follows, then [`Change::Synced`].
    Reset,
}

/// A request to this node.
#[derive(Debug)]
pub struct Incoming {
    pub payload: Bytes,
    pub reply: Reply,
}

/// Where the reply to a request goes. Dropped without a reply, it leaves the asker to its time limit.
pub struct Reply(Box<dyn FnOnce(Bytes) + Send>);

impl Reply {
    pub(crate) fn new(send: impl FnOnce(Bytes) + Send + 'static) -> Reply {
        Reply(Box::new(send))
    }

    /// Sends the reply. It is lost, as on any network, when the asker has gone; a reply beyond
    /// [`crate::PAYLOAD_BYTES_MAX`] is not sent.
    pub fn send(self, payload: Bytes) {
        (self.0)(payload);
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// How many requests or messages wait for one receiver.
pub const WAITING_MAX: usize = 1024;

/// Whether other nodes can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// No attempt to reach a server has come to an end yet.
    Connecting,
    Up,
    /// `why` is for a person and never contains credentials.
    Down {
        since: Instant,
        why: String,
    },
}

impl Health {
    /// Why other nodes can't be reached, for a person; none while they can.
    pub fn outage(&self) -> Option<&str> {
        match self {
            Health::Connecting => Some("no server has answered yet"),
            Health::Up => None,
            Health::Down { why, .. } => Some(why),
        }
    }
}
