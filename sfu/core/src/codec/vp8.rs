//! Reads the VP8 payload descriptor (RFC 7741 section 4.2) and the first byte of the frame header.

/// The first partition's first packet, of a frame that is not predicted.
pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    descriptor(payload).is_some_and(|(starts_frame, frame)| {
        // The inverse key frame flag P is the lowest bit of the frame header (section 4.3).
        starts_frame && frame.first().is_some_and(|first| first & 0x01 == 0)
    })
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
