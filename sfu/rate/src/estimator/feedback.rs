//! Owns the value form of feedback, so that the estimator knows no wire format.

/// A moment of the receiver's clock in microseconds, from a zero of its own that does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReceiverTime(i64);

/// What feedback says of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketReport {
    /// The transport-wide sequence number.
    pub seq: u16,
    /// When it was received; none if it was not.
    pub received: Option<ReceiverTime>,
}

/// Unwraps the reference time of transport-wide feedback: 24 bits of 64 ms
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).
#[derive(Debug, Clone, Copy, Default)]
pub struct ReferenceClock {
    ticks: Option<i64>,
}

/// Unwraps the report timestamp of congestion control feedback: 32 bits of 1/65536 s (RFC 8888, section 3.1).
#[derive(Debug, Clone, Copy, Default)]
pub struct ReportClock {
    ticks: Option<i64>,
}

/// What the estimate stands on; the crate's documentation has the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Nothing heard yet.
    Start,
    /// What the receiver says of each packet: transport-wide feedback, or that of RFC 8888.
    Transport,
    /// It does not say it any more.
    Silent,
    /// Receiver reports and REMB.
    Reports,
}

/// What became of feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedbackCounts {
    pub received: u64,
    /// Not received when it was told; some of it may come late.
    pub lost: u64,
    /// Told as lost, then as received.
    pub late: u64,
    /// Told again.
    pub repeated: u64,
    /// Never sent, or too long ago: ignored.
    pub unknown: u64,
}

impl ReceiverTime {
    #[inline]
    pub const fn from_micros(micros: i64) -> ReceiverTime {
        ReceiverTime(micros)
    }

    #[inline]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds, negative if `other` is later.
    #[inline]
    pub(crate) fn millis_after(self, other: ReceiverTime) -> f64 {
        self.0.saturating_sub(other.0) as f64 / 1e3
    }
}

impl ReferenceClock {
    /// The moment that `reference_time` names; the nearest to that before it.
    pub fn unwrap(&mut self, reference_time: u32) -> ReceiverTime {
        ReceiverTime(unwrap(&mut self.ticks, reference_time & 0xFF_FFFF, 24) * 64_000)
    }
}

impl ReportClock {
    /// The moment that `timestamp` names; the nearest to that before it.
    pub fn unwrap(&mut self, timestamp: u32) -> ReceiverTime {
        // Exact: 15,625 / 1,024 µs each.
        ReceiverTime(unwrap(&mut self.ticks, timestamp, 32) * 15_625 / 1_024)
    }
}

/// The number nearest to `before` whose lowest `bits` are those of `wire`. A clock that has gone further than any does begins
/// anew, so that what is made of it never overflows.
fn unwrap(before: &mut Option<i64>, wire: u32, bits: u32) -> i64 {
    let (wire, cycle) = (i64::from(wire), 1_i64 << bits);
    let ticks = before.filter(|before| before.abs() < TICKS_MAX).map_or(wire, |before| {
        let forward = (wire - before).rem_euclid(cycle);
        before + if forward < cycle / 2 { forward } else { forward - cycle }
    });
    *before = Some(ticks);
    ticks
}

/// Of 64 ms some 140,000 years, of a 65,536th of a second 34.
const TICKS_MAX: i64 = 1 << 46;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_are_turned_forward_all_the_time_begin_anew() {
        let (mut reference, mut report) = (ReferenceClock::default(), ReportClock::default());
        let mut began = 0;
        for step in 0..600_000_u32 {
            reference.unwrap(step.wrapping_mul(0x7F_FFFF));
            let before = report.ticks;
            report.unwrap(step.wrapping_mul(0x7FFF_FFFF));
            began += u32::from(report.ticks < before);
        }
        assert!(began >= 1, "{:?} {:?}", reference.ticks, report.ticks);
    }

    #[test]
    fn the_reference_time_goes_on_beyond_its_24_bits_and_may_step_back() {
        let mut clock = ReferenceClock::default();
        assert_eq!(clock.unwrap(0xFF_FFFE).as_micros(), 0xFF_FFFE * 64_000);
        assert_eq!(clock.unwrap(1).as_micros(), 0x100_0001 * 64_000);
        assert_eq!(clock.unwrap(0xFF_FFFF).as_micros(), 0xFF_FFFF * 64_000);
    }

    #[test]
    fn the_report_timestamp_goes_on_beyond_its_32_bits_and_may_step_back() {
        let mut clock = ReportClock::default();
        let start = clock.unwrap(0xFFFF_0000).as_micros();
        assert_eq!(start, 65_535_000_000, "65,535 s");
        assert_eq!(clock.unwrap(0x8000).as_micros() - start, 1_500_000);
        assert_eq!(clock.unwrap(0xFFFF_8000).as_micros() - start, 500_000);
    }
}
