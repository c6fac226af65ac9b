//! Owns the numbers one viewer sees on one track: a sequence without gaps of our making, timestamps that
//! go on when the source changes, and the way back from a number to the packet. Never touches bytes.

use std::time::Instant;

use crate::clients::delivery::left_out::LeftOut;

/// Maps the sequence and timestamps of whatever source feeds a viewer to one continuous stream.
///
/// Sequences are extended (64 bit); the part above the low 16 bits is the roll-over counter of SRTP
/// (RFC 3711 section 3.3.1), so that an index is never used for two packets.
#[derive(Debug, Clone)]
pub struct Rewriter {
    /// Highest source sequence seen, forwarded or skipped.
    highest: u64,
    /// `None` before the first packet of the current source.
    numbering: Option<Numbering>,
    /// Index the next new packet gets if the source is changed now.
    next: u64,
    timestamp_offset: u32,
    /// What was there before the viewer was, if it started with that.
    compression: Option<Compression>,
    /// Of the newest packet that left: under which timestamp, which one it had, and when that was.
    last: Option<LastSent>,
}

#[derive(Debug, Clone, Copy)]
struct LastSent {
    timestamp: u32,
    source_timestamp: u32,
    at: Instant,
}

/// Numbering timestamps up to where the viewer came in are brought close to that moment: a receiver lays its clock
/// through the first frames it gets (libwebrtc: modules/video_coding/timing/timestamp_extrapolator.cc, a least
/// squares fit that forgets nothing), so that frames with their true distances that come all at once would keep
/// it behind the live picture. The nearer they are to each other, the less they weigh.
///
/// It depends on the packet alone: the same packet has the same timestamp whenever it is sent, which the cipher
/// needs (RFC 7714 section 8.1).
#[derive(Debug, Clone, Copy)]
struct Compression {
    /// The last source sequence it is for, and its source timestamp, which stays as it is.
    until: u64,
    timestamp: u32,
}

/// What the viewer gets of one source, from its packet with sequence `first` on, which left as `index`: sequences and
/// indices go side by side, but for what was left out.
#[derive(Debug, Clone)]
struct Numbering {
    first: u64,
    index: u64,
    left_out: LeftOut,
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
            numbering: None,
            next: first,
            timestamp_offset: timestamp,
            compression: None,
            last: None,
        }
    }

    /// The source is gone or replaced: whatever still comes from it is late.
    pub fn stop(&mut self) {
        self.next = self.next();
        self.numbering = None;
    }

    #[inline]
    pub fn highest(&self) -> u64 {
        self.highest
    }

    pub fn is_started(&self) -> bool {
        self.numbering.is_some()
    }

    /// Starts a source at this packet, given by sequence and timestamp. That continues the last one by the time that
    /// passed: `passed` ticks by the publisher's clock, or by ours where that is not known or can't be.
    pub fn start(&mut self, first: (u64, u32), passed: Option<i32>, now: Instant, clock_rate: u32) {
        self.start_behind(first, first, passed, now, clock_rate);
    }

    /// What the newest packet that left had for a timestamp before it was rewritten.
    pub fn last_source_timestamp(&self) -> Option<u32> {
        self.last.map(|last| last.source_timestamp)
    }

    /// The same at a packet of the past: `first` and the live one are given by sequence and timestamp. It is the
    /// live one that continues the timestamps by the time that passed.
    pub fn start_behind(
        &mut self,
        first: (u64, u32),
        live: (u64, u32),
        passed: Option<i32>,
        now: Instant,
        clock_rate: u32,
    ) {
        let next = self.next();
        self.numbering = Some(Numbering { first: first.0, index: next, left_out: LeftOut::default() });
        self.highest = first.0.wrapping_sub(1);
        self.compression = (live != first).then_some(Compression { until: live.0, timestamp: live.1 });
        let length = self.compression.map_or(0, |compression| live.1.wrapping_sub(compression.apply(first.0, first.1)));
        let continued = match self.last {
            Some(last) => {
                let elapsed = decide_elapsed(ticks(now, last.at, clock_rate), passed, clock_rate);
                last.timestamp.wrapping_add(elapsed.max(clock_rate / 1000 + length))
            }
            None => self.timestamp_offset,
        };
        self.timestamp_offset = continued.wrapping_sub(live.1);
    }

    /// Numbers for a packet of the current source; `None` when it is from before the start or so late
    /// that its place is forgotten.
    pub fn map(&mut self, sequence: u64, timestamp: u32, now: Instant) -> Option<Rewritten> {
        let index = self.numbering.as_ref()?.index_of(sequence)?;
        let rewritten = self.timestamp(sequence, timestamp);
        if sequence > self.highest {
            self.highest = sequence;
            self.last = Some(LastSent { timestamp: rewritten, source_timestamp: timestamp, at: now });
        }
        Some(Rewritten { index, timestamp: rewritten })
    }

    /// The timestamp under which a packet of the current source leaves, whenever it does.
    pub fn timestamp(&self, sequence: u64, timestamp: u32) -> u32 {
        let compressed = self.compression.map_or(timestamp, |compression| compression.apply(sequence, timestamp));
        compressed.wrapping_add(self.timestamp_offset)
    }

    /// Leaves a packet out so that the viewer sees no gap. False when later packets have left already:
    /// then its number is spent, and something must be sent under it.
    pub fn skip(&mut self, sequence: u64) -> bool {
        let Some(numbering) = &mut self.numbering else { return true };
        if sequence < numbering.first || sequence <= self.highest {
            return sequence < numbering.first;
        }
        numbering.left_out.push(sequence);
        self.highest = sequence;
        true
    }

    /// Leaves out all up to this packet of the current source, and goes on with it under the next index. What left before is
    /// not found any more. False for one that is not newer than what left.
    pub fn resume(&mut self, sequence: u64) -> bool {
        let index = self.next();
        let is_newer = sequence > self.highest;
        if let Some(numbering) = self.numbering.as_mut().filter(|_| is_newer) {
            *numbering = Numbering { first: sequence, index, left_out: LeftOut::default() };
            self.highest = sequence.wrapping_sub(1);
        }
        is_newer
    }

    /// The source sequence and index that left under these 16 bits; `None` when nothing did lately.
    pub fn origin(&self, sent: u16) -> Option<(u64, u64)> {
        let numbering = self.numbering.as_ref()?;
        let highest = self.next().wrapping_sub(1);
        let index = highest.wrapping_sub(u64::from((highest as u16).wrapping_sub(sent)));
        Some((numbering.sequence_of(index)?, index))
    }

    /// What a new packet's index would be; everything below is spent.
    pub fn next(&self) -> u64 {
        self.numbering.as_ref().map_or(self.next, |numbering| numbering.next(self.highest))
    }

    /// Added to the source timestamps of what is live.
    pub fn timestamp_offset(&self) -> u32 {
        self.timestamp_offset
    }
}

impl Numbering {
    #[inline]
    fn index_of(&self, sequence: u64) -> Option<u64> {
        let ahead = sequence.checked_sub(self.first)?;
        Some(self.index + ahead - self.left_out.before(sequence)?)
    }

    fn sequence_of(&self, index: u64) -> Option<u64> {
        self.left_out.undo(self.first + index.checked_sub(self.index)?)
    }

    /// The index after all up to `highest`.
    fn next(&self, highest: u64) -> u64 {
        let count = highest.wrapping_add(1).wrapping_sub(self.first);
        self.index + count.saturating_sub(self.left_out.count())
    }
}

impl Compression {
    fn apply(&self, sequence: u64, timestamp: u32) -> u32 {
        let before = self.timestamp.wrapping_sub(timestamp);
        // A timestamp that is not before the live one is there already.
        if sequence > self.until || before > u32::MAX / 2 {
            return timestamp;
        }
        self.timestamp.wrapping_sub(before.div_ceil(COMPRESSION))
    }
}

/// The publisher's own account of the time that passed is better than ours, which has the network's jitter in it; but a
/// frame that a receiver takes to be far in the past or in the future is thrown away or waited for.
fn decide_elapsed(arrived: u32, passed: Option<i32>, clock_rate: u32) -> u32 {
    let Some(passed) = passed else { return arrived };
    let ms = |count: i64| count * i64::from(clock_rate) / 1000;
    let arrived = i64::from(arrived);
    i64::from(passed).clamp(arrived - ms(BEHIND_MS_MAX), arrived + ms(AHEAD_MS_MAX)).max(0) as u32
}

/// RTP clock ticks from `then` to `now`.
fn ticks(now: Instant, then: Instant, clock_rate: u32) -> u32 {
    let micros = now.saturating_duration_since(then).as_micros();
    (micros * u128::from(clock_rate) / 1_000_000) as u32
}

/// How much less than by our clock may have passed between two encodings, and how much more, in milliseconds.
const BEHIND_MS_MAX: i64 = 50;
const AHEAD_MS_MAX: i64 = 75;
/// By how much frames of the past are brought together. At 90 kHz and 30 frames a second 12 ticks are left from
/// one to the next, so 2 s become 8 ms; frames stay apart up to 350 a second.
const COMPRESSION: u32 = 256;

#[cfg(test)]
mod tests;
