//! Owns the formats of others as bytes and as values: STUN, RTP and RTCP. Without state, and never decides.

pub(crate) mod datagram;
pub mod rtcp;
pub mod rtp;
pub mod stun;
