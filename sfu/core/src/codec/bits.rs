//! Owns the reading of bits out of a parameter set. Never knows what they mean.

/// Bits of a raw byte sequence payload: the emulation prevention bytes are left out.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    is_plain: bool,
    zeros: u8,
    /// The bits of the current byte that are left, at its low end.
    current: u8,
    left: u8,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, is_plain: false, zeros: 0, current: 0, left: 0 }
    }

    /// Of bytes without emulation prevention.
    pub fn plain(bytes: &'a [u8]) -> Bits<'a> {
        Bits { is_plain: true, ..Bits::new(bytes) }
    }

    pub fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            let mut byte = self.byte()?;
            if self.zeros >= 2 && byte == 3 && !self.is_plain {
                self.zeros = 0;
                byte = self.byte()?;
            }
            self.zeros = if byte == 0 { self.zeros.saturating_add(1) } else { 0 };
            (self.current, self.left) = (byte, 8);
        }
        self.left -= 1;
        Some(u32::from(self.current >> self.left & 1))
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    pub fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    /// How many bits follow, if it is plain.
    pub fn left(&self) -> usize {
        self.bytes.len() * 8 + usize::from(self.left)
    }

    pub fn skip(&mut self, count: u32) -> Option<()> {
        (0..count).try_for_each(|_| self.bit().map(|_| ()))
    }

    /// H.264 and H.265 section 9: leading zeros say how many bits follow.
    pub fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > EXP_GOLOMB_ZEROS_MAX {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }
}

/// More would not fit into 32 bits.
const EXP_GOLOMB_ZEROS_MAX: u32 = 31;
