//! Reads the aggregation header of an AV1 payload and the headers of its OBUs (RTP Payload Format for AV1,
//! sections 4.4 and 4.5).

use crate::codec::PictureSize;
use crate::codec::bits::Bits;

/// The first packet of a coded video sequence says so in its header; a sequence header OBU at the start of a
/// packet says the same for senders that leave the bit out.
pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    let Some((&aggregation, rest)) = payload.split_first() else { return false };
    if aggregation & CONTINUES != 0 {
        return false;
    }
    aggregation & NEW_SEQUENCE != 0 || starts_with_sequence_header(aggregation, rest)
}

fn starts_with_sequence_header(aggregation: u8, rest: &[u8]) -> bool {
    sequence_header(aggregation, rest).is_some()
}

/// The sequence header OBU that a packet starts with.
fn sequence_header(aggregation: u8, mut rest: &[u8]) -> Option<&[u8]> {
    // W counts the OBU elements; the last of them has no length. 0 means that each has one.
    let elements = usize::from(aggregation >> 4 & 0x03);
    for element in 1..=LEADING_OBUS {
        let obu = if element == elements {
            std::mem::take(&mut rest)
        } else {
            let (obu, next) = sized_element(rest)?;
            rest = next;
            obu
        };
        match obu.first().map(|header| header >> 3 & 0x0f)? {
            SEQUENCE_HEADER => return Some(obu),
            // A temporal delimiter may come first, though senders should leave it out (section 5).
            TEMPORAL_DELIMITER => {}
            _ => return None,
        }
    }
    None
}

/// The largest picture of a sequence (AV1 section 5.5.1), where its header is as encoders for conversations write it:
/// without timing.
pub(super) fn sequence_size(payload: &[u8]) -> Option<PictureSize> {
    let (&aggregation, rest) = payload.split_first()?;
    let (&header, body) = sequence_header(aggregation, rest)?.split_first()?;
    // One byte more for an extension, and a size that the packet format should have taken off.
    let body = body.get(usize::from(header >> 2 & 1)..)?;
    let body = if header & HAS_SIZE != 0 { sized_element(body)?.0 } else { body };
    let mut bits = Bits::plain(body);
    bits.skip(4)?;
    if bits.bit()? == 1 {
        bits.skip(5)?;
    } else {
        if bits.bit()? == 1 {
            return None;
        }
        let has_delay = bits.bit()?;
        for _ in 0..=bits.take(5)? {
            bits.skip(12)?;
            if bits.take(5)? > 7 {
                bits.skip(1)?;
            }
            if has_delay == 1 && bits.bit()? == 1 {
                bits.skip(4)?;
            }
        }
    }
    let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
    let (width, height) = (bits.take(width_bits)?.checked_add(1)?, bits.take(height_bits)?.checked_add(1)?);
    Some(PictureSize { width: width.try_into().ok()?, height: height.try_into().ok()? })
}

/// An element with its LEB128 length before it.
fn sized_element(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len = 0usize;
    for (at, byte) in bytes.iter().take(LEB128_BYTES_MAX).enumerate() {
        len |= usize::from(byte & 0x7f) << (at * 7);
        if byte & 0x80 == 0 {
            return bytes.get(at + 1..)?.split_at_checked(len);
        }
    }
    None
}

const HAS_SIZE: u8 = 0x02;
const CONTINUES: u8 = 0x80;
const NEW_SEQUENCE: u8 = 0x08;
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const LEADING_OBUS: usize = 2;
/// More than a packet's length needs.
const LEB128_BYTES_MAX: usize = 4;
