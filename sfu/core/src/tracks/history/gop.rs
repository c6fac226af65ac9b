//! Owns where in a history a decoder can start, and whether all that came since then is there. Never sees a
//! payload.

use super::Arrived;
use crate::codec::frame::FrameNumbers;

/// The newest key frame of a history and what followed it.
///
/// Everything of it lies at `number` or above, in order of arrival. Numbers from there on may also be of older
/// packets that came late: those have a lower sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gop {
    pub number: u64,
    /// Of the first packet of the key frame, as are the next four.
    pub sequence: u64,
    pub timestamp: u32,
    pub payload_type: u8,
    pub generation: u32,
    pub frame: FrameNumbers,
    /// Of the packet that is furthest in the stream, as is the next one.
    pub newest_sequence: u64,
    pub newest_timestamp: u32,
    /// The last packet of the key frame is there.
    has_end: bool,
    /// Different sequences from the first to the newest.
    count: u64,
    bytes: usize,
    start_ms: u32,
    newest_ms: u32,
    given_up: Option<GopState>,
}

impl Gop {
    pub fn new(number: u64, packet: &Arrived, bytes: usize) -> Gop {
        Gop {
            number,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            payload_type: packet.payload_type,
            generation: packet.generation,
            frame: packet.frame,
            newest_sequence: packet.sequence,
            newest_timestamp: packet.timestamp,
            has_end: packet.marker,
            count: 1,
            bytes,
            start_ms: packet.at_ms,
            newest_ms: packet.at_ms,
            given_up: None,
        }
    }

    /// Of all its payloads.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether this packet begins a newer one. The other packets of a key frame that say they start it do not.
    pub fn is_followed_by(&self, packet: &Arrived) -> bool {
        packet.starts_picture()
            && packet.sequence > self.sequence
            && (packet.generation, packet.timestamp) != (self.generation, self.timestamp)
    }

    /// Whether this packet belongs to something newer, of which no start is known.
    pub fn is_outdated_by(&self, packet: &Arrived) -> bool {
        packet.generation != self.generation && packet.sequence > self.sequence
    }

    /// One more packet. The caller sees to it that none comes twice.
    pub fn add(&mut self, number: u64, packet: &Arrived, bytes: usize) {
        if packet.generation != self.generation {
            return;
        }
        if packet.sequence < self.sequence {
            if !packet.keyframe || packet.timestamp != self.timestamp {
                return;
            }
            // What starts the key frame was overtaken by what follows it.
            self.sequence = packet.sequence;
        }
        if packet.sequence > self.newest_sequence {
            (self.newest_sequence, self.newest_timestamp) = (packet.sequence, packet.timestamp);
        }
        self.has_end |= packet.timestamp != self.timestamp || packet.marker;
        self.number = self.number.min(number);
        self.count += 1;
        self.bytes += bytes;
        self.newest_ms = packet.at_ms;
    }

    /// Whether a decoder can show something of it, if nothing is missing before: the key frame has ended.
    pub fn has_picture(&self) -> bool {
        self.has_end
    }

    /// How much older the key frame is than the newest packet, in ticks of the publisher's clock.
    pub fn span(&self) -> u32 {
        self.newest_timestamp.wrapping_sub(self.timestamp)
    }

    /// A decoder that begins here has little to catch up with; otherwise a new key frame would serve it better.
    pub fn is_fresh(&self) -> bool {
        self.count <= FRESH_PACKETS_MAX
            && self.newest_ms.wrapping_sub(self.start_ms) <= FRESH_MS_MAX
            && self.span() <= FRESH_TICKS_MAX
    }

    /// Whether it can be sent to whoever joins.
    pub fn state(&self) -> GopState {
        let limit = self.given_up.or_else(|| self.exceeds());
        let is_complete = self.count == self.newest_sequence - self.sequence + 1;
        limit.unwrap_or(if is_complete { GopState::Cached } else { GopState::Incomplete })
    }

    /// Whether it is worth keeping. What is missing may still come.
    pub fn may_be_cached(&self) -> bool {
        self.given_up.is_none() && self.exceeds().is_none()
    }

    /// Its start was not kept.
    pub fn give_up(&mut self, reason: GopState) {
        if self.given_up.is_none() {
            self.given_up = self.exceeds().or(Some(reason));
        }
    }

    fn exceeds(&self) -> Option<GopState> {
        if self.newest_ms.wrapping_sub(self.start_ms) > AGE_MS_MAX || self.span() > TICKS_MAX {
            return Some(GopState::TooLong);
        }
        (self.count > PACKETS_MAX || self.bytes > BYTES_MAX).then_some(GopState::TooBig)
    }
}

/// What is there of the last group of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GopState {
    /// All of it: whoever joins begins with it.
    Cached,
    /// No key frame came yet.
    NoKeyframe,
    /// A packet since the key frame is missing.
    Incomplete,
    /// The key frame is older than 10 s.
    TooLong,
    /// It has more than 8 MB or 8,000 packets.
    TooBig,
    /// The worker's budget for all tracks was used up.
    OverBudget,
}

/// Packets that a viewer who joins may be sent beyond what is live.
pub const PACKETS_MAX: u64 = 8_000;
/// Their bytes.
const BYTES_MAX: usize = 8_000_000;
/// Oldest key frame that is kept, in milliseconds, for publishers that send one seldom and are not to be moved.
const AGE_MS_MAX: u32 = 10_000;
/// The same by the publisher's timestamps, at 90 kHz: each hop has the age begin anew, these go on.
const TICKS_MAX: u32 = 10 * 90_000;
/// What is not worth a key frame that costs all viewers: a decoder has to go through all frames since the last one
/// before it shows the newest.
const FRESH_MS_MAX: u32 = 4_000;
const FRESH_TICKS_MAX: u32 = 4 * 90_000;
const FRESH_PACKETS_MAX: u64 = 1_024;
