//! Owns which sequences of a relayed track are missing and when to ask for them: `nack.rs` for 64-bit numbers
//! and for a network between data centres, where viewers have 250 ms in all. Never sends.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

/// The missing packets of one relayed track, in ascending order.
#[derive(Debug)]
pub(crate) struct Missing {
    /// Highest sequence that arrived or is known to be sent.
    newest: Option<u64>,
    /// Lowest sequence that is wanted.
    first: u64,
    packets: VecDeque<MissingPacket>,
    retry_interval: Duration,
    /// Nothing is due before this. May be early, never late.
    due: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct MissingPacket {
    sequence: u64,
    noticed: Instant,
    /// Late beyond doubt.
    is_sure: bool,
    asked: Option<Instant>,
    tries: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelayArrival {
    /// It is the newest; what was skipped before it is missing now.
    Newest,
    Recovered,
    /// It is older than the newest and was not missing.
    Late,
    /// Too much was skipped to ask for it, as between two SSRCs of a publisher.
    Restarted,
}

/// What to ask for at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    pub lost: ArrayVec<u64, LOST_MAX>,
    /// Some of it was asked for before.
    pub urgent: bool,
    /// Packets that will not come any more.
    pub given_up: usize,
}

impl Missing {
    pub fn new() -> Missing {
        Missing { newest: None, first: 0, packets: VecDeque::new(), retry_interval: RETRY_INTERVAL_DEFAULT, due: None }
    }

    /// A tenth more than a round trip: a repeat must not be asked for while it is on its way.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.retry_interval = (round_trip + round_trip / 10).clamp(RETRY_INTERVAL_MIN, RETRY_INTERVAL_MAX);
    }

    /// The parent says that its numbers begin, or go on after a jump, at `from`.
    pub fn expect(&mut self, now: Instant, from: u64) {
        let Some(newest) = self.newest.filter(|newest| from.saturating_sub(*newest) <= MISSING_MAX as u64) else {
            self.restart(from.saturating_sub(1));
            self.first = from;
            return;
        };
        let before = self.first.min(newest);
        let earlier = before.saturating_sub(from) as usize;
        if earlier == 0 || self.packets.len() + earlier > MISSING_MAX {
            return;
        }
        // The first of all were lost, and so was the answer that told of them.
        for sequence in (from..before).rev() {
            self.packets.push_front(MissingPacket { sequence, noticed: now, is_sure: true, asked: None, tries: 0 });
        }
        (self.first, self.due) = (from, Some(now));
    }

    pub fn handle_packet(&mut self, now: Instant, sequence: u64) -> RelayArrival {
        let Some(newest) = self.newest else {
            self.restart(sequence);
            return RelayArrival::Newest;
        };
        if sequence <= newest {
            return self.forget(sequence);
        }
        if !self.note_skipped(now, newest + 1, sequence, false) {
            self.restart(sequence);
            return RelayArrival::Restarted;
        }
        self.newest = Some(sequence);
        self.reschedule(now);
        RelayArrival::Newest
    }

    /// The parent says how far it has sent.
    pub fn handle_tail(&mut self, now: Instant, sequence: u64) {
        let Some(newest) = self.newest.filter(|newest| sequence > *newest) else { return };
        if self.note_skipped(now, newest + 1, sequence + 1, true) {
            self.newest = Some(sequence);
            self.due = Some(now);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// What does not fit stays due.
    pub fn poll_due(&mut self, now: Instant) -> Due {
        let mut found = Due::default();
        if self.due.is_none_or(|due| due > now) {
            return found;
        }
        let before = self.packets.len();
        self.packets.retain(|packet| now.saturating_duration_since(packet.noticed) < AGE_MAX);
        found.given_up = before - self.packets.len();
        self.due = None;
        let Some(newest) = self.newest else { return found };
        for packet in &mut self.packets {
            let mut due = packet.due(newest, self.retry_interval);
            let first = found.lost.first().copied().unwrap_or(packet.sequence);
            if due <= now && !found.lost.is_full() && packet.sequence - first <= u64::from(u16::MAX) {
                found.lost.push(packet.sequence);
                found.urgent |= packet.tries > 0;
                packet.asked = Some(now);
                packet.tries = packet.tries.saturating_add(1);
                due = packet.due(newest, self.retry_interval);
            }
            self.due = Some(self.due.map_or(due, |earliest| earliest.min(due)));
        }
        found
    }

    fn restart(&mut self, newest: u64) {
        self.packets.clear();
        self.due = None;
        (self.newest, self.first) = (Some(newest), newest);
    }

    /// It is there, or came twice.
    pub fn forget(&mut self, sequence: u64) -> RelayArrival {
        match self.packets.binary_search_by_key(&sequence, |packet| packet.sequence) {
            Ok(at) => {
                self.packets.remove(at);
                if self.packets.is_empty() {
                    self.due = None;
                }
                RelayArrival::Recovered
            }
            Err(_) => RelayArrival::Late,
        }
    }

    /// False when that would be too many.
    fn note_skipped(&mut self, noticed: Instant, from: u64, to: u64, is_sure: bool) -> bool {
        let skipped = usize::try_from(to - from).unwrap_or(usize::MAX);
        if self.packets.len().saturating_add(skipped) > MISSING_MAX {
            return false;
        }
        let packet = |sequence| MissingPacket { sequence, noticed, is_sure, asked: None, tries: 0 };
        self.packets.extend((from..to).map(packet));
        true
    }

    /// Each new packet may show another one to be lost. Those asked for already are at the front.
    fn reschedule(&mut self, now: Instant) {
        let Some(newest) = self.newest else { return };
        for packet in self.packets.iter().rev().take_while(|packet| packet.asked.is_none()) {
            let due = packet.due(newest, self.retry_interval).max(now);
            self.due = Some(self.due.map_or(due, |earliest| earliest.min(due)));
        }
    }
}

impl MissingPacket {
    /// The first time once, then twice each: what was lost once has little time left.
    fn due(&self, newest: u64, retry_interval: Duration) -> Instant {
        match self.asked {
            Some(asked) if self.tries > 0 && self.tries.is_multiple_of(2) => asked + COPY_AFTER,
            Some(asked) if self.tries > 1 => asked + retry_interval.saturating_sub(COPY_AFTER),
            Some(asked) => asked + retry_interval,
            // Packets that overtook it show it lost, not late.
            None if self.is_sure || newest - self.sequence >= REORDER_PACKETS => self.noticed,
            None => self.noticed + REORDER_WAIT,
        }
    }
}

/// Sequences of one request.
pub(crate) const LOST_MAX: usize = 128;
/// Missing packets of one track.
const MISSING_MAX: usize = 512;
const REORDER_PACKETS: u64 = 3;
const REORDER_WAIT: Duration = Duration::from_millis(10);
/// Between two copies of a request: what loses one of them rarely lasts longer.
const COPY_AFTER: Duration = Duration::from_millis(4);
const RETRY_INTERVAL_MIN: Duration = Duration::from_millis(20);
const RETRY_INTERVAL_DEFAULT: Duration = Duration::from_millis(50);
const RETRY_INTERVAL_MAX: Duration = Duration::from_millis(400);
/// After this long viewers have a key frame, or want one.
const AGE_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
