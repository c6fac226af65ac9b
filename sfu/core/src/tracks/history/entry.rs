//! Owns what a history knows of one packet. Never holds its bytes.

use crate::codec::Codec;
use crate::codec::frame::FrameNumbers;
use crate::codec::layers::FrameLayers;

/// What is remembered of a packet beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Sequence of the track: extended, and continuing upwards when the publisher changes its SSRC.
    pub sequence: u64,
    pub timestamp: u32,
    /// Which run of an SSRC this belongs to; a viewer starts afresh when it changes.
    pub generation: u32,
    pub payload_type: u8,
    pub marker: bool,
    /// A decoder can start here.
    pub keyframe: bool,
    /// It can if a key frame with the same timestamp follows: these are only its parameter sets.
    pub sets_only: bool,
    /// Nothing more is expected at once: the end of a frame, or audio.
    pub ends_burst: bool,
    pub codec: Codec,
    /// Read when the packet is kept.
    pub frame: FrameNumbers,
    /// As is this.
    pub layers: FrameLayers,
    /// Milliseconds on the owner's clock.
    pub at_ms: u32,
}

impl Arrived {
    pub fn starts_picture(&self) -> bool {
        self.keyframe && !self.sets_only
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub packet: Arrived,
    pub(super) chunk: u16,
    pub(super) offset: u16,
    pub(super) payload_len: u16,
    pub(super) extensions_len: u8,
    /// RTP padding (RFC 3550 section 5.1) behind the payload, its count included.
    pub(super) padding: u8,
}

impl Entry {
    pub fn payload_len(&self) -> usize {
        usize::from(self.payload_len) + usize::from(self.padding)
    }

    pub fn body_len(&self) -> usize {
        usize::from(self.extensions_len) + usize::from(self.payload_len)
    }

    /// Whether there is no payload: the packet was padding alone.
    pub fn is_empty(&self) -> bool {
        self.payload_len == 0
    }

    pub fn extensions_len(&self) -> usize {
        usize::from(self.extensions_len)
    }

    /// For RTX: a repeat has an index of its own and need not be as long as the original.
    pub fn without_padding(&self) -> Entry {
        Entry { padding: 0, ..*self }
    }

    /// What takes its number where it is not to be sent and others have left since: nothing, of no frame, which no decoder
    /// gets to see. A plain repeat of it is the same to the last bit.
    pub fn emptied(&self) -> Entry {
        let (frame, layers) = (FrameNumbers::default(), FrameLayers::NONE);
        let packet = Arrived { marker: false, frame, layers, ..self.packet };
        Entry { packet, payload_len: 0, extensions_len: 0, padding: 0, ..*self }
    }

    pub fn is_padded(&self) -> bool {
        self.padding > 0
    }
}

impl Entry {
    pub(super) const EMPTY: Entry = Entry {
        packet: Arrived {
            sequence: u64::MAX,
            timestamp: 0,
            generation: 0,
            payload_type: 0,
            marker: false,
            keyframe: false,
            sets_only: false,
            ends_burst: false,
            codec: Codec::Opus,
            frame: FrameNumbers { picture_id: None, tl0: None, temporal: 0, frame: None },
            layers: FrameLayers::NONE,
            at_ms: 0,
        },
        chunk: 0,
        offset: 0,
        payload_len: 0,
        extensions_len: 0,
        padding: 0,
    };
}
