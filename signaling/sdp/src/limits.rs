//! Owns the limits on what a client may put into SDP, and nothing else.

/// Longest offer or fragment, in bytes.
pub const SDP_BYTES_MAX: usize = 64 << 10;

/// Most m-lines of one offer.
pub const LINES_MAX: usize = 32;

/// Most candidates of one m-line. They are counted and not used, because an ICE-lite agent learns the
/// client's addresses from its checks. The limit is per m-line because a client that has not yet heard
/// whether BUNDLE is accepted gathers all its addresses for each of them.
pub const CANDIDATES_MAX: usize = 64;

/// Longest `a=mid`, in bytes: what a one-byte header extension can carry (RFC 8285 section 4.2).
pub const MID_BYTES_MAX: usize = 16;

/// Most codecs looked at in one m-line; Chromium offers about 20 and as many RTX.
pub const CODECS_MAX: usize = 48;

/// Most sending SSRCs of one m-line (three simulcast layers need three).
pub const SSRCS_MAX: usize = 8;

/// Most encodings of one m-line that are taken.
pub const ENCODINGS_MAX: usize = 4;

/// Longest rid, in bytes: what a one-byte header extension can carry.
pub const RID_BYTES_MAX: usize = 16;

/// Most certificate fingerprints of one client.
pub const FINGERPRINTS_MAX: usize = 8;

/// Most parameter sets (H.264, H.265) taken from one m-line. An encoder has two or three.
pub const PARAMETER_SETS_MAX: usize = 32;

/// Longest parameter set, in bytes: what fits into one packet.
pub const PARAMETER_SET_BYTES_MAX: usize = 1_100;

/// Longest value of one fmtp parameter that is kept, in bytes.
pub const FMTP_VALUE_BYTES_MAX: usize = 32;

/// Longest JSON form of a note, in bytes. It leaves a quarter of [`chappe_sfu_api::NOTE_BYTES_MAX`] to
/// whatever else signaling writes there.
pub const NOTE_BYTES_MAX: usize = chappe_sfu_api::NOTE_BYTES_MAX / 4 * 3;
