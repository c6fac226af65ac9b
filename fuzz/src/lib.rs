//! Owns the fuzz targets: each takes bytes as somebody outside could have written them, and panics if the code under
//! test does or if it breaks a promise to the others. Never draws a random number: the same bytes do the same.
//!
//! Without a target of its own is what a library reads: HTTP and its framing (hyper), WebSocket frames (tungstenite), TLS
//! (rustls), the answers of an ACME authority (instant-acme), messages of NATS (async-nats). Of the answers to webhooks
//! and traces only the status is looked at; of those of an issuer `token` reads the keys, and beside them one number is
//! read (`max-age`). What a NATS server says of its own, a few numbers in JSON and in subjects, comes from a server that
//! could do as it likes anyway; claims and keys in its store are other nodes', and read with serde alone. Settings, key
//! files and the state of a node are their owner's, and `chappe load` reads what a server says that it was pointed at.
//!
//! `tests/corpus.rs` replays the corpus and changes it for a few seconds, `make fuzz` for as long as it is told.

#![forbid(unsafe_code)]
#![allow(clippy::panic, reason = "a target stops at the first surprise")]

pub mod hunt;

mod change;
mod chat;
mod cluster;
mod doors;
mod events;
mod framing;
mod handshake;
mod input;
mod parsers;
mod relay;
mod sdp;
mod session;
mod targets;
mod token;

#[path = "../../sfu/core/tests/harness/mod.rs"]
mod harness;

pub use targets::{TARGETS, Target, target};
