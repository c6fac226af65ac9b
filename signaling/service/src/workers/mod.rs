//! Owns what is known of each of this node's workers, the queues to them, and what follows from what they say.

pub mod event;
pub mod link;
pub mod view;
