//! Owns the formats of others as bytes and as values: STUN, RTP and RTCP. Without state, and never decides.

pub mod rtcp;
pub mod rtp;
pub mod stun;
