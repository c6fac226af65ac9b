//! Owns what clients report and ask for: RTCP on its way in. Never sends but what is asked for again.

use std::time::Instant;

use crate::clients::Clients;
use crate::clients::delivery::KeyframeAnswer;
use crate::clients::session::{Session, note_round_trip};
use crate::crypto::srtp::OpenError;
use crate::keys::{Key, SenderKey, SessionKey};
use crate::outputs::Outputs;
use crate::spec::Event;
use crate::stats::DropReason;
use crate::tracks::Tracks;
use crate::tracks::history::History;
use crate::tracks::playout::{MediaClock, Verdict};
use crate::wire::rtcp::{Compound, Packet, ReportBlock, SenderReport};
use crate::wire::rtp::Ssrc;

impl Clients {
    pub(super) fn handle_rtcp_of(
        &mut self,
        now: Instant,
        key: SessionKey,
        packet: &mut [u8],
        tracks: &mut Tracks,
        out: &mut Outputs,
    ) -> Result<(), DropReason> {
        let session = self.sessions.get_mut(key).ok_or(DropReason::RouteUnknown)?;
        let opener = session.ingest.opener.as_mut().ok_or(DropReason::SessionNotReady)?;
        let len = opener.open_rtcp(packet).map_err(|error| match error {
            OpenError::Replayed => DropReason::RtcpReplayed,
            OpenError::Short | OpenError::Unencrypted => DropReason::RtcpMalformed,
            OpenError::Forged => DropReason::RtcpAuthentication,
        })?;
        session.transport.note_activity(now);
        let mut result = Ok(());
        for packet in Compound::new(packet.get(..len).unwrap_or(&[])) {
            match packet {
                Ok(Packet::Pli { media, .. }) => self.handle_keyframe_request(now, key, media, tracks),
                Ok(Packet::Fir { requests, .. }) => {
                    for (media, _) in requests.take(REQUESTS_PER_PACKET_MAX) {
                        self.handle_keyframe_request(now, key, media, tracks);
                    }
                }
                Ok(packet) => {
                    let Some(session) = self.sessions.get_mut(key) else { continue };
                    if let Err(reason) = session.handle_report(now, packet, tracks, out) {
                        result = Err(reason);
                    }
                    if session.delivery.bandwidth.is_some() && session.delivery.is_allotment_due(now) {
                        self.adapting.mark(key);
                    }
                }
                Err(_) => result = Err(DropReason::RtcpMalformed),
            }
        }
        result
    }

    /// A key frame costs all viewers. One that asks too often gets the cached one, which costs nobody else.
    fn handle_keyframe_request(&mut self, now: Instant, key: SessionKey, media: Ssrc, tracks: &mut Tracks) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some((line, sender)) = session.delivery.sender_of(media) else { return };
        sender.keyframe_requests += 1;
        let Some(layer) = sender.layer else { return };
        let gop = tracks.history(layer).and_then(History::cached_gop);
        let gop = gop.filter(|gop| session.delivery.takes_at_once(gop));
        let Some(sender) = session.delivery.sender_mut(line) else { return };
        let is_cached = gop.is_some_and(|gop| sender.decodes(gop.payload_type));
        match sender.keyframe_allowance.decide(now, is_cached) {
            KeyframeAnswer::Ask => tracks.want_keyframe(layer),
            KeyframeAnswer::Cached => self.repeating.mark(SenderKey::of(key, line)),
            KeyframeAnswer::Nothing => {}
        }
    }
}

impl Session {
    fn handle_report(
        &mut self,
        now: Instant,
        packet: Packet<'_>,
        tracks: &mut Tracks,
        out: &mut Outputs,
    ) -> Result<(), DropReason> {
        let is_feedback = matches!(packet, Packet::TransportFeedback { .. } | Packet::CongestionFeedback { .. });
        if is_feedback && !self.delivery.feedback_allowance.take(now) {
            return Err(DropReason::FeedbackTooOften);
        }
        match packet {
            Packet::SenderReport(report, blocks) => {
                self.handle_sender_report(now, report, tracks);
                self.handle_report_blocks(now, blocks);
            }
            Packet::ReceiverReport { blocks, .. } => self.handle_report_blocks(now, blocks),
            Packet::Nack { media, lost, .. } => {
                self.delivery.repair(now, (media, lost), self.round_trip, tracks, out);
            }
            Packet::Bye { sources } => {
                for ssrc in sources {
                    self.handle_bye(ssrc, out);
                }
            }
            Packet::TransportFeedback { media, feedback, .. } => {
                let result = self.delivery.handle_feedback(now, media, &feedback);
                self.delivery.repair_missed(now, self.round_trip, tracks, out);
                return result;
            }
            Packet::CongestionFeedback { feedback, .. } => {
                let result = self.delivery.handle_congestion_feedback(now, &feedback);
                self.delivery.repair_missed(now, self.round_trip, tracks, out);
                return result;
            }
            Packet::Remb { bitrate_bps, .. } => self.delivery.handle_remb(now, bitrate_bps),
            Packet::Pli { .. } | Packet::Fir { .. } => {}
        }
        Ok(())
    }

    fn handle_sender_report(&mut self, now: Instant, report: SenderReport, tracks: &mut Tracks) {
        let Some(place) = self.ingest.place_of(report.ssrc) else { return };
        let (Some(wall), ingest) = (tracks.wall(), &mut self.ingest) else { return };
        let Some(source) = ingest.source(place.source) else { return };
        let clock_rate = source.spec.codecs.first().map_or(90_000, |codec| codec.clock_rate);
        let ticks = ingest.ticks(now, clock_rate);
        let Some(source) = ingest.sources.get_mut(place.source.place()) else { return };
        let Some(stream) = source.stream_mut(place.stream) else { return };
        stream.report = Some((report, now));
        // Before its first packet there is nothing to be forwarded either.
        let Some(timestamp) = stream.reception.timestamp_at(ticks) else { return };
        let arrival = MediaClock::of_arrival(wall, timestamp, now);
        let verdict = ingest.clock.judge(&mut stream.clock, wall, &report, (arrival, clock_rate));
        let Some(layer) = source.forwarded(report.ssrc).map(|encoding| encoding.layer) else { return };
        match verdict {
            Verdict::Believed(clock) | Verdict::Arrival(clock) => tracks.set_clock(layer, clock),
            Verdict::Doubted => {}
        }
    }

    fn handle_report_blocks(&mut self, now: Instant, blocks: impl Iterator<Item = ReportBlock>) {
        for block in blocks {
            let Some((line, sender)) = self.delivery.sender_of(block.ssrc) else { continue };
            if let Some(measured) = sender.handle_report(&block, now) {
                note_round_trip(&mut self.round_trip, measured);
            }
            self.delivery.handle_loss(now, line, &block, self.round_trip);
        }
    }

    /// The client stops an SSRC: silence is told at once.
    fn handle_bye(&mut self, ssrc: Ssrc, out: &mut Outputs) {
        let Some(place) = self.ingest.place_of(ssrc) else { return };
        let Some(source) = self.ingest.source_mut(place.source) else { return };
        // With simulcast the other encodings go on.
        let is_all = source.encodings.len() == 1 && source.forwarded(ssrc).is_some();
        if is_all && std::mem::replace(&mut source.active, false) {
            let (session, track) = (self.id, source.spec.track);
            out.push_event(Event::TrackActive { session, track, active: false });
        }
    }
}

/// FIR entries of one packet that are looked at.
const REQUESTS_PER_PACKET_MAX: usize = 32;
