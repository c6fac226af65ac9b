//! Owns what is known of one worker, as plain data.

use chappe_sfu_api::{Boot, Hello, LoadReport, WorkerIndex};

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
        }
    }

    /// It said hello and told its sessions.
    pub fn handle_agreed(&mut self, hello: Hello) {
        if self.hello.as_ref().is_some_and(|before| before.boot != hello.boot) {
            self.load = LoadReport::default();
            self.rates = Rates::default();
        }
        self.state = if hello.draining { WorkerState::Draining } else { WorkerState::Serving };
        self.hello = Some(hello);
    }

    pub fn handle_load(&mut self, load: LoadReport) {
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
