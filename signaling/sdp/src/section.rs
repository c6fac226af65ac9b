//! Owns one m-line of an offer as we understand it. Never decides what is answered.

use std::collections::BTreeSet;

use chappe_sfu_api::{Codec, Feedback, MediaKind, PayloadType, SsrcPair};
use rtc_sdp::MediaDescription;

use super::SdpError;
use super::attribute::{value, values};
use super::codec::{NegotiatedCodec, Usage, accepts_profile, codec_name, fmtp_value, identify};
use super::direction::Direction;
use super::extension::{OfferedExtension, parse_extmap};
use super::limits::{CANDIDATES_MAX, CODECS_MAX, MID_BYTES_MAX, SSRCS_MAX};
use super::simulcast::{parse_rids, place_encodings};

/// One m-line.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Position in the offer, counted from 0.
    pub line: usize,
    /// `a=mid`; made from the position when the offer names none.
    pub mid: String,
    pub mid_offered: bool,
    /// The first three fields of the m-line and its first format, to be repeated when it is not taken.
    pub media: String,
    pub proto: String,
    pub format: String,
    /// `a=rtpmap` and `a=fmtp` of that format, as `name:value`.
    pub format_lines: Vec<String>,
    /// None when it is not audio or video over DTLS-SRTP.
    pub kind: Option<MediaKind>,
    /// Port 0 is a rejected or removed m-line, unless it is `bundle-only` (RFC 9143 section 6).
    pub removed: bool,
    pub bundle_only: bool,
    pub direction: Direction,
    /// Codecs we know, in the order of the m-line; the fmtp is the offered one.
    pub codecs: Vec<NegotiatedCodec>,
    /// Names of all codecs, for messages.
    codec_names: Vec<String>,
    pub extensions: Vec<OfferedExtension>,
    pub extmap_allow_mixed: bool,
    pub ssrcs: Vec<SsrcPair>,
    /// `ack ccfb` (RFC 8888 section 6): the client reports on what it receives by SSRC and sequence number.
    pub reports_streams: bool,
    /// Of the encodings that it can send (`a=simulcast`, RFC 8853); fewer than two are none.
    pub rids: Vec<String>,
    pub rtcp_mux: bool,
    pub rtcp_rsize: bool,
}

/// Protocols of media over DTLS-SRTP that clients write (RFC 8829 section 5.1.2: the variants mean the same).
const PROTOCOLS: [&str; 6] =
    ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP"];

impl Section {
    pub(super) fn parse(line: usize, media: &MediaDescription, default: Direction) -> Result<Self, SdpError> {
        let flag = |key: &str| media.has_attribute(key);
        let mid = value(media, "mid").unwrap_or_default();
        // RFC 5888 section 4: a token. An offer of one m-line may do without.
        if mid.len() > MID_BYTES_MAX || !mid.bytes().all(is_token_char) {
            return Err(SdpError::BadMid { line });
        }
        if values(media, "candidate").count() > CANDIDATES_MAX {
            return Err(SdpError::TooManyCandidates { line });
        }
        let proto = media.media_name.protos.join("/");
        let kind = match media.media_name.media.as_str() {
            "audio" => Some(MediaKind::Audio),
            "video" => Some(MediaKind::Video),
            _ => None,
        }
        .filter(|_| PROTOCOLS.contains(&proto.as_str()));
        let (codecs, codec_names) = kind.map_or_else(Default::default, |kind| parse_codecs(kind, media));
        let bundle_only = flag("bundle-only");
        let format = media.media_name.formats.first().cloned().unwrap_or_else(|| "0".to_owned());
        Ok(Self {
            line,
            mid: if mid.is_empty() { format!("line{line}") } else { mid.to_owned() },
            mid_offered: !mid.is_empty(),
            reports_streams: reports_streams(media, &codecs),
            media: media.media_name.media.clone(),
            proto,
            format_lines: format_lines(media, &format),
            format,
            kind,
            removed: media.media_name.port.value == 0 && !bundle_only,
            bundle_only,
            direction: Direction::of(&media.attributes).unwrap_or(default),
            codecs,
            codec_names,
            extensions: values(media, "extmap").filter_map(parse_extmap).collect(),
            extmap_allow_mixed: flag("extmap-allow-mixed"),
            ssrcs: parse_ssrcs(media),
            rids: parse_rids(media),
            rtcp_mux: flag("rtcp-mux"),
            rtcp_rsize: flag("rtcp-rsize"),
        })
    }
}

impl Section {
    /// The codecs that we forward, in the client's order; none when the m-line has to be left out.
    pub(super) fn usable_codecs(&self, usage: Usage) -> Vec<NegotiatedCodec> {
        if self.kind.is_none() || self.removed {
            return Vec::new();
        }
        let usable = self.codecs.iter().filter(|c| accepts_profile(usage, c.codec, &c.fmtp));
        let codecs: Vec<NegotiatedCodec> = usable.cloned().collect();
        // RED carries Opus under the payload type that the m-line gives to it.
        if codecs.iter().all(|c| c.codec == Codec::Red) { Vec::new() } else { codecs }
    }

    /// Whether it has a codec that we forward to somebody.
    pub(super) fn is_usable(&self) -> bool {
        !self.usable_codecs(Usage::Watch).is_empty()
    }

    /// What it offers, for messages: ``m-line 0 (audio, mid `0`) offers PCMU, G722``.
    pub(super) fn description(&self) -> String {
        let name = format!("m-line {} ({}, mid `{}`)", self.line, plain(&self.media), self.mid);
        if self.kind.is_none() {
            return format!("{name} is {} over {}", plain(&self.media), plain(&self.proto));
        }
        let mut names: Vec<String> = Vec::new();
        for codec in &self.codec_names {
            let profile = self.codecs.iter().find(|c| codec_name(c.codec).eq_ignore_ascii_case(codec));
            let profile = profile.filter(|_| !self.is_usable()).map(|c| c.fmtp.as_str()).and_then(|fmtp| {
                ["profile-level-id", "profile-id", "profile"]
                    .iter()
                    .find_map(|key| fmtp_value(fmtp, key).map(|value| format!(" ({key}={value})")))
            });
            names.push(format!("{codec}{}", profile.unwrap_or_default()));
        }
        let more = names.len().saturating_sub(NAMES_TOLD_MAX);
        names.truncate(NAMES_TOLD_MAX);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        format!("{name} offers {}", if names.is_empty() { "no codec".to_owned() } else { names.join(", ") })
    }
}

/// Codecs of one m-line that a message names.
const NAMES_TOLD_MAX: usize = 8;

/// Of the client's text, what a message repeats.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(TEXT_TOLD_CHARS_MAX).collect()
}

const TEXT_TOLD_CHARS_MAX: usize = 24;

fn format_lines(media: &MediaDescription, format: &str) -> Vec<String> {
    let of_format = |key: &'static str| {
        let line = values(media, key).find(|value| value.split_whitespace().next() == Some(format))?;
        (line.len() <= FORMAT_LINE_BYTES_MAX).then(|| format!("{key}:{line}"))
    };
    ["rtpmap", "fmtp"].into_iter().filter_map(of_format).collect()
}

/// Longest `a=rtpmap` or `a=fmtp` that an answer repeats word for word.
const FORMAT_LINE_BYTES_MAX: usize = 256;

/// RFC 8866 section 9, `token-char`.
pub(super) fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte)
}

/// Splits `<payload type> <rest>`.
fn split_payload_type(value: &str) -> Option<(u8, &str)> {
    let (payload_type, rest) = value.split_once(char::is_whitespace)?;
    Some((payload_type.parse().ok()?, rest.trim()))
}

/// RFC 5761 section 4: 64–95 can't be told from RTCP.
fn usable_payload_type(payload_type: u8) -> bool {
    payload_type < 64 || (96..128).contains(&payload_type)
}

struct RtpMap<'a> {
    payload_type: u8,
    name: &'a str,
    clock_rate: u32,
    channels: Option<u8>,
}

fn parse_rtpmap(value: &str) -> Option<RtpMap<'_>> {
    let (payload_type, rest) = split_payload_type(value)?;
    let mut fields = rest.split('/');
    let (name, clock_rate) = (fields.next()?, fields.next()?.trim().parse().ok()?);
    Some(RtpMap { payload_type, name, clock_rate, channels: fields.next().and_then(|c| c.trim().parse().ok()) })
}

/// The codecs of an m-line in the order of its formats, and the names of all of them.
fn parse_codecs(kind: MediaKind, media: &MediaDescription) -> (Vec<NegotiatedCodec>, Vec<String>) {
    let maps: Vec<RtpMap<'_>> = values(media, "rtpmap").filter_map(parse_rtpmap).collect();
    let fmtps: Vec<(u8, &str)> = values(media, "fmtp").filter_map(split_payload_type).collect();
    let fmtp =
        |wanted: u8| fmtps.iter().find(|(payload_type, _)| *payload_type == wanted).map_or("", |(_, text)| *text);
    let formats =
        media.media_name.formats.iter().filter_map(|f| f.parse::<u8>().ok()).filter(|f| usable_payload_type(*f));
    let mut seen = BTreeSet::new();
    let listed: Vec<&RtpMap<'_>> = formats
        .filter(|format| seen.insert(*format))
        .filter_map(|format| maps.iter().find(|map| map.payload_type == format))
        .take(CODECS_MAX)
        .collect();

    let rtx_of = |primary: u8| {
        let repairs = |map: &&&RtpMap<'_>| {
            // RFC 4588 section 8.1: `apt` names the payload type that is repaired.
            map.name.eq_ignore_ascii_case("rtx") && apt(fmtp(map.payload_type)) == Some(primary)
        };
        listed.iter().find(repairs).map(|map| PayloadType(map.payload_type))
    };
    let codecs = listed.iter().filter_map(|map| {
        let codec = identify(kind, map.name, map.clock_rate, map.channels)?;
        Some(NegotiatedCodec {
            codec,
            payload_type: PayloadType(map.payload_type),
            rtx: rtx_of(map.payload_type).filter(|_| codec != Codec::Red),
            clock_rate: map.clock_rate,
            channels: map.channels.filter(|_| kind == MediaKind::Audio),
            fmtp: fmtp(map.payload_type).to_owned(),
            feedback: parse_feedback(media, map.payload_type),
        })
    });
    let mut names: Vec<String> = Vec::new();
    let of_map = |map: &RtpMap<'_>| plain(map.name);
    let without_map = media.media_name.formats.iter().filter_map(|format| static_codec(format));
    for name in without_map.map(str::to_owned).chain(maps.iter().take(CODECS_MAX).map(of_map)) {
        if !names.contains(&name) && !["rtx", "red", "ulpfec"].contains(&name.as_str()) {
            names.push(name);
        }
    }
    (codecs.collect(), names)
}

/// RFC 3551 section 6: formats that need no `a=rtpmap`.
fn static_codec(format: &str) -> Option<&'static str> {
    match format {
        "0" => Some("PCMU"),
        "3" => Some("GSM"),
        "8" => Some("PCMA"),
        "9" => Some("G722"),
        "34" => Some("H263"),
        _ => None,
    }
}

fn apt(fmtp: &str) -> Option<u8> {
    fmtp.split(';').find_map(|part| part.trim().strip_prefix("apt=")?.trim().parse().ok())
}

/// RFC 4585 section 4.2; `*` stands for all payload types.
fn parse_feedback(media: &MediaDescription, payload_type: u8) -> Feedback {
    let mut feedback = Feedback::default();
    for value in values(media, "rtcp-fb") {
        let mut fields = value.split_whitespace();
        let Some(target) = fields.next() else { continue };
        if target != "*" && target.parse() != Ok(payload_type) {
            continue;
        }
        match (fields.next(), fields.next()) {
            (Some("nack"), None) => feedback.nack = true,
            (Some("nack"), Some("pli")) => feedback.pli = true,
            (Some("ccm"), Some("fir")) => feedback.fir = true,
            (Some("transport-cc"), _) => feedback.transport_cc = true,
            (Some("goog-remb"), _) => feedback.remb = true,
            _ => {}
        }
    }
    feedback
}

/// The RFC allows `*` alone; a client that names each of its payload types means the same.
fn reports_streams(media: &MediaDescription, codecs: &[NegotiatedCodec]) -> bool {
    let target = |value: &'_ str| -> Option<String> {
        let mut fields = value.split_whitespace();
        let target = fields.next()?;
        let is_it = fields.next() == Some("ack") && fields.next() == Some("ccfb");
        is_it.then(|| target.to_owned())
    };
    let targets: Vec<String> = values(media, "rtcp-fb").filter_map(target).collect();
    let is_named = |wanted: &str| targets.iter().any(|target| target == wanted);
    is_named("*") || !codecs.is_empty() && codecs.iter().all(|codec| is_named(&codec.payload_type.0.to_string()))
}

/// The SSRCs that carry media, each with that of its RTX (RFC 5576 section 4.2, RFC 4588 section 8.7). The
/// SSRCs of FEC are left out, because FEC is refused.
fn parse_ssrcs(media: &MediaDescription) -> Vec<SsrcPair> {
    let mut pairs: Vec<SsrcPair> = Vec::new();
    let mut secondary: BTreeSet<u32> = BTreeSet::new();
    for group in values(media, "ssrc-group") {
        let mut fields = group.split_whitespace();
        let semantics = fields.next();
        let ssrcs: Vec<u32> = fields.filter_map(|f| f.parse().ok()).take(SSRCS_MAX).collect();
        let [primary, other] = ssrcs[..] else { continue };
        match semantics {
            Some("FID") if !pairs.iter().any(|p| p.ssrc == primary) && primary != other => {
                pairs.push(SsrcPair { ssrc: primary, rtx: Some(other), encoding: 0 });
                secondary.insert(other);
            }
            Some("FEC-FR" | "FEC") => {
                secondary.insert(other);
            }
            _ => {}
        }
    }
    for value in values(media, "ssrc") {
        let Some(ssrc) = value.split_whitespace().next().and_then(|f| f.parse().ok()) else { continue };
        if !secondary.contains(&ssrc) && !pairs.iter().any(|p| p.ssrc == ssrc) {
            pairs.push(SsrcPair { ssrc, rtx: None, encoding: 0 });
        }
    }
    place_encodings(media, &mut pairs);
    pairs.truncate(SSRCS_MAX);
    pairs
}
