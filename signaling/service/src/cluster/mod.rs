//! Owns this node's part in the cluster: who it is, what it knows of others, asks them and answers.

pub mod answer;
pub mod handle;
pub mod message;
pub mod outgoing;
pub mod presence;
pub mod process_order;
pub mod record;
pub mod tick;
