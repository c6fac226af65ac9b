//! Reads the NAL units of an H.265 payload (RFC 7798): single, aggregation packet, fragmentation unit.
//! `sprop-max-don-diff` is 0 in WebRTC, so there are no decoding order numbers to skip.

/// A parameter set of video or sequence, or the first slice segment of an IRAP picture.
pub(super) fn is_keyframe_start(payload: &[u8]) -> bool {
    let Some((&[first, _], rest)) = payload.split_first_chunk::<2>() else { return false };
    match kind(first) {
        AGGREGATION => aggregated(rest),
        FRAGMENTATION => match rest {
            [fragment, slice @ ..] => fragment & FU_START != 0 && starts_key(fragment & 0x3f, slice),
            [] => false,
        },
        kind => starts_key(kind, rest),
    }
}

/// Each unit has 16 bits of length before it (RFC 7798 section 4.4.2).
fn aggregated(mut rest: &[u8]) -> bool {
    while let Some((&[l0, l1], after)) = rest.split_first_chunk::<2>()
        && let Some((unit, next)) = after.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))
    {
        if let Some((&[first, _], content)) = unit.split_first_chunk::<2>()
            && starts_key(kind(first), content)
        {
            return true;
        }
        rest = next;
    }
    false
}

/// A slice segment header opens with `first_slice_segment_in_pic_flag`.
fn starts_key(kind: u8, content: &[u8]) -> bool {
    match kind {
        VPS | SPS => true,
        IRAP_FIRST..=IRAP_LAST => content.first().is_some_and(|byte| byte & 0x80 != 0),
        _ => false,
    }
}

fn kind(first: u8) -> u8 {
    first >> 1 & 0x3f
}

/// BLA, IDR and CRA pictures.
const IRAP_FIRST: u8 = 16;
const IRAP_LAST: u8 = 21;
const VPS: u8 = 32;
const SPS: u8 = 33;
const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;
const FU_START: u8 = 0x80;
