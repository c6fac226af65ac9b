//! Signaling as its clients and workers see it: the real server on loopback sockets, and a scripted worker
//! that speaks the control protocol, so that each test can say what the worker does and when.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod http;
mod issuer;
mod offer;
mod page;
mod server;
mod shares;
mod worker;

mod admin;
mod alone;
mod callers;
mod caps;
mod crowds;
mod deaths;
mod drain;
mod edge;
mod events;
mod floods;
mod members;
mod moderation;
mod patch;
mod refusals;
mod room;
mod token_matrix;
mod tokens;
mod turn;
mod whep;
mod whip;
