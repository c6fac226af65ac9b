//! Owns what a receiver report says of one SSRC, and what its packets say of its clock. Never sends.

use std::time::Instant;

use crate::wire::rtcp::{ReportBlock, SenderReport};
use crate::wire::rtp::Ssrc;

/// Reception statistics of one SSRC (RFC 3550 appendix A.3 and A.8), over extended sequence numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reception {
    first: u64,
    highest: u64,
    pub received: u64,
    expected_before: u64,
    received_before: u64,
    /// In ticks, times 16.
    jitter: u32,
    transit: Option<u32>,
}

impl Reception {
    /// `arrival` in ticks of the stream's clock, from any origin.
    pub fn record(&mut self, index: u64, timestamp: u32, arrival: u32) {
        if self.received == 0 {
            (self.first, self.highest) = (index, index);
        }
        self.first = self.first.min(index);
        self.received += 1;
        if index < self.highest {
            return;
        }
        self.highest = index;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let distance = (transit.wrapping_sub(before) as i32).unsigned_abs().min(JITTER_TICKS_MAX);
            self.jitter = self.jitter + distance - ((self.jitter + 8) >> 4);
        }
    }

    /// The timestamp that a packet would have that came at `arrival`, in ticks from the same origin as those before.
    pub fn timestamp_at(&self, arrival: u32) -> Option<u32> {
        self.transit.map(|transit| arrival.wrapping_sub(transit))
    }

    fn expected(&self) -> u64 {
        if self.received == 0 { 0 } else { self.highest - self.first + 1 }
    }

    pub fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// The block of a receiver report; starts the next interval.
    pub fn report(&mut self, ssrc: Ssrc, sender: Option<&(SenderReport, Instant)>, now: Instant) -> ReportBlock {
        let expected = self.expected() - self.expected_before;
        let received = self.received - self.received_before;
        (self.expected_before, self.received_before) = (self.expected(), self.received);
        let lost = expected.saturating_sub(received);
        let fraction = (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8;
        let (last_sr, delay) = sender.map_or((0, 0), |(report, at)| {
            let delay = now.saturating_duration_since(*at).as_micros() * 65_536 / 1_000_000;
            ((report.ntp >> 16) as u32, delay as u32)
        });
        ReportBlock {
            ssrc,
            fraction_lost: fraction,
            cumulative_lost: self.lost().clamp(-CUMULATIVE_MAX, CUMULATIVE_MAX) as i32,
            highest_seq: self.highest as u32,
            jitter: self.jitter >> 4,
            last_sr,
            delay_since_last_sr: delay,
        }
    }
}

/// A single wild timestamp must not spoil the jitter for minutes.
const JITTER_TICKS_MAX: u32 = 1 << 20;
const CUMULATIVE_MAX: i64 = (1 << 23) - 1;
