//! Owns who is where: rooms, streams, members, sessions and who watches what. Pure: each function
//! changes the registry and returns what has to be told to whom. No sockets, no clock, no randomness.

mod adopt;
mod attempt;
mod audience;
mod change;
mod effect;
mod member;
mod membership;
mod per_address;
mod registry;
mod sessions;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
mod watch;

pub use attempt::Attempt;
pub use audience::{Audience, AudienceReport};
pub use change::IceBefore;
pub use chappe_cluster::{BadName, MemberId, ResumeSecret, RoomName, StreamName};
pub use effect::{Effect, LostReason, Notice};
pub use member::{Connection, Member};
pub use registry::{ROOMS_MAX, Registry, Room};
pub use stream::{Stream, Track};
pub use streams::{Proof, TrackHome};
pub use watch::{VIEWERS_PER_TURN, slot_states};
