//! Owns who is in a room across nodes, and what they say to each other. Pure: no sockets, no clock, no
//! randomness. Never touches media.
//!
//! Each node has one [`Lobby`] for all rooms in which it has members. It is told what local pages do and what
//! other nodes publish, and answers with [`Output`]s.

#![forbid(unsafe_code)]

mod limits;
mod lobby;
mod message;
mod notice;
mod text;

pub use lobby::Lobby;
pub use message::RoomMessage;
pub use notice::{Gap, History, JoinError, Notice, Output, Person, Said, SayError};
