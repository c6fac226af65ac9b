//! Reads the VP9 payload descriptor (RFC 9628 section 4.2).

use arrayvec::ArrayVec;

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

/// What a packet of a stream with layers says of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LayerFields {
    pub starts_frame: bool,
    pub ends_frame: bool,
    pub spatial: u8,
    pub temporal: u8,
    /// Predicted from another picture (P).
    pub is_predicted: bool,
    /// Pictures of higher temporal layers that follow need none of theirs before it (U).
    pub switches_up: bool,
    /// Predicted from the spatial layer below (D).
    pub needs_below: bool,
    /// Upper spatial layers are predicted from it (not Z).
    pub is_needed_above: bool,
    /// The spatial layers that there are, and their sizes where those are told.
    pub structure: Option<(u8, ArrayVec<PictureSize, SPATIAL_MAX>)>,
}

/// `Some(None)` for a stream without layers, `None` for a descriptor that ends too soon.
pub(super) fn layer_fields(payload: &[u8]) -> Option<Option<LayerFields>> {
    let (&first, mut rest) = payload.split_first()?;
    if first & LAYERS == 0 {
        return Some(None);
    }
    if first & PICTURE_ID != 0 {
        let long = rest.first()? & 0x80 != 0;
        rest = rest.get(if long { 2 } else { 1 }..)?;
    }
    let (&layers, after) = rest.split_first()?;
    rest = after;
    let is_flexible = first & FLEXIBLE != 0;
    if !is_flexible {
        rest = rest.get(1..)?;
    } else if first & INTER_PREDICTED != 0 {
        // Up to three distances to other pictures, of which all but the last say that another follows.
        for at in 1..=3 {
            let (&distance, after) = rest.split_first()?;
            rest = after;
            if distance & 1 == 0 {
                break;
            }
            if at == 3 {
                return None;
            }
        }
    }
    let structure = if first & STRUCTURE != 0 { Some(spatial_layers(rest)?) } else { None };
    Some(Some(LayerFields {
        starts_frame: first & BEGIN != 0,
        ends_frame: first & END != 0,
        spatial: layers >> 1 & 0x07,
        temporal: layers >> 5,
        is_predicted: first & INTER_PREDICTED != 0,
        switches_up: layers & 0x10 != 0,
        needs_below: layers & 0x01 != 0,
        is_needed_above: first & NOT_BELOW == 0,
        structure,
    }))
}

/// How many there are, by the scalability structure, and their sizes.
fn spatial_layers(structure: &[u8]) -> Option<(u8, ArrayVec<PictureSize, SPATIAL_MAX>)> {
    let (&head, mut rest) = structure.split_first()?;
    let count = (head >> 5) + 1;
    let mut sizes = ArrayVec::new();
    if head & 0x10 != 0 {
        for _ in 0..count {
            let (&[w0, w1, h0, h1], after) = rest.split_first_chunk::<4>()?;
            rest = after;
            sizes.push(PictureSize { width: u16::from_be_bytes([w0, w1]), height: u16::from_be_bytes([h0, h1]) });
        }
    }
    Some((count, sizes))
}

/// As many as three bits tell.
const SPATIAL_MAX: usize = 8;
const PICTURE_ID: u8 = 0x80;
const INTER_PREDICTED: u8 = 0x40;
const LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const BEGIN: u8 = 0x08;
const END: u8 = 0x04;
const NOT_BELOW: u8 = 0x01;
const STRUCTURE: u8 = 0x02;
