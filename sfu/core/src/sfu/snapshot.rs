//! Owns what the worker may look at: summaries and counters by value. Never changes anything.

use std::time::Duration;

use crate::clients::{LayerReason, LineStats, Sender, Source};
use crate::codec::PictureSize;
use crate::net::{Now, Route};
use crate::sfu::Sfu;
use crate::spec::{MediaKind, SessionId, SessionState, TrackId};
use crate::stats::Traffic;
use crate::tracks::history::GopState;

/// What a snapshot says of a session beside its specification, which the worker keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    pub session: SessionId,
    pub state: SessionState,
    /// Received tracks on which media flows now.
    pub active: Vec<TrackId>,
    pub age: Duration,
}

/// Counters since the session was opened.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionStats {
    pub session: SessionId,
    pub state: SessionState,
    pub route: Option<Route>,
    pub round_trip: Option<Duration>,
    /// What is known of the line to a viewer.
    pub line: Option<LineStats>,
    pub received: Vec<TrackStats>,
    pub sent: Vec<TrackStats>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackStats {
    pub track: Option<TrackId>,
    pub mid: String,
    pub kind: MediaKind,
    pub packets: u64,
    pub bytes: u64,
    pub lost: u64,
    pub repaired: u64,
    pub keyframe_requests: u64,
    pub bits_per_second: u64,
    /// Of a sent video track: what its viewer gets of it. None while it is not known.
    pub layer: Option<LayerStats>,
}

/// Which of the encodings of a track a viewer gets, and why not a better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerStats {
    /// From 1, the lowest, to `layers`, those that flow and that the viewer may have; 0 for none.
    pub layer: u8,
    pub layers: u8,
    /// Of the picture, where that is known.
    pub lines: Option<u16>,
    /// What the publisher announces that it is to take, headers included.
    pub target_bits_per_second: Option<u64>,
    pub reason: LayerReason,
    /// Changes to another encoding so far.
    pub switches: u64,
}

/// A published track whose viewers can't begin with what is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UncachedTrack {
    pub track: TrackId,
    pub state: GopState,
}

/// What came in for a track since it began, from its publisher here or over a relay, and what its viewers here were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackTraffic {
    pub track: TrackId,
    pub packets: u64,
    pub bytes: u64,
    /// Repeats and padding aside.
    pub bytes_sent: u64,
}

impl Sfu {
    /// One summary per session, for a snapshot.
    pub fn sessions(&self, now: Now) -> impl Iterator<Item = SessionSummary> + '_ {
        self.clients.iter().map(move |session| SessionSummary {
            session: session.id,
            state: session.state(),
            active: session
                .ingest
                .sources
                .iter()
                .filter(|source| source.active)
                .map(|source| source.spec.track)
                .collect(),
            age: now.mono.saturating_duration_since(session.opened),
        })
    }

    pub fn session_stats(&self, session: SessionId) -> Option<SessionStats> {
        let session = self.clients.get(self.clients.find(session)?)?;
        Some(SessionStats {
            session: session.id,
            state: session.state(),
            route: session.delivery.path.route,
            round_trip: session.round_trip,
            line: session.delivery.bandwidth.as_ref().map(|bandwidth| bandwidth.stats()),
            received: session.ingest.sources.iter().map(received_stats).collect(),
            sent: session.delivery.senders.iter().flatten().map(|sender| self.sent_stats(sender)).collect(),
        })
    }

    /// Published video that flows and that no viewer can begin with.
    pub fn uncached_tracks(&self) -> impl Iterator<Item = UncachedTrack> + '_ {
        let sources = self.clients.iter().flat_map(|session| &session.ingest.sources);
        let video = sources.filter(|source| source.active && source.spec.kind == MediaKind::Video);
        video.filter_map(|source| {
            let state = self.tracks.history(source.encodings.first()?.layer)?.gop_state();
            (state != GopState::Cached).then_some(UncachedTrack { track: source.spec.track, state })
        })
    }

    /// Memory for what viewers may be sent again or begin with, in bytes.
    pub fn cache_bytes(&self) -> usize {
        self.tracks.cache_bytes()
    }

    /// What is known of the line of each viewer, where something is.
    pub fn lines(&self) -> impl Iterator<Item = LineStats> + '_ {
        self.clients.iter().filter_map(|session| Some(session.delivery.bandwidth.as_ref()?.stats()))
    }

    pub fn session_count(&self) -> usize {
        self.clients.len()
    }

    fn sent_stats(&self, sender: &Sender) -> TrackStats {
        let present = sender.layer.and_then(|layer| self.tracks.layer(layer));
        let lines = present.and_then(|layer| layer.size_of(sender.spatial())).map(PictureSize::lines);
        let (layer, layers, reason) = match sender.allotment {
            _ if sender.is_hidden() => (0, 0, LayerReason::Hidden),
            Some(allotment) => (allotment.layer + 1, allotment.layers, allotment.reason),
            None => (0, 0, LayerReason::Source),
        };
        let target_bits_per_second = present.and_then(|layer| layer.target(sender.spatial()));
        let stats = LayerStats { layer, layers, lines, target_bits_per_second, reason, switches: sender.switches };
        TrackStats { layer: (sender.spec.kind == MediaKind::Video).then_some(stats), ..sent_stats(sender) }
    }

    /// Of each track that comes in, from its publisher here or over a relay.
    pub fn track_traffic(&self) -> impl Iterator<Item = TrackTraffic> + '_ {
        let sources = self.clients.iter().flat_map(|session| &session.ingest.sources);
        let published = sources.map(|source| (source.spec.track, source.traffic));
        published.chain(self.mesh.traffic()).map(|(track, Traffic { packets, bytes, .. })| {
            let bytes_sent = self.tracks.bytes_sent(track);
            TrackTraffic { track, packets, bytes, bytes_sent }
        })
    }

    /// Received and sent m-lines of all sessions.
    pub fn track_counts(&self) -> (usize, usize) {
        let received = self.clients.iter().map(|session| session.ingest.sources.len()).sum();
        (received, self.clients.iter().map(|session| session.delivery.senders.iter().flatten().count()).sum())
    }
}

fn received_stats(source: &Source) -> TrackStats {
    TrackStats {
        track: Some(source.spec.track),
        mid: source.spec.mid.clone(),
        kind: source.spec.kind,
        packets: source.traffic.packets,
        bytes: source.traffic.bytes,
        lost: source.streams.iter().map(|stream| stream.lost()).sum(),
        repaired: source.nacked,
        keyframe_requests: source.encodings.iter().map(|encoding| encoding.keyframes.sent).sum(),
        bits_per_second: source.traffic.bits_per_second,
        layer: None,
    }
}

fn sent_stats(sender: &Sender) -> TrackStats {
    TrackStats {
        track: sender.spec.source,
        mid: sender.spec.mid.clone(),
        kind: sender.spec.kind,
        packets: sender.traffic.packets,
        bytes: sender.traffic.bytes,
        lost: u64::try_from(sender.lost).unwrap_or(0),
        repaired: sender.repaired,
        keyframe_requests: sender.keyframe_requests,
        bits_per_second: sender.traffic.bits_per_second,
        layer: None,
    }
}
