//! Owns the use cases of WebRTC sessions: publishing, watching, changing, ending, on whichever node they are.

pub mod admission;
pub mod arrivals;
pub mod moderation;
pub mod names;
pub mod opening;
pub mod own;
pub mod patch;
pub mod place;
pub mod publish;
pub mod relayed;
pub mod remote;
pub mod served;
pub mod watch;
