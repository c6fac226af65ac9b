//! Owns which TURN servers clients are told, and the credentials that each of them gets, for a short while. Pure: never
//! relays, reads a file or a clock.

#![forbid(unsafe_code)]

mod counts;
mod servers;
mod url;

pub use counts::{Counts, Refused};
pub use servers::{IceServer, TurnSecret, TurnServers};
pub use url::{BadTurnUrl, TurnUrl};
