//! Owns the words in which clients and operators speak with this node: HTTP, WHIP, WHEP, WebSocket and the admin API.
//! Never decides what a request leads to: the service does.

#![forbid(unsafe_code)]

mod access;
pub mod admin;
mod content_type;
mod error;
mod fuzz;
pub mod http;
mod processes;
mod refusal;
pub mod supervisor;
mod words;
mod ws;

pub use access::{AccessConfig, BasePath, Gate, Host, Network, Proxies};
pub use fuzz::Doors as FuzzDoors;
pub use processes::Processes;
pub use refusal::{counted, to_remote};
pub use ws::{ServerMessage, page_message};
