//! Owns what is known of one worker, as plain data.

use std::collections::HashMap;

use chappe_cluster::TrackRate;
use chappe_sfu_api::{Boot, Hello, LoadReport, TrackId, TrackTraffic, WorkerIndex};

/// For placement and the admin API.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerView {
    pub index: WorkerIndex,
    pub state: WorkerState,
    /// Of the present process, or of the last one while the worker is away.
    pub hello: Option<Hello>,
    pub load: LoadReport,
    /// Per second, from the last two load reports.
    pub rates: Rates,
    /// Of the tracks of its last report.
    tracks: HashMap<TrackId, TrackFlow>,
}

/// What a track had brought by the last report, and brings in a second once two reports tell.
#[derive(Debug, Clone, Copy, PartialEq)]
struct TrackFlow {
    total: TrackTraffic,
    /// For placement.
    rate: Option<TrackRate>,
    /// In the second before the report.
    bytes: TrackBytes,
}

/// Of media of one track, in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrackBytes {
    pub received: u64,
    /// To viewers.
    pub sent: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkerState {
    /// Not heard of yet, or not in agreement with it yet.
    Connecting,
    Serving,
    /// Keeps its sessions and takes no new ones.
    Draining,
    /// Its process is gone, and the next is not there yet.
    Lost,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    pub bits_in: u64,
    pub bits_out: u64,
    pub packets_in: u64,
    pub packets_out: u64,
}

impl WorkerView {
    pub fn new(index: WorkerIndex) -> WorkerView {
        WorkerView {
            index,
            state: WorkerState::Connecting,
            hello: None,
            load: LoadReport::default(),
            rates: Rates::default(),
            tracks: HashMap::new(),
        }
    }

    /// It said hello and told its sessions.
    pub fn handle_agreed(&mut self, hello: Hello) {
        if self.hello.as_ref().is_some_and(|before| before.boot != hello.boot) {
            self.load = LoadReport::default();
            self.rates = Rates::default();
            self.tracks.clear();
        }
        self.state = if hello.draining { WorkerState::Draining } else { WorkerState::Serving };
        self.hello = Some(hello);
    }

    pub fn handle_load(&mut self, mut load: LoadReport) {
        self.note_tracks(std::mem::take(&mut load.tracks));
        // Reports come once a second, so a difference is a rate.
        let before = &self.load;
        self.rates = Rates {
            bits_in: load.bytes_in.saturating_sub(before.bytes_in).saturating_mul(8),
            bits_out: load.bytes_out.saturating_sub(before.bytes_out).saturating_mul(8),
            packets_in: load.packets_in.saturating_sub(before.packets_in),
            packets_out: load.packets_out.saturating_sub(before.packets_out),
        };
        if matches!(self.state, WorkerState::Serving | WorkerState::Draining) {
            self.state = if load.draining { WorkerState::Draining } else { WorkerState::Serving };
        }
        self.load = load;
    }

    fn note_tracks(&mut self, tracks: Vec<TrackTraffic>) {
        let before = std::mem::take(&mut self.tracks);
        let noted = |track: TrackTraffic| {
            let Some(TrackFlow { total, rate, .. }) = before.get(&track.track) else {
                return (track.track, TrackFlow { total: track, rate: None, bytes: TrackBytes::default() });
            };
            let bytes = TrackBytes {
                received: track.bytes.saturating_sub(total.bytes),
                sent: track.bytes_sent.saturating_sub(total.bytes_sent),
            };
            let known = rate.unwrap_or(TrackRate { packets: 0.0, bits: 0.0 });
            let packets = track.packets.saturating_sub(total.packets) as f64;
            let bits = bytes.received.saturating_mul(8) as f64;
            let rate = TrackRate { packets: packets.max(known.packets * KEPT), bits: bits.max(known.bits * KEPT) };
            (track.track, TrackFlow { total: track, rate: Some(rate), bytes })
        };
        self.tracks = tracks.into_iter().take(LoadReport::TRACKS_MAX).map(noted).collect();
    }

    /// What a track brings, as this worker measures it. None while it does not know.
    pub fn track_rate(&self, track: TrackId) -> Option<TrackRate> {
        self.tracks.get(&track)?.rate
    }

    /// Of each track of its last report.
    pub fn track_bytes(&self) -> impl Iterator<Item = (TrackId, TrackBytes)> + '_ {
        self.tracks.iter().map(|(track, flow)| (*track, flow.bytes))
    }

    pub fn boot(&self) -> Option<Boot> {
        self.hello.as_ref().map(|hello| hello.boot)
    }

    /// Its process is there and in agreement with us.
    pub fn is_there(&self) -> bool {
        matches!(self.state, WorkerState::Serving | WorkerState::Draining)
    }

    /// Processes that were in this place before the present one.
    pub fn restarts(&self) -> u64 {
        self.hello.as_ref().map_or(0, |hello| hello.restarts)
    }

    pub fn sessions_max(&self) -> u32 {
        self.hello.as_ref().map_or(0, |hello| hello.sessions_max)
    }
}

impl WorkerState {
    pub fn as_text(self) -> &'static str {
        match self {
            WorkerState::Connecting => "connecting",
            WorkerState::Serving => "serving",
            WorkerState::Draining => "draining",
            WorkerState::Lost => "lost",
        }
    }
}

/// Of a track's rate, what a quieter second leaves of it: a picture that stands still for a moment will move again.
const KEPT: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_measured_between_two_reports_and_forgotten_when_it_is_gone() {
        let mut view = WorkerView::new(WorkerIndex(0));
        let report = |packets| {
            let track = TrackTraffic { track: TrackId(1), packets, bytes: packets * 100, bytes_sent: packets * 700 };
            LoadReport { tracks: vec![track], ..LoadReport::default() }
        };
        view.handle_load(report(40));
        assert_eq!(view.track_rate(TrackId(1)), None, "it may have begun long ago");
        view.handle_load(report(50));
        assert_eq!(view.track_rate(TrackId(1)), Some(TrackRate { packets: 10.0, bits: 8_000.0 }));
        let bytes = |view: &WorkerView| view.track_bytes().map(|(_, bytes)| bytes).collect::<Vec<_>>();
        assert_eq!(bytes(&view), [TrackBytes { received: 1_000, sent: 7_000 }]);
        view.handle_load(report(50));
        assert_eq!(view.track_rate(TrackId(1)), Some(TrackRate { packets: 9.0, bits: 7_200.0 }), "a moment of rest");
        assert_eq!(bytes(&view), [TrackBytes::default()]);
        view.handle_load(LoadReport::default());
        assert_eq!(view.track_rate(TrackId(1)), None);
    }
}
