//! Owns `GET /ws`: the connection of one page and the messages on it, as `web/PROTOCOL.md` says.
//! Never decides what a request leads to.

mod connection;
mod dispatch;
mod message;
mod rate;

pub use connection::upgrade;
pub use message::{ServerMessage, StreamText};
