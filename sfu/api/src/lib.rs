//! The wire contract between signaling and an SFU worker: ids, commands, events.
//!
//! Both sides speak JSON lines over a Unix stream socket that the supervisor bound. Signaling is the
//! client: it may connect, vanish and connect again at any time, and the worker goes on forwarding.
//! Media is **desired state**: [`Command::SetMedia`] carries all m-lines of a session, so that sending
//! it twice is the same as sending it once. Nothing here parses SDP and nothing here touches a packet.

#![forbid(unsafe_code)]

mod command;
mod event;
mod ids;
mod media;
mod relay;
mod session;
mod timings;

pub use command::{Command, WorkerRequest};
pub use event::{
    CommandError, ErrorCode, Event, Hello, LayerReason, LayerStats, LineBasis, LineLoad, LineStats, LoadReport,
    SessionSnapshot, SessionStats, TrackStats, TrackTraffic, UncachedReason, UncachedTrack,
};
pub use ids::{Boot, Epoch, ParseIdError, RequestId, SessionId, TrackId, WorkerIndex};
pub use media::{
    Codec, Extensions, Feedback, Media, MediaKind, ParameterSet, PayloadMap, PayloadType, PointedTrack, PointedViewer,
    ReceiveCodec, ReceiveTrack, SendTrack, SsrcPair, Tile,
};
pub use relay::{OriginSpec, PeerSpec, PeerStats, RelayDirection, RelayKey, RelayStats};
pub use session::{
    AliveMs, AliveMsOutOfRange, CloseReason, DtlsParameters, DtlsRole, Fingerprint, IceCredentials, SessionSpec,
    SessionState,
};
pub use timings::{Histogram, Timings};

/// Raised whenever a message changes in a way the other side would misread.
pub const PROTOCOL_VERSION: u32 = 3;

/// Longest line either side accepts, in bytes. A longer one ends the connection.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Longest [`SessionSpec::note`], in bytes.
pub const NOTE_BYTES_MAX: usize = 64 << 10;
