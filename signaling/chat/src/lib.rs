//! Owns who is in a room across nodes, and what they say to each other. Pure: no sockets, no clock, no
//! randomness. Never touches media.
//!
//! Each node has one [`Chat`] for all rooms in which it has members. It is told what local pages do and what
//! other nodes publish, and answers with [`ChatOutput`]s: what to tell the pages, what to publish on the room's
//! subject, and which subjects to subscribe to.
//!
//! **Who is here.** A node tells its members when they come and go, and each 10 s a digest of them. Whoever
//! finds that it differs asks for the list. A node that is lost, or silent for 35 s, has nobody.
//!
//! **What is said.** A node numbers its own messages per room, and every message it publishes says how many
//! there are, so whoever lost one knows. It asks for it twice, and after a second shows a gap instead. What
//! is delivered twice is shown once. Each node shows a room in the order in which it hears it.
//!
//! **What was said before.** The last 100 messages of a room live on the nodes that have members there, and
//! on each for a minute after its last one left; a node that opens the room asks one of them. Nothing is
//! stored: when all have left, the history is gone.

#![forbid(unsafe_code)]

mod chat;
mod error;
mod limits;
mod log;
mod message;
mod numbering;
mod output;
mod presence;
mod remote_room;
mod room;
mod said;
mod text;
mod timers;

pub use chat::Chat;
pub use error::{JoinError, SayError};
pub use message::RoomMessage;
pub use output::{ChatNotice, ChatOutput};
pub use said::{Gap, History, Person, Said};
