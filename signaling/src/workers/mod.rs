//! Owns the control connections to this node's workers and what is known of each worker.
//! Never decides which worker serves whom.

mod client;
mod lines;
mod link;
mod view;

pub use client::follow_worker;
#[cfg(test)]
pub use link::{Outgoing, WorkerQueue};
pub use link::{Relays, Reply, Waiting, WorkerError, WorkerLink, link};
pub use view::{WorkerState, WorkerView};
