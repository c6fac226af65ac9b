//! Owns the processes of a node: binds every socket, starts signaling and the workers, replaces whichever dies.
//! Never reads from the network, never runs a second thread, and parses nothing that comes from outside.
//!
//! In reading order: [`NodePlan`] says what to run, [`run`] binds, spawns and supervises until a signal ends it.
//! The other side of the fork is [`child`]: what a worker and the signaling process do before their own work.

#![forbid(unsafe_code)]

mod node;
mod orders;
mod places;
mod plan;
mod renew;

mod channel;
mod ended;
mod process;
mod slot;
mod supervise;
mod supervised;
mod token;

mod announce;
mod backoff;
mod lines;
mod log_ring;
mod outlet;
mod runtime_dir;
mod signals;
mod sockets;
mod state_file;

pub mod child;

pub use child::log::check_log_filter;
pub use ended::{EXIT_REFUSE, EXIT_STOP, Ended};
pub use node::run;
pub use outlet::LogFormat;
pub use plan::{DevelopmentPlan, NodePlan, Renewal, Role, TlsPlan};
pub use runtime_dir::running_nodes;
pub use sockets::StartError;
