//! Owns the control connections to this node's workers. Never decides which worker serves whom.

mod client;
mod lines;
mod silence;

pub use client::follow_worker;
