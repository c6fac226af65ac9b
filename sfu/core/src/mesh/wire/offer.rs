//! Owns what a worker tells its children of the encodings of a track, as bytes. Never decides which are watched.

use arrayvec::ArrayVec;

use super::fields::{FieldReader, put};
use crate::codec::PictureSize;
use crate::spec::ENCODINGS_MAX;
use crate::tracks::Announced;

/// One after the other, by their places.
pub(crate) type Announcement = ArrayVec<Announced, ENCODINGS_MAX>;

pub(super) fn put_announcement<const N: usize>(out: &mut ArrayVec<u8, N>, encodings: &Announcement) {
    for encoding in encodings {
        let size = encoding.size.unwrap_or(PictureSize { width: 0, height: 0 });
        put(out, &[(u8::from(encoding.is_alive) * ALIVE) | (u8::from(encoding.is_off) * OFF)]);
        put(out, &size.width.to_be_bytes());
        put(out, &size.height.to_be_bytes());
        put(out, &encoding.bits_per_second.to_be_bytes());
        put(out, &encoding.frames_per_second.to_be_bytes());
    }
    put(out, &[encodings.len() as u8]);
}

pub(super) fn parse_announcement(reader: &mut FieldReader<'_>) -> Option<Announcement> {
    let count = usize::from(reader.u8()?);
    let mut encodings = Announcement::new();
    for _ in 0..count {
        let (frames_per_second, bits_per_second) = (u16::from_be_bytes(reader.take()?), reader.u64()?);
        let (height, width) = (u16::from_be_bytes(reader.take()?), u16::from_be_bytes(reader.take()?));
        let size = (width > 0 && height > 0).then_some(PictureSize { width, height });
        let flags = reader.u8()?;
        let (is_alive, is_off) = (flags & ALIVE != 0, flags & OFF != 0);
        encodings.try_push(Announced { bits_per_second, frames_per_second, size, is_alive, is_off }).ok()?;
    }
    encodings.reverse();
    Some(encodings)
}

const ALIVE: u8 = 1;
const OFF: u8 = 2;
