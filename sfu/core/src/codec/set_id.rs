//! Reads the id of a parameter set: one of the same kind and id replaces the one before. Reads nothing else of it.

use crate::codec::nal::{NalFormat, NalUnit, SetKind};

/// `None` for what is cut or has an id that no parameter set may have.
pub(crate) fn read(format: NalFormat, kind: SetKind, unit: &NalUnit<'_>) -> Option<u8> {
    let mut bits = Bits::new(unit.body);
    let id = match (format, kind) {
        // H.265 section 7.3.2.1: `vps_video_parameter_set_id` is the first four bits.
        (NalFormat::H265, SetKind::Video) => bits.take(4)?,
        // H.264 section 7.3.2.1.1: profile, constraints and level, a byte each.
        (NalFormat::H264, SetKind::Sequence) => {
            bits.skip(24)?;
            bits.exp_golomb()?
        }
        (NalFormat::H265, SetKind::Sequence) => {
            bits.skip_h265_profile()?;
            bits.exp_golomb()?
        }
        (_, SetKind::Picture) => bits.exp_golomb()?,
        (NalFormat::H264, SetKind::Video) => return None,
    };
    u8::try_from(id).ok()
}

/// Bits of a raw byte sequence payload: the emulation prevention bytes are left out.
struct Bits<'a> {
    bytes: &'a [u8],
    zeros: u8,
    /// The bits of the current byte that are left, at its low end.
    current: u8,
    left: u8,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, zeros: 0, current: 0, left: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            let mut byte = self.byte()?;
            if self.zeros >= 2 && byte == 3 {
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

    fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        (0..count).try_for_each(|_| self.bit().map(|_| ()))
    }

    /// H.264 and H.265 section 9: leading zeros say how many bits follow.
    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > EXP_GOLOMB_ZEROS_MAX {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }

    /// H.265 sections 7.3.2.2.1 and 7.3.3: what is before the id of a sequence parameter set.
    fn skip_h265_profile(&mut self) -> Option<()> {
        self.skip(4)?;
        let sub_layers = self.take(3)?;
        self.skip(1 + PROFILE_BITS + LEVEL_BITS)?;
        let mut bits = 0;
        for _ in 0..sub_layers {
            bits += self.take(1)? * PROFILE_BITS + self.take(1)? * LEVEL_BITS;
        }
        // Two bits for each of the sub-layers up to the eighth, if there are any.
        let reserved = if sub_layers > 0 { 2 * (8 - sub_layers) } else { 0 };
        self.skip(reserved + bits)
    }
}

const PROFILE_BITS: u32 = 88;
const LEVEL_BITS: u32 = 8;
/// Ids have no more than eight bits.
const EXP_GOLOMB_ZEROS_MAX: u32 = 8;
