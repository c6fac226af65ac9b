//! Finds how large the picture of a key frame is. Reads nothing else of it.

use crate::codec::bits::Bits;
use crate::codec::nal::{NalContent, NalFormat, NalUnit, SetKind};
use crate::codec::picture_size::PictureSize;
use crate::codec::{Codec, av1, vp8, vp9};

/// Looks into a packet of a key frame, or of its parameter sets.
pub(crate) fn find_size(codec: Codec, payload: &[u8]) -> Option<PictureSize> {
    let size = match codec {
        Codec::Opus | Codec::Red | Codec::H265 => None,
        Codec::Vp8 => vp8::key_frame_size(payload),
        Codec::Vp9 => vp9::structure_size(payload),
        Codec::Av1 => av1::sequence_size(payload),
        Codec::H264 => NalFormat::H264.units(payload).find_map(|unit| h264_size(&unit)),
    };
    size.filter(|size| size.width > 0 && size.height > 0)
}

/// H.264 section 7.3.2.1.1, from the start of a sequence parameter set to its cropping.
fn h264_size(unit: &NalUnit<'_>) -> Option<PictureSize> {
    if unit.content != NalContent::ParameterSet(SetKind::Sequence) {
        return None;
    }
    let mut bits = Bits::new(unit.body);
    let profile = bits.take(8)?;
    bits.skip(16)?;
    bits.exp_golomb()?;
    let mut chroma = 1;
    if HIGH_PROFILES.contains(&profile) {
        chroma = bits.exp_golomb()?;
        if chroma == 3 {
            bits.skip(1)?;
        }
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        bits.skip(1)?;
        if bits.bit()? == 1 {
            // Scaling matrices, which no encoder for conversations sends.
            return None;
        }
    }
    bits.exp_golomb()?;
    match bits.exp_golomb()? {
        0 => drop(bits.exp_golomb()?),
        1 => {
            bits.skip(1)?;
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            for _ in 0..bits.exp_golomb()?.min(255) {
                bits.exp_golomb()?;
            }
        }
        _ => {}
    }
    bits.exp_golomb()?;
    bits.skip(1)?;
    let (width, height) = (bits.exp_golomb()?.checked_add(1)?, bits.exp_golomb()?.checked_add(1)?);
    let fields = 2 - bits.bit()?;
    if fields == 2 {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let mut crop = [0; 4];
    if bits.bit()? == 1 {
        for side in &mut crop {
            *side = bits.exp_golomb()?;
        }
    }
    let [left, right, top, bottom] = crop;
    // Section 7.4.2.1.1: in units of the chroma samples.
    let (unit_x, unit_y) = (if matches!(chroma, 1 | 2) { 2 } else { 1 }, if chroma == 1 { 2 } else { 1 } * fields);
    let side = |blocks: u32, fields: u32, cropped: u32, unit: u32| {
        let full = blocks.checked_mul(16)?.checked_mul(fields)?;
        u16::try_from(full.checked_sub(cropped.checked_mul(unit)?)?).ok()
    };
    Some(PictureSize {
        width: side(width, 1, left.checked_add(right)?, unit_x)?,
        height: side(height, fields, top.checked_add(bottom)?, unit_y)?,
    })
}

/// Those whose parameter sets say more of the samples.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u16, height: u16) -> Option<PictureSize> {
        Some(PictureSize { width, height })
    }

    #[test]
    fn the_size_of_a_vp8_key_frame_is_read_without_its_scaling() {
        // Descriptor with a picture id of 15 bits, frame tag, start code, 640x360 with scaling bits.
        let packet = [0x90, 0x80, 0x81, 0x02, 0x50, 0x01, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0x81];
        assert_eq!(find_size(Codec::Vp8, &packet), size(640, 360));
        let delta = [0x90, 0x80, 0x81, 0x02, 0x51, 0x01, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0x81];
        assert_eq!(find_size(Codec::Vp8, &delta), None);
        (0..packet.len()).for_each(|len| assert_eq!(find_size(Codec::Vp8, &packet[..len]), None, "{len}"));
    }

    #[test]
    fn the_size_of_h264_is_that_of_its_sequence_parameter_set() {
        // 1280x720, constrained baseline.
        let sps = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x68, 0x05, 0x00, 0x5b, 0x90];
        assert_eq!(find_size(Codec::H264, &sps), size(1280, 720));
        // 640x360: the last row of blocks is cropped.
        let sps = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x68, 0x0a, 0x02, 0xff, 0x95];
        assert_eq!(find_size(Codec::H264, &sps), size(640, 360));
        assert_eq!(find_size(Codec::H264, &sps[..6]), None);
    }

    #[test]
    fn the_size_of_vp9_is_that_of_the_highest_layer_in_its_structure() {
        // Key picture (I, L, B, V), two spatial layers with their sizes, no picture group.
        let packet =
            [0xaa, 0x81, 0x02, 0x00, 0x00, 0x30, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 0x82, 0x49, 0x83];
        assert_eq!(find_size(Codec::Vp9, &packet), size(640, 360));
        assert_eq!(find_size(Codec::Vp9, &packet[..12]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_a_size_or_none(bytes: Vec<u8>) {
            for codec in [Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264, Codec::H265, Codec::Opus] {
                let _ = find_size(codec, &bytes);
            }
        }
    }
}
