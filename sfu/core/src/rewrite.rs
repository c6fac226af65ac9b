//! Owns the numbers one viewer sees on one track: a sequence without gaps of our making, timestamps that
//! go on when the source changes, and the way back from a number to the packet. Never touches bytes.

use std::time::Instant;

use arrayvec::ArrayVec;

/// Maps the sequence and timestamps of whatever source feeds a viewer to one continuous stream.
///
/// Sequences are extended (64 bit); the part above the low 16 bits is the roll-over counter of SRTP
/// (RFC 3711 section 3.3.1), so that an index is never used for two packets.
#[derive(Debug, Clone)]
pub struct Rewriter {
    /// Highest source sequence seen, forwarded or skipped.
    highest: u64,
    /// Newest last; empty before the first packet of the current source.
    segments: ArrayVec<Segment, SEGMENTS_MAX>,
    /// Index the next new packet gets if the source is changed now.
    next: u64,
    timestamp_offset: u32,
    last_timestamp: Option<(u32, Instant)>,
}

/// From `first` on, the outgoing index is the source sequence plus `offset` (modulo 2^64).
#[derive(Debug, Clone, Copy)]
struct Segment {
    first: u64,
    offset: u64,
}

/// The numbers under which a packet leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewritten {
    pub index: u64,
    pub timestamp: u32,
}

impl Rewriter {
    /// `first` is the index and `timestamp` the timestamp of the first packet ever.
    pub fn new(first: u64, timestamp: u32) -> Rewriter {
        Rewriter {
            highest: 0,
            segments: ArrayVec::new(),
            next: first,
            timestamp_offset: timestamp,
            last_timestamp: None,
        }
    }

    /// The source is gone or replaced: whatever still comes from it is late.
    pub fn stop(&mut self) {
        self.next = self.next();
        self.segments.clear();
    }

    pub fn is_started(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Starts a source at this packet. Its timestamp continues the last one by the time that passed.
    pub fn start(&mut self, sequence: u64, timestamp: u32, now: Instant, clock_rate: u32) {
        let next = self.next();
        self.segments.clear();
        self.segments.push(Segment { first: sequence, offset: next.wrapping_sub(sequence) });
        self.highest = sequence.wrapping_sub(1);
        let continued = match self.last_timestamp {
            Some((last, at)) => last.wrapping_add(ticks(now, at, clock_rate).max(clock_rate / 1000)),
            None => self.timestamp_offset,
        };
        self.timestamp_offset = continued.wrapping_sub(timestamp);
    }

    /// Numbers for a packet of the current source; `None` when it is from before the start or so late
    /// that its place is forgotten.
    pub fn map(&mut self, sequence: u64, timestamp: u32, now: Instant) -> Option<Rewritten> {
        let offset = self.offset_of(sequence)?;
        let timestamp = timestamp.wrapping_add(self.timestamp_offset);
        let index = sequence.wrapping_add(offset);
        if sequence > self.highest {
            self.highest = sequence;
            self.last_timestamp = Some((timestamp, now));
        }
        Some(Rewritten { index, timestamp })
    }

    fn offset_of(&self, sequence: u64) -> Option<u64> {
        let last = self.segments.last()?;
        if sequence >= last.first {
            return Some(last.offset);
        }
        let mut later = last;
        for segment in self.segments.iter().rev().skip(1) {
            if sequence >= segment.first {
                // A packet that was left out has no number: the one it would have is the next packet's.
                let left_out = sequence.wrapping_add(segment.offset) >= later.first.wrapping_add(later.offset);
                return (!left_out).then_some(segment.offset);
            }
            later = segment;
        }
        None
    }

    /// Leaves a packet out so that the viewer sees no gap. False when later packets have left already:
    /// then its number is spent, and something must be sent under it.
    pub fn skip(&mut self, sequence: u64) -> bool {
        let Some(last) = self.segments.last_mut() else { return true };
        if sequence < last.first {
            return self.segments.first().is_some_and(|first| sequence < first.first);
        }
        if sequence <= self.highest {
            return false;
        }
        let shorter = last.offset.wrapping_sub(1);
        self.highest = sequence;
        if last.first == sequence {
            *last = Segment { first: sequence + 1, offset: shorter };
            return true;
        }
        if self.segments.is_full() {
            self.segments.remove(0);
        }
        self.segments.push(Segment { first: sequence + 1, offset: shorter });
        true
    }

    /// The source sequence and index that left under these 16 bits; `None` when nothing did lately.
    pub fn origin(&self, sent: u16) -> Option<(u64, u64)> {
        let highest = self.highest.wrapping_add(self.segments.last()?.offset);
        let index = highest.wrapping_sub(u64::from((highest as u16).wrapping_sub(sent)));
        let mut later = u64::MAX;
        for segment in self.segments.iter().rev() {
            if index >= segment.first.wrapping_add(segment.offset) {
                let sequence = index.wrapping_sub(segment.offset);
                return (sequence < later).then_some((sequence, index));
            }
            later = segment.first;
        }
        None
    }

    /// What a new packet's index would be; everything below is spent.
    pub fn next(&self) -> u64 {
        match self.segments.last() {
            Some(last) => self.highest.wrapping_add(last.offset).wrapping_add(1),
            None => self.next,
        }
    }

    /// Added to a source timestamp.
    pub fn timestamp_offset(&self) -> u32 {
        self.timestamp_offset
    }
}

/// RTP clock ticks from `then` to `now`.
fn ticks(now: Instant, then: Instant, clock_rate: u32) -> u32 {
    let micros = now.saturating_duration_since(then).as_micros();
    (micros * u128::from(clock_rate) / 1_000_000) as u32
}

/// Changes of the offset that are remembered: each packet left out costs one.
const SEGMENTS_MAX: usize = 8;

#[cfg(test)]
mod tests;
