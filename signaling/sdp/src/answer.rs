//! Owns the text of an answer. Never decides what is in it.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use chappe_sfu_api::{Codec, DtlsRole, Fingerprint, IceCredentials, MediaKind};

use super::bundle::Bundle;
use super::codec::{NegotiatedCodec, rtpmap_name};
use super::direction::Direction;
use super::section::Section;

/// The worker's side of the transport.
#[derive(Debug, Clone)]
pub struct Local {
    pub ice: IceCredentials,
    /// Of the worker's certificate.
    pub fingerprint: Fingerprint,
    /// All addresses of the worker, in order of preference within an address family.
    pub candidates: Vec<LocalCandidate>,
    /// The one of them that the client is known to reach: it comes before all, whatever its family.
    pub proven: Option<IpAddr>,
    /// Whether the client may send its candidates later. They are not needed (ICE-lite), but RFC 9725
    /// section 4.3 wants it said when the session resource takes them.
    pub trickle: bool,
    /// Any number that stays the same for the life of the session (`o=` line).
    pub origin: u64,
}

impl Local {
    /// A worker that nobody reaches, for examples and fuzz targets.
    #[doc(hidden)]
    pub fn sample() -> Local {
        let candidate = |transport| LocalCandidate { ip: Ipv4Addr::LOCALHOST.into(), port: 7000, transport };
        Local {
            ice: IceCredentials { ufrag: "chappe".to_owned(), pwd: "0123456789abcdefghijkl".to_owned() },
            fingerprint: Fingerprint { hash: "sha-256".to_owned(), value: ["A5"; 32].join(":") },
            candidates: vec![candidate(CandidateTransport::Udp), candidate(CandidateTransport::TcpPassive)],
            proven: None,
            trickle: true,
            origin: 1,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalCandidate {
    pub ip: IpAddr,
    pub port: u16,
    pub transport: CandidateTransport,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateTransport {
    Udp,
    /// RFC 6544: the client connects to us.
    TcpPassive,
}

/// One m-line of the answer.
#[derive(Debug, Clone)]
pub(super) enum AnswerLine {
    /// Port 0 (RFC 3264 section 6).
    Rejected,
    /// Inactive, for the transport that it describes; see [`super::bundle::Bundle::holds`].
    Held,
    Accepted(AcceptedLine),
}

#[derive(Debug, Clone)]
pub(super) struct AcceptedLine {
    pub direction: Direction,
    pub codecs: Vec<NegotiatedCodec>,
    /// Values of `a=extmap`.
    pub extensions: Vec<String>,
    /// `ack ccfb` (RFC 8888 section 6).
    pub reports_streams: bool,
    pub sending: Option<SendingLine>,
    /// The encodings that the client may send at a time.
    pub rids: Vec<String>,
    /// Asks Chromium to start video at this rate; see [`START_KBPS`].
    pub start_kbps: Option<u32>,
}

/// What is said about the stream that we send.
#[derive(Debug, Clone)]
pub(super) struct SendingLine {
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    pub cname: String,
    pub msid_track: String,
}

/// Without it Chromium sends a few hundred pixels for the first 15 s of a call. It is a parameter that only
/// libwebrtc knows; others ignore unknown fmtp parameters (RFC 6838 media types may add them).
pub(super) const START_KBPS: u32 = 1_000;

/// What the whole answer says.
pub(super) struct AnswerHead<'a> {
    pub local: &'a Local,
    pub role: DtlsRole,
    /// Of the `o=` line; higher in each answer of a session (RFC 8829 section 5.3.2).
    pub version: u64,
    pub bundle: &'a Bundle,
    pub extmap_allow_mixed: bool,
}

/// `lines` pairs with `sections`.
pub(super) fn write_answer(head: &AnswerHead<'_>, sections: &[Section], lines: &[AnswerLine]) -> String {
    let mut out = String::with_capacity(4096);
    // JSEP wants 63 bits (RFC 8829 section 5.2.1).
    let origin = head.local.origin & (u64::MAX >> 1);
    line(&mut out, "v=0");
    line(&mut out, format_args!("o=- {origin} {} IN IP4 127.0.0.1", head.version));
    line(&mut out, "s=-");
    line(&mut out, "t=0 0");
    line(&mut out, "a=ice-lite");
    if head.local.trickle {
        line(&mut out, "a=ice-options:trickle");
    }
    if let Some(mids) = &head.bundle.mids {
        line(&mut out, format_args!("a=group:BUNDLE{}", bundled_mids(mids, sections, lines)));
    }
    if head.extmap_allow_mixed {
        line(&mut out, "a=extmap-allow-mixed");
    }
    line(&mut out, "a=msid-semantic: WMS *");
    for (section, answer) in sections.iter().zip(lines) {
        match answer {
            AnswerLine::Rejected => write_rejected(&mut out, section),
            AnswerLine::Held => write_held(&mut out, head, section),
            AnswerLine::Accepted(accepted) => {
                write_transport(&mut out, head, section, &formats(accepted));
                write_media(&mut out, section, accepted);
            }
        }
    }
    out
}

/// In the order of the offer's group: the m-line that it names first describes the transport in both (RFC 9143
/// section 7.3.1).
fn bundled_mids(mids: &[String], sections: &[Section], lines: &[AnswerLine]) -> String {
    let stays = |mid: &&String| {
        let mut of_mid = sections.iter().zip(lines).filter(|(section, _)| section.mid == **mid && !section.removed);
        of_mid.any(|(_, line)| !matches!(line, AnswerLine::Rejected))
    };
    mids.iter().filter(stays).flat_map(|mid| [" ", mid]).collect()
}

fn line(out: &mut String, text: impl std::fmt::Display) {
    write!(out, "{text}\r\n").expect("writing to a String never fails");
}

fn write_rejected(out: &mut String, section: &Section) {
    line(out, format_args!("m={} 0 {} {}", section.media, section.proto, section.format));
    line(out, "c=IN IP4 0.0.0.0");
    if section.mid_offered {
        line(out, format_args!("a=mid:{}", section.mid));
    }
    line(out, "a=inactive");
}

/// With the format that the client likes best, of which nothing is sent and nothing expected.
fn write_held(out: &mut String, head: &AnswerHead<'_>, section: &Section) {
    write_transport(out, head, section, &format!(" {}", section.format));
    line(out, "a=inactive");
    line(out, "a=rtcp-mux");
    for format_line in &section.format_lines {
        line(out, format_args!("a={format_line}"));
    }
}

/// With a space before each.
fn formats(accepted: &AcceptedLine) -> String {
    let of_codec = |codec: &NegotiatedCodec| [Some(codec.payload_type), codec.rtx].into_iter().flatten();
    accepted.codecs.iter().flat_map(of_codec).map(|payload_type| format!(" {}", payload_type.0)).collect()
}

/// The m-line with its transport. Credentials and fingerprint are repeated in every m-line, because players
/// look for them in different ones; candidates are only in the tagged one (RFC 9143 section 7.1.3).
fn write_transport(out: &mut String, head: &AnswerHead<'_>, section: &Section, formats: &str) {
    let local = head.local;
    let candidates = ordered_candidates(local);
    let default = candidates.iter().find(|c| c.transport == CandidateTransport::Udp);
    let port = default.map_or(DISCARD_PORT, |c| c.port);
    line(out, format_args!("m={} {port} {}{formats}", section.media, section.proto));
    match default.map(|c| c.ip) {
        Some(IpAddr::V6(ip)) => line(out, format_args!("c=IN IP6 {ip}")),
        Some(IpAddr::V4(ip)) => line(out, format_args!("c=IN IP4 {ip}")),
        None => line(out, "c=IN IP4 0.0.0.0"),
    }
    if section.mid_offered {
        line(out, format_args!("a=mid:{}", section.mid));
    }
    write_ice(out, &local.ice);
    line(out, format_args!("a=fingerprint:{} {}", local.fingerprint.hash, local.fingerprint.value));
    line(
        out,
        format_args!(
            "a=setup:{}",
            match head.role {
                DtlsRole::Client => "active",
                DtlsRole::Server => "passive",
            }
        ),
    );
    if section.line == head.bundle.tag {
        write_candidates(out, &candidates, local.proven);
    }
}

/// Of an m-line without a default candidate (RFC 8839 section 4.2.1.1).
const DISCARD_PORT: u16 = 9;

pub(super) fn write_ice(out: &mut String, ice: &IceCredentials) {
    line(out, format_args!("a=ice-ufrag:{}", ice.ufrag));
    line(out, format_args!("a=ice-pwd:{}", ice.pwd));
}

/// UDP before TCP, what is proven before what is not, IPv4 before IPv6, loopback last: FFmpeg takes the first candidate
/// and no other, and a client that tries all goes by priority.
pub(super) fn ordered_candidates(local: &Local) -> Vec<LocalCandidate> {
    let mut ordered = local.candidates.clone();
    ordered.sort_by_key(|c| {
        let is_tcp = c.transport == CandidateTransport::TcpPassive;
        (is_tcp, Some(c.ip) != local.proven, c.ip.is_loopback(), c.ip.is_ipv6())
    });
    ordered
}

pub(super) fn write_candidates(out: &mut String, candidates: &[LocalCandidate], proven: Option<IpAddr>) {
    let mut foundations: Vec<(IpAddr, CandidateTransport)> = Vec::new();
    for candidate in candidates {
        // RFC 8445 section 5.1.1.3: same type, base address and protocol share a foundation.
        let key = (candidate.ip, candidate.transport);
        if !foundations.contains(&key) {
            foundations.push(key);
        }
        let foundation = foundations.iter().position(|f| *f == key).map_or(0, |index| index + 1);
        let rank = rank_of(candidate, candidates, proven);
        let LocalCandidate { ip, port, transport } = candidate;
        match transport {
            CandidateTransport::Udp => {
                let priority = priority(UDP_TYPE_PREFERENCE, 0xffff - rank);
                line(out, format_args!("a=candidate:{foundation} 1 udp {priority} {ip} {port} typ host"));
            }
            CandidateTransport::TcpPassive => {
                let priority = priority(TCP_TYPE_PREFERENCE, (TCP_PASSIVE_PREFERENCE << 13) + 0x1fff - rank);
                line(
                    out,
                    format_args!("a=candidate:{foundation} 1 tcp {priority} {ip} {port} typ host tcptype passive"),
                );
            }
        }
    }
    line(out, "a=end-of-candidates");
}

/// RFC 8445 section 5.1.2.2.
const UDP_TYPE_PREFERENCE: u32 = 126;
/// RFC 6544 section 4.2 wants TCP below UDP; 90 is what libwebrtc gives its own host candidates.
const TCP_TYPE_PREFERENCE: u32 = 90;
/// RFC 6544 section 4.2, direction preference of a passive host candidate.
const TCP_PASSIVE_PREFERENCE: u32 = 4;

/// RFC 8445 section 5.1.2.1, for component 1.
fn priority(type_preference: u32, local_preference: u32) -> u32 {
    (type_preference << 24) + (local_preference << 8) + 255
}

/// RFC 8421 section 4: the families take turns, IPv6 first, so that a broken one costs one check and not many. Before
/// them comes the address that is proven.
fn rank_of(candidate: &LocalCandidate, all: &[LocalCandidate], proven: Option<IpAddr>) -> u32 {
    if Some(candidate.ip) == proven {
        return 0;
    }
    let before = all
        .iter()
        .take_while(|other| *other != candidate)
        .filter(|other| Some(other.ip) != proven && other.transport == candidate.transport)
        .filter(|other| other.ip.is_ipv6() == candidate.ip.is_ipv6())
        .count();
    let turn = u32::from(candidate.ip.is_ipv4()) + u32::from(proven.is_some());
    u32::try_from(before).unwrap_or(RANK_MAX).saturating_mul(2).saturating_add(turn).min(RANK_MAX)
}

/// Fits the 13 bits that RFC 6544 leaves for the rank.
const RANK_MAX: u32 = 0x1fff;

fn write_media(out: &mut String, section: &Section, accepted: &AcceptedLine) {
    for extension in &accepted.extensions {
        line(out, format_args!("a=extmap:{extension}"));
    }
    line(out, format_args!("a={}", accepted.direction.as_str()));
    line(out, "a=rtcp-mux");
    if section.rtcp_rsize {
        line(out, "a=rtcp-rsize");
    }
    for codec in &accepted.codecs {
        write_codec(out, codec, accepted);
    }
    if accepted.reports_streams {
        line(out, "a=rtcp-fb:* ack ccfb");
    }
    if let Some(sending) = &accepted.sending {
        write_sending(out, sending);
    }
    write_simulcast(out, &accepted.rids);
}

/// RFC 8853 section 5.3.2: what the client sends is what we receive.
fn write_simulcast(out: &mut String, rids: &[String]) {
    for rid in rids {
        line(out, format_args!("a=rid:{rid} recv"));
    }
    if !rids.is_empty() {
        line(out, format_args!("a=simulcast:recv {}", rids.join(";")));
    }
}

fn write_codec(out: &mut String, codec: &NegotiatedCodec, accepted: &AcceptedLine) {
    let (payload_type, name, clock_rate) = (codec.payload_type.0, rtpmap_name(codec.codec), codec.clock_rate);
    match codec.channels {
        Some(channels) => line(out, format_args!("a=rtpmap:{payload_type} {name}/{clock_rate}/{channels}")),
        None => line(out, format_args!("a=rtpmap:{payload_type} {name}/{clock_rate}")),
    }
    let feedback = codec.feedback;
    let lines = [
        (feedback.transport_cc, "transport-cc"),
        (feedback.remb, "goog-remb"),
        (feedback.fir, "ccm fir"),
        (feedback.nack, "nack"),
        (feedback.pli, "nack pli"),
    ];
    for (_, value) in lines.iter().filter(|(on, _)| *on) {
        line(out, format_args!("a=rtcp-fb:{payload_type} {value}"));
    }
    let start = accepted.start_kbps.map(|kbps| format!("x-google-start-bitrate={kbps}"));
    let fmtp: Vec<&str> =
        [Some(codec.fmtp.as_str()).filter(|f| !f.is_empty()), start.as_deref()].into_iter().flatten().collect();
    if !fmtp.is_empty() {
        line(out, format_args!("a=fmtp:{payload_type} {}", fmtp.join(";")));
    }
    if codec.codec == Codec::Red {
        // RFC 2198 section 5: the codec of each block. Chromium uses one level of redundancy.
        let opus = accepted.codecs.iter().find(|c| c.codec == Codec::Opus).map_or(payload_type, |c| c.payload_type.0);
        line(out, format_args!("a=fmtp:{payload_type} {opus}/{opus}"));
    }
    if let Some(rtx) = codec.rtx {
        line(out, format_args!("a=rtpmap:{} rtx/{clock_rate}", rtx.0));
        line(out, format_args!("a=fmtp:{} apt={payload_type}", rtx.0));
    }
}

fn write_sending(out: &mut String, sending: &SendingLine) {
    // The stream part of msid groups what is played in sync, and so does the CNAME: they are the same here.
    let SendingLine { ssrc, rtx_ssrc, cname, msid_track } = sending;
    line(out, format_args!("a=msid:{cname} {msid_track}"));
    if let Some(rtx) = rtx_ssrc {
        line(out, format_args!("a=ssrc-group:FID {ssrc} {rtx}"));
    }
    for ssrc in [Some(*ssrc), *rtx_ssrc].into_iter().flatten() {
        line(out, format_args!("a=ssrc:{ssrc} cname:{cname}"));
        line(out, format_args!("a=ssrc:{ssrc} msid:{cname} {msid_track}"));
    }
}

/// `audio` or `video`, as in an m-line.
pub(super) fn kind_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    }
}
