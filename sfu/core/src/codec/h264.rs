//! Reads the NAL units of an H.264 payload (RFC 6184): single, aggregated (STAP-A), fragmented (FU-A).

/// A sequence parameter set, or the first slice of an IDR picture, alone, in a STAP-A or at the start of an
/// FU-A. Senders that give the parameter sets in the SDP start with the IDR slice itself.
pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    let Some((&first, rest)) = payload.split_first() else { return false };
    match first & TYPE_MASK {
        STAP_A => aggregated(rest),
        FU_A => match rest {
            [fragment, slice @ ..] => fragment & FU_START != 0 && starts_key(fragment & TYPE_MASK, slice),
            [] => false,
        },
        kind => starts_key(kind, rest),
    }
}

/// Each unit has 16 bits of length before it (RFC 6184 section 5.7.1).
fn aggregated(mut rest: &[u8]) -> bool {
    while let Some((&[l0, l1], after)) = rest.split_first_chunk::<2>()
        && let Some((unit, next)) = after.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))
    {
        if let Some((first, content)) = unit.split_first()
            && starts_key(first & TYPE_MASK, content)
        {
            return true;
        }
        rest = next;
    }
    false
}

/// A slice header opens with `first_mb_in_slice`, whose value 0 is coded as a single set bit.
fn starts_key(kind: u8, content: &[u8]) -> bool {
    kind == SPS || (kind == IDR_SLICE && content.first().is_some_and(|byte| byte & 0x80 != 0))
}

const TYPE_MASK: u8 = 0x1f;
const IDR_SLICE: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_START: u8 = 0x80;
