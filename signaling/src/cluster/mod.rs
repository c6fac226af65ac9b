//! Owns this node's speech with others: what it says to them and hears of them. Never decides what a client gets: the
//! service does.

mod inbox;
mod outbox;
mod secret;
mod start;

pub use inbox::{follow_cluster, serve_requests};
pub use outbox::send_outgoing;
pub use secret::agree_on_secret;
pub use start::{check_entry, gather, join};
