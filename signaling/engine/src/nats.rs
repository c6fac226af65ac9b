//! Owns the engine of a cluster: the store is a JetStream bucket, messages are NATS' own. Never waits for servers that
//! are not there: what cannot be done now fails now, and what is subscribed to goes on when they are back.

mod config;

mod bucket;
mod connection;
mod health;
mod jetstream;
mod messages;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::sync::watch as latest;

use crate::check_size;
use crate::drops::Drops;
use crate::engine::{Change, Engine, Health, Incoming, KeyValue, Revision};
use crate::error::EngineError;
use crate::key::{Key, NodeName, Prefix, Subject};
use bucket::{Bucket, copies};
use connection::Connection;
use messages::Messages;

pub use config::{BadClusterUrl, Credentials, NatsConfig, NatsTls};

/// One connection to the cluster's NATS servers, which all parts of this node share.
pub struct Nats {
    connection: Connection,
    bucket: Arc<Bucket>,
    messages: Messages,
}

impl Nats {
    /// Begins to connect and returns at once; [`Engine::health`] tells how it goes. Fails only when a file of the
    /// configuration cannot be used.
    ///
    /// In a box, so that the client of NATS is compiled here and not once more in each crate that connects.
    pub fn connect(config: NatsConfig) -> BoxFuture<'static, Result<Arc<Nats>, EngineError>> {
        Box::pin(Nats::begin(config))
    }

    async fn begin(config: NatsConfig) -> Result<Arc<Nats>, EngineError> {
        let connection = Connection::begin(&config).await?;
        let bucket = Arc::new(Bucket::new(&connection, &config));
        tokio::spawn(copies::keep_up(Arc::downgrade(&bucket), connection.health()));
        let messages = Messages::new(connection.clone(), config.prefix);
        Ok(Arc::new(Nats { connection, bucket, messages }))
    }
}

#[async_trait]
impl Engine for Nats {
    async fn get(&self, key: &Key) -> Result<Option<KeyValue>, EngineError> {
        self.connection.check_up()?;
        self.bucket.entry(key).await
    }

    async fn create(&self, key: &Key, value: Bytes) -> Result<Revision, EngineError> {
        self.check_can_send(&value)?;
        self.bucket.create(key, value).await
    }

    async fn update(&self, key: &Key, value: Bytes, expected: Revision) -> Result<Revision, EngineError> {
        self.check_can_send(&value)?;
        self.bucket.update(key, value, expected).await
    }

    async fn delete(&self, key: &Key, expected: Option<Revision>) -> Result<(), EngineError> {
        self.connection.check_up()?;
        self.bucket.delete(key, expected).await
    }

    async fn watch(&self, prefix: &str) -> Result<mpsc::Receiver<Change>, EngineError> {
        let prefix = Prefix::parse(prefix)?;
        Ok(watch::begin(Arc::clone(&self.bucket), self.connection.clone(), &prefix))
    }

    async fn request(&self, node: &str, payload: Bytes, within: Duration) -> Result<Bytes, EngineError> {
        let node = NodeName::parse(node)?;
        self.check_can_send(&payload)?;
        self.messages.request(&node, payload, within).await
    }

    async fn receive_requests(&self, node: &str) -> Result<mpsc::Receiver<Incoming>, EngineError> {
        self.messages.receive_requests(&NodeName::parse(node)?).await
    }

    async fn publish(&self, subject: &Subject, payload: Bytes) -> Result<(), EngineError> {
        self.check_can_send(&payload)?;
        self.messages.publish(subject, payload).await
    }

    async fn subscribe(&self, subject: &Subject) -> Result<mpsc::Receiver<Bytes>, EngineError> {
        self.messages.subscribe(subject).await
    }

    fn health(&self) -> latest::Receiver<Health> {
        self.connection.health()
    }

    fn drops(&self) -> &Drops {
        self.connection.drops()
    }
}

impl Nats {
    fn check_can_send(&self, payload: &[u8]) -> Result<(), EngineError> {
        check_size(payload)?;
        self.connection.check_up()?;
        self.connection.check_servers_take(payload)
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("health", &*self.connection.health().borrow()).finish_non_exhaustive()
    }
}
