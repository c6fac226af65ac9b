//! Owns the answer to a viewer and what it may be sent: which of its payload types take which of a
//! publisher's. Never learns what a publisher's offer looked like.

use std::collections::BTreeSet;

use chappe_sfu_api::{
    Codec, DtlsParameters, Extensions, IceCredentials, Media, MediaKind, PayloadMap, SendTrack, TrackId,
};
use serde::{Deserialize, Serialize};

use super::answer::{AcceptedLine, AnswerLine, Local, SendingLine, kind_name, write_answer};
use super::codec::{NegotiatedCodec, Usage, answer_fmtp, codec_name, suitability};
use super::direction::Direction;
use super::extension::{OfferedExtension, has_transport_cc, negotiate};
use super::note::{BundledLine, CodecLists, TransportNote, check_size};
use super::section::{Section, is_token_char};
use super::{Offer, SdpError};

/// A published track as a viewer's negotiation sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTrack {
    pub track: TrackId,
    pub kind: MediaKind,
    /// What the publisher may send; the first is what it sends unless it changes its mind.
    pub codecs: Vec<NegotiatedCodec>,
}

/// One m-line of a viewer and the published track in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotSource {
    pub mid: String,
    /// Name of the stream. It becomes `msid` and CNAME, by which a player keeps sound and picture together.
    pub stream: String,
    /// None while nothing is published there.
    pub source: Option<SourceTrack>,
    /// Of several encodings none with more lines than this, if there is another one.
    pub height_max: Option<u16>,
}

/// What a viewer is shown in one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Showing {
    Live,
    /// Nothing is published there now: it starts when the source appears.
    Waiting,
    /// Something is published that this client can't decode, with a sentence for the person who watches.
    Unsupported(String),
}

#[derive(Debug, Clone)]
pub struct WatchAnswer {
    pub sdp: String,
    pub media: Media,
    pub dtls: DtlsParameters,
    pub remote_ice: IceCredentials,
    pub note: WatchNote,
    /// In the order of the slots.
    pub states: Vec<Showing>,
}

impl WatchAnswer {
    /// Set when no slot can be shown, which refuses a WHEP player: it would see and hear nothing.
    pub fn refusal(&self) -> Option<SdpError> {
        let messages: Option<Vec<&str>> = self
            .states
            .iter()
            .map(|state| match state {
                Showing::Unsupported(message) => Some(message.as_str()),
                Showing::Live | Showing::Waiting => None,
            })
            .collect();
        let messages = messages.filter(|m| !m.is_empty())?;
        Some(SdpError::NotDecodable(messages.join("; ")))
    }
}

/// What a viewer takes, to be handed in again with its next offer and whenever a publisher comes or goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WatchNote {
    pub transport: TransportNote,
    extensions: Extensions,
    /// It reports on what it receives by SSRC and sequence number (RFC 8888).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    reports_streams: bool,
    codecs: CodecLists,
    /// The m-lines on which we send, in order.
    lines: Vec<WatchLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct WatchLine {
    mid: String,
    kind: MediaKind,
    ssrc: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rtx_ssrc: Option<u32>,
    /// Into [`WatchNote::codecs`]; in the viewer's order.
    codecs: usize,
}

/// One m-line of a viewer and the stream that it is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedSlot<'a> {
    pub mid: &'a str,
    pub stream: &'a str,
}

/// What a viewer's offer comes to, whichever worker takes it and whatever is published.
#[derive(Debug)]
pub struct WatchTerms {
    pub dtls: DtlsParameters,
    pub remote_ice: IceCredentials,
    pub note: WatchNote,
    answers: Vec<AnswerLine>,
}

impl WatchTerms {
    /// The answer of a worker to the offer that these are the terms of. `media` is what it sends: what [`attach`] made of
    /// the note and of what is published.
    pub fn answer(&self, offer: &Offer, local: &Local, media: &Media) -> String {
        let line = |(section, answer): (&Section, &AnswerLine)| match answer {
            AnswerLine::Accepted(accepted) => {
                let sent = media.send.iter().find(|track| track.mid == section.mid);
                let chosen = sent.map(|track| track.payload_types.as_slice()).unwrap_or_default();
                let codecs = in_answer_order(&accepted.codecs, chosen);
                AnswerLine::Accepted(AcceptedLine { codecs, ..accepted.clone() })
            }
            left_out => left_out.clone(),
        };
        let answers: Vec<AnswerLine> = offer.sections.iter().zip(&self.answers).map(line).collect();
        write_answer(&offer.answer_head(local, &self.note.transport), &offer.sections, &answers)
    }
}

/// Answers a viewer whose worker and sources are known: [`negotiate_watch`], [`attach`] and the text of it.
pub fn answer_watch(
    offer: &Offer,
    local: &Local,
    slots: &[SlotSource],
    previous: Option<&WatchNote>,
    random_ssrc: &mut dyn FnMut() -> u32,
) -> Result<WatchAnswer, SdpError> {
    let wanted: Vec<WantedSlot<'_>> =
        slots.iter().map(|slot| WantedSlot { mid: &slot.mid, stream: &slot.stream }).collect();
    let terms = negotiate_watch(offer, &wanted, previous, random_ssrc)?;
    let (media, states) = attach(&terms.note, slots);
    let sdp = terms.answer(offer, local, &media);
    let WatchTerms { dtls, remote_ice, note, .. } = terms;
    Ok(WatchAnswer { sdp, media, dtls, remote_ice, note, states })
}

/// Decides what a viewer may be sent. `previous` is the note of the session's last answer: an m-line that goes on keeps its
/// SSRCs, one that pauses or is recycled gets new ones, because sequence numbers and the SRTP roll-over
/// counter start afresh with it (RFC 3711 section 3.3.1). An m-line without a slot is answered inactive.
pub fn negotiate_watch(
    offer: &Offer,
    slots: &[WantedSlot<'_>],
    previous: Option<&WatchNote>,
    random_ssrc: &mut dyn FnMut() -> u32,
) -> Result<WatchTerms, SdpError> {
    if let Some(slot) = slots.iter().find(|slot| !offer.mids().any(|mid| mid == slot.mid)) {
        return Err(SdpError::NoSuchMid { mid: slot.mid.to_owned() });
    }
    let dtls = offer.dtls(previous.map(|note| &note.transport.dtls))?;
    let version = previous.map_or(1, |note| note.transport.version.saturating_add(1));
    let mut ssrcs = SsrcSource { used: previous.map(WatchNote::ssrcs).unwrap_or_default(), random: random_ssrc };
    let transport = TransportNote::new(&dtls, version, &offer.bundle, Vec::new());
    let mut note = WatchNote {
        transport,
        extensions: Extensions::default(),
        reports_streams: offer.reports_streams(),
        codecs: CodecLists::default(),
        lines: Vec::new(),
    };
    let (mut answers, mut bundle, mut accepts) = (Vec::new(), Vec::new(), false);
    for section in &offer.sections {
        let slot = slots.iter().find(|slot| !section.removed && slot.mid == section.mid);
        let Some((kind, accepted)) = accept(&mut note, section, slot, previous, &mut ssrcs) else {
            answers.push(offer.left_out(section, &mut bundle));
            continue;
        };
        accepts = true;
        bundle.push(BundledLine { mid: section.mid.clone(), kind });
        answers.push(AnswerLine::Accepted(accepted));
    }
    if !accepts {
        return Err(offer.nothing_in_common());
    }
    note.transport = TransportNote::new(&dtls, version, &offer.bundle, bundle);
    if previous.is_none() && !offer.sections.iter().any(|s| !s.removed && s.direction.receives()) {
        return Err(SdpError::ReceivesNothing);
    }
    check_size(&note)?;
    Ok(WatchTerms { dtls, remote_ice: offer.ice().clone(), note, answers })
}

/// What to send to a viewer whose m-lines are as in `note`: for when a publisher comes, goes or returns and
/// nothing is renegotiated. The states are in the order of the slots.
pub fn attach(note: &WatchNote, slots: &[SlotSource]) -> (Media, Vec<Showing>) {
    let (extensions, reports_streams) = (note.extensions, note.reports_streams);
    let mut media = Media { extensions, reports_streams, ..Media::default() };
    let mut states = Vec::new();
    for slot in slots {
        if media.send.iter().any(|track| track.mid == slot.mid) {
            states.push(Showing::Unsupported(format!("m-line `{}` already shows another track", slot.mid)));
            continue;
        }
        let Some(line) = note.lines.iter().find(|line| line.mid == slot.mid) else {
            states.push(Showing::Unsupported(format!("m-line `{}` takes nothing that this server forwards", slot.mid)));
            continue;
        };
        let taken = note.codecs.list(line.codecs);
        let (state, payload_types) = match &slot.source {
            None => (Showing::Waiting, Vec::new()),
            Some(source) => connect(source, line.kind, taken),
        };
        media.send.push(SendTrack {
            mid: line.mid.clone(),
            kind: line.kind,
            ssrc: line.ssrc,
            rtx_ssrc: line.rtx_ssrc,
            source: slot.source.as_ref().filter(|_| state == Showing::Live).map(|source| source.track),
            payload_types,
            cname: msid_stream(&slot.stream),
            height_max: slot.height_max.filter(|_| line.kind == MediaKind::Video),
        });
        states.push(state);
    }
    (media, states)
}

impl WatchNote {
    fn line(&self, mid: &str, kind: MediaKind) -> Option<&WatchLine> {
        self.lines.iter().find(|line| line.mid == mid && line.kind == kind)
    }

    fn ssrcs(&self) -> BTreeSet<u32> {
        self.lines.iter().flat_map(|line| [Some(line.ssrc), line.rtx_ssrc]).flatten().collect()
    }
}

/// Draws SSRCs that the session does not have yet.
struct SsrcSource<'a> {
    used: BTreeSet<u32>,
    random: &'a mut dyn FnMut() -> u32,
}

impl SsrcSource<'_> {
    fn draw(&mut self) -> u32 {
        let mut ssrc = (self.random)();
        while ssrc == 0 || !self.used.insert(ssrc) {
            ssrc = ssrc.wrapping_add(1);
        }
        ssrc
    }
}

/// None leaves the m-line out: it is not media, was removed, or has no codec in common.
fn accept(
    note: &mut WatchNote,
    section: &Section,
    slot: Option<&WantedSlot<'_>>,
    previous: Option<&WatchNote>,
    ssrcs: &mut SsrcSource<'_>,
) -> Option<(MediaKind, AcceptedLine)> {
    let kind = section.kind?;
    let mut taken = taken_codecs(section);
    if taken.is_empty() {
        return None;
    }
    let reports_streams = note.reports_streams;
    let offered = usable_extensions(section, &taken, reports_streams);
    let extensions = negotiate(&mut note.extensions, &offered, section.extmap_allow_mixed, Usage::Watch);
    let transport_cc = has_transport_cc(&note.extensions, &offered);
    for codec in &mut taken {
        codec.feedback.transport_cc &= transport_cc;
        // One estimate of its line is enough, and of these this is the best one.
        codec.feedback.remb &= !codec.feedback.transport_cc && !reports_streams;
    }
    let line = |direction, codecs, sending| AcceptedLine {
        direction,
        codecs,
        extensions,
        reports_streams,
        sending,
        rids: Vec::new(),
        start_kbps: None,
    };
    let Some(slot) = slot.filter(|_| section.direction.receives()) else {
        return Some((kind, line(Direction::Inactive, taken, None)));
    };
    let kept = previous.and_then(|note| note.line(&section.mid, kind));
    let ssrc = kept.map_or_else(|| ssrcs.draw(), |line| line.ssrc);
    let repairs = taken.iter().any(|c| c.rtx.is_some());
    let rtx_ssrc = repairs.then(|| kept.and_then(|line| line.rtx_ssrc).unwrap_or_else(|| ssrcs.draw()));
    let sending = SendingLine {
        ssrc,
        rtx_ssrc,
        cname: msid_stream(slot.stream),
        msid_track: format!("{}-{}", kind_name(kind), section.mid),
    };
    let codecs = note.codecs.insert(taken.clone());
    note.lines.push(WatchLine { mid: section.mid.clone(), kind, ssrc, rtx_ssrc, codecs });
    Some((kind, line(Direction::SendOnly, taken, Some(sending))))
}

/// All that the viewer takes and we forward, whatever is live now: a publisher that returns with another
/// codec is then shown without a new offer.
fn taken_codecs(section: &Section) -> Vec<NegotiatedCodec> {
    let mut taken = section.usable_codecs(Usage::Watch);
    for codec in &mut taken {
        codec.fmtp = answer_fmtp(codec.codec, &codec.fmtp);
    }
    taken
}

/// A client that reports by SSRC and sequence number needs no transport-wide numbers. And a packet that is repeated as it
/// was, because the viewer has no RTX, must be the same to the last bit (RFC 7714 section 8.1), so that it has no number
/// that a repeat would have to change.
fn usable_extensions(section: &Section, taken: &[NegotiatedCodec], reports_streams: bool) -> Vec<OfferedExtension> {
    let repeats_in_plain = taken.iter().any(|codec| codec.feedback.nack && codec.rtx.is_none());
    let is_unnumbered = reports_streams || repeats_in_plain;
    section.extensions.iter().copied().filter(|offered| !(is_unnumbered && offered.is_transport_cc())).collect()
}

/// First what is sent now, then the rest as the viewer has it.
fn in_answer_order(taken: &[NegotiatedCodec], chosen: &[PayloadMap]) -> Vec<NegotiatedCodec> {
    let mut ordered = taken.to_vec();
    ordered.sort_by_key(|c| {
        let position = chosen.iter().position(|map| map.to == c.payload_type).unwrap_or(usize::MAX);
        (position, c.codec == Codec::Red)
    });
    ordered
}

/// Maps each payload type that the publisher may send to the viewer's that suits it best.
fn connect(source: &SourceTrack, kind: MediaKind, taken: &[NegotiatedCodec]) -> (Showing, Vec<PayloadMap>) {
    if source.kind != kind {
        let (wants, is) = (kind_name(kind), kind_name(source.kind));
        return (Showing::Unsupported(format!("this m-line takes {wants} and the track is {is}")), Vec::new());
    }
    let maps: Vec<PayloadMap> = source.codecs.iter().filter_map(|sent| payload_map(source, sent, taken)).collect();
    // A publisher sends the first codec of its answer. When a viewer takes only later ones it would see
    // black, and a clear message is better.
    let first = source.codecs.first();
    match first {
        Some(first) if maps.iter().any(|map| map.from == first.payload_type) => (Showing::Live, maps),
        Some(first) => (Showing::Unsupported(not_decodable(first, taken)), Vec::new()),
        None => (Showing::Waiting, Vec::new()),
    }
}

fn payload_map(source: &SourceTrack, sent: &NegotiatedCodec, taken: &[NegotiatedCodec]) -> Option<PayloadMap> {
    let suits = |c: &&NegotiatedCodec| suitability(sent, c).is_some();
    let to = taken.iter().filter(suits).min_by_key(|c| suitability(sent, c))?;
    if sent.codec == Codec::Red {
        // RED names the payload type of its blocks inside the packet (RFC 2198 section 3), which we
        // forward as it is: it means the same to the viewer only if both number Opus alike.
        let opus = |list: &[NegotiatedCodec]| list.iter().find(|c| c.codec == Codec::Opus).map(|c| c.payload_type);
        if opus(&source.codecs) != opus(taken) {
            return None;
        }
    }
    Some(PayloadMap {
        codec: sent.codec,
        clock_rate: sent.clock_rate,
        from: sent.payload_type,
        to: to.payload_type,
        rtx: to.rtx,
        nack: to.feedback.nack,
    })
}

fn not_decodable(sent: &NegotiatedCodec, taken: &[NegotiatedCodec]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for codec in taken.iter().filter(|c| c.codec != Codec::Red) {
        let name = codec_name(codec.codec);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let profile = if names.contains(&codec_name(sent.codec)) && !sent.fmtp.is_empty() {
        format!(" ({})", sent.fmtp)
    } else {
        String::new()
    };
    let (name, names) = (codec_name(sent.codec), names.join(", "));
    format!("the track is sent as {name}{profile}, and this player offers to decode only {names}")
}

/// RFC 8830 section 2: at most 64 token characters, and `-` means no stream.
fn msid_stream(name: &str) -> String {
    let plain: String =
        name.chars().filter(|c| u8::try_from(*c).is_ok_and(is_token_char)).take(MSID_CHARS_MAX).collect();
    if plain.is_empty() { "stream".to_owned() } else { plain }
}

/// RFC 8830 section 2.
const MSID_CHARS_MAX: usize = 64;
