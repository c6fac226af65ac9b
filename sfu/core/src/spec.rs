//! Owns what signaling tells of a session: ids, m-lines, codecs, and what of it is refused. The worker
//! translates the wire contract into these types; nothing here is serialised.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::codec::Codec;
use crate::crypto::dtls::{DtlsRole, Fingerprint};
use crate::transport::ice::IceCredentials;
use crate::wire::rtp::ExtensionMap;

/// One client's transport, as whoever commands the core calls it: nothing is read out of its two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u32, pub u128);

/// One published audio or video source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub u64);

/// Fencing token: a command with a lower epoch than its session has seen is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

#[derive(Debug, Clone, PartialEq)]
pub struct SessionSpec {
    pub session: SessionId,
    pub epoch: Epoch,
    /// The ufrag is unique on the worker: it finds the session.
    pub local_ice: IceCredentials,
    pub remote_ice: IceCredentials,
    /// Ours.
    pub dtls_role: DtlsRole,
    pub remote_fingerprints: Vec<Fingerprint>,
    pub media: Media,
    /// The client hears of us at least this often while it is connected, at most [`ALIVE_INTERVAL_MAX`]. `None`: it
    /// did not ask for that.
    pub alive: Option<Duration>,
}

/// All m-lines of one session.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    pub extensions: ExtensionMap,
    /// The client tells of what we send when each packet arrived, by SSRC and sequence number (RFC 8888).
    pub reports_streams: bool,
    /// The client sends these to us.
    pub receive: Vec<ReceiveTrack>,
    /// We send these to the client.
    pub send: Vec<SendTrack>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    Audio,
    Video,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ReceiveTrack {
    pub track: TrackId,
    pub mid: String,
    pub kind: MediaKind,
    pub codecs: Vec<ReceiveCodec>,
    pub ssrcs: Vec<SsrcPair>,
    /// Of each encoding; empty without simulcast.
    pub rids: Vec<String>,
    /// What the publisher's description gives of H.264 and H.265.
    pub parameter_sets: Vec<ParameterSetSpec>,
    /// An operator muted it: its packets are counted and forwarded to nobody.
    pub muted: bool,
}

/// A NAL unit from `sprop-parameter-sets` (RFC 6184 section 8.1) or `sprop-vps`, `-sps` or `-pps` (RFC 7798 section 7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSetSpec {
    pub payload_type: u8,
    pub unit: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiveCodec {
    pub codec: Codec,
    pub payload_type: u8,
    pub rtx: Option<u8>,
    pub clock_rate: u32,
    pub feedback: Feedback,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Feedback {
    pub nack: bool,
    pub pli: bool,
    pub fir: bool,
    pub transport_cc: bool,
    pub remb: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SsrcPair {
    pub ssrc: u32,
    pub rtx: Option<u32>,
    /// Place among the encodings of its m-line; 0 without simulcast.
    pub encoding: u8,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SendTrack {
    pub mid: String,
    pub kind: MediaKind,
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    pub source: Option<TrackId>,
    pub payload_types: Vec<PayloadMap>,
    pub cname: String,
    /// The viewer gets no encoding whose picture is higher than so many lines, if there is another one.
    pub height_max: Option<u16>,
}

/// How a viewer's page shows one sent m-line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The size of its tile in device pixels; 0 if it is not known.
    pub pixels: u32,
    /// What is not gets nothing.
    pub is_visible: bool,
    pub is_pinned: bool,
    /// 128 is usual; twice as much counts twice.
    pub priority: u8,
}

impl Default for Shown {
    fn default() -> Shown {
        Shown { pixels: 0, is_visible: true, is_pinned: false, priority: 128 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadMap {
    pub codec: Codec,
    pub clock_rate: u32,
    pub from: u8,
    pub to: u8,
    pub rtx: Option<u8>,
    pub nack: bool,
}

/// Another worker: the random boot number of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// The association of this worker with another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerSpec {
    pub peer: PeerId,
    /// This worker's own number.
    pub own: PeerId,
    /// Where the peer's datagrams come from, and from nowhere else; the first is sent to.
    pub addresses: Vec<SocketAddr>,
    /// Of what we send.
    pub seal: RelayKey,
    /// Of what the peer sends.
    pub open: RelayKey,
}

/// AES-128-GCM for one direction between two workers.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayKey {
    pub key: [u8; 16],
    pub salt: [u8; 12],
}

/// Where a track comes from that is not published on this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginSpec {
    pub track: TrackId,
    pub kind: MediaKind,
    pub peer: PeerId,
    pub epoch: Epoch,
}

impl fmt::Debug for RelayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayKey(…)")
    }
}

/// Life of a session. Only moves forward, but for `Connected` and `Disconnected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionState {
    New,
    Connecting,
    Connected,
    Disconnected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    Requested,
    ClientClosed,
    ConnectTimeout,
    ConsentExpired,
    FingerprintMismatch,
    DtlsFailed,
    /// A panic on what the client sent.
    Fault,
    Drained,
}

/// What the worker passes on to signaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    StateChanged {
        session: SessionId,
        state: SessionState,
    },
    /// The session is gone already.
    Closed {
        session: SessionId,
        reason: CloseReason,
    },
    /// Media of a received track started, or fell silent.
    TrackActive {
        session: SessionId,
        track: TrackId,
        active: bool,
    },
    /// Which encodings of a received track nobody watches, by their places: a bit for each. They need not be sent.
    Unwatched {
        session: SessionId,
        track: TrackId,
        encodings: u8,
    },
    /// Somebody began to speak in a track that is published or relayed here, or fell silent.
    Speaking {
        track: TrackId,
        speaking: bool,
    },
    /// Nothing is heard of another worker any more.
    PeerLost {
        peer: PeerId,
    },
    /// A lost one is heard again.
    PeerFound {
        peer: PeerId,
    },
    /// The parent has its hands full, or is about to go: the track should come from `to`.
    RelayRedirected {
        track: TrackId,
        to: PeerId,
    },
    /// The parent does not have the track, is too far from its publisher, or knows a higher epoch.
    RelayRefused {
        track: TrackId,
        peer: PeerId,
    },
}

/// Why a command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error("the limit of {what} ({limit}) is reached")]
    Limit { what: &'static str, limit: usize },
    #[error("another session has this id or ICE ufrag")]
    Exists,
    #[error("no such session, track or peer")]
    NotFound,
    #[error("a higher epoch was seen")]
    StaleEpoch,
    #[error("{0}")]
    Invalid(&'static str),
    #[error("the worker panicked on this command: its log says where")]
    Fault,
}

impl Media {
    /// Refuses what breaks a limit or contradicts itself, before anything of it takes effect.
    pub(crate) fn check(&self) -> Result<(), ControlError> {
        let lines = self.receive.len() + self.send.len();
        if lines > TRACKS_PER_SESSION_MAX {
            return Err(ControlError::Limit { what: "m-lines per session", limit: TRACKS_PER_SESSION_MAX });
        }
        for (at, line) in self.receive.iter().enumerate() {
            line.check()?;
            if self.receive.iter().skip(at + 1).any(|other| other.track == line.track) {
                return Err(ControlError::Invalid("two received m-lines have the same track id"));
            }
        }
        for line in &self.send {
            line.check()?;
        }
        let ours = || self.send.iter().flat_map(|line| [Some(line.ssrc), line.rtx_ssrc]).flatten();
        if ours().enumerate().any(|(at, ssrc)| ours().skip(at + 1).any(|other| other == ssrc)) {
            return Err(ControlError::Invalid("an SSRC of ours is used twice in one session"));
        }
        Ok(())
    }
}

impl ReceiveTrack {
    /// How many encodings it has.
    pub(crate) fn encodings(&self) -> usize {
        let by_ssrc = self.ssrcs.iter().map(|pair| usize::from(pair.encoding) + 1).max().unwrap_or(1);
        self.rids.len().max(by_ssrc)
    }

    fn check(&self) -> Result<(), ControlError> {
        if self.encodings() > ENCODINGS_MAX {
            return Err(ControlError::Invalid("an m-line has more than 4 encodings"));
        }
        if self.mid.is_empty()
            || self.mid.len() > MID_BYTES_MAX
            || self.rids.iter().any(|rid| rid.len() > MID_BYTES_MAX)
        {
            return Err(ControlError::Invalid("a mid or rid is empty or longer than 16 bytes"));
        }
        if self.codecs.is_empty() || self.codecs.len() > CODECS_PER_TRACK_MAX {
            return Err(ControlError::Invalid("an m-line has no codec or more than 32"));
        }
        if self.ssrcs.len() > SSRCS_PER_TRACK_MAX / 2 {
            return Err(ControlError::Invalid("an m-line has more than 8 SSRCs"));
        }
        if self.codecs.iter().any(|codec| codec.clock_rate == 0 || kind_of(codec.codec) != self.kind) {
            return Err(ControlError::Invalid("a codec has no clock rate or is not of its m-line's kind"));
        }
        if self.parameter_sets.len() > PARAMETER_SETS_MAX {
            return Err(ControlError::Invalid("an m-line has more than 64 parameter sets"));
        }
        let types = self.codecs.iter().flat_map(|codec| [Some(codec.payload_type), codec.rtx]).flatten();
        check_payload_types(types)
    }
}

impl SendTrack {
    /// Whether the viewer has a payload type for this one of the publisher.
    pub(crate) fn decodes(&self, payload_type: u8) -> bool {
        self.payload_types.iter().any(|map| map.from == payload_type)
    }

    fn check(&self) -> Result<(), ControlError> {
        if self.mid.is_empty() || self.mid.len() > MID_BYTES_MAX || self.cname.len() > CNAME_BYTES_MAX {
            return Err(ControlError::Invalid("a mid is empty or longer than 16 bytes, or a cname longer than 255"));
        }
        if self.payload_types.len() > CODECS_PER_TRACK_MAX {
            return Err(ControlError::Invalid("an m-line has more than 32 payload types"));
        }
        if self.payload_types.iter().any(|map| map.clock_rate == 0 || kind_of(map.codec) != self.kind) {
            return Err(ControlError::Invalid("a codec has no clock rate or is not of its m-line's kind"));
        }
        check_payload_types(self.payload_types.iter().flat_map(|map| [Some(map.from), Some(map.to), map.rtx]).flatten())
    }
}

fn kind_of(codec: Codec) -> MediaKind {
    if codec.is_video() { MediaKind::Video } else { MediaKind::Audio }
}

fn check_payload_types(mut types: impl Iterator<Item = u8>) -> Result<(), ControlError> {
    // 64–95 with the marker bit would look like RTCP (RFC 5761 section 4).
    if types.any(|payload_type| payload_type > 127 || (64..96).contains(&payload_type)) {
        return Err(ControlError::Invalid("a payload type is above 127 or between 64 and 95"));
    }
    Ok(())
}

/// m-lines of one session, in both directions together.
pub const TRACKS_PER_SESSION_MAX: usize = 32;
/// A viewer of so many tracks of sound hears all of them; of more the loudest.
pub const CROWD: usize = 10;
/// How many of a crowd are heard.
pub const LOUDEST_DEFAULT: usize = 5;
/// Shortest interval of signs of life: long against the ticks to which deadlines are rounded.
pub const ALIVE_INTERVAL_MIN: Duration = Duration::from_millis(50);
/// Longest one. Consent checks (RFC 7675) say as much as rarer signs would.
pub const ALIVE_INTERVAL_MAX: Duration = Duration::from_secs(1);
/// Encodings of one track.
pub const ENCODINGS_MAX: usize = 4;
/// SSRCs of one received track that are remembered: simulcast layers, their RTX, and those of before a restart.
pub const SSRCS_PER_TRACK_MAX: usize = 16;
const CODECS_PER_TRACK_MAX: usize = 32;
/// Of all payload types of one m-line. Of one payload type no more than 16 are kept, the newest.
const PARAMETER_SETS_MAX: usize = 64;
const MID_BYTES_MAX: usize = 16;
const CNAME_BYTES_MAX: usize = 255;
