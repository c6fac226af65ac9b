//! Owns the fields of a message between workers as bytes. Never knows what they mean.

use arrayvec::ArrayVec;

pub(super) fn put<const N: usize>(out: &mut ArrayVec<u8, N>, bytes: &[u8]) {
    out.try_extend_from_slice(bytes).expect("the room is that of the longest message");
}

/// Takes fields from the end.
pub(super) struct FieldReader<'a>(pub &'a [u8]);

impl FieldReader<'_> {
    pub fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (rest, field) = self.0.split_last_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    /// Far from where sums overflow; an honest track never gets there.
    pub fn sequence(&mut self) -> Option<u64> {
        self.u64().filter(|sequence| *sequence < SEQUENCE_MAX)
    }
}

const SEQUENCE_MAX: u64 = 1 << 62;
