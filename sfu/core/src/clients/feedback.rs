//! Owns RTCP in both directions: what clients report and ask for, and what they are told. Never touches media.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::clients::alive::SLOT;
use crate::clients::keyframe_allowance::KeyframeAnswer;
use crate::clients::nack::Lost;
use crate::clients::session::Alive;
use crate::clients::source::{KEYFRAME_REQUEST_INTERVAL, Role, SILENT_AFTER, ticks_since};
use crate::clients::twcc::ArrivalLog;
use crate::crypto::srtp::OpenError;
use crate::keys::{SenderKey, SessionKey, TrackKey};
use crate::net::Now;
use crate::sfu::Sfu;
use crate::sfu::containment::AtWork;
use crate::spec::{Event, TRACKS_PER_SESSION_MAX};
use crate::stats::DropReason;
use crate::tracks::history::History;
use crate::tracks::playout::{MediaClock, Verdict};
use crate::wire::rtcp::{Compound, Packet, ReportBlock, SenderReport};
use crate::wire::rtp::Ssrc;

// ── In ──────────────────────────────────────────────────────────────────────────────────────────────────

impl Sfu {
    pub(crate) fn handle_rtcp(&mut self, now: Instant, key: SessionKey, packet: &mut [u8]) -> Result<(), DropReason> {
        let session = self.sessions.get_mut(key).ok_or(DropReason::RouteUnknown)?;
        let opener = session.opener.as_mut().ok_or(DropReason::SessionNotReady)?;
        let len = opener.open_rtcp(packet).map_err(|error| match error {
            OpenError::Replayed => DropReason::RtcpReplayed,
            OpenError::Short | OpenError::Unencrypted => DropReason::RtcpMalformed,
            OpenError::Forged => DropReason::RtcpAuthentication,
        })?;
        session.transport.note_activity(now);
        let compound = Compound::new(packet.get(..len).unwrap_or(&[]));
        let mut result = Ok(());
        for packet in compound {
            match packet {
                Ok(packet) => self.handle_rtcp_packet(now, key, packet),
                Err(_) => result = Err(DropReason::RtcpMalformed),
            }
        }
        self.rearm(key);
        result
    }

    fn handle_rtcp_packet(&mut self, now: Instant, key: SessionKey, packet: Packet<'_>) {
        match packet {
            Packet::SenderReport(report, blocks) => {
                self.handle_sender_report(now, key, report);
                self.handle_report_blocks(now, key, blocks);
            }
            Packet::ReceiverReport { blocks, .. } => self.handle_report_blocks(now, key, blocks),
            Packet::Nack { media, lost, .. } => self.repair(now, key, media, lost),
            Packet::Pli { media, .. } => self.handle_keyframe_request(now, key, media),
            Packet::Fir { requests, .. } => {
                for (media, _) in requests.take(REQUESTS_PER_PACKET_MAX) {
                    self.handle_keyframe_request(now, key, media);
                }
            }
            Packet::Bye { sources } => {
                for ssrc in sources {
                    self.handle_bye(key, ssrc);
                }
            }
            // We send what the publisher sends; there is nothing to adapt yet.
            Packet::Remb { .. } => {}
        }
    }

    fn handle_sender_report(&mut self, now: Instant, key: SessionKey, report: SenderReport) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(place) = session.place_of(report.ssrc) else { return };
        let (Some(wall), opened) = (self.wall.as_ref(), session.opened) else { return };
        let source = &mut session.sources[place.source];
        let clock_rate = source.spec.codecs.first().map_or(90_000, |codec| codec.clock_rate);
        let stream = &mut source.streams[place.stream];
        stream.report = Some((report, now));
        // Before its first packet there is nothing to be forwarded either.
        let Some(timestamp) = stream.reception.timestamp_at(ticks_since(opened, now, clock_rate)) else { return };
        let arrival = MediaClock::of_arrival(wall, timestamp, now);
        let verdict = session.clock.judge(&mut stream.clock, wall, &report, (arrival, clock_rate));
        let is_forwarded = source.selected().is_some_and(|stream| stream.ssrc == report.ssrc);
        let track = source.track;
        match verdict {
            Verdict::Believed(clock) | Verdict::Arrival(clock) if is_forwarded => self.set_clock(track, clock, now),
            Verdict::Believed(_) | Verdict::Arrival(_) | Verdict::Doubted => {}
        }
    }

    /// What the timestamps of a track mean is known better than before.
    pub(crate) fn set_clock(&mut self, track: TrackKey, clock: MediaClock, now: Instant) {
        let Some(track) = self.tracks.get_mut(track) else { return };
        if track.clock.replace(clock).is_none_or(|before| clock.reported && !before.reported) {
            // Viewers have made do with times of arrival until now.
            for subscriber in track.subscribers.iter() {
                let Some(viewer) = self.sessions.get_mut(subscriber.session()) else { continue };
                if let Some(Some(sender)) = viewer.senders.get_mut(subscriber.line())
                    && sender.rewriter.is_started()
                {
                    sender.report_at = Some(now);
                    self.timers.lower(subscriber.session(), now);
                }
            }
        }
    }

    fn handle_report_blocks(&mut self, now: Instant, key: SessionKey, blocks: impl Iterator<Item = ReportBlock>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        for block in blocks {
            let Some((_, sender)) = session.sender_of(block.ssrc) else { continue };
            if let Some(measured) = sender.handle_report(&block, now) {
                session.note_round_trip(measured);
            }
        }
    }

    /// A key frame costs all viewers. One that asks too often gets the cached one, which costs nobody else.
    fn handle_keyframe_request(&mut self, now: Instant, key: SessionKey, media: Ssrc) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some((at, sender)) = session.sender_of(media) else { return };
        sender.keyframe_requests += 1;
        let Some(track) = sender.track else { return };
        let history = self.tracks.get(track).and_then(|track| track.history.as_ref());
        let gop = history.and_then(History::cached_gop).filter(|gop| sender.decodes(gop.payload_type));
        match sender.keyframe_allowance.decide(now, gop.is_some()) {
            KeyframeAnswer::Ask => self.want_keyframe(track),
            KeyframeAnswer::Cached => {
                self.join(SenderKey::of(key, at), track);
            }
            KeyframeAnswer::Nothing => {}
        }
    }

    /// The client stops an SSRC: silence is told at once.
    fn handle_bye(&mut self, key: SessionKey, ssrc: Ssrc) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(place) = session.place_of(ssrc) else { return };
        let id = session.id;
        let source = &mut session.sources[place.source];
        let is_forwarded = source.selected().is_some_and(|stream| stream.ssrc == ssrc);
        if is_forwarded && std::mem::replace(&mut source.active, false) {
            let track = source.spec.track;
            self.push_event(Event::TrackActive { session: id, track, active: false });
        }
    }
}

// ── Out ─────────────────────────────────────────────────────────────────────────────────────────────────

impl Sfu {
    /// Everything of a session whose time has come.
    pub(crate) fn handle_reports_due(&mut self, now: Now, key: SessionKey) {
        let now = now.mono;
        self.note_silence(now, key);
        self.send_transport_feedback(now, key);
        self.send_nacks(now, key);
        self.retry_keyframes(now, key);
        self.send_receiver_reports(now, key);
        self.send_sender_reports(now, key);
        self.settle_awaited(now, key);
    }

    fn note_silence(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let id = session.id;
        let mut silent: ArrayVec<_, { TRACKS_PER_SESSION_MAX }> = ArrayVec::new();
        for source in &mut session.sources {
            if source.active && source.heard.is_none_or(|heard| now >= heard + SILENT_AFTER) {
                source.active = false;
                silent.push(source.spec.track);
            }
        }
        for track in silent {
            self.push_event(Event::TrackActive { session: id, track, active: false });
        }
    }

    /// Transport-wide feedback; without it Chromium stays at its smallest picture.
    fn send_transport_feedback(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let media = session.sources.iter().find_map(|source| Some(source.selected()?.ssrc));
        let (own, media) = (session.feedback_ssrc, media.unwrap_or(session.feedback_ssrc));
        for _ in 0..FEEDBACKS_PER_TURN_MAX {
            if session.arrivals.poll_timeout().is_none_or(|at| at > now) {
                return;
            }
            let (arrivals, mut is_written) = (&mut session.arrivals, false);
            session.outlet.send_rtcp(now, &mut self.egress, |writer| {
                writer.receiver_report(own, &[])?;
                is_written = arrivals.poll_feedback(now, own, media, writer);
                is_written.then_some(())
            });
            if !is_written {
                // Nobody can be told just now (the path is gone): a deadline that stays would never let us rest.
                session.arrivals = ArrivalLog::new(now);
            }
        }
    }

    fn send_nacks(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (own, round_trip) = (session.feedback_ssrc, session.round_trip);
        for at in 0..session.sources.len() {
            for stream in 0..session.sources[at].streams.len() {
                let (source, mut lost) = (&mut session.sources[at], Lost::new());
                let nack = &mut source.streams[stream].nack;
                if let Some(round_trip) = round_trip {
                    // A quarter more, or every second repeat would be overtaken by the next request.
                    nack.set_round_trip(round_trip + round_trip / 4);
                }
                nack.poll_lost(now, &mut lost);
                if lost.is_empty() {
                    continue;
                }
                source.nacked += lost.len() as u64;
                let media = source.streams[stream].ssrc;
                session.outlet.send_rtcp(now, &mut self.egress, |writer| {
                    writer.receiver_report(own, &[])?;
                    writer.nack(own, media, &lost)
                });
            }
        }
    }

    /// Asks the publishers of all tracks of which somebody needs a key frame.
    pub(crate) fn ask_for_keyframes(&mut self, now: Instant) {
        while let Some(key) = self.keyframe_wanted.pop() {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            track.keyframe_wanted = false;
            let Some(publisher) = track.publisher else {
                self.ask_parent_for_keyframe(now, key);
                continue;
            };
            let (session, line) = (publisher.session(), publisher.line());
            let Some(source) = self.sessions.get_mut(session).and_then(|session| session.sources.get_mut(line)) else {
                continue;
            };
            source.keyframes.want();
            self.send_keyframe_request(now, session, line);
            let source = self.sessions.get(session).and_then(|session| session.sources.get(line));
            if let Some(at) = source.and_then(|source| source.keyframes.poll_timeout()) {
                self.timers.lower(session, at);
            }
        }
    }

    /// A key frame that did not come is asked for again while there are viewers.
    fn retry_keyframes(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        for at in 0..session.sources.len() {
            let Some(source) = self.sessions.get_mut(key).and_then(|session| session.sources.get_mut(at)) else {
                return;
            };
            if self.tracks.get(source.track).is_none_or(|track| !track.is_wanted()) {
                source.keyframes.satisfy();
            }
            self.send_keyframe_request(now, key, at);
        }
    }

    fn send_keyframe_request(&mut self, now: Instant, key: SessionKey, source: usize) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (own, is_ready) = (session.feedback_ssrc, session.outlet.is_open());
        let Some(source) = session.sources.get_mut(source) else { return };
        let feedback = source.feedback();
        if !feedback.pli && !feedback.fir {
            // There is no way to ask; the next key frame comes when it comes.
            source.keyframes.satisfy();
            return;
        }
        // Before the first packet there is no SSRC to name, and the first frame is a key frame anyway.
        let Some(media) = source.selected().map(|stream| stream.ssrc).filter(|_| is_ready) else {
            source.keyframes.satisfy();
            return;
        };
        if !source.keyframes.take_due(now) {
            return;
        }
        let command = source.keyframes.command;
        session.outlet.send_rtcp(now, &mut self.egress, |writer| {
            writer.receiver_report(own, &[])?;
            if feedback.pli { writer.pli(own, media) } else { writer.fir(own, &[(media, command)]) }
        });
    }

    /// What arrived of a publisher's streams, each second (RFC 3550 section 6.4.2) while anything does, and REMB for clients that
    /// know nothing better.
    fn send_receiver_reports(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.report_at.is_none_or(|at| at > now) {
            return;
        }
        session.report_at = (!session.sources.is_empty()).then_some(now + REPORT_INTERVAL);
        let mut blocks: ArrayVec<ReportBlock, BLOCKS_MAX> = ArrayVec::new();
        let mut wants_remb: ArrayVec<Ssrc, BLOCKS_MAX> = ArrayVec::new();
        for source in &mut session.sources {
            source.traffic.measure(now);
            let feedback = source.feedback();
            for stream in &mut source.streams {
                let is_recent = now.saturating_duration_since(stream.heard) < REPORT_STREAM_FOR;
                if !is_recent || blocks.is_full() {
                    continue;
                }
                blocks.push(stream.reception.report(stream.ssrc, stream.report.as_ref(), now));
                if feedback.remb && !feedback.transport_cc && stream.role == Role::Media {
                    wants_remb.push(stream.ssrc);
                }
            }
        }
        if blocks.is_empty() {
            return;
        }
        let (own, id) = (session.feedback_ssrc, session.id);
        session.outlet.send_rtcp(now, &mut self.egress, |writer| {
            writer.receiver_report(own, &blocks)?;
            let mut name = arrayvec::ArrayString::<16>::new();
            let _ = std::fmt::Write::write_fmt(&mut name, format_args!("{:016x}", id.1 as u64));
            writer.cname(own, &name)?;
            if wants_remb.is_empty() { Some(()) } else { writer.remb(own, REMB_BPS, &wants_remb) }
        });
    }

    /// An empty receiver report to each client that asked for signs of life and was sent nothing else, so that it can
    /// tell a worker or a path that died from a publisher that fell silent. Consent checks (RFC 7675) come too seldom
    /// for that.
    pub(crate) fn send_signs_of_life(&mut self, now: Instant) {
        while let Some((key, slot)) = self.alive.pop_due(now) {
            self.containment.note(AtWork::Session(key));
            let Some(session) = self.sessions.get_mut(key) else { continue };
            let Some(Alive { interval, .. }) = session.alive.filter(|alive| alive.slot == Some(slot)) else { continue };
            let mut due = session.outlet.sent.map_or(now, |sent| sent + interval);
            if due < now + SLOT {
                let own = session.feedback_ssrc;
                session.outlet.send_rtcp(now, &mut self.egress, |writer| writer.receiver_report(own, &[]));
                due = now + interval;
            }
            let slot = Some(self.alive.insert(now, key, due));
            session.alive = Some(Alive { interval, slot });
        }
    }

    /// Sender reports to a viewer, in our time.
    fn send_sender_reports(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        for at in 0..session.senders.len() {
            let Some(sender) = session.senders[at].as_mut() else { continue };
            if sender.report_at.is_none_or(|due| due > now) {
                continue;
            }
            sender.report_at = Some(now + sender.report_interval());
            sender.traffic.measure(now);
            let clock = sender.track.and_then(|track| self.tracks.get(track)?.clock);
            let Some(clock) = clock.filter(|_| sender.rewriter.is_started()) else { continue };
            let report = sender.report(&clock, now);
            let cname = &sender.spec.cname;
            session.outlet.send_rtcp(now, &mut self.egress, |writer| {
                writer.sender_report(&report, &[])?;
                writer.cname(report.ssrc, cname)
            });
        }
    }
}

/// Between two receiver reports to a publisher.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A stream is reported on for this long after its last packet.
const REPORT_STREAM_FOR: Duration = Duration::from_secs(5);
/// Told to clients that know REMB but not transport-wide feedback: there is no estimate of their path, so it
/// is what a good 1080p picture takes, and loss reports do the rest.
const REMB_BPS: u64 = 5_000_000;
/// Report blocks of one packet (RFC 3550 section 6.4.1: five bits of count).
const BLOCKS_MAX: usize = 31;
/// FIR entries of one packet that are looked at.
const REQUESTS_PER_PACKET_MAX: usize = 32;
/// Transport-wide feedback packets sent to one session at once.
const FEEDBACKS_PER_TURN_MAX: usize = 4;

const _: () = assert!(KEYFRAME_REQUEST_INTERVAL.as_millis() >= 100, "a publisher is not flooded with requests");
