//! Owns a media packet as a message. Its extensions and payload come first, as they lie in the history.

use arrayvec::ArrayVec;

use super::fields::{FieldReader, put};
use crate::codec::Codec;
use crate::codec::frame::FrameNumbers;
use crate::codec::layers::FrameLayers;
use crate::tracks::history::{Arrived, EXTENSIONS_BYTES_MAX};

/// A packet as the history keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelayedPacket<'a> {
    pub channel: u32,
    /// Low byte of the run its numbers belong to.
    pub run: u8,
    /// Its time is the receiver's to fill in.
    pub packet: Arrived,
    /// What it waited at the workers that it came through, in whole steps of [`WAITED_STEP_MS`]; 0 for what was there
    /// before it was asked for, and for repeats.
    pub waited_ms: u8,
    pub extensions: &'a [u8],
    pub payload: &'a [u8],
}

/// The fixed fields of a media message.
pub(crate) type MediaTail = ArrayVec<u8, { MEDIA_FIXED_BYTES + MEDIA_PADDING_MAX }>;

/// What stands behind extensions and payload; `padding` zeros make packets of one run equally long.
pub(crate) fn media_tail(
    (channel, run): (u32, u8),
    (packet, waited_ms): (&Arrived, u8),
    extensions_len: u8,
    padding: u8,
) -> MediaTail {
    let mut out = MediaTail::new();
    let padding = padding.min(MEDIA_PADDING_MAX as u8);
    put(&mut out, &[0; MEDIA_PADDING_MAX][..usize::from(padding)]);
    put(&mut out, &[padding, extensions_len]);
    put(&mut out, &packet.sequence.to_be_bytes());
    put(&mut out, &packet.timestamp.to_be_bytes());
    put(&mut out, &packet.generation.to_be_bytes());
    let flags = [
        (packet.marker, MARKER),
        (packet.keyframe, KEYFRAME_START),
        (packet.ends_burst, ENDS_BURST),
        (packet.sets_only, SETS_ONLY),
    ];
    let flags = flags.iter().filter(|(is_set, _)| *is_set).fold(0, |sum, (_, flag)| sum | flag);
    let flags = flags | (waited_ms / WAITED_STEP_MS).min(WAITED_STEPS_MAX) << WAITED_SHIFT;
    put(&mut out, &[packet.codec as u8, packet.payload_type, flags, run]);
    put(&mut out, &channel.to_be_bytes());
    put(&mut out, &[MEDIA]);
    out
}

pub(super) fn parse(mut reader: FieldReader<'_>) -> Option<RelayedPacket<'_>> {
    let (channel, run, flags, payload_type) = (reader.u32()?, reader.u8()?, reader.u8()?, reader.u8()?);
    let codec = *Codec::ALL.get(usize::from(reader.u8()?))?;
    let (generation, timestamp, sequence) = (reader.u32()?, reader.u32()?, reader.sequence()?);
    let (extensions_len, padding) = (usize::from(reader.u8()?), usize::from(reader.u8()?));
    let body = reader.0.get(..reader.0.len().checked_sub(padding)?)?;
    let (extensions, payload) = body.split_at_checked(extensions_len)?;
    if payload_type > 127 || extensions_len > EXTENSIONS_BYTES_MAX {
        return None;
    }
    let packet = Arrived {
        sequence,
        timestamp,
        generation,
        payload_type,
        marker: flags & MARKER != 0,
        keyframe: flags & KEYFRAME_START != 0,
        sets_only: flags & SETS_ONLY != 0,
        ends_burst: flags & ENDS_BURST != 0,
        codec,
        frame: FrameNumbers::default(),
        layers: FrameLayers::NONE,
        at_ms: 0,
    };
    Some(RelayedPacket {
        channel,
        run,
        packet,
        waited_ms: (flags >> WAITED_SHIFT) * WAITED_STEP_MS,
        extensions,
        payload,
    })
}

/// The type of the message.
pub(super) const MEDIA: u8 = 1;
const MARKER: u8 = 1;
const KEYFRAME_START: u8 = 2;
const ENDS_BURST: u8 = 4;
const SETS_ONLY: u8 = 8;
/// The other bits of the flags, which a worker of an earlier version leaves 0 and does not look at.
const WAITED_SHIFT: u32 = 4;
const WAITED_STEPS_MAX: u8 = 15;
/// What waited for less has come as good as now.
const WAITED_STEP_MS: u8 = 16;
pub(crate) const MEDIA_FIXED_BYTES: usize = 27;
/// Most zeros that make a media message longer.
pub(crate) const MEDIA_PADDING_MAX: usize = 16;
