//! The media plane of one SFU worker, sans-I/O: datagrams and `now` in, datagrams and events out.
//!
//! Owns ICE-lite, DTLS, SRTP, RTP and RTCP of every session and the way of a packet from a publisher to
//! its viewers. Never opens a socket, reads a clock, draws a random number, starts a thread or logs; it
//! knows nothing of signaling, rooms or SDP. The read of the code starts at [`Sfu`] and `forward.rs`.

#![forbid(unsafe_code)]

// In reading order: the way of a packet first, then what it passes.
mod catch_up;
mod containment;
mod control;
mod feedback;
mod forward;
mod relay;
mod repair;
mod routes;
mod sfu;
mod snapshot;
mod switch;

mod alive;
mod company;
mod egress;
mod history;
mod keyframe_allowance;
mod keys;
mod net;
mod parameter_sets;
mod playout;
mod rewrite;
mod sender;
mod session;
mod source;
mod spec;
mod stats;
mod subscribers;
mod template;
mod timers;
mod track;

pub mod codec;
pub mod dtls;
pub mod ice;
pub mod nack;
pub mod rtcp;
pub mod rtp;
pub mod srtp;
pub mod stun;
pub mod transport;
pub mod twcc;

#[cfg(any(test, feature = "client"))]
pub mod client;
#[cfg(test)]
mod sim;

pub use codec::Codec;
pub use dtls::{Certificate, CertificateError, DtlsRole, Fingerprint, FingerprintHash, ParseFingerprintError};
pub use egress::{Egress, Run};
pub use history::GopState;
pub use ice::IceCredentials;
pub use net::{ConnectionId, DatagramKind, Now, Route, classify};
pub use relay::{PeerSummary, RelayDirection, RelaySummary, tree};
pub use rtp::{ExtensionKind, ExtensionMap};
pub use sfu::{Sfu, SfuConfig};
pub use snapshot::{SessionStats, SessionSummary, TrackStats, UncachedTrack};
pub use spec::{
    CloseReason, ControlError, Epoch, Event, Feedback, Media, MediaKind, OriginSpec, ParameterSetSpec, PayloadMap,
    PeerId, PeerSpec, ReceiveCodec, ReceiveTrack, RelayKey, SendTrack, SessionId, SessionSpec, SessionState, SsrcPair,
    TrackId,
};
pub use stats::{Counters, DropReason};
