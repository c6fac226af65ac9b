//! Owns the writing of active decode targets into a dependency descriptor. Never decides which ones are.

use arrayvec::ArrayVec;

use crate::codec::bits::Bits;
use crate::codec::dependency::{HAS_ACTIVE, HAS_STRUCTURE, MANDATORY_BYTES, Structure};
use crate::codec::layers::ActiveTargets;

/// The value of a descriptor that says, of the decode targets that it names or implies, that only these are active: the
/// others are not sent on. `None` where it can't be read, or gets too long for an extension.
pub(crate) fn narrowed(value: &[u8], active: ActiveTargets) -> Option<ArrayVec<u8, VALUE_BYTES_MAX>> {
    let (mandatory, extended) = value.split_at_checked(MANDATORY_BYTES)?;
    let mut out = Writer::after(mandatory)?;
    let mut from = Bits::plain(extended);
    if extended.is_empty() {
        out.put(FLAGS_BITS, HAS_ACTIVE)?;
        out.put(active.count, active.mask)?;
        return Some(out.bytes);
    }
    let flags = from.take(FLAGS_BITS)?;
    out.put(FLAGS_BITS, flags | HAS_ACTIVE)?;
    if flags & HAS_STRUCTURE != 0 {
        let mut ahead = Bits::plain(extended);
        ahead.skip(FLAGS_BITS)?;
        Structure::parse(&mut ahead)?;
        out.copy(&mut from, ahead.left())?;
    }
    let told = if flags & HAS_ACTIVE != 0 { from.take(active.count)? } else { u32::MAX };
    out.put(active.count, told & active.mask)?;
    out.copy(&mut from, 0)?;
    Some(out.bytes)
}

struct Writer {
    bytes: ArrayVec<u8, VALUE_BYTES_MAX>,
    /// Bits of the last byte that are not written yet.
    left: u32,
}

impl Writer {
    fn after(bytes: &[u8]) -> Option<Writer> {
        Some(Writer { bytes: bytes.iter().copied().collect(), left: 0 }).filter(|_| bytes.len() <= VALUE_BYTES_MAX)
    }

    fn put(&mut self, count: u32, value: u32) -> Option<()> {
        (0..count).rev().try_for_each(|at| self.put_bit(value >> at & 1))
    }

    /// What is read until so many bits are left.
    fn copy(&mut self, from: &mut Bits<'_>, left: usize) -> Option<()> {
        while from.left() > left {
            self.put_bit(from.bit()?)?;
        }
        Some(())
    }

    fn put_bit(&mut self, bit: u32) -> Option<()> {
        if self.left == 0 {
            self.bytes.try_push(0).ok()?;
            self.left = 8;
        }
        self.left -= 1;
        *self.bytes.last_mut()? |= (bit as u8) << self.left;
        Some(())
    }
}

const FLAGS_BITS: u32 = 5;
/// Of an element in the two-byte form (RFC 8285 section 4.3).
const VALUE_BYTES_MAX: usize = 255;
