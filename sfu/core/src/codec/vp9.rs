//! Reads the VP9 payload descriptor (RFC 9628 section 4.2).

use crate::codec::PictureSize;
use crate::codec::number_places::NumberPlaces;

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

pub(super) fn number_places(payload: &[u8]) -> Option<NumberPlaces> {
    let first = *payload.first()?;
    let mut at = 1;
    let mut places = NumberPlaces::default();
    if first & PICTURE_ID != 0 {
        let is_long = payload.get(at)? & 0x80 != 0;
        places.picture_id = Some((at, is_long));
        at += if is_long { 2 } else { 1 };
    }
    if first & LAYERS != 0 {
        places.temporal = payload.get(at)? >> 5;
        if first & FLEXIBLE == 0 {
            places.tl0 = Some(at + 1);
            at += 1;
        }
        at += 1;
    }
    payload.get(at - 1)?;
    Some(places)
}

/// Of the highest spatial layer in the scalability structure that comes with key pictures (section 4.2.1).
pub(super) fn structure_size(payload: &[u8]) -> Option<PictureSize> {
    let (&first, mut rest) = payload.split_first()?;
    if first & STRUCTURE == 0 || first & INTER_PREDICTED != 0 {
        return None;
    }
    if first & PICTURE_ID != 0 {
        let long = rest.first()? & 0x80 != 0;
        rest = rest.get(if long { 2 } else { 1 }..)?;
    }
    if first & LAYERS != 0 {
        // With fixed references the index of the lowest temporal layer's pictures follows.
        rest = rest.get(if first & FLEXIBLE != 0 { 1 } else { 2 }..)?;
    }
    let (&structure, sizes) = rest.split_first()?;
    let highest = usize::from(structure >> 5);
    if structure & 0x10 == 0 {
        return None;
    }
    let [w0, w1, h0, h1] = *sizes.get(highest * 4..)?.first_chunk()?;
    Some(PictureSize { width: u16::from_be_bytes([w0, w1]), height: u16::from_be_bytes([h0, h1]) })
}

const PICTURE_ID: u8 = 0x80;
const INTER_PREDICTED: u8 = 0x40;
const LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const BEGIN: u8 = 0x08;
const STRUCTURE: u8 = 0x02;
