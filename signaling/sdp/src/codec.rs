//! Owns what a codec in SDP is: its name, its fmtp, and whether one side can decode what the other sends.
//! Never touches m-lines.

use chappe_sfu_api::{Codec, Feedback, MediaKind, PayloadType};
use serde::{Deserialize, Serialize};

use super::limits::FMTP_VALUE_BYTES_MAX;

/// One payload type that offer and answer agree on. It is what a publisher may send, or what a viewer takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NegotiatedCodec {
    pub codec: Codec,
    pub payload_type: PayloadType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx: Option<PayloadType>,
    pub clock_rate: u32,
    /// Audio only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// As answered; empty when the codec has no parameters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fmtp: String,
    #[serde(default)]
    pub feedback: Feedback,
}

/// Which way media flows decides which profiles are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    /// The client sends.
    Publish,
    /// The client receives.
    Watch,
}

/// The codec of an `a=rtpmap`, when it is one we forward. FEC (ulpfec, flexfec) and RED around video are
/// not: repair is by RTX, and a forwarder that drops packets would have to rewrite the FEC.
pub(super) fn identify(kind: MediaKind, name: &str, clock_rate: u32, channels: Option<u8>) -> Option<Codec> {
    let codec = match (kind, name.to_ascii_lowercase().as_str()) {
        (MediaKind::Audio, "opus") => Codec::Opus,
        (MediaKind::Audio, "red") => Codec::Red,
        (MediaKind::Video, "vp8") => Codec::Vp8,
        (MediaKind::Video, "vp9") => Codec::Vp9,
        (MediaKind::Video, "h264") => Codec::H264,
        (MediaKind::Video, "h265") => Codec::H265,
        (MediaKind::Video, "av1") => Codec::Av1,
        _ => return None,
    };
    // RFC 7587 section 7: Opus is always 48000/2. RED of another codec than Opus has another clock.
    let fits = match kind {
        MediaKind::Audio => clock_rate == 48_000 && channels == Some(2),
        MediaKind::Video => clock_rate == 90_000,
    };
    fits.then_some(codec)
}

/// Name of a codec as users know it.
pub fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "Opus",
        Codec::Red => "RED",
        Codec::Vp8 => "VP8",
        Codec::Vp9 => "VP9",
        Codec::H264 => "H264",
        Codec::H265 => "H265",
        Codec::Av1 => "AV1",
    }
}

/// Name of a codec in `a=rtpmap`.
pub(super) fn rtpmap_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus",
        Codec::Red => "red",
        other => codec_name(other),
    }
}

/// Whether this profile is worth accepting. A publisher is held to profiles that common decoders have; a
/// viewer may offer a larger one, because it decodes the smaller ones too.
pub(super) fn accepts_profile(usage: Usage, codec: Codec, fmtp: &str) -> bool {
    match codec {
        Codec::Vp9 => matches!(vp9_profile(fmtp), 0 | 2),
        Codec::Av1 => av1_profile(fmtp) == 0,
        Codec::H264 => match h264_profile(fmtp) {
            Some(H264Profile::High444) => usage == Usage::Watch,
            Some(_) => packetization_mode(fmtp) <= 1,
            None => false,
        },
        _ => true,
    }
}

/// How widely a publisher's codec is decoded: 0 where all browsers of today do, higher where fewer do. The
/// publisher sends the first codec of its answer, and none is transcoded here.
pub(super) fn rarity(codec: &NegotiatedCodec) -> u8 {
    match codec.codec {
        Codec::Opus | Codec::Vp8 => 0,
        Codec::H264 => match h264_profile(&codec.fmtp) {
            Some(profile) if profile.line() == 0 => u8::from(packetization_mode(&codec.fmtp) != 1),
            // Firefox takes Constrained Baseline alone.
            _ => 2,
        },
        Codec::Vp9 if vp9_profile(&codec.fmtp) == 0 => 1,
        // RED doubles the audio rate for every viewer, so it is taken when it comes and not asked for.
        Codec::Vp9 | Codec::Red => 3,
        Codec::Av1 | Codec::H265 => 4,
    }
}

/// The parameters that the answer repeats. Values are the client's own, limited in length and alphabet.
/// H264: the profile and packetization mode of an answer must be those of the offer, and its level may
/// only differ where asymmetry is allowed (RFC 6184 section 8.2.2), so repeating all three is always right.
/// Limits on what the *offerer* can receive (VP8 `max-fs`, Opus `maxplaybackrate`) are not repeated.
pub(super) fn answer_fmtp(codec: Codec, offered: &str) -> String {
    let keys: &[&str] = match codec {
        Codec::Opus => &["minptime", "useinbandfec", "usedtx", "stereo", "maxaveragebitrate"],
        Codec::H264 => &["level-asymmetry-allowed", "packetization-mode", "profile-level-id"],
        Codec::Vp9 => &["profile-id"],
        Codec::Av1 => &["level-idx", "profile", "tier"],
        Codec::H265 => &["level-id", "profile-id", "tier-flag", "tx-mode"],
        Codec::Vp8 | Codec::Red => &[],
    };
    let mut parts: Vec<String> =
        keys.iter().filter_map(|key| fmtp_value(offered, key).map(|value| format!("{key}={value}"))).collect();
    // RFC 7587 section 6.1: `sprop-stereo` says that the sender will likely send stereo, and `stereo` in
    // the answer that we would rather have it so.
    if codec == Codec::Opus
        && fmtp_value(offered, "stereo").is_none()
        && fmtp_value(offered, "sprop-stereo") == Some("1")
    {
        parts.push("stereo=1".to_owned());
    }
    parts.join(";")
}

/// How well a viewer's payload type suits what a publisher sends: lower is better, none is not at all.
///
/// H264 follows libwebrtc's `H264IsSameProfile` plus two things that every decoder does in practice:
/// it decodes the smaller profiles of its own line (H.264 A.2: Baseline and Main within High), and
/// packetization mode 0 is a subset of mode 1 (RFC 6184 section 6.2). mediasoup's `ortc.ts` compares
/// profile and mode the same way and ignores the level, as do we.
pub(super) fn suitability(sent: &NegotiatedCodec, taken: &NegotiatedCodec) -> Option<u8> {
    if sent.codec != taken.codec || sent.clock_rate != taken.clock_rate || sent.channels != taken.channels {
        return None;
    }
    match sent.codec {
        Codec::Vp9 => (vp9_profile(&sent.fmtp) == vp9_profile(&taken.fmtp)).then_some(0),
        Codec::Av1 => (av1_profile(&sent.fmtp) == av1_profile(&taken.fmtp)).then_some(0),
        Codec::H265 => (h265_profile(&sent.fmtp) == h265_profile(&taken.fmtp)).then_some(0),
        Codec::H264 => h264_suitability(&sent.fmtp, &taken.fmtp),
        Codec::Opus | Codec::Red | Codec::Vp8 => Some(0),
    }
}

fn h264_suitability(sent: &str, taken: &str) -> Option<u8> {
    let mode = match (packetization_mode(sent), packetization_mode(taken)) {
        (sent, taken) if sent == taken => 0,
        (0, 1) => 1,
        // GStreamer names no mode, and its depacketizer takes both.
        (1, 0) if fmtp_value(taken, "packetization-mode").is_none() => 1,
        _ => return None,
    };
    let (sent, taken) = (h264_profile(sent)?, h264_profile(taken)?);
    let profile = if sent == taken { 0 } else { taken.line().checked_sub(sent.line())?.saturating_add(1) };
    Some(profile * 2 + mode)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum H264Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    ConstrainedHigh,
    High,
    /// High 4:4:4 Predictive.
    High444,
}

impl H264Profile {
    /// A decoder of one line decodes all lines below it.
    fn line(self) -> u8 {
        match self {
            // Baseline has tools (FMO, ASO) that Constrained Baseline lacks, and no encoder in use sends them.
            Self::ConstrainedBaseline | Self::Baseline => 0,
            Self::Main => 1,
            Self::ConstrainedHigh | Self::High => 2,
            Self::High444 => 3,
        }
    }
}

/// From `profile-level-id` (RFC 6184 section 8.1): profile_idc and the constraint flags. Without it,
/// Constrained Baseline is assumed as libwebrtc does.
fn h264_profile(fmtp: &str) -> Option<H264Profile> {
    let Some(text) = fmtp_value(fmtp, "profile-level-id") else {
        return Some(H264Profile::ConstrainedBaseline);
    };
    if text.len() != 6 {
        return None;
    }
    let id = u32::from_str_radix(text, 16).ok()?;
    let (idc, constraints) = (id >> 16, (id >> 8) & 0xff);
    match idc {
        0x42 if constraints & 0x40 != 0 => Some(H264Profile::ConstrainedBaseline),
        0x42 => Some(H264Profile::Baseline),
        0x4d if constraints & 0x80 != 0 => Some(H264Profile::ConstrainedBaseline),
        // Extended, held to Baseline's tools by its flags.
        0x58 if constraints & 0xc0 == 0xc0 => Some(H264Profile::ConstrainedBaseline),
        0x58 if constraints & 0x80 != 0 => Some(H264Profile::Baseline),
        0x4d => Some(H264Profile::Main),
        0x64 if constraints & 0x0c == 0x0c => Some(H264Profile::ConstrainedHigh),
        0x64 => Some(H264Profile::High),
        0xf4 => Some(H264Profile::High444),
        _ => None,
    }
}

/// RFC 6184 section 8.1: 0 when absent.
fn packetization_mode(fmtp: &str) -> u32 {
    number(fmtp, "packetization-mode", 0)
}

/// RFC 9628 section 6: 0 when absent.
fn vp9_profile(fmtp: &str) -> u32 {
    number(fmtp, "profile-id", 0)
}

/// AV1 RTP specification section 7.2.1: 0 when absent.
fn av1_profile(fmtp: &str) -> u32 {
    number(fmtp, "profile", 0)
}

/// RFC 7798 section 7.1: profile 1 (Main) and transmission mode SRST when absent.
fn h265_profile(fmtp: &str) -> (u32, String) {
    (number(fmtp, "profile-id", 1), fmtp_value(fmtp, "tx-mode").unwrap_or("SRST").to_ascii_uppercase())
}

fn number(fmtp: &str, key: &str, absent: u32) -> u32 {
    // A value that is no number is no profile we know.
    fmtp_value(fmtp, key).map_or(absent, |value| value.parse().unwrap_or(u32::MAX))
}

/// One parameter of `key=value;key=value`. Keys are compared without case, values that are too long or
/// not plain ASCII count as absent.
pub(super) fn fmtp_value<'a>(fmtp: &'a str, key: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let value = value.trim();
        let plain = value.len() <= FMTP_VALUE_BYTES_MAX
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b));
        (plain && !value.is_empty() && name.trim().eq_ignore_ascii_case(key)).then_some(value)
    })
}
