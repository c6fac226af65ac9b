//! Owns a TURN server (RFC 8656) for clients that reach media ports neither over UDP nor over TCP: UDP, TCP and TLS on
//! one port. It relays to media ports of our own workers and to nobody else, for clients that were given credentials.
//!
//! The protocol is `turn-server-proto`, which does no I/O. Each client has one of its own, so that what one may keep here
//! is what one task holds, and goes with it.

#![forbid(unsafe_code)]

mod client;
mod framing;
mod fuzz;
mod listen;
mod quota;
mod refusal;
mod request;
mod terms;

pub use fuzz::client_messages as fuzz_client_messages;
pub use listen::{TurnSockets, relay_media};
pub use terms::{RelayTargets, Terms};
