//! The media plane of one SFU worker, sans-I/O: datagrams and `now` in, datagrams and events out.
//!
//! Owns ICE-lite, DTLS, SRTP, RTP and RTCP of every session and the way of a packet from a publisher to
//! its viewers. Never opens a socket, reads a clock, draws a random number, starts a thread or logs; it
//! knows nothing of signaling, rooms or SDP. The read of the code starts at [`Sfu`].

#![forbid(unsafe_code)]

// In reading order: dispatch, the way of a packet from the publisher to its viewers, then what it passes.
mod sfu;

pub mod transport;

mod clients;
mod tracks;

mod mesh;
mod readers;
mod relief;

pub mod codec;
mod crypto;
mod wire;

mod allowance;
mod blame;
mod egress;
mod histogram;
mod keys;
mod marks;
mod net;
mod outputs;
#[cfg(test)]
mod sim;
mod spec;
mod stats;
mod timers;

#[cfg(any(test, feature = "client"))]
pub use transport::client;

pub use clients::{Claim, LayerReason, LineBasis, LineStats, nack, twcc};
pub use crypto::{dtls, srtp};
pub use transport::ice;
pub use wire::{rtcp, rtp, stun};

pub use codec::Codec;
pub use dtls::{Certificate, CertificateError, DtlsRole, Fingerprint, FingerprintHash, ParseFingerprintError};
pub use egress::{Egress, Run};
pub use histogram::Histogram;
pub use ice::IceCredentials;
pub use mesh::summary::{PeerSummary, RelayDirection, RelaySummary};
pub use mesh::tree;
pub use net::{ConnectionId, Now, Route};
pub use relief::Relief;
pub use rtp::{ExtensionKind, ExtensionMap};
pub use sfu::snapshot::{LayerStats, SessionStats, SessionSummary, TrackStats, TrackTraffic, UncachedTrack};
pub use sfu::{Sfu, SfuConfig};
pub use spec::{
    CROWD, CloseReason, ControlError, Epoch, Event, Feedback, LOUDEST_DEFAULT, Media, MediaKind, OriginSpec,
    ParameterSetSpec, PayloadMap, PeerId, PeerSpec, ReceiveCodec, ReceiveTrack, RelayKey, SendTrack, SessionId,
    SessionSpec, SessionState, Shown, SsrcPair, TrackId,
};
pub use stats::{Counters, DropReason};
pub use tracks::history::GopState;
pub use wire::datagram::{DatagramKind, classify};
