//! Owns what nodes share and how they speak: a small store, requests, publish and subscribe. Never knows what
//! the bytes mean.
//!
//! The store is a hint and an arbiter: nothing on the path of media waits for it, and everything here ends or
//! fails within a time limit when there is nobody to speak to.

#![forbid(unsafe_code)]

mod engine;
mod error;

mod drops;
mod key;
mod mailbox;

mod embedded;
mod nats;

pub use drops::Drops;
pub use embedded::Embedded;
pub use engine::{Change, Engine, Health, Incoming, KeyValue, Reply, Revision, WAITING_MAX};
pub use error::EngineError;
pub use key::{BadStoreName, KEY_LENGTH_MAX, KEY_SEGMENTS_MAX, Key, Subject};
pub use nats::{BadClusterUrl, Credentials, Nats, NatsConfig, NatsTls};

/// The largest value or message. A NATS server takes 1 MiB with headers unless it is told otherwise.
pub const PAYLOAD_BYTES_MAX: usize = 1_000_000;

/// Refuses what no engine could send.
pub(crate) fn check_size(payload: &[u8]) -> Result<(), EngineError> {
    let (bytes, bytes_max) = (payload.len(), PAYLOAD_BYTES_MAX);
    if bytes > bytes_max { Err(EngineError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
}
