//! Owns the receiver's side of transport-wide congestion control
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01): when each packet of a session arrived, told back to
//! its sender often enough for its bandwidth estimation. Never estimates anything itself.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::wire::rtcp::RtcpWriter;
use crate::wire::rtp::{ExtendedSeq, Seq, Ssrc};

/// Arrival times of one session's packets that carry a transport-wide sequence number.
#[derive(Debug, Clone)]
pub struct ArrivalLog {
    /// Time zero of the arrival ticks.
    epoch: Instant,
    /// Ring of the last [`WINDOW`] sequence numbers: arrival in ticks plus one, 0 for not received. Empty
    /// until the first packet, so that sessions that only watch don't pay for it.
    arrivals: Vec<u64>,
    /// The first sequence number of the next feedback, and the one after the newest received.
    begin: u64,
    end: u64,
    /// Packets received since the last feedback.
    pending: usize,
    due: Option<Instant>,
    last_feedback: Option<Instant>,
    feedback_count: u8,
}

impl ArrivalLog {
    pub fn new(now: Instant) -> ArrivalLog {
        ArrivalLog {
            epoch: now,
            arrivals: Vec::new(),
            begin: 0,
            end: 0,
            pending: 0,
            due: None,
            last_feedback: None,
            feedback_count: 0,
        }
    }

    /// A packet with this transport-wide sequence number arrived. Duplicates change nothing.
    pub fn record(&mut self, now: Instant, seq: Seq) {
        let at = match self.end.checked_sub(1) {
            None => self.start(seq),
            Some(newest) => ExtendedSeq(newest).unwrap(seq).0,
        };
        if at >= self.end {
            self.advance(at);
        } else if self.end - at > LATE_MAX || self.arrival(at).is_some() {
            return;
        }
        self.store(at, now);
        // A packet that comes after its absence was reported is reported again with all that follow it, as
        // libwebrtc's remote_estimator_proxy.cc does: the sender takes it for received after all.
        self.begin = self.begin.min(at);
        self.pending += 1;
        if self.pending >= PENDING_MAX {
            self.due = Some(now);
        } else if self.due.is_none() {
            let earliest = self.last_feedback.map_or(now + FEEDBACK_INTERVAL, |last| last + FEEDBACK_INTERVAL);
            self.due = Some(earliest.max(now));
        }
    }

    /// When [`ArrivalLog::poll_feedback`] has something to say.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Appends one feedback packet if one is due, and says whether it did. What does not fit into one packet
    /// stays due: call again with a fresh writer.
    pub fn poll_feedback(&mut self, now: Instant, sender: Ssrc, media: Ssrc, writer: &mut RtcpWriter<'_>) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        let room = writer.room().min(FEEDBACK_BYTES_MAX).saturating_sub(PACKET_OVERHEAD);
        let Some(feedback) = self.collect(room) else {
            return false;
        };
        let bytes = feedback.bytes().next_multiple_of(4);
        let Some(body) = writer.transport_feedback(sender, media, bytes) else {
            return false;
        };
        feedback.write(self.feedback_count, body);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.begin += feedback.symbols.len() as u64;
        self.pending =
            if self.begin == self.end { 0 } else { self.pending.saturating_sub(feedback.deltas.len()).max(1) };
        if self.pending == 0 {
            self.due = None;
            self.last_feedback = Some(now);
        }
        true
    }

    /// What of the log goes into one packet of at most `room` bytes: it ends before an arrival whose distance
    /// to the one before does not fit 16 bits (8.19 s).
    fn collect(&self, room: usize) -> Option<Feedback> {
        let first_arrival = (self.begin..self.end).find_map(|seq| self.arrival(seq))?;
        let reference_time = first_arrival / TICKS_PER_REFERENCE;
        let mut feedback = Feedback {
            base: ExtendedSeq(self.begin).seq(),
            reference_time,
            symbols: ArrayVec::new(),
            deltas: ArrayVec::new(),
            delta_bytes: 0,
        };
        let mut previous = reference_time * TICKS_PER_REFERENCE;
        let mut lost = 0;
        for seq in self.begin..self.end {
            let Some(arrival) = self.arrival(seq) else {
                lost += 1;
                continue;
            };
            let Some(delta) = distance(previous, arrival) else { break };
            if !feedback.push(lost, delta, room) {
                break;
            }
            lost = 0;
            previous = arrival;
        }
        (!feedback.symbols.is_empty()).then_some(feedback)
    }

    fn start(&mut self, seq: Seq) -> u64 {
        let first = ExtendedSeq::first(seq).0;
        self.arrivals = vec![0; WINDOW as usize];
        self.begin = first;
        self.end = first;
        first
    }

    /// Makes `at` the newest: what lies between is not received. A jump beyond the window starts anew.
    fn advance(&mut self, at: u64) {
        if at - self.end >= WINDOW {
            self.arrivals.fill(0);
            self.begin = at;
            self.pending = 0;
        } else {
            for skipped in self.end..=at {
                self.set(skipped, 0);
            }
        }
        self.end = at + 1;
        self.begin = self.begin.max(self.end.saturating_sub(WINDOW));
    }

    fn store(&mut self, at: u64, now: Instant) {
        let ticks = now.saturating_duration_since(self.epoch).as_micros() / TICK_US;
        self.set(at, u64::try_from(ticks).unwrap_or(u64::MAX - 1) + 1);
    }

    fn arrival(&self, seq: u64) -> Option<u64> {
        self.arrivals.get((seq % WINDOW) as usize)?.checked_sub(1)
    }

    fn set(&mut self, seq: u64, value: u64) {
        if let Some(slot) = self.arrivals.get_mut((seq % WINDOW) as usize) {
            *slot = value;
        }
    }
}

/// Ticks from one arrival to the next, where they fit into a receive delta.
fn distance(from: u64, to: u64) -> Option<i16> {
    i16::try_from(i64::try_from(to).ok()? - i64::try_from(from).ok()?).ok()
}

/// The content of one feedback packet (section 3.1 of the draft).
struct Feedback {
    base: Seq,
    /// In multiples of 64 ms.
    reference_time: u64,
    symbols: ArrayVec<Symbol, { WINDOW as usize }>,
    deltas: ArrayVec<i16, RECEIVED_MAX>,
    delta_bytes: usize,
}

/// Status of one packet, with its two-bit code (section 3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    NotReceived = 0,
    SmallDelta = 1,
    LargeDelta = 2,
}

impl Feedback {
    /// Adds `lost` packets and a received one; false, and nothing added, when they don't fit.
    fn push(&mut self, lost: usize, delta: i16, room: usize) -> bool {
        let (symbol, delta_bytes) =
            if u8::try_from(delta).is_ok() { (Symbol::SmallDelta, 1) } else { (Symbol::LargeDelta, 2) };
        let symbols = self.symbols.len() + lost + 1;
        // Each chunk but the last covers at least seven packets.
        let bytes_max = FIXED_BYTES + 2 * (symbols / 7 + 1) + self.delta_bytes + delta_bytes;
        if symbols > self.symbols.capacity() || self.deltas.is_full() || bytes_max.next_multiple_of(4) > room {
            return false;
        }
        self.symbols.extend(std::iter::repeat_n(Symbol::NotReceived, lost));
        self.symbols.push(symbol);
        self.deltas.push(delta);
        self.delta_bytes += delta_bytes;
        true
    }

    fn bytes(&self) -> usize {
        FIXED_BYTES + Chunks { symbols: &self.symbols }.count() * 2 + self.delta_bytes
    }

    /// `body` is as long as [`Feedback::bytes`] says, padded to 32 bits.
    fn write(&self, feedback_count: u8, body: &mut [u8]) {
        let [_, r0, r1, r2] = ((self.reference_time & 0x00ff_ffff) as u32).to_be_bytes();
        let fixed =
            [self.base.0.to_be_bytes(), (self.symbols.len() as u16).to_be_bytes(), [r0, r1], [r2, feedback_count]];
        let chunks = Chunks { symbols: &self.symbols }.map(u16::to_be_bytes);
        let deltas = self.deltas.iter().flat_map(|delta| {
            let [high, low] = delta.to_be_bytes();
            let small = u8::try_from(*delta).is_ok();
            (!small).then_some(high).into_iter().chain([low])
        });
        let bytes = fixed.into_iter().chain(chunks).flatten().chain(deltas).chain(std::iter::repeat(0));
        body.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
    }
}

/// Packs symbols into 16-bit chunks: a run length where one symbol repeats, else a vector of 14 one-bit or 7
/// two-bit symbols (sections 3.1.3 and 3.1.4).
struct Chunks<'a> {
    symbols: &'a [Symbol],
}

impl Iterator for Chunks<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let first = *self.symbols.first()?;
        let run = self.symbols.iter().take(RUN_MAX).take_while(|symbol| **symbol == first).count();
        let one_bit = self.symbols.get(..ONE_BIT_SYMBOLS).unwrap_or(self.symbols);
        let fits_one_bit = !one_bit.contains(&Symbol::LargeDelta);
        let vector_len = if fits_one_bit { ONE_BIT_SYMBOLS } else { TWO_BIT_SYMBOLS };
        if run >= vector_len || run == self.symbols.len() {
            self.symbols = self.symbols.get(run..)?;
            return Some((first as u16) << 13 | run as u16);
        }
        let (vector, rest) = self.symbols.split_at(vector_len.min(self.symbols.len()));
        self.symbols = rest;
        let bits = if fits_one_bit { 1 } else { 2 };
        let head = if fits_one_bit { 0x8000 } else { 0xc000 };
        let shifts = (0..14).step_by(bits).map(|used| 14 - bits - used);
        Some(vector.iter().zip(shifts).fold(head, |chunk, (symbol, shift)| chunk | (*symbol as u16) << shift))
    }
}

/// Sequence numbers remembered: two seconds at 1,000 packets per second.
const WINDOW: u64 = 2_048;
/// A packet that comes later than this many others is not reported any more.
const LATE_MAX: u64 = WINDOW / 2;
/// libwebrtc's remote_estimator_proxy.cc sends every 50 ms from about 220 kbit/s on.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);
/// So many arrivals are reported at once: feedback stays fine-grained at high rates, and fits one packet.
const PENDING_MAX: usize = 200;
/// Received packets in one feedback: more than [`PENDING_MAX`], since late ones repeat what followed them.
const RECEIVED_MAX: usize = 512;
/// RTCP of one datagram, with room for the SRTCP trailer in 1,200 bytes.
const FEEDBACK_BYTES_MAX: usize = 1_100;
/// RTCP header and the two SSRCs.
const PACKET_OVERHEAD: usize = 12;
/// Base sequence number, status count, reference time, feedback count.
const FIXED_BYTES: usize = 8;
const TICK_US: u128 = 250;
const TICKS_PER_REFERENCE: u64 = 256;
const RUN_MAX: usize = 0x1fff;
const ONE_BIT_SYMBOLS: usize = 14;
const TWO_BIT_SYMBOLS: usize = 7;

#[cfg(test)]
mod tests;
