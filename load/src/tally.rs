//! Owns what a synthetic client has seen of one stream: it opens every packet and keeps count.

use std::time::{Duration, Instant, SystemTime};

use chappe_sfu_core::rtp::Header;
use chappe_sfu_core::srtp::{Opener, ReplayWindow};

use crate::client::Arrival;
use crate::publisher::sent_at;

/// What one viewer has seen.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub packets: u64,
    /// Packets that did not open.
    pub broken: u64,
    /// Packets that had come before.
    pub duplicates: u64,
    /// Packets that came after one that was sent later.
    pub reordered: u64,
    /// Times without a packet that were longer than [`STANDSTILL`].
    pub standstills: u64,
    /// Sequence numbers that never came, from the one after the last of the count before, or the first of all, to
    /// the last seen.
    pub missing: u64,
    pub first_packet: Option<Instant>,
    /// When the kernel got the first packet.
    pub first_at: Option<SystemTime>,
    /// When it got the last one.
    pub last_at: Option<SystemTime>,
    /// The longest time between two packets, or from when the counting began to the first one.
    pub longest_gap: Duration,
    /// The longest between two packets, and between the last one of a session and the first one of the next.
    pub longest_pause: Duration,
    pub longest_failover: Duration,
    /// Packets that took longer than [`LATE`].
    pub late: u64,
    /// From the publisher's send call to this viewer's socket, in microseconds; of what was sent since the first packet.
    pub latencies_us: Vec<f64>,
    first_index: u64,
    last_index: u64,
}

impl Tally {
    /// Opens and counts one packet of the stream that this is the tally of.
    pub fn receive(&mut self, window: &mut ReplayWindow, opener: &mut Opener, header: &Header, arrival: Arrival<'_>) {
        let index = window.guess(header.seq.0);
        match opener.open_rtp(index, header.header_len, arrival.bytes) {
            Ok(length) if window.check(index) => {
                window.accept(index);
                self.note(index, &arrival.bytes[header.header_len..header.header_len + length], arrival.at);
            }
            Ok(_) => self.duplicates += 1,
            Err(_) => self.broken += 1,
        }
    }

    /// Counts what comes from now on. A repair of an earlier packet is not part of that: it would make everything
    /// between them look missing.
    pub fn anew(&self) -> Tally {
        let Tally { first_packet, last_index, .. } = *self;
        let first_index = if first_packet.is_some() { last_index + 1 } else { 0 };
        Tally { first_packet, first_index, last_index, ..Tally::default() }
    }

    /// Puts the count of a session behind that of the ones before, with the gap between them. The first gap is the one
    /// from when the counting `began`.
    pub fn append(&mut self, next: &Tally, began: SystemTime) {
        let before = self.last_at.unwrap_or(began);
        let between = next.first_at.and_then(|first| first.duration_since(before).ok()).unwrap_or_default();
        let failover = if self.last_at.is_some() { between } else { Duration::ZERO };
        self.standstills += next.standstills + u64::from(failover > STANDSTILL);
        self.longest_gap = self.longest_gap.max(next.longest_gap).max(between);
        self.longest_pause = self.longest_pause.max(next.longest_pause).max(failover);
        self.longest_failover = self.longest_failover.max(next.longest_failover).max(failover);
        self.last_at = self.last_at.max(next.last_at);
        self.packets += next.packets;
        self.missing += next.missing;
        self.broken += next.broken;
        self.duplicates += next.duplicates;
        self.reordered += next.reordered;
        self.late += next.late;
        self.latencies_us.extend_from_slice(&next.latencies_us);
    }

    fn note(&mut self, index: u64, payload: &[u8], at: SystemTime) {
        if self.first_packet.is_none() {
            self.first_packet = Some(Instant::now());
            self.first_index = index;
        }
        if index < self.first_index {
            return;
        }
        let here_since = *self.first_at.get_or_insert(at);
        self.reordered += u64::from(index < self.last_index);
        self.last_index = self.last_index.max(index);
        let gap = self.last_at.and_then(|last| at.duration_since(last).ok()).unwrap_or_default();
        self.standstills += u64::from(gap > STANDSTILL);
        self.longest_gap = self.longest_gap.max(gap);
        self.longest_pause = self.longest_pause.max(gap);
        self.last_at = self.last_at.max(Some(at));
        self.packets += 1;
        self.missing = (self.last_index + 1).saturating_sub(self.first_index + self.packets);
        // What was sent before this viewer was there is history that it catches up with, and was not late for it.
        let Some(sent) = sent_at(payload).filter(|sent| *sent >= here_since) else { return };
        let latency = at.duration_since(sent).unwrap_or_default();
        self.late += u64::from(latency > LATE);
        if self.latencies_us.len() < LATENCIES_MAX {
            self.latencies_us.push(latency.as_secs_f64() * 1e6);
        }
    }
}

/// Later than this, a packet is no use to a conversation.
pub const LATE: Duration = Duration::from_millis(250);
/// A picture that waits longer for its next packet is seen to stand still.
pub const STANDSTILL: Duration = Duration::from_millis(250);
const LATENCIES_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn note(tally: &mut Tally, indices: &[u64]) {
        indices.iter().for_each(|&index| tally.note(index, &[], SystemTime::now()));
    }

    #[test]
    fn a_repair_of_what_was_counted_before_does_not_make_others_missing() {
        let mut before = Tally::default();
        note(&mut before, &[5, 6, 7, 9, 10]);
        assert_eq!((before.packets, before.missing), (5, 1));
        let mut tally = before.anew();
        note(&mut tally, &[8, 11, 12]);
        assert_eq!((tally.packets, tally.missing), (2, 0));
        note(&mut tally, &[14, 13]);
        assert_eq!((tally.packets, tally.missing), (4, 0), "reordered");
        assert_eq!(tally.reordered, 1);
    }

    fn session(first_ms: u64, last_ms: u64) -> Tally {
        let at = |ms| Some(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
        Tally { packets: 10, missing: 1, first_at: at(first_ms), last_at: at(last_ms), ..Tally::default() }
    }

    #[test]
    fn the_gap_between_two_sessions_counts_as_one_of_the_viewer() {
        let mut whole = Tally::default();
        let began = SystemTime::UNIX_EPOCH + Duration::from_millis(900);
        whole.append(&session(1_000, 2_000), began);
        assert_eq!(whole.longest_gap, Duration::from_millis(100), "from the start of the counting");
        whole.append(&Tally { broken: 2, ..Tally::default() }, began);
        whole.append(&session(2_700, 3_000), began);
        assert_eq!((whole.longest_gap, whole.standstills), (Duration::from_millis(700), 1));
        assert_eq!((whole.packets, whole.missing, whole.broken), (20, 2, 2));
    }

    #[test]
    fn what_is_missing_right_after_the_count_began_is_missing() {
        let mut before = Tally::default();
        note(&mut before, &[5]);
        let mut tally = before.anew().anew();
        assert_eq!((tally.packets, tally.missing), (0, 0));
        note(&mut tally, &[8]);
        assert_eq!((tally.packets, tally.missing), (1, 2));
    }
}
