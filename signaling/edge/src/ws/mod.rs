//! Owns `GET /ws`: the connection of one page and the messages on it, as `web/PROTOCOL.md` says.
//! Never decides what a request leads to.

mod connection;
mod dispatch;
mod fuzz;
mod message;
mod queue;
mod rate;
mod trace;

pub use connection::upgrade;
pub use fuzz::page_message;
pub use message::ServerMessage;
