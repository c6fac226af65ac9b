//! Owns the watches of the store: for each an unnamed consumer at the servers, made anew whenever something of it may
//! be lost. Never guesses what was missed: after a gap all is told again.

mod delivery;

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::sync::watch as latest;
use tokio::time::timeout;

use super::bucket::Bucket;
use super::connection::Connection;
use super::jetstream::{Failure, codes};
use crate::engine::{Change, Health, KeyValue};
use crate::error::EngineError;
use crate::key::Prefix;
use delivery::Delivery;

/// Follows all keys below `prefix` for as long as the receiver is there.
pub(super) fn begin(bucket: Arc<Bucket>, connection: Connection, prefix: &Prefix) -> mpsc::Receiver<Change> {
    let (told, receiver) = mpsc::channel(CHANGES_WAITING_MAX);
    let filter = bucket.filter(prefix);
    tokio::spawn(async move {
        let gone = told.clone();
        tokio::select! {
            () = Watch { bucket, connection, filter, told, begun: false }.run() => {}
            () = gone.closed() => {}
        }
    });
    receiver
}

/// Changes that wait for a watcher, beyond which the servers keep them.
const CHANGES_WAITING_MAX: usize = 64;
/// How often the servers say that there is nothing to say.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// After so much silence the consumer is taken for lost.
const SILENCE_MAX: Duration = Duration::from_millis(2500);
/// Between attempts to begin while the servers are there and the store is not.
const RETRY_DELAY: Duration = Duration::from_millis(500);

struct Watch {
    bucket: Arc<Bucket>,
    connection: Connection,
    filter: String,
    told: mpsc::Sender<Change>,
    /// Whether the watcher has been told anything that a new consumer tells again.
    begun: bool,
}

/// Why a consumer is of no use any more.
enum WatchEnd {
    Lost,
    /// The receiver has gone.
    Unwatched,
}

impl Watch {
    async fn run(mut self) {
        let (mut health, mut connections) = (self.connection.health(), self.connection.connections());
        loop {
            if health.wait_for(|health| *health == Health::Up).await.is_err() {
                return;
            }
            // Whatever happens to this connection from here on is seen as a change.
            connections.mark_unchanged();
            match self.follow(&mut connections).await {
                Ok(WatchEnd::Lost) => {}
                Ok(WatchEnd::Unwatched) => return,
                Err(error) => {
                    tracing::debug!(%error, filter = self.filter, "the store cannot be watched yet");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    /// Makes a consumer and tells what it delivers until something is wrong with it.
    async fn follow(&mut self, connections: &mut latest::Receiver<u64>) -> Result<WatchEnd, EngineError> {
        let (mut messages, pending) = tokio::select! {
            // First, because a consumer of the connection before is of no use.
            biased;
            _ = connections.changed() => return Ok(WatchEnd::Lost),
            begun = self.begin_consumer() => begun?,
        };
        if std::mem::replace(&mut self.begun, true) && self.told.send(Change::Reset).await.is_err() {
            return Ok(WatchEnd::Unwatched);
        }
        let mut progress = Progress { delivered: 0, synced: false };
        if pending == 0 && !self.tell_synced(&mut progress).await {
            return Ok(WatchEnd::Unwatched);
        }
        loop {
            let message = tokio::select! {
                message = timeout(SILENCE_MAX, messages.next()) => message,
                _ = connections.changed() => return Ok(WatchEnd::Lost),
            };
            let Ok(Some(message)) = message else { return Ok(WatchEnd::Lost) };
            if let Some(ended) = self.handle(message, &mut progress).await {
                return Ok(ended);
            }
        }
    }

    async fn begin_consumer(&self) -> Result<(Subscriber, u64), EngineError> {
        let client = self.connection.client();
        let inbox = client.new_inbox();
        let subscribed = timeout(HEARTBEAT, client.subscribe(inbox.clone())).await;
        let messages = match subscribed {
            Ok(Ok(messages)) => messages,
            Ok(Err(error)) => return Err(EngineError::Unavailable(error.to_string())),
            Err(_) => return Err(EngineError::Timeout),
        };
        match self.call_for_consumer(&inbox).await {
            Ok(reply) => Ok((messages, reply.num_pending)),
            Err(failure) if failure.code() == Some(codes::STREAM_NOT_FOUND) => {
                self.bucket.ensure().await?;
                let reply = self.call_for_consumer(&inbox).await;
                reply.map(|reply| (messages, reply.num_pending)).map_err(|failure| failure.as_unavailable())
            }
            Err(failure) => Err(failure.as_unavailable()),
        }
    }

    async fn call_for_consumer(&self, inbox: &str) -> Result<ConsumerReply, Failure> {
        let stream = self.bucket.stream();
        let body = json!({
            "stream_name": stream,
            "config": {
                "deliver_subject": inbox,
                "deliver_policy": "last_per_subject",
                "filter_subject": self.filter,
                "ack_policy": "none",
                "max_deliver": 1,
                "replay_policy": "instant",
                "flow_control": true,
                "idle_heartbeat": nanoseconds(HEARTBEAT),
                "inactive_threshold": nanoseconds(2 * SILENCE_MAX),
                "mem_storage": true,
                "num_replicas": 1,
            },
        });
        self.bucket.jetstream().call(&format!("CONSUMER.CREATE.{stream}"), &body).await
    }

    async fn handle(&mut self, message: Message, progress: &mut Progress) -> Option<WatchEnd> {
        match Delivery::parse(&message) {
            Some(Delivery::Heartbeat { last_delivered, answer_to }) => {
                if let Some(answer_to) = answer_to {
                    self.answer(answer_to).await;
                }
                if last_delivered.is_some_and(|last| last != progress.delivered) {
                    return Some(WatchEnd::Lost);
                }
                // Nothing is left to deliver, even if the last of it was overwritten on its way.
                if last_delivered.is_some() && !self.tell_synced(progress).await {
                    return Some(WatchEnd::Unwatched);
                }
                None
            }
            Some(Delivery::Change { number, revision, pending, deleted }) => {
                progress.delivered += 1;
                if number != progress.delivered {
                    return Some(WatchEnd::Lost);
                }
                let change = self.bucket.key(&message.subject).and_then(|key| match deleted {
                    // Who has been told nothing of the key need not hear that it is gone.
                    true if !progress.synced => None,
                    true => Some(Change::Deleted { key, revision }),
                    false => Some(Change::Put(KeyValue { key, value: message.payload, revision })),
                });
                if let Some(change) = change
                    && self.told.send(change).await.is_err()
                {
                    return Some(WatchEnd::Unwatched);
                }
                let synced = pending > 0 || self.tell_synced(progress).await;
                if synced { None } else { Some(WatchEnd::Unwatched) }
            }
            // The servers say something new; beginning again cannot be wrong.
            None => Some(WatchEnd::Lost),
        }
    }

    /// False when the receiver has gone.
    async fn tell_synced(&self, progress: &mut Progress) -> bool {
        std::mem::replace(&mut progress.synced, true) || self.told.send(Change::Synced).await.is_ok()
    }

    /// Flow control: the servers wait for this before they send more.
    async fn answer(&self, subject: String) {
        // If it does not arrive, no more heartbeats do, and the consumer is made anew.
        let _ = timeout(HEARTBEAT, self.connection.client().publish(subject, Bytes::new())).await;
    }
}

struct Progress {
    /// Messages from this consumer, which counts them too.
    delivered: u64,
    synced: bool,
}

#[derive(Deserialize)]
struct ConsumerReply {
    #[serde(default)]
    num_pending: u64,
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
