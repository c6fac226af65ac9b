//! Owns what is missing of one received SSRC and when to ask for it again (generic NACK, RFC 4585). The
//! schedule follows libwebrtc's modules/video_coding/nack_requester.cc: a short wait for packets that are
//! only late, one try per round trip, at most ten, everything bounded. Never sends, never stores a packet.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::wire::rtp::{ExtendedSeq, Seq};

/// The missing packets of one stream, in ascending order.
#[derive(Debug, Clone)]
pub struct NackSchedule {
    newest: Option<ExtendedSeq>,
    missing: VecDeque<Missing>,
    /// Where the latest key frames start, ascending: what lies before one is the first to be given up.
    keyframes: ArrayVec<ExtendedSeq, KEYFRAMES_KEPT>,
    retry_interval: Duration,
    /// No entry is due before this. May be early, never late.
    due: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    seq: ExtendedSeq,
    noticed: Instant,
    first_asked: Option<Instant>,
    asked: Option<Instant>,
    tries: u8,
}

/// What a packet meant for the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It is the newest; what was skipped before it is missing now.
    Newest,
    /// It was missing and is no more.
    Recovered,
    /// It is older than the newest and was not missing: a duplicate, or given up.
    Late,
    /// Too much is missing to ask for it: a key frame is needed.
    KeyframeNeeded,
}

/// The sequence numbers to ask for at once, ascending.
pub type Lost = ArrayVec<Seq, NACKS_PER_POLL>;

impl NackSchedule {
    pub fn new() -> NackSchedule {
        NackSchedule {
            newest: None,
            missing: VecDeque::new(),
            keyframes: ArrayVec::new(),
            retry_interval: RETRY_INTERVAL_DEFAULT,
            due: None,
        }
    }

    /// A round trip measured to the sender: asking twice within one would ask for what is on its way.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.retry_interval = round_trip.clamp(RETRY_INTERVAL_MIN, RETRY_INTERVAL_MAX);
    }

    /// Since when a packet that is missing has been asked for: a repeat of it that arrives now took that long.
    /// It may have been lost once and be the answer to a later request, so this is a round trip or more; the
    /// other way round, counting from the last request, a peer farther away than the interval would look near
    /// for ever (Karn's ambiguity, RFC 6298 section 3).
    pub fn first_asked(&self, seq: Seq) -> Option<Instant> {
        let missing = self.newest?.unwrap(seq);
        let at = self.missing.binary_search_by_key(&missing, |entry| entry.seq).ok()?;
        self.missing.get(at)?.first_asked
    }

    /// A packet of the stream arrived, by itself or restored from its RTX.
    pub fn handle_packet(&mut self, now: Instant, seq: Seq, keyframe_start: bool) -> Arrival {
        let Some(newest) = self.newest else {
            self.restart(ExtendedSeq::first(seq), keyframe_start);
            return Arrival::Newest;
        };
        let arrived = newest.unwrap(seq);
        if arrived <= newest {
            return self.forget(arrived);
        }
        let skipped = usize::try_from(arrived.0 - newest.0 - 1).unwrap_or(usize::MAX);
        if !self.make_room(skipped) {
            self.restart(arrived, keyframe_start);
            // Of a stream that goes on with a key frame nothing older is needed.
            return if keyframe_start { Arrival::Newest } else { Arrival::KeyframeNeeded };
        }
        for missing in newest.0 + 1..arrived.0 {
            self.missing.push_back(Missing {
                seq: ExtendedSeq(missing),
                noticed: now,
                first_asked: None,
                asked: None,
                tries: 0,
            });
        }
        self.newest = Some(arrived);
        if keyframe_start {
            self.note_keyframe(arrived);
        }
        self.reschedule_first_tries(now);
        Arrival::Newest
    }

    /// When to call [`NackSchedule::poll_lost`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Collects what is to be asked for now into `lost`, and returns how many packets were given up since the
    /// last call. What does not fit stays due.
    pub fn poll_lost(&mut self, now: Instant, lost: &mut Lost) -> usize {
        lost.clear();
        if self.due.is_none_or(|due| due > now) {
            return 0;
        }
        let before = self.missing.len();
        self.missing.retain(|entry| !entry.is_hopeless(now));
        let given_up = before - self.missing.len();
        let Some(newest) = self.newest else { return given_up };
        self.due = None;
        for entry in &mut self.missing {
            let mut due = entry.due(newest, self.retry_interval);
            if due <= now && !lost.is_full() {
                lost.push(entry.seq.seq());
                entry.first_asked.get_or_insert(now);
                entry.asked = Some(now);
                entry.tries += 1;
                due = now + self.retry_interval;
            }
            self.due = Some(self.due.map_or(due, |earliest| earliest.min(due)));
        }
        given_up
    }

    /// Packets that are missing and not given up.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    fn restart(&mut self, newest: ExtendedSeq, keyframe_start: bool) {
        self.missing.clear();
        self.keyframes.clear();
        self.due = None;
        self.newest = Some(newest);
        if keyframe_start {
            self.note_keyframe(newest);
        }
    }

    fn forget(&mut self, arrived: ExtendedSeq) -> Arrival {
        match self.missing.binary_search_by_key(&arrived, |entry| entry.seq) {
            Ok(at) => {
                self.missing.remove(at);
                if self.missing.is_empty() {
                    self.due = None;
                }
                Arrival::Recovered
            }
            Err(_) => Arrival::Late,
        }
    }

    /// Whether `more` entries fit, if need be without those that lie before a key frame: a decoder that has
    /// the key frame does without them.
    fn make_room(&mut self, more: usize) -> bool {
        while self.missing.len().saturating_add(more) > MISSING_MAX {
            let Some(keyframe) = self.keyframes.pop_at(0) else { return false };
            self.missing.retain(|entry| entry.seq >= keyframe);
        }
        true
    }

    fn note_keyframe(&mut self, start: ExtendedSeq) {
        if self.keyframes.is_full() {
            self.keyframes.remove(0);
        }
        self.keyframes.push(start);
    }

    /// Each new packet may make the first try of an entry due, which then waits no longer. Entries that were
    /// asked for already are left at the front by the ascending order, so the look from the back is short.
    fn reschedule_first_tries(&mut self, now: Instant) {
        let Some(newest) = self.newest else { return };
        for entry in self.missing.iter().rev().take_while(|entry| entry.asked.is_none()) {
            let due = entry.due(newest, self.retry_interval).max(now);
            self.due = Some(self.due.map_or(due, |earliest| earliest.min(due)));
        }
    }
}

impl Default for NackSchedule {
    fn default() -> NackSchedule {
        NackSchedule::new()
    }
}

impl Missing {
    fn due(&self, newest: ExtendedSeq, retry_interval: Duration) -> Instant {
        match self.asked {
            Some(asked) => asked + retry_interval,
            // Packets that overtook it show it lost, not late.
            None if newest.0 - self.seq.0 >= REORDER_PACKETS => self.noticed,
            None => self.noticed + REORDER_WAIT,
        }
    }

    fn is_hopeless(&self, now: Instant) -> bool {
        self.tries >= TRIES_MAX || now.saturating_duration_since(self.noticed) >= AGE_MAX
    }
}

/// Missing packets of one stream. libwebrtc has 1,000; half of it is still 0.5 s of a 1,000 packets/s stream.
pub const MISSING_MAX: usize = 512;
/// Sequence numbers in one NACK: with the worst spread, one per entry, still a small packet.
pub const NACKS_PER_POLL: usize = 128;
/// A packet overtaken by this many others is lost.
const REORDER_PACKETS: u64 = 3;
/// A packet that is this late is lost, however few came after it.
const REORDER_WAIT: Duration = Duration::from_millis(10);
const RETRY_INTERVAL_MIN: Duration = Duration::from_millis(20);
/// Before a round trip is known; libwebrtc assumes 100 ms, of which a near client would see nothing good.
const RETRY_INTERVAL_DEFAULT: Duration = Duration::from_millis(40);
const RETRY_INTERVAL_MAX: Duration = Duration::from_millis(300);
/// kMaxNackRetries of nack_requester.cc.
const TRIES_MAX: u8 = 10;
/// Viewers don't wait longer for a frame; they ask for a key frame.
const AGE_MAX: Duration = Duration::from_secs(1);
const KEYFRAMES_KEPT: usize = 8;

#[cfg(test)]
mod tests;
