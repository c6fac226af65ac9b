//! Owns the way of a packet from a history to whoever watches the track.

pub(crate) mod catch_up;
pub(crate) mod forward;
pub(crate) mod subscribers;
pub(crate) mod switch;
