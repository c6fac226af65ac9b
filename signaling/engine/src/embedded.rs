//! Owns the engine of a node that is alone: everything in this process's memory. Never down, never late, and by the
//! same rules as the other, so that one node is a cluster of one.

mod messages;
mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::drops::{Drops, Queue};
use crate::engine::{Change, Engine, Health, Incoming, KeyValue, Reply, Revision, WAITING_MAX};
use crate::error::EngineError;
use crate::key::{Key, NodeName, Prefix, Subject};
use crate::mailbox::mailbox;
use crate::{PAYLOAD_BYTES_MAX, check_size};
use messages::Messages;
use store::Store;

/// Clones of one handle share everything: in tests each stands for a node.
#[derive(Debug)]
pub struct Embedded {
    inner: Arc<Inner>,
    health: watch::Sender<Health>,
}

#[derive(Debug)]
struct Inner {
    store: Mutex<Store>,
    messages: Mutex<Messages>,
    drops: Arc<Drops>,
    /// The revision of the last write, for those who watch.
    written: watch::Sender<u64>,
}

impl Embedded {
    pub fn new() -> Arc<Embedded> {
        let (store, messages, drops) = (Mutex::default(), Mutex::default(), Arc::default());
        let inner = Inner { store, messages, drops, written: watch::Sender::new(0) };
        Arc::new(Embedded { inner: Arc::new(inner), health: watch::Sender::new(Health::Up) })
    }

    fn write<T>(&self, change: impl FnOnce(&mut Store) -> Result<T, EngineError>) -> Result<T, EngineError> {
        let mut store = self.inner.store();
        let done = change(&mut store)?;
        self.inner.written.send_replace(store.last());
        Ok(done)
    }
}

#[async_trait]
impl Engine for Embedded {
    async fn get(&self, key: &Key) -> Result<Option<KeyValue>, EngineError> {
        Ok(self.inner.store().entry(key))
    }

    async fn create(&self, key: &Key, value: Bytes) -> Result<Revision, EngineError> {
        check_size(&value)?;
        self.write(|store| store.create(key, value))
    }

    async fn update(&self, key: &Key, value: Bytes, expected: Revision) -> Result<Revision, EngineError> {
        check_size(&value)?;
        self.write(|store| store.update(key, value, expected))
    }

    async fn delete(&self, key: &Key, expected: Option<Revision>) -> Result<(), EngineError> {
        self.write(|store| store.delete(key, expected))
    }

    async fn watch(&self, prefix: &str) -> Result<mpsc::Receiver<Change>, EngineError> {
        let prefix = Prefix::parse(prefix)?;
        let (sender, receiver) = mpsc::channel(CHANGES_WAITING_MAX);
        tokio::spawn(tell_changes(Arc::clone(&self.inner), prefix, sender));
        Ok(receiver)
    }

    async fn request(&self, node: &str, payload: Bytes, within: Duration) -> Result<Bytes, EngineError> {
        let node = NodeName::parse(node)?;
        check_size(&payload)?;
        let deadline = Instant::now() + within;
        let (sender, receiver) = oneshot::channel();
        let reply = Reply::new(move |payload: Bytes| {
            if payload.len() <= PAYLOAD_BYTES_MAX {
                // The asker may have gone.
                let _ = sender.send(payload);
            }
        });
        if !self.inner.messages().ask(&node, Incoming { payload, reply }) {
            return Err(EngineError::NobodyThere);
        }
        match tokio::time::timeout_at(deadline, receiver).await {
            Ok(Ok(payload)) => Ok(payload),
            Ok(Err(_dropped)) => {
                tokio::time::sleep_until(deadline).await;
                Err(EngineError::Timeout)
            }
            Err(_elapsed) => Err(EngineError::Timeout),
        }
    }

    async fn receive_requests(&self, node: &str) -> Result<mpsc::Receiver<Incoming>, EngineError> {
        let node = NodeName::parse(node)?;
        let (sender, receiver) = mailbox(Queue::Requests, &self.inner.drops, WAITING_MAX);
        self.inner.messages().receive_requests(node, sender);
        Ok(receiver)
    }

    async fn publish(&self, subject: &Subject, payload: Bytes) -> Result<(), EngineError> {
        check_size(&payload)?;
        self.inner.messages().publish(subject, &payload);
        Ok(())
    }

    async fn subscribe(&self, subject: &Subject) -> Result<mpsc::Receiver<Bytes>, EngineError> {
        let (sender, receiver) = mailbox(Queue::Subscription, &self.inner.drops, WAITING_MAX);
        self.inner.messages().subscribe(subject, sender);
        Ok(receiver)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    fn drops(&self) -> &Drops {
        &self.inner.drops
    }
}

impl Inner {
    // Each change is one step: whoever panicked while holding a lock has left what it guards whole.

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All there is below `prefix`, and the revision it is of.
    fn all(&self, prefix: &Prefix) -> (Vec<Change>, u64) {
        let store = self.store();
        (store.all(prefix), store.last())
    }
}

/// Tells one watcher everything, as fast as it takes it. A watcher that is slow costs no memory: what it has not heard
/// of is looked up when it is ready.
async fn tell_changes(inner: Arc<Inner>, prefix: Prefix, watcher: mpsc::Sender<Change>) {
    let mut written = inner.written.subscribe();
    let (mut changes, mut told) = inner.all(&prefix);
    changes.push(Change::Synced);
    loop {
        for change in changes {
            if watcher.send(change).await.is_err() {
                return;
            }
        }
        tokio::select! {
            newer = written.wait_for(|&last| last > told) => if newer.is_err() { return },
            () = watcher.closed() => return,
        }
        let newer = {
            let store = inner.store();
            (store.after(told, &prefix), store.last())
        };
        (changes, told) = match newer {
            (Some(changes), last) => (changes, last),
            (None, _) => {
                let (all, last) = inner.all(&prefix);
                let reset = [Change::Reset].into_iter().chain(all).chain([Change::Synced]);
                (reset.collect(), last)
            }
        };
    }
}

/// Changes that wait for a watcher, beyond which the store keeps them.
const CHANGES_WAITING_MAX: usize = 64;
