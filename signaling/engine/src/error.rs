//! Owns what can go wrong between this node and the others. Never an error of the caller's own records.

use std::path::PathBuf;

use thiserror::Error;

use crate::key::BadStoreName;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    #[error("the key has a value already")]
    Exists,

    #[error("somebody else has written the key since it was read; read it again")]
    Conflict,

    /// The write was sent and its acknowledgement did not come. It may have happened, and may yet happen.
    #[error("it is not known whether the write happened; read the key again")]
    Unknown,

    /// Nothing was done.
    #[error("the cluster's NATS servers cannot be used: {0}")]
    Unavailable(String),

    #[error("nobody serves a node of that name")]
    NobodyThere,

    /// The request may have been acted on.
    #[error("no reply came in time")]
    Timeout,

    #[error("{bytes} bytes are more than the {bytes_max} that can be sent at once")]
    TooLarge { bytes: usize, bytes_max: usize },

    #[error(transparent)]
    BadStoreName(#[from] BadStoreName),

    /// Only when an engine is made.
    #[error("{}: {why}", path.display())]
    BadFile { path: PathBuf, why: String },
}
