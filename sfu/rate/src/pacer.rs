//! Owns the arithmetic of one viewer's sending budget: how many bytes of each class may leave now. Holds no packet: a
//! reader's cursor into the history is the queue. Allocates nothing.
//!
//! A token bucket that is kept as a debt, after `pacing_controller.cc`.

use std::time::Duration;

use crate::bitrate::Bitrate;
use crate::probe::Prober;
use crate::time::Time;

/// The budget of one viewer.
#[derive(Debug, Clone)]
pub struct Pacer {
    /// Bytes that left before their time at the pacing rate.
    debt: f64,
    at: Time,
}

/// What waits for a viewer. Audio is not in it: it never waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Retransmissions.
    pub repair_bytes: u64,
    pub video_bytes: u64,
    /// When the first video packet that waits could have left.
    pub oldest_video: Option<Time>,
}

/// What may leave now. Audio goes before all of it, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grant {
    /// First these.
    pub repair_bytes: u64,
    pub video_bytes: u64,
    /// Last these, of a probe cluster; the last packet may exceed it.
    pub padding_bytes: u64,
    /// The best size of a padding packet.
    pub padding_packet_bytes: u64,
    /// The video that waits is too old: the reader goes on at a lower layer or the next key frame.
    pub gives_up: bool,
}

impl Pacer {
    pub fn new(now: Time) -> Pacer {
        Pacer { debt: 0.0, at: now }
    }

    #[inline]
    pub(crate) fn read(&self) -> u64 {
        self.debt.to_bits()
    }

    /// Each tick of a viewer with a backlog or a probe.
    #[inline]
    pub fn poll_grant(&mut self, now: Time, estimate: Bitrate, backlog: &Backlog, prober: &Prober) -> Grant {
        let mut grant = Grant::default();
        let mut video = backlog.video_bytes;
        if backlog.oldest_video.is_some_and(|oldest| now.since(oldest) > WAIT_MAX) {
            grant.gives_up = true;
            video = 0;
        }
        let rate = pacing_rate(estimate, backlog.repair_bytes + video);
        self.drain(now, rate);
        let budget = self.budget(estimate, rate, backlog.repair_bytes + video);
        let due = prober.due(now);
        let sendable = budget.max(due);
        grant.repair_bytes = backlog.repair_bytes.min(sendable);
        grant.video_bytes = video.min(sendable - grant.repair_bytes);
        if due > 0 {
            grant.padding_bytes = due.saturating_sub(grant.repair_bytes + grant.video_bytes);
            grant.padding_packet_bytes = prober.cluster().map_or(0, |cluster| cluster.packet_bytes());
        }
        grant
    }

    /// Whether `bytes` that do not wait yet may leave at once: what the line carries in [`SMOOTH_S`], or a run.
    #[inline]
    pub fn covers(&mut self, now: Time, estimate: Bitrate, bytes: u64) -> bool {
        let rate = pacing_rate(estimate, bytes);
        self.drain(now, rate);
        let room = run_bytes(estimate, rate).max(estimate.bps() as f64 / 8.0 * SMOOTH_S);
        self.debt + bytes as f64 <= room
    }

    /// Something other than padding left.
    #[inline]
    pub fn handle_sent(&mut self, bytes: u32) {
        self.debt += f64::from(bytes);
    }

    #[inline]
    fn drain(&mut self, now: Time, rate: Bitrate) {
        let elapsed = now.since(self.at).as_micros() as f64;
        self.at = now;
        // An estimate that fell leaves no debt of seconds.
        let most = rate.bps() as f64 / 8.0 * DEBT_S_MAX;
        self.debt = (self.debt.min(most) - elapsed * rate.bps() as f64 / 8e6).max(0.0);
    }

    /// All that waits if there is room for it, else half a run or more, so that what leaves makes runs.
    #[inline]
    fn budget(&self, estimate: Bitrate, rate: Bitrate, waiting: u64) -> u64 {
        let run = run_bytes(estimate, rate);
        let room = (run - self.debt).max(0.0);
        if room >= (waiting as f64).min(run / 2.0) { room as u64 } else { 0 }
    }
}

/// Between 1.1 and 2.5 times the estimate: the more waits, the faster.
#[inline]
fn pacing_rate(estimate: Bitrate, waiting: u64) -> Bitrate {
    let waiting_s = waiting as f64 * 8.0 / estimate.bps().max(1) as f64;
    estimate.scaled((waiting_s / SPREAD_S).clamp(FACTOR_MIN, FACTOR_MAX))
}

/// Eight packets or 5 ms, whichever is more; on a slow line at most what it carries in [`RUN_S_MAX`], but two packets.
#[inline]
fn run_bytes(estimate: Bitrate, rate: Bitrate) -> f64 {
    let line = estimate.bps() as f64 / 8.0;
    let most = (line * RUN_S_MAX).max(2.0 * PACKET);
    RUN.min(most).max(rate.bps() as f64 / 8.0 * RUN_S)
}

const PACKET: f64 = 1250.0;
/// Eight of the longest that libwebrtc sends: 1,200 B of payload, with RTP, its extensions, SRTP, UDP and IP 1,276.
const RUN: f64 = 10_240.0;
const RUN_S: f64 = 0.005;
/// Eight packets are 110 ms of a line of 700 kbit/s.
const RUN_S_MAX: f64 = 0.04;
/// A frame that the line carries in so much time is not worth spreading.
const SMOOTH_S: f64 = 0.02;
/// 1.1 is what libwebrtc paces screen shares with, 2.5 is kDefaultPaceMultiplier.
const FACTOR_MIN: f64 = 1.1;
const FACTOR_MAX: f64 = 2.5;
/// What waits leaves within this, if 2.5 times the estimate is enough.
const SPREAD_S: f64 = 0.2;
const DEBT_S_MAX: f64 = 0.25;

/// Older video is given up, not sent late.
pub const WAIT_MAX: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
