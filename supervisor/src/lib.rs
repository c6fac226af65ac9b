//! Owns the processes of a node: binds every socket, starts signaling and the workers, replaces whichever dies.
//! Never reads from the network, and parses nothing that comes from outside. Has one thread, but for the one that writes
//! the log file: it starts no process, and only the end of the node waits for it, a second at most.
//!
//! In reading order: [`NodePlan`] says what to run, [`run`] binds, spawns and supervises until a signal ends it.
//! The other side of the fork is [`child`]: what a worker and the signaling process do before their own work.

#![forbid(unsafe_code)]

mod node;
mod node_sockets;
mod orders;
mod plan;
mod renew;

mod channel;
mod ended;
mod lifecycle;
mod process;
mod supervise;
mod supervised;
mod token;

mod announce;
mod backoff;
mod caps;
mod lines;
mod log_file;
mod log_format;
mod log_ring;
mod outlet;
mod runtime_dir;
mod shown;
mod signals;
mod sockets;
mod state_file;

pub mod child;

pub use caps::Caps;
pub use channel::fuzz_requests;
pub use child::log::check_log_filter;
pub use ended::{EXIT_REFUSE, EXIT_STOP, Ended};
pub use log_format::LogFormat;
pub use node::run;
pub use plan::{AcmePlan, DevelopmentPlan, LogFilePlan, NodePlan, RenewedPlan, Role, TlsPlan};
pub use runtime_dir::running_nodes;
pub use sockets::StartError;
