//! Owns what RTP timestamps mean in wall-clock time, so that a viewer plays audio and video of one publisher
//! together. Never reads a clock and never sends.

use std::time::{Duration, Instant};

use crate::net::Now;
use crate::rtcp::SenderReport;

/// The wall clock of all sender reports of a worker. It is read once and then follows the monotonic clock, as
/// libwebrtc's own does: a correction of the system's time never reaches a viewer as a jump of the media.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WallClock {
    origin: Instant,
    ntp: u64,
}

impl WallClock {
    pub fn new(now: Now) -> WallClock {
        WallClock { origin: now.mono, ntp: now.ntp() }
    }

    /// NTP format (RFC 3550 section 4).
    pub fn at(&self, now: Instant) -> u64 {
        self.ntp.wrapping_add(ntp_span(now.saturating_duration_since(self.origin)))
    }
}

/// One point on the line between the timestamps of a stream and our wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MediaClock {
    pub ntp: u64,
    pub timestamp: u32,
    pub at: Instant,
    /// From a sender report of the publisher, not from the arrival of a packet.
    pub reported: bool,
}

impl MediaClock {
    /// Until the publisher reports: the packet is taken to be captured when it arrived. That is late by what
    /// coding and the network take, which differs between audio and video by some ten milliseconds.
    pub fn of_arrival(wall: &WallClock, timestamp: u32, now: Instant) -> MediaClock {
        MediaClock { ntp: wall.at(now), timestamp, at: now, reported: false }
    }

    /// Both clocks `elapsed` later.
    pub fn advanced(&self, now: Instant, clock_rate: u32) -> (u64, u32) {
        let elapsed = now.saturating_duration_since(self.at);
        let ticks = elapsed.as_micros() * u128::from(clock_rate) / 1_000_000;
        (self.ntp.wrapping_add(ntp_span(elapsed)), self.timestamp.wrapping_add(ticks as u32))
    }
}

/// The distance from a publisher's wall clock to ours, the same for all its streams (RFC 3550 section 6.4.1
/// wants one clock for what is to be played together). It is fixed by the first report of the session.
///
/// Viewers then see one wall clock from the first packet on. To hand on the publisher's own would be a jump
/// when its first report comes, by the difference of two system clocks: libwebrtc draws a line through the
/// last 20 reports (system_wrappers/source/rtp_to_ntp_estimator.cc), and one through two clocks would pull
/// audio and video apart for up to 100 s.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PublisherClock {
    offset: Option<u64>,
}

impl PublisherClock {
    /// What a report that came at `at` says, in our time. `None` from a publisher without a wall clock, which
    /// says 0 (RFC 3550 section 6.4.1).
    pub fn translate(&mut self, wall: &WallClock, report: &SenderReport, at: Instant) -> Option<MediaClock> {
        if report.ntp == 0 {
            return None;
        }
        let offset = *self.offset.get_or_insert_with(|| wall.at(at).wrapping_sub(report.ntp));
        let ntp = report.ntp.wrapping_add(offset);
        Some(MediaClock { ntp, timestamp: report.rtp_timestamp, at, reported: true })
    }
}

fn ntp_span(span: Duration) -> u64 {
    let fraction = (u64::from(span.subsec_nanos()) << 32) / 1_000_000_000;
    (span.as_secs() << 32) | fraction
}
