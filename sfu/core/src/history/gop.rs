//! Owns where in a history a decoder can start, and whether all that came since then is there. Never sees a
//! payload.

use super::Arrived;

/// The newest key frame of a history and what followed it.
///
/// Everything of it lies at `number` or above, in order of arrival. Numbers from there on may also be of older
/// packets that came late: those have a lower sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gop {
    pub number: u64,
    /// Of the first packet of the key frame, as are the next two.
    pub sequence: u64,
    pub timestamp: u32,
    pub payload_type: u8,
    pub generation: u32,
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
}

impl Gop {
    pub fn new(number: u64, packet: &Arrived, bytes: usize) -> Gop {
        Gop {
            number,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            payload_type: packet.payload_type,
            generation: packet.generation,
            newest_sequence: packet.sequence,
            newest_timestamp: packet.timestamp,
            has_end: packet.marker,
            count: 1,
            bytes,
            start_ms: packet.at_ms,
            newest_ms: packet.at_ms,
        }
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

    /// Whether nothing is missing, and it is short enough to be sent at once.
    pub fn is_servable(&self) -> bool {
        self.count == self.newest_sequence - self.sequence + 1
            && self.count <= PACKETS_MAX
            && self.bytes <= BYTES_MAX
            && self.newest_ms.wrapping_sub(self.start_ms) <= AGE_MS_MAX
            && self.span() <= TICKS_MAX
    }
}

/// Packets that a viewer who joins may be sent beyond what is live.
pub const PACKETS_MAX: u64 = 1_024;
/// Their bytes.
const BYTES_MAX: usize = 1_500_000;
/// Age of a key frame that is worth more than a new one, in milliseconds: a decoder has to go through all frames
/// since then before it can show the last.
const AGE_MS_MAX: u32 = 4_000;
/// The same by the publisher's timestamps, at 90 kHz: each hop has the age begin anew, these go on.
const TICKS_MAX: u32 = 4 * 90_000;
