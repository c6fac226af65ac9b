//! Owns the numbers by which a decoder puts frames into order: reads them from payload descriptors (VP8, VP9) and the
//! dependency descriptor, and writes others in their place. Never decides which ones.

use arrayvec::ArrayVec;

use crate::codec::number_places::NumberPlaces;
use crate::codec::{Codec, vp8, vp9};

/// What a packet says of its frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FrameNumbers {
    /// Of VP8 and VP9, made one of 15 bits where it is sent with 7.
    pub picture_id: Option<u16>,
    /// Counts the frames of the lowest temporal layer.
    pub tl0: Option<u8>,
    pub temporal: u8,
    /// Of the dependency descriptor.
    pub frame: Option<u16>,
}

/// What is added to the numbers of one source, so that they continue those of the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NumberShift {
    picture_id: u16,
    tl0: u8,
    frame: u16,
}

/// A payload descriptor with other numbers, and how many bytes of the payload it takes the place of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Renumbered {
    pub head: ArrayVec<u8, HEAD_BYTES_MAX>,
    pub replaced: usize,
}

impl FrameNumbers {
    /// As they are in a payload; `last` is the newest picture id of the same source.
    pub fn read(codec: Codec, payload: &[u8], last: Option<u16>) -> FrameNumbers {
        let Some(places) = find_places(codec, payload) else { return FrameNumbers::default() };
        let picture_id = places.picture_id.and_then(|(at, is_long)| match is_long {
            true => Some(u16::from_be_bytes([*payload.get(at)?, *payload.get(at + 1)?]) & LONG_ID_MAX),
            false => Some(extend(*payload.get(at)?, last)),
        });
        let tl0 = places.tl0.and_then(|at| payload.get(at).copied());
        FrameNumbers { picture_id, tl0, temporal: places.temporal, frame: None }
    }

    #[inline]
    pub fn has_any(&self) -> bool {
        self.picture_id.is_some() || self.frame.is_some()
    }

    pub fn shifted(self, shift: NumberShift) -> FrameNumbers {
        FrameNumbers {
            picture_id: self.picture_id.map(|id| id.wrapping_add(shift.picture_id) & LONG_ID_MAX),
            tl0: self.tl0.map(|tl0| tl0.wrapping_add(shift.tl0)),
            frame: self.frame.map(|frame| frame.wrapping_add(shift.frame)),
            ..self
        }
    }

    /// Whether these are of a frame that comes after that of `other`.
    pub fn is_newer(&self, other: &FrameNumbers) -> bool {
        match (self.picture_id, other.picture_id, self.frame, other.frame) {
            (Some(own), Some(other), ..) => is_ahead(own.wrapping_sub(other) << 1),
            (_, _, Some(own), Some(other)) => is_ahead(own.wrapping_sub(other)),
            _ => true,
        }
    }
}

impl NumberShift {
    /// Makes the frame `first` the one after `last`.
    pub fn between(last: &FrameNumbers, first: &FrameNumbers) -> NumberShift {
        let picture_id =
            last.picture_id.zip(first.picture_id).map(|(last, first)| last.wrapping_add(1).wrapping_sub(first));
        let tl0 = last.tl0.zip(first.tl0).map(|(last, first)| last.wrapping_add(1).wrapping_sub(first));
        let frame = last.frame.zip(first.frame).map(|(last, first)| last.wrapping_add(1).wrapping_sub(first));
        NumberShift {
            picture_id: picture_id.unwrap_or_default() & LONG_ID_MAX,
            tl0: tl0.unwrap_or_default(),
            frame: frame.unwrap_or_default(),
        }
    }

    pub fn is_none(self) -> bool {
        self == NumberShift::default()
    }
}

/// The payload descriptor with these numbers; `None` where it has none. The picture id gets 15 bits: what follows one
/// source may have more of them than another.
pub(crate) fn renumber(codec: Codec, payload: &[u8], numbers: &FrameNumbers) -> Option<Renumbered> {
    let places = find_places(codec, payload)?;
    let (at, is_long) = places.picture_id?;
    let after = at + if is_long { 2 } else { 1 };
    let replaced = places.tl0.map_or(after, |at| at + 1).max(after);
    let mut head = ArrayVec::new();
    head.try_extend_from_slice(payload.get(..at)?).ok()?;
    head.try_extend_from_slice(&(numbers.picture_id? | LONG_ID).to_be_bytes()).ok()?;
    head.try_extend_from_slice(payload.get(after..replaced)?).ok()?;
    if let (Some(_), Some(tl0), Some(last)) = (places.tl0, numbers.tl0, head.last_mut()) {
        *last = tl0;
    }
    Some(Renumbered { head, replaced })
}

/// The same of the value of a dependency descriptor, in place: the number stands behind a byte of flags and template.
pub(crate) fn renumber_descriptor(value: &mut [u8], frame: u16) {
    if let Some(number) = value.get_mut(1..3) {
        number.copy_from_slice(&frame.to_be_bytes());
    }
}

pub(crate) fn descriptor_frame(value: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*value.get(1)?, *value.get(2)?]))
}

fn find_places(codec: Codec, payload: &[u8]) -> Option<NumberPlaces> {
    match codec {
        Codec::Vp8 => vp8::number_places(payload),
        Codec::Vp9 => vp9::number_places(payload),
        Codec::Opus | Codec::Red | Codec::H264 | Codec::H265 | Codec::Av1 => None,
    }
}

/// The id of 15 bits that is nearest to the last one and ends in these 7.
fn extend(short: u8, last: Option<u16>) -> u16 {
    let last = last.unwrap_or(u16::from(short));
    let ahead = (short.wrapping_sub(last as u8) & 0x7f) as i16;
    let ahead = if ahead >= 64 { ahead - 128 } else { ahead };
    last.wrapping_add_signed(ahead) & LONG_ID_MAX
}

fn is_ahead(distance: u16) -> bool {
    (1..1 << 15).contains(&distance)
}

const LONG_ID_MAX: u16 = 0x7fff;
const LONG_ID: u16 = 0x8000;
/// The longest head of a descriptor up to its last number.
pub(crate) const HEAD_BYTES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_picture_id_becomes_a_long_one_and_the_rest_stays() {
        // X; I, L, T; id 0x11, TL0PICIDX 9, TID 1.
        let short = [0x90, 0xe0, 0x11, 9, 0x40, 1, 2, 3];
        let numbers = FrameNumbers::read(Codec::Vp8, &short, Some(0x0410));
        assert_eq!((numbers.picture_id, numbers.tl0, numbers.temporal), (Some(0x0411), Some(9), 1));
        let last = FrameNumbers { picture_id: Some(0x7fff), tl0: Some(255), ..numbers };
        let shift = NumberShift::between(&last, &numbers);
        let renumbered = renumber(Codec::Vp8, &short, &numbers.shifted(shift)).expect("it has numbers");
        assert_eq!((&renumbered.head[..], renumbered.replaced), (&[0x90, 0xe0, 0x80, 0, 0][..], 4));
    }

    #[test]
    fn numbers_of_vp9_are_written_where_they_stand() {
        // I, P, L, B; id of 15 bits; TID 2, SID 1; TL0PICIDX.
        let packet = [0xe8, 0x81, 0x02, 0x42, 7, 0xaa];
        let numbers = FrameNumbers::read(Codec::Vp9, &packet, None);
        assert_eq!((numbers.picture_id, numbers.tl0, numbers.temporal), (Some(0x102), Some(7), 2));
        let other = FrameNumbers { picture_id: Some(5), tl0: Some(6), ..numbers };
        let renumbered = renumber(Codec::Vp9, &packet, &other).expect("it has numbers");
        assert_eq!((&renumbered.head[..], renumbered.replaced), (&[0xe8, 0x80, 5, 0x42, 6][..], 5));
        // With flexible references there is no TL0PICIDX.
        let flexible = [0xf8, 0x81, 0x02, 0x42, 7, 0xaa];
        assert_eq!(renumber(Codec::Vp9, &flexible, &other).expect("an id").replaced, 3);
    }

    #[test]
    fn short_ids_are_extended_over_their_wrap_and_back() {
        let mut last = None;
        for id in 100_u16..1_000 {
            last = Some(extend((id & 0x7f) as u8, last));
            assert_eq!(last.map(|last| last.wrapping_sub(100)), Some(id - 100));
        }
        assert_eq!(extend(0x7f, Some(0x180)), 0x17f, "late");
    }

    proptest! {
        #[test]
        fn any_payload_is_renumbered_as_it_is_read_or_has_no_numbers(payload: Vec<u8>, id in 0u16..0x8000, tl0: u8) {
            for codec in [Codec::Vp8, Codec::Vp9] {
                let numbers = FrameNumbers::read(codec, &payload, None);
                let other = FrameNumbers {
                    picture_id: numbers.picture_id.map(|_| id),
                    tl0: numbers.tl0.map(|_| tl0),
                    ..numbers
                };
                if let Some(Renumbered { head, replaced }) = renumber(codec, &payload, &other) {
                    let whole = [&head[..], &payload[replaced..]].concat();
                    prop_assert_eq!(FrameNumbers::read(codec, &whole, None), other);
                }
            }
        }
    }
}
