//! Owns how long it takes to send a packet to all live viewers of a layer, which on a worker that has much to do is far
//! more than a packet's time on the wire. Never sends.

use std::time::{Duration, Instant};

/// A moving average over the last packets: a pass of a few, which ends a picture, takes another time for each of them than a
/// long one does, or none where both end with the same arena.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SendingTime {
    began: Option<Instant>,
    /// Somebody got something of the pass under way, who did not wait for a key frame.
    has_sent: bool,
    per_packet: Duration,
}

impl SendingTime {
    /// A pass begins.
    pub fn begin(&mut self, now: Instant) {
        (self.began, self.has_sent) = (Some(now), false);
    }

    /// So many bytes of it have gone to viewers.
    pub fn note_sent(&mut self, bytes: u64) {
        self.has_sent |= bytes > 0;
    }

    /// It ends, and all live viewers have so many packets more.
    pub fn end(&mut self, now: Instant, packets: u64) {
        let Some(began) = self.began.take().filter(|_| self.has_sent) else { return };
        let packets = u32::try_from(packets).unwrap_or(u32::MAX).max(1);
        let (taken, weight) = (now.saturating_duration_since(began) / packets, packets.min(WINDOW));
        self.per_packet = match self.per_packet {
            Duration::ZERO => taken,
            before => (before * (WINDOW - weight) + taken * weight) / WINDOW,
        };
    }

    /// What so many packets will take.
    pub fn of(&self, packets: u32) -> Duration {
        self.per_packet.saturating_mul(packets)
    }
}

/// Packets: four passes of a worker that is behind.
const WINDOW: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pass_takes_is_known_after_a_few() {
        let (mut sending, mut now) = (SendingTime::default(), crate::sim::start());
        assert_eq!(sending.of(8), Duration::ZERO);
        for _ in 0..16 {
            sending.begin(now);
            sending.note_sent(1_000);
            now += Duration::from_millis(40);
            sending.end(now, 8);
            // All wait for a key frame.
            sending.begin(now);
            sending.end(now, 8);
        }
        let expected = Duration::from_millis(38)..Duration::from_millis(41);
        assert!(expected.contains(&sending.of(8)), "{:?}", sending.of(8));
        sending.end(now + Duration::from_secs(1), 8);
        assert!(expected.contains(&sending.of(8)), "no pass was under way");
    }

    #[test]
    fn a_picture_of_a_long_pass_and_a_short_one_takes_what_both_do() {
        for short in [0, 2, 8].map(Duration::from_millis) {
            let (mut sending, mut now) = (SendingTime::default(), crate::sim::start());
            let long = Duration::from_millis(40);
            for (taken, packets) in [(long, 8), (short, 1)].into_iter().cycle().take(40) {
                sending.begin(now);
                sending.note_sent(1_000);
                now += taken;
                sending.end(now, packets);
            }
            let expected = (long + short).mul_f64(0.97)..(long + short).mul_f64(1.03);
            assert!(expected.contains(&sending.of(9)), "{short:?}: {:?}", sending.of(9));
        }
    }
}
