//! What a worker tells signaling.

use serde::{Deserialize, Serialize};

use crate::timings::Timings;
use crate::{
    Boot, CloseReason, Fingerprint, MediaKind, PeerStats, RelayStats, RequestId, SessionId, SessionSpec, SessionState,
    TrackId, WorkerIndex,
};

/// One line from a worker. Events about sessions go to every connection; replies only to the asker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "one at a time is read or written, and none is kept")]
pub enum Event {
    /// The first line of every connection.
    Hello(Hello),
    /// One session of a snapshot.
    Session(Box<SessionSnapshot>),
    /// A command succeeded.
    Done {
        request: RequestId,
    },
    Failed {
        request: RequestId,
        error: CommandError,
    },
    StateChanged {
        session: SessionId,
        state: SessionState,
    },
    Closed {
        session: SessionId,
        reason: CloseReason,
    },
    /// Media of a received track started (true) or fell silent for 2 s (false).
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
    /// Somebody began to speak in a track that is published on the worker or relayed to it, or fell silent.
    Speaking {
        track: TrackId,
        speaking: bool,
    },
    Stats {
        request: RequestId,
        stats: SessionStats,
    },
    /// Each second.
    Load(LoadReport),
    /// Ten times a second: a worker that is stopped or hangs keeps its connections open, and falls silent.
    Alive,
    /// Another worker is not heard any more (its heartbeats come ten times a second), or is heard again.
    PeerLost {
        peer: Boot,
    },
    PeerFound {
        peer: Boot,
    },
    /// The parent of a relayed track has its hands full and names one of its children instead. Answered with
    /// [`crate::Command::SetPeer`] and [`crate::Command::SetOrigin`].
    RelayRedirected {
        track: TrackId,
        to: Boot,
    },
    /// The parent does not have the track (any more), or knows a higher epoch.
    RelayRefused {
        track: TrackId,
        peer: Boot,
    },
    Relays {
        request: RequestId,
        peers: Vec<PeerStats>,
        relays: Vec<RelayStats>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub version: u32,
    pub worker: WorkerIndex,
    pub boot: Boot,
    pub pid: u32,
    /// UDP and TCP port of this worker.
    pub media_port: u16,
    /// Of the worker's certificate, for `a=fingerprint` in answers.
    pub fingerprint: Fingerprint,
    pub draining: bool,
    /// Sessions this worker takes at most.
    pub sessions_max: u32,
    /// Processes that were in this place before, as the supervisor counts them.
    #[serde(default)]
    pub restarts: u64,
    /// When this process began, as Unix time; 0 from a process that does not say.
    #[serde(default)]
    pub started_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionSnapshot {
    pub spec: SessionSpec,
    pub state: SessionState,
    /// Received tracks on which media flows now.
    pub active: Vec<TrackId>,
    /// Since the session was opened.
    pub age_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct CommandError {
    pub code: ErrorCode,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The worker is full.
    Limit,
    /// The worker drains.
    Draining,
    /// Another session has this id or ICE ufrag.
    Exists,
    /// No such session or track.
    NotFound,
    /// A higher epoch was seen.
    StaleEpoch,
    /// The command contradicts itself or breaks a limit.
    Invalid,
}

/// Counters since the session was opened; the rate of change is the reader's to compute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionStats {
    pub session: SessionId,
    pub state: SessionState,
    /// `udp` or `tcp`, and the client's address; none before the first check.
    pub remote: Option<String>,
    /// Smoothed, from RTCP; none before the first report.
    pub round_trip_ms: Option<f64>,
    /// What is known of the line to a viewer; none before the client says something of it.
    #[serde(default)]
    pub line: Option<LineStats>,
    pub received: Vec<TrackStats>,
    pub sent: Vec<TrackStats>,
}

/// The lines of a worker's viewers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LineLoad {
    /// Viewers whose line is estimated.
    pub estimated: u32,
    /// Those of them for whom video waits, because their line does not take at once what arrives.
    pub waiting: u32,
    /// What these lines are thought to carry, together.
    pub estimate_bps: u64,
    /// Times that what waited was given up because it was too old, for the viewers that are here now.
    pub given_up: u64,
    /// Times that a viewer went over from one encoding of a track to another. A counter.
    pub layer_switches: u64,
}

/// What a worker knows of the line to one viewer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LineStats {
    /// What the line is thought to carry.
    pub estimate_bps: u64,
    pub basis: LineBasis,
    /// What arrived lately; only feedback on each packet tells.
    pub acknowledged_bps: Option<u64>,
    /// Of the last seconds, 0–1.
    pub loss: f64,
    /// How long a packet waits in the queue of the line.
    pub queue_ms: f64,
    /// Video waits for the budget.
    pub waiting: bool,
    /// Times that what waited was given up because it was too old.
    pub given_up: u64,
}

/// What an estimate stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineBasis {
    /// Nothing was heard yet.
    Start,
    /// What the client says of each packet: transport-wide feedback, or that of RFC 8888.
    Feedback,
    /// It does not say it any more.
    Silent,
    /// Receiver reports, or the client's own estimate (REMB).
    Reports,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackStats {
    /// The received track, or the source of a sent one.
    pub track: Option<TrackId>,
    pub mid: String,
    pub kind: MediaKind,
    pub packets: u64,
    pub bytes: u64,
    /// Lost before us (received) or reported lost by the client (sent).
    pub lost: u64,
    /// Sent: repeated on NACK. Received: NACKs we sent.
    pub repaired: u64,
    pub keyframe_requests: u64,
    pub bits_per_second: u64,
    /// Of a sent video track: what its viewer gets of it.
    #[serde(default)]
    pub layer: Option<LayerStats>,
}

/// Which of the encodings of a track a viewer gets, and why not a better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerStats {
    /// From 1, the lowest, to `layers`, those that flow and that the viewer may have; 0 for none.
    pub layer: u8,
    pub layers: u8,
    /// Of the picture, where that is known.
    pub lines: Option<u16>,
    /// What the publisher announces that it is to take, headers included.
    #[serde(default)]
    pub target_bits_per_second: Option<u64>,
    pub reason: LayerReason,
    /// Changes to another encoding since the session was opened.
    pub switches: u64,
}

/// Why a viewer gets no more of a track than it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerReason {
    /// It has the best there is.
    Top,
    /// A larger picture would not be seen in its tile.
    Size,
    /// Its line does not carry more.
    Line,
    /// It asked for no more lines.
    Max,
    /// The publisher sends no more, or nothing.
    Source,
    /// Its page does not show it.
    Hidden,
    /// The worker has more to send than its core can, and gives this up.
    Overload,
}

/// Packets and bytes of media that came in for one track, from its publisher or over a relay, since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackTraffic {
    pub track: TrackId,
    pub packets: u64,
    pub bytes: u64,
    /// What its viewers at this worker were sent, repeats and padding aside.
    #[serde(default)]
    pub bytes_sent: u64,
}

/// How busy a worker is. Counters since its start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadReport {
    pub sessions: u32,
    pub received_tracks: u32,
    pub sent_tracks: u32,
    /// Share of one core, 0–1, over the last second (user and system time of this process).
    pub cpu: f64,
    pub rss_bytes: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// System calls that sent UDP datagrams.
    pub sends: u64,
    /// Messages within these calls, each a run of datagrams to one client; `packets_out / runs` is what
    /// segmentation offload saves.
    pub runs: u64,
    /// Counted drops by reason, in alphabetical order.
    pub drops: Vec<(String, u64)>,
    /// What tracks bring: each of their viewers costs the worker as much. At most [`LoadReport::TRACKS_MAX`].
    pub tracks: Vec<TrackTraffic>,
    /// Longest time between two turns of the event loop in the last second, in microseconds.
    pub loop_us_max: u64,
    pub draining: bool,
    /// How much the worker gives up because it has more to send than its core can: 0 for nothing, 1 for top layers, 2 for
    /// new sessions, too, 3 for all but the lowest layers.
    pub relief: u8,
    /// What is known of the lines of all viewers together.
    pub lines: LineLoad,
    /// Memory for what viewers may be sent again or begin with.
    pub cache_bytes: u64,
    /// Published video that viewers can't begin with at once, by its id; no more than 1,024 are named.
    pub uncached: Vec<UncachedTrack>,
    pub timings: Timings,
}

/// Why the last key frame of a track and what followed it is not held for viewers who join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UncachedTrack {
    pub track: TrackId,
    pub reason: UncachedReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UncachedReason {
    /// None came yet.
    NoKeyframe,
    /// A packet since then is missing.
    Incomplete,
    /// It is older than 10 s.
    TooLong,
    /// 8 MB or 8,000 packets followed it.
    TooBig,
    /// The worker's 256 MiB for all tracks are used up.
    OverBudget,
}

impl LoadReport {
    /// Tracks in one report: some 70 kB.
    pub const TRACKS_MAX: usize = 1_024;
}
