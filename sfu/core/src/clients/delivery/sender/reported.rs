//! Owns what a viewer has reported of one SSRC, and what had left by then. Never judges the line.

use std::time::{Duration, Instant};

use chappe_sfu_rate::Bitrate;

use crate::stats::Traffic;
use crate::wire::rtcp::ReportBlock;

#[derive(Debug, Clone, Copy)]
pub(super) struct Reported {
    at: Instant,
    /// With its cycles.
    highest_seq: u32,
    packets: u64,
    bytes: u64,
}

/// What a report adds to the one before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// At most as many as left since then.
    pub packets: u32,
    /// What was sent meanwhile.
    pub sent: Bitrate,
}

impl Reported {
    pub fn new(now: Instant, block: &ReportBlock, sent: &Traffic) -> Reported {
        Reported { at: now, highest_seq: block.highest_seq, packets: sent.packets, bytes: sent.bytes }
    }

    /// What is said here and was not said `before`.
    pub fn since(&self, before: &Reported) -> Told {
        let packets = u64::from(self.highest_seq.wrapping_sub(before.highest_seq)).min(self.packets - before.packets);
        let elapsed = self.at.saturating_duration_since(before.at).max(ELAPSED_MIN);
        let bits = self.bytes.saturating_sub(before.bytes) as f64 * 8.0;
        let sent = Bitrate::from_bps((bits / elapsed.as_secs_f64()) as u64);
        Told { packets: u32::try_from(packets).unwrap_or(u32::MAX), sent }
    }
}

/// Reports that follow each other more closely say nothing of a rate.
const ELAPSED_MIN: Duration = Duration::from_millis(100);
