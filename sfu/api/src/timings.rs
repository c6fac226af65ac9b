//! How long things took that a worker does over and over.

use serde::{Deserialize, Serialize};

/// Since the worker's process began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timings {
    /// A turn of the event loop.
    pub turns: Histogram,
    /// From the opening of a session until media can flow.
    pub joins: Histogram,
    /// From when a viewer can be reached and what it watches is there until its first key frame leaves.
    pub first_keyframes: Histogram,
    /// What viewers get, until it leaves; of what leaves at once the oldest packet.
    pub egress_waits: Histogram,
    /// What goes to other workers: what it waits here, and half of the round trip to there; of what leaves at once the
    /// newest packet.
    pub relay_hops: Histogram,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Histogram {
    /// Upper ends of the buckets, in microseconds, in ascending order.
    pub bounds_us: Vec<u64>,
    /// One more than there are bounds: the last is what took longer.
    pub counts: Vec<u64>,
    pub sum_us: u64,
}
