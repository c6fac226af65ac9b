//! Owns everything clients say and are told: HTTP, WebSocket, SDP, rooms, sessions, and which worker
//! carries whom. Never touches a media packet. It may die and start again at any time: what it needs to
//! go on is in the workers' snapshots, and whether its node drains in a file beside their sockets.

#![forbid(unsafe_code)]

mod access;
mod addresses;
mod admin;
mod app;
mod auth;
mod cluster;
mod config;
mod http;
mod refusal;
mod run;
mod workers;
mod ws;

pub use access::{AccessConfig, BasePath, Host, Network, Proxies};
pub use config::{AuthMode, Config, SignalingError, Stopped, check_cluster};
pub use run::{run, serve};
#[doc(hidden)]
pub use ws::page_message as fuzz_page_message;
