//! Owns the processes of a node: binds every socket, starts signaling and the workers, replaces whichever dies.
//! Never reads from the network, never runs a second thread, and parses nothing that comes from outside.
//!
//! In reading order: [`NodePlan`] says what to run, [`run`] binds, spawns and supervises until a signal ends it.
//! The other side of the fork is [`child`]: what a worker and the signaling process do before their own work.

#![forbid(unsafe_code)]

mod announce;
mod backoff;
mod lines;
mod node;
mod outlet;
mod process;
mod runtime_dir;
mod signals;
mod sockets;
mod state_file;
mod supervise;

pub mod child;

pub use node::{Auth, NodePlan, Role, run};
pub use outlet::LogFormat;
pub use sockets::StartError;
pub use supervise::{EXIT_REFUSE, EXIT_STOP, Ended};
