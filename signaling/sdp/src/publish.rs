//! Owns the answer to a publisher: what it may send and what we remember of it. Never learns who watches.

use chappe_sfu_api::{
    DtlsParameters, Extensions, IceCredentials, Media, MediaKind, ReceiveCodec, ReceiveTrack, TrackId,
};
use serde::{Deserialize, Serialize};

use super::answer::{AcceptedLine, AnswerLine, Local, START_KBPS, write_answer};
use super::codec::{Usage, answer_fmtp, rarity};
use super::direction::Direction;
use super::extension::{has_transport_cc, negotiate};
use super::note::{BundledLine, CodecLists, TransportNote, check_size};
use super::parameter_sets::parse_parameter_sets;
use super::section::Section;
use super::watch::SourceTrack;
use super::{Offer, SdpError};

#[derive(Debug, Clone)]
pub struct PublishAnswer {
    pub sdp: String,
    pub media: Media,
    pub dtls: DtlsParameters,
    pub remote_ice: IceCredentials,
    pub note: PublishNote,
}

/// What is published in a session, to be handed in again with its next offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishNote {
    pub transport: TransportNote,
    codecs: CodecLists,
    /// The m-lines on which the client sends, in order.
    lines: Vec<PublishLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PublishLine {
    mid: String,
    kind: MediaKind,
    track: TrackId,
    /// Into [`PublishNote::codecs`].
    codecs: usize,
}

impl PublishNote {
    /// The published tracks by their mid, in the order of the offer.
    pub fn tracks(&self) -> impl Iterator<Item = (&str, SourceTrack)> {
        self.lines.iter().map(|line| {
            let codecs = self.codecs.list(line.codecs).to_vec();
            (line.mid.as_str(), SourceTrack { track: line.track, kind: line.kind, codecs })
        })
    }

    fn track(&self, mid: &str, kind: MediaKind) -> Option<TrackId> {
        self.lines.iter().find(|line| line.mid == mid && line.kind == kind).map(|line| line.track)
    }
}

/// What a publisher's offer comes to, whichever worker takes it.
#[derive(Debug)]
pub struct PublishTerms {
    pub media: Media,
    pub dtls: DtlsParameters,
    pub remote_ice: IceCredentials,
    pub note: PublishNote,
    answers: Vec<AnswerLine>,
}

impl PublishTerms {
    /// The answer of a worker to the offer that these are the terms of.
    pub fn answer(&self, offer: &Offer, local: &Local) -> String {
        write_answer(&offer.answer_head(local, &self.note.transport), &offer.sections, &self.answers)
    }
}

/// Answers a publisher whose worker is known: [`negotiate_publish`] and the text of it.
pub fn answer_publish(
    offer: &Offer,
    local: &Local,
    previous: Option<&PublishNote>,
    new_track_id: &mut dyn FnMut() -> TrackId,
) -> Result<PublishAnswer, SdpError> {
    let terms = negotiate_publish(offer, previous, new_track_id)?;
    let sdp = terms.answer(offer, local);
    let PublishTerms { media, dtls, remote_ice, note, .. } = terms;
    Ok(PublishAnswer { sdp, media, dtls, remote_ice, note })
}

/// Decides what a publisher may send. `previous` is the note of the session's last answer: an m-line that is still there
/// keeps its track, one that stopped sending loses it, and a mid that was recycled for another kind gets a
/// new one.
pub fn negotiate_publish(
    offer: &Offer,
    previous: Option<&PublishNote>,
    new_track_id: &mut dyn FnMut() -> TrackId,
) -> Result<PublishTerms, SdpError> {
    let dtls = offer.dtls(previous.map(|note| &note.transport.dtls))?;
    let mut extensions = Extensions::default();
    let (mut answers, mut receive) = (Vec::new(), Vec::new());
    let mut accepts = false;
    let (mut codec_lists, mut lines, mut bundle) = (CodecLists::default(), Vec::new(), Vec::new());
    for section in &offer.sections {
        let Some((kind, accepted)) = accept(&mut extensions, section) else {
            answers.push(offer.left_out(section, &mut bundle));
            continue;
        };
        accepts = true;
        bundle.push(BundledLine { mid: section.mid.clone(), kind });
        if accepted.direction == Direction::RecvOnly {
            let track = previous.and_then(|note| note.track(&section.mid, kind)).unwrap_or_else(&mut *new_track_id);
            receive.push(receive_track(track, kind, section, &accepted, &receive));
            let codecs = codec_lists.insert(accepted.codecs.clone());
            lines.push(PublishLine { mid: section.mid.clone(), kind, track, codecs });
        }
        answers.push(AnswerLine::Accepted(accepted));
    }
    // A publisher that stopped all its tracks for now is fine, one that never has any is a mistake.
    let sends = |section: &Section| !section.removed && section.direction.sends();
    if !accepts || (receive.is_empty() && previous.is_none() && offer.sections.iter().any(sends)) {
        return Err(offer.nothing_in_common());
    }
    if receive.is_empty() && previous.is_none() {
        return Err(SdpError::SendsNothing);
    }
    let version = previous.map_or(1, |note| note.transport.version.saturating_add(1));
    let transport = TransportNote::new(&dtls, version, &offer.bundle, bundle);
    let note = PublishNote { transport, codecs: codec_lists, lines };
    check_size(&note)?;
    let media = Media { extensions, receive, ..Media::default() };
    Ok(PublishTerms { media, dtls, remote_ice: offer.ice().clone(), note, answers })
}

/// None rejects the m-line: it is not media, was removed, or has no codec in common.
fn accept(extensions: &mut Extensions, section: &Section) -> Option<(MediaKind, AcceptedLine)> {
    let kind = section.kind?;
    let direction = if section.direction.sends() { Direction::RecvOnly } else { Direction::Inactive };
    let mut codecs = section.usable_codecs(Usage::Publish);
    if codecs.is_empty() {
        return None;
    }
    // The client sends the first codec of the answer. Among those that are decoded alike it has the choice.
    codecs.sort_by_key(rarity);
    let extension_lines = negotiate(extensions, &section.extensions, section.extmap_allow_mixed, Usage::Publish);
    let transport_cc = has_transport_cc(extensions, &section.extensions);
    for codec in &mut codecs {
        codec.fmtp = answer_fmtp(codec.codec, &codec.fmtp);
        codec.feedback.transport_cc &= transport_cc;
        // The one estimator of a sender that has both is transport-cc.
        codec.feedback.remb &= !codec.feedback.transport_cc;
    }
    let estimates = codecs.iter().any(|c| c.feedback.transport_cc);
    let start_kbps = (kind == MediaKind::Video && estimates).then_some(START_KBPS);
    // Rids are told by header extensions. Without them the answer has none, and the client sends one encoding.
    let are_told = direction == Direction::RecvOnly && extensions.mid.is_some() && extensions.rid.is_some();
    let rids = if are_told { section.rids.clone() } else { Vec::new() };
    let extensions = extension_lines;
    let (sending, reports_streams) = (None, false);
    Some((kind, AcceptedLine { direction, codecs, extensions, reports_streams, sending, rids, start_kbps }))
}

fn receive_track(
    track: TrackId,
    kind: MediaKind,
    section: &Section,
    accepted: &AcceptedLine,
    earlier: &[ReceiveTrack],
) -> ReceiveTrack {
    // An SSRC belongs to one m-line (RFC 5576 section 4.1 with RFC 9143); the first that names it has it.
    let taken = |ssrc: u32| earlier.iter().flat_map(|t| &t.ssrcs).any(|p| p.ssrc == ssrc || p.rtx == Some(ssrc));
    ReceiveTrack {
        track,
        mid: section.mid.clone(),
        kind,
        codecs: accepted
            .codecs
            .iter()
            .map(|c| ReceiveCodec {
                codec: c.codec,
                payload_type: c.payload_type,
                rtx: c.rtx,
                clock_rate: c.clock_rate,
                feedback: c.feedback,
            })
            .collect(),
        ssrcs: section.ssrcs.iter().filter(|p| !taken(p.ssrc) && !p.rtx.is_some_and(taken)).copied().collect(),
        rids: accepted.rids.clone(),
        parameter_sets: parse_parameter_sets(&section.codecs, &accepted.codecs),
        muted: false,
    }
}
