//! Owns what RTP timestamps mean in wall-clock time, so that a viewer plays audio and video of one publisher
//! together. Never reads a clock and never sends.

use std::time::{Duration, Instant};

use crate::net::Now;
use crate::wire::rtcp::SenderReport;

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

    /// How far the two lines are apart, in time.
    fn distance(&self, other: &MediaClock, clock_rate: u32) -> Duration {
        let ticks = i64::from(self.timestamp.wrapping_sub(other.timestamp) as i32);
        // In NTP format: whole seconds above 32 bits.
        let media = (i128::from(ticks) << 32) / i128::from(clock_rate.max(1));
        let wall = i128::from(self.ntp.wrapping_sub(other.ntp) as i64);
        let apart = (media - wall).unsigned_abs();
        let seconds = u64::try_from(apart >> 32).unwrap_or(u64::MAX);
        Duration::new(seconds, (((apart & 0xffff_ffff) * 1_000_000_000) >> 32) as u32)
    }

    /// Both clocks `elapsed` later.
    pub fn advanced(&self, now: Instant, clock_rate: u32) -> (u64, u32) {
        let elapsed = now.saturating_duration_since(self.at);
        let ticks = elapsed.as_micros() * u128::from(clock_rate) / 1_000_000;
        (self.ntp.wrapping_add(ntp_span(elapsed)), self.timestamp.wrapping_add(ticks as u32))
    }
}

/// The clocks of two encodings of one track: together they say how far a timestamp of one is from one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClockBridge {
    from: MediaClock,
    to: MediaClock,
}

impl ClockBridge {
    /// `None` unless the publisher has reported both: arrival differs by what the network does.
    pub fn new(from: Option<MediaClock>, to: Option<MediaClock>) -> Option<ClockBridge> {
        let reported = |clock: Option<MediaClock>| clock.filter(|clock| clock.reported);
        Some(ClockBridge { from: reported(from)?, to: reported(to)? })
    }

    /// Ticks from the capture of a frame of the first to that of a frame of the second.
    pub fn ticks_between(&self, from: u32, to: u32, clock_rate: u32) -> Option<i32> {
        let ntp = i128::from(self.to.ntp.wrapping_sub(self.from.ntp) as i64);
        let ntp = (ntp * i128::from(clock_rate)) >> 32;
        let after = i128::from(to.wrapping_sub(self.to.timestamp) as i32);
        let before = i128::from(from.wrapping_sub(self.from.timestamp) as i32);
        i32::try_from(ntp + after - before).ok()
    }
}

/// The distance from a publisher's wall clock to ours, the same for all its streams (RFC 3550 section 6.4.1
/// wants one clock for what is to be played together). It is fixed by the first report of the session.
///
/// Viewers then see one wall clock from the first packet on. To hand on the publisher's own would be a jump
/// when its first report comes, by the difference of two system clocks: libwebrtc draws a line through the
/// last 20 reports (system_wrappers/source/rtp_to_ntp_estimator.cc), and one through two clocks would pull
/// audio and video apart for up to 100 s.
///
/// Nor is everything handed on that a publisher reports: clocks are set while it runs, and some report times that
/// contradict their media. What can't be true beside the arrival of the packets is left out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PublisherClock {
    offset: Option<u64>,
    /// When a report of any stream was last believed.
    believed: Option<Instant>,
    /// Reports in a row that were not.
    doubted: u8,
}

/// What the reports of one stream say, as far as they are believed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StreamClock {
    pub believed: Option<MediaClock>,
    /// Far enough from that to be a mistake: it counts when the next one agrees.
    pending: Option<MediaClock>,
}

/// What becomes of the clock of a track after a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Believed(MediaClock),
    /// What was believed before goes on.
    Doubted,
    /// What was believed before can't be true any more either.
    Arrival(MediaClock),
}

impl PublisherClock {
    /// Judges a report beside `arrival`, which is what the packets say that came until now.
    pub fn judge(
        &mut self,
        stream: &mut StreamClock,
        wall: &WallClock,
        report: &SenderReport,
        (arrival, clock_rate): (MediaClock, u32),
    ) -> Verdict {
        let at = arrival.at;
        let offset = self.offset.unwrap_or_else(|| wall.at(at).wrapping_sub(report.ntp));
        let ntp = report.ntp.wrapping_add(offset);
        let clock = MediaClock { ntp, timestamp: report.rtp_timestamp, at, reported: true };
        // A publisher without a wall clock says 0 (RFC 3550 section 6.4.1).
        let is_possible = report.ntp != 0
            && ntp_distance(ntp, arrival.ntp) <= SKEW_MAX
            && clock.distance(&arrival, clock_rate) <= SKEW_MAX;
        if !is_possible {
            self.doubt(at);
            return stream.doubt(arrival, clock_rate);
        }
        (self.offset, self.believed, self.doubted) = (Some(offset), Some(at), 0);
        stream.consider(clock, clock_rate)
    }

    /// A wall clock that was set stays wrong by the old offset. It is fixed anew once nothing fits it for long: one
    /// stream of two that contradicts the other does not move it.
    fn doubt(&mut self, at: Instant) {
        self.doubted = self.doubted.saturating_add(1);
        let is_lasting = self.believed.is_none_or(|believed| at >= believed + OFFSET_KEPT);
        if self.doubted >= DOUBTED_MAX && is_lasting {
            (self.offset, self.doubted) = (None, 0);
        }
    }
}

impl StreamClock {
    /// Small corrections are taken as they come, a jump when it is reported twice.
    fn consider(&mut self, clock: MediaClock, clock_rate: u32) -> Verdict {
        let is_near = |other: &MediaClock| clock.distance(other, clock_rate) <= JUMP_MAX;
        if self.believed.as_ref().is_none_or(is_near) || self.pending.as_ref().is_some_and(is_near) {
            (self.believed, self.pending) = (Some(clock), None);
            return Verdict::Believed(clock);
        }
        self.pending = Some(clock);
        Verdict::Doubted
    }

    fn doubt(&mut self, arrival: MediaClock, clock_rate: u32) -> Verdict {
        self.pending = None;
        let is_refuted = self.believed.is_some_and(|believed| believed.distance(&arrival, clock_rate) > SKEW_MAX);
        if is_refuted {
            self.believed = None;
            return Verdict::Arrival(arrival);
        }
        Verdict::Doubted
    }
}

fn ntp_distance(a: u64, b: u64) -> Duration {
    let distance = (a.wrapping_sub(b) as i64).unsigned_abs();
    Duration::new(distance >> 32, (((distance & 0xffff_ffff) * 1_000_000_000) >> 32) as u32)
}

/// Furthest that a report may be from the arrival of the media: encoders look ahead by a second and more.
const SKEW_MAX: Duration = Duration::from_secs(2);
/// Corrections beyond this count when they are reported twice; below it nobody sees them.
const JUMP_MAX: Duration = Duration::from_millis(100);
/// Reports in a row that fit nothing before the publisher's wall clock counts as set anew.
const DOUBTED_MAX: u8 = 3;
/// And for how long none must have fitted.
const OFFSET_KEPT: Duration = Duration::from_secs(10);

fn ntp_span(span: Duration) -> u64 {
    let fraction = (u64::from(span.subsec_nanos()) << 32) / 1_000_000_000;
    (span.as_secs() << 32) | fraction
}

#[cfg(test)]
mod tests;
