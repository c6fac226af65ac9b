//! The contract between the supervisor of a node and the programs of ours that ask it: requests, replies, names.
//! Words on a line, all of fixed form and bounded length, so that the parent needs no library to read them.
//!
//! A request is one line. Its reply is any number of [`SupervisorReply`] lines, the last of which is `ok` or `error`. A
//! request that follows a thing goes on after `ok`: processes come anew, whole, with each change; log lines one by one.

#![forbid(unsafe_code)]

mod admin_auth;
mod auth;
mod name;
mod process;
mod reply;
mod request;

pub use admin_auth::AdminAuth;
pub use auth::Auth;
pub use name::{LogSource, ProcessName};
pub use process::{ProcessState, ProcessStatus};
pub use reply::SupervisorReply;
pub use request::SupervisorRequest;

/// A line that says something else than the contract allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not understood")]
pub struct ParseError(pub String);

/// Bytes of a line, without its end: a path is the longest thing that is told.
pub const REQUEST_BYTES_MAX: usize = 8 << 10;
/// Bytes of a line of a reply: the longest log line that the supervisor passes on, and its source.
pub const REPLY_BYTES_MAX: usize = 20 << 10;
/// In the private directory of a node: where the supervisor listens.
pub const SOCKET_FILE: &str = "supervisor.sock";
/// In the private directory of a node: its addresses and processes, as `--state-file` writes them.
pub const STATE_FILE: &str = "state.json";
/// In the private directory of a node: where worker `index` listens for signaling.
pub fn worker_socket(index: u16) -> String {
    format!("worker-{index}.sock")
}

/// Workers of one node.
pub const WORKERS_MAX: u16 = 256;
