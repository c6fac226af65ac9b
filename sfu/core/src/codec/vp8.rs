//! Reads the VP8 payload descriptor (RFC 7741 section 4.2) and the frame header of key frames.

use crate::codec::PictureSize;
use crate::codec::number_places::NumberPlaces;

/// The first partition's first packet, of a frame that is not predicted.
pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    descriptor(payload).is_some_and(|(starts_frame, frame)| {
        // The inverse key frame flag P is the lowest bit of the frame header (section 4.3).
        starts_frame && frame.first().is_some_and(|first| first & 0x01 == 0)
    })
}

/// RFC 6386 section 9.1: the start code and two times 14 bits, each with two bits of scaling above.
pub(super) fn key_frame_size(payload: &[u8]) -> Option<PictureSize> {
    let (_, frame) = descriptor(payload).filter(|(starts_frame, _)| *starts_frame)?;
    let [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *frame.first_chunk::<10>()? else { return None };
    let side = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
    (tag & 0x01 == 0).then_some(PictureSize { width: side(w0, w1), height: side(h0, h1) })
}

/// `None` where the descriptor has no extension.
pub(super) fn number_places(payload: &[u8]) -> Option<NumberPlaces> {
    let [first, extended, ..] = *payload else { return None };
    if first & 0x80 == 0 {
        return None;
    }
    let mut at = 2;
    let mut places = NumberPlaces::default();
    if extended & 0x80 != 0 {
        let is_long = payload.get(at)? & 0x80 != 0;
        places.picture_id = Some((at, is_long));
        at += if is_long { 2 } else { 1 };
    }
    if extended & 0x40 != 0 {
        places.tl0 = Some(at);
        at += 1;
    }
    if extended & 0x20 != 0 {
        places.temporal = payload.get(at)? >> 6;
    }
    payload.get(at.checked_sub(1)?)?;
    Some(places)
}

/// What a packet of a stream with temporal layers says of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LayerFields {
    pub starts_frame: bool,
    pub is_keyframe: bool,
    pub temporal: u8,
    /// Its frame is predicted from frames of lower layers only (Y).
    pub is_synced: bool,
}

/// `Some(None)` for a stream that tells no layers, `None` for a descriptor that ends too soon.
pub(super) fn layer_fields(payload: &[u8]) -> Option<Option<LayerFields>> {
    let first = *payload.first()?;
    if first & 0x80 == 0 {
        return Some(None);
    }
    let extended = *payload.get(1)?;
    if extended & 0x20 == 0 {
        return Some(None);
    }
    let mut at = 2;
    if extended & 0x80 != 0 {
        at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
    }
    at += usize::from(extended >> 6 & 1);
    let layer = *payload.get(at)?;
    Some(Some(LayerFields {
        starts_frame: first & 0x17 == 0x10,
        is_keyframe: is_keyframe_start(payload),
        temporal: layer >> 6,
        is_synced: layer & 0x20 != 0,
    }))
}

/// Whether the packet starts a frame (S set, partition 0), and what follows the descriptor.
fn descriptor(payload: &[u8]) -> Option<(bool, &[u8])> {
    let (&first, mut rest) = payload.split_first()?;
    let starts_frame = first & 0x10 != 0 && first & 0x07 == 0;
    if first & 0x80 != 0 {
        let (&extended, after) = rest.split_first()?;
        rest = after;
        if extended & 0x80 != 0 {
            // A picture id of 15 bits has the first bit set.
            let long = rest.first()? & 0x80 != 0;
            rest = rest.get(if long { 2 } else { 1 }..)?;
        }
        if extended & 0x40 != 0 {
            rest = rest.get(1..)?;
        }
        // Temporal layer and key index share a byte.
        if extended & 0x30 != 0 {
            rest = rest.get(1..)?;
        }
    }
    Some((starts_frame, rest))
}
