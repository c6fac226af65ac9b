//! Reads the aggregation header of an AV1 payload and the headers of its OBUs (RTP Payload Format for AV1,
//! sections 4.4 and 4.5).

/// The first packet of a coded video sequence says so in its header; a sequence header OBU at the start of a
/// packet says the same for senders that leave the bit out.
pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    let Some((&aggregation, rest)) = payload.split_first() else { return false };
    if aggregation & CONTINUES != 0 {
        return false;
    }
    aggregation & NEW_SEQUENCE != 0 || starts_with_sequence_header(aggregation, rest)
}

fn starts_with_sequence_header(aggregation: u8, mut rest: &[u8]) -> bool {
    // W counts the OBU elements; the last of them has no length. 0 means that each has one.
    let elements = usize::from(aggregation >> 4 & 0x03);
    for element in 1..=LEADING_OBUS {
        let obu = if element == elements {
            std::mem::take(&mut rest)
        } else {
            let Some((obu, next)) = sized_element(rest) else { return false };
            rest = next;
            obu
        };
        match obu.first().map(|header| header >> 3 & 0x0f) {
            Some(SEQUENCE_HEADER) => return true,
            // A temporal delimiter may come first, though senders should leave it out (section 5).
            Some(TEMPORAL_DELIMITER) => {}
            _ => return false,
        }
    }
    false
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

const CONTINUES: u8 = 0x80;
const NEW_SEQUENCE: u8 = 0x08;
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const LEADING_OBUS: usize = 2;
/// More than a packet's length needs.
const LEB128_BYTES_MAX: usize = 4;
