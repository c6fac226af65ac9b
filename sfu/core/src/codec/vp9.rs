//! Reads the VP9 payload descriptor (RFC 9628 section 4.2).

/// The first packet of a picture's lowest spatial layer that is not predicted from another picture. Higher
/// layers of a key picture are not predicted from other pictures either, but need the layer below.
pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    starts_key_picture(payload).unwrap_or(false)
}

fn starts_key_picture(payload: &[u8]) -> Option<bool> {
    let (&first, mut rest) = payload.split_first()?;
    let starts_frame = first & BEGIN != 0;
    if first & INTER_PREDICTED != 0 || !starts_frame {
        return Some(false);
    }
    if first & PICTURE_ID != 0 {
        let long = rest.first()? & 0x80 != 0;
        rest = rest.get(if long { 2 } else { 1 }..)?;
    }
    let spatial = if first & LAYERS != 0 { (rest.first()? >> 1) & 0x07 } else { 0 };
    Some(spatial == 0)
}

const PICTURE_ID: u8 = 0x80;
const INTER_PREDICTED: u8 = 0x40;
const LAYERS: u8 = 0x20;
const BEGIN: u8 = 0x08;
