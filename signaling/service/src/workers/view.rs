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
    /// What the tracks of its last report had brought by then, and bring in a second once two reports tell.
    tracks: HashMap<TrackId, (TrackTraffic, Option<TrackRate>)>,
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
            let rate = before.get(&track.track).map(|(earlier, known)| {
                let known = known.unwrap_or(TrackRate { packets: 0.0, bits: 0.0 });
                let packets = track.packets.saturating_sub(earlier.packets) as f64;
                let bits = track.bytes.saturating_sub(earlier.bytes).saturating_mul(8) as f64;
                TrackRate { packets: packets.max(known.packets * KEPT), bits: bits.max(known.bits * KEPT) }
            });
            (track.track, (track, rate))
        };
        self.tracks = tracks.into_iter().take(LoadReport::TRACKS_MAX).map(noted).collect();
    }

    /// What a track brings, as this worker measures it. None while it does not know.
    pub fn track_rate(&self, track: TrackId) -> Option<TrackRate> {
        self.tracks.get(&track)?.1
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
            let track = TrackTraffic { track: TrackId(1), packets, bytes: packets * 100 };
            LoadReport { tracks: vec![track], ..LoadReport::default() }
        };
        view.handle_load(report(40));
        assert_eq!(view.track_rate(TrackId(1)), None, "it may have begun long ago");
        view.handle_load(report(50));
        assert_eq!(view.track_rate(TrackId(1)), Some(TrackRate { packets: 10.0, bits: 8_000.0 }));
        view.handle_load(report(50));
        assert_eq!(view.track_rate(TrackId(1)), Some(TrackRate { packets: 9.0, bits: 7_200.0 }), "a moment of rest");
        view.handle_load(LoadReport::default());
        assert_eq!(view.track_rate(TrackId(1)), None);
    }
}
