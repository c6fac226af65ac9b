//! Owns what an operator may ask of the processes of another node, as JSON. Never does it: who knows the supervisor does.

use chappe_sfu_api::WorkerIndex;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ProcessOrder {
    Scale {
        workers: u16,
        deadline_ms: u64,
    },
    DrainWorker {
        worker: WorkerIndex,
        deadline_ms: u64,
    },
    CancelWorkerDrain {
        worker: WorkerIndex,
    },
    RestartSignaling,
    /// As at SIGHUP, but that signaling is not replaced.
    ReadSettings,
    /// A reader of the log, as `GET /api/v1/log` has it. It is closed when it is not read for a while.
    OpenLog {
        of: Option<String>,
        lines: usize,
        follow: bool,
    },
    /// What there is to read now. Where there is nothing, the answer waits a moment for it.
    ReadLog {
        reader: u64,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ProcessOutcome {
    Done,
    /// How many workers there were.
    Scaled {
        before: usize,
    },
    /// Names of settings: those that were taken up, and those that take effect when the node is started anew.
    SettingsRead {
        changed: Vec<String>,
        fixed: Vec<String>,
    },
    LogOpened {
        reader: u64,
    },
    LogRead(LogBatch),
}

/// Lines of the log, each with its source before it and a newline behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogBatch {
    pub lines: Vec<String>,
    /// There will be no more.
    pub ended: bool,
}
