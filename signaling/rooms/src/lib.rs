//! Owns who is where: rooms, streams, members, sessions and who watches what. Pure: each function
//! changes the registry and returns what has to be told to whom. No sockets, no clock, no randomness.

#![forbid(unsafe_code)]

mod address;
mod adopt;
mod alias;
mod attempt;
mod audience;
mod change;
mod demand;
mod effect;
mod ended;
mod error;
mod limits;
mod listing;
mod member;
mod membership;
mod moderation;
mod note;
mod occurrence;
mod per_address;
mod registry;
mod remote;
mod report;
mod session;
mod sessions;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
mod tokens;
mod voices;
mod watch;

pub use address::ClientAddress;
pub use alias::SessionAlias;
pub use attempt::{Attempt, Proof, Takeover};
pub use audience::{Audience, AudienceReport};
pub use change::IceBefore;
pub use chappe_cluster::{BadName, MemberId, ResumeSecret, RoomName, StreamName};
pub use chappe_signaling_sdp::Showing;
pub use effect::{Effect, LostReason, SessionNotice, StreamNotice};
pub use error::{RoomError, RoomLimit};
pub use limits::{Caps, VIEWERS_PER_TURN};
pub use member::{Connection, Member};
pub use moderation::{ChosenTracks, ModeratedTrack};
pub use note::{Moderated, NOTE_VERSION, Note, Owner, Role, SESSION_KINDS, Slot, TrackChoice};
pub use occurrence::{Location, Occurrence, Participant, PublishedTrack};
pub use registry::{Registry, Room};
pub use session::{Phase, SESSION_STATES, Session, SlotState};
pub use stream::{Stream, Track, TrackHome};
pub use watch::slot_states;
