//! Owns what the sender reports of one m-line say, and how often they leave. Never sends one.

use std::time::{Duration, Instant};

use super::Sender;
use crate::spec::MediaKind;
use crate::tracks::playout::MediaClock;
use crate::wire::rtcp::SenderReport;
use crate::wire::rtp::Ssrc;

impl Sender {
    /// A sender report by the clock of the source, so that audio and video of one publisher stay in sync
    /// (RFC 3550 section 6.4.1).
    pub fn report(&mut self, source: &MediaClock, now: Instant) -> SenderReport {
        let (ntp, timestamp) = source.advanced(now, self.clock_rate);
        self.last_reports = [Some(((ntp >> 16) as u32, now)), self.last_reports[0]];
        SenderReport {
            ssrc: Ssrc(self.spec.ssrc),
            ntp,
            rtp_timestamp: timestamp.wrapping_add(self.rewriter.timestamp_offset()),
            packets: self.traffic.packets as u32,
            bytes: self.traffic.bytes as u32,
        }
    }

    /// Varied over 0.5 to 1.5 times the mean (RFC 3550 section 6.2), so that the reports to many viewers who
    /// joined together do not leave together, ahead of their media.
    pub fn report_interval(&self) -> Duration {
        let mean = match self.spec.kind {
            MediaKind::Video => REPORT_INTERVAL_VIDEO,
            MediaKind::Audio => REPORT_INTERVAL_AUDIO,
        };
        // Fibonacci hashing of what differs between viewers and changes from report to report.
        let mixed = (self.spec.ssrc ^ self.traffic.packets as u32).wrapping_mul(0x9e37_79b9);
        mean.mul_f64(0.5 + f64::from(mixed >> 16) / f64::from(1 << 16))
    }
}

/// As libwebrtc has them (modules/rtp_rtcp/source/rtp_rtcp_config.h).
const REPORT_INTERVAL_VIDEO: Duration = Duration::from_secs(1);
const REPORT_INTERVAL_AUDIO: Duration = Duration::from_secs(5);
