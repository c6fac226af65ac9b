//! Owns what can be wrong with an offer and how that is said to the person who sent it.

use super::limits::{CANDIDATES_MAX, LINES_MAX, MID_BYTES_MAX, SDP_BYTES_MAX};

/// Why an offer or a fragment is refused. Every message names the m-line and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    #[error("the SDP is longer than {SDP_BYTES_MAX} bytes")]
    TooLong,
    #[error("the offer has more than {LINES_MAX} m-lines: spread it over several sessions")]
    TooManyLines,
    #[error(
        "m-line {line} has more than {CANDIDATES_MAX} candidates: send fewer, they are not needed to reach this server"
    )]
    TooManyCandidates { line: usize },
    #[error("the offer is too varied to be remembered: offer the same codecs in all m-lines")]
    TooVaried,
    #[error("the SDP can't be parsed: {0}")]
    Malformed(String),
    #[error("the offer has no m-line that is not rejected (port 0): offer audio or video, or delete the session")]
    NothingOffered,
    #[error("m-line {line}: the mid is longer than {MID_BYTES_MAX} bytes or has characters that are not allowed")]
    BadMid { line: usize },
    #[error("m-line {line}: the mid `{mid}` is used twice")]
    DuplicateMid { line: usize, mid: String },
    #[error(
        "the offer has several m-lines but no `a=group:BUNDLE`: this server needs all media on one transport \
         (in a browser, bundlePolicy `balanced` or `max-bundle`)"
    )]
    NoBundle,
    #[error(
        "m-line {line} (mid `{mid}`) is not in the first BUNDLE group: this server needs all media on one transport"
    )]
    OutsideBundle { line: usize, mid: String },
    #[error(
        "m-line {line} (mid `{mid}`) has no `a=rtcp-mux`: this server has no separate RTCP port (rtcpMuxPolicy `require`)"
    )]
    NoRtcpMux { line: usize, mid: String },
    #[error("the offer has no valid `a=ice-ufrag` (4 to 256 characters) and `a=ice-pwd` (22 to 256 characters)")]
    BadIceCredentials,
    #[error(
        "the offer has no valid `a=fingerprint` with sha-256, sha-384 or sha-512: media is only sent over DTLS-SRTP"
    )]
    BadFingerprint,
    #[error("`a=setup:{0}` in the offer is not one of actpass, active, passive")]
    BadSetup(String),
    #[error("the certificate or DTLS role changed within the session: make a new session instead")]
    DtlsChanged,
    #[error("the offer sends nothing: a publisher's m-lines are sendonly or sendrecv")]
    SendsNothing,
    #[error("the offer receives nothing: a viewer's m-lines are recvonly or sendrecv")]
    ReceivesNothing,
    #[error("no m-line of the offer has the mid `{mid}`")]
    NoSuchMid { mid: String },
    #[error(
        "no codec in common: {offered}; this server forwards Opus, VP8, VP9 (profiles 0 and 2), H264 (Baseline to \
         High), H265 and AV1 (profile 0) over DTLS-SRTP"
    )]
    NoCommonCodec { offered: String },
    #[error("{0}")]
    NotDecodable(String),
}

impl SdpError {
    /// Code of the error in `web/PROTOCOL.md` and in the JSON body of WHIP and WHEP.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCommonCodec { .. } | Self::NotDecodable(_) => "no_codec",
            Self::TooLong | Self::TooManyLines | Self::TooManyCandidates { .. } | Self::TooVaried => "too_many",
            _ => "bad_sdp",
        }
    }
}
