//! Owns the count of messages that were dropped because they found no place in a queue. Never decides which one goes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Of one engine, since it was made.
#[derive(Debug, Default)]
pub struct Drops {
    requests: AtomicU64,
    subscriptions: AtomicU64,
    connection: AtomicU64,
}

/// Where messages from other nodes wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    Requests,
    Subscription,
    /// Of the client library, before one of the others.
    Connection,
}

impl Drops {
    pub(crate) fn add(&self, queue: Queue) {
        self.counter(queue).fetch_add(1, Ordering::Relaxed);
    }

    pub fn total(&self) -> u64 {
        Queue::ALL.iter().map(|queue| self.counter(*queue).load(Ordering::Relaxed)).sum()
    }

    /// Into the recorder of whoever calls: a page of metrics is made anew for each scrape.
    pub fn record(&self) {
        metrics::describe_counter!(METRIC, "Messages from other nodes that found no place in a queue of this node.");
        for queue in Queue::ALL {
            let count = self.counter(queue).load(Ordering::Relaxed);
            metrics::counter!(METRIC, "queue" => queue.as_text()).absolute(count);
        }
    }

    fn counter(&self, queue: Queue) -> &AtomicU64 {
        match queue {
            Queue::Requests => &self.requests,
            Queue::Subscription => &self.subscriptions,
            Queue::Connection => &self.connection,
        }
    }
}

impl Queue {
    const ALL: [Queue; 3] = [Queue::Requests, Queue::Subscription, Queue::Connection];

    pub(crate) fn as_text(self) -> &'static str {
        match self {
            Queue::Requests => "requests",
            Queue::Subscription => "subscription",
            Queue::Connection => "connection",
        }
    }
}

const METRIC: &str = "chappe_engine_messages_dropped_total";
