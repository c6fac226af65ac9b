//! Reads the id of a parameter set: one of the same kind and id replaces the one before. Reads nothing else of it.

use crate::codec::bits::Bits;
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
            skip_h265_profile(&mut bits)?;
            bits.exp_golomb()?
        }
        (_, SetKind::Picture) => bits.exp_golomb()?,
        (NalFormat::H264, SetKind::Video) => return None,
    };
    u8::try_from(id).ok()
}

/// H.265 sections 7.3.2.2.1 and 7.3.3: what is before the id of a sequence parameter set.
fn skip_h265_profile(bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(4)?;
    let sub_layers = bits.take(3)?;
    bits.skip(1 + PROFILE_BITS + LEVEL_BITS)?;
    let mut count = 0;
    for _ in 0..sub_layers {
        count += bits.take(1)? * PROFILE_BITS + bits.take(1)? * LEVEL_BITS;
    }
    // Two bits for each of the sub-layers up to the eighth, if there are any.
    let reserved = if sub_layers > 0 { 2 * (8 - sub_layers) } else { 0 };
    bits.skip(reserved + count)
}

const PROFILE_BITS: u32 = 88;
const LEVEL_BITS: u32 = 8;
