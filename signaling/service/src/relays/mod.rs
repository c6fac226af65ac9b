//! Owns how workers reach each other, and where the tracks come from that they send.

pub mod keys;
pub mod paths;
pub mod peers;
