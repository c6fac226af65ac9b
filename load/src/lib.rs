//! Synthetic publishers and viewers over real sockets, for load and for the benchmark. They poll on a tick
//! instead of waking per packet, so that they cost less than what they measure. And, without any, the simulation
//! of placement in a cluster of a thousand nodes.

#![forbid(unsafe_code)]

pub mod airing;
pub mod arrival;
pub mod client;
pub mod clients;
pub mod floor;
pub mod guesser;
pub mod handshake;
pub mod http;
pub mod lossy;
pub mod measure;
pub mod node;
pub mod offer;
pub mod page;
pub mod party;
pub mod publisher;
pub mod rooms;
pub mod scenario;
pub mod simulation;
pub mod socket;
pub mod stage;
pub mod tally;
pub mod telling;
pub mod trial;
pub mod viewer;

use std::time::Duration;

/// How often a fleet looks at its sockets. A viewer of 240 packets/s has two or three waiting by then.
pub const POLL_TICK: Duration = Duration::from_millis(10);
