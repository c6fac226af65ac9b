//! The media plane of one SFU worker, sans-I/O: datagrams and `now` in, datagrams and events out.
//!
//! Owns ICE-lite, DTLS, SRTP, RTP and RTCP of every session and the way of a packet from a publisher to
//! its viewers. Never opens a socket, reads a clock, draws a random number, starts a thread or logs; it
//! knows nothing of signaling, rooms or SDP. The read of the code starts at [`Sfu`] and `forward.rs`.

#![forbid(unsafe_code)]

#[cfg(any(test, feature = "client"))]
pub mod client;
pub mod dtls;
pub mod ice;
mod net;
pub mod codec;
pub mod nack;
pub mod rtcp;
pub mod twcc;
pub mod rtp;
pub mod srtp;
mod stats;
#[cfg(test)]
mod sim;
pub mod stun;
pub mod transport;

pub use net::{ConnectionId, DatagramKind, Now, Route, classify};
pub use stats::{Counters, DropReason};
