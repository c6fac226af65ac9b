//! The way of a media packet, from top to bottom: opened and understood once, kept once in the history of its
//! track, and sealed from there for each viewer straight into the arena. No allocation, no lock, no clock.

use std::time::Instant;

use arrayvec::ArrayVec;

use crate::clients::nack::Arrival;
use crate::clients::sender::Step;
use crate::clients::session::{Session, StreamPlace};
use crate::clients::source::{Meaning, Role, SILENT_AFTER, Selection, ticks_since};
use crate::clients::template::{Templates, patch, write_header};
use crate::codec::parameter_sets::put_sets_first;
use crate::codec::{Start, find_start};
use crate::egress::Arena;
use crate::keys::{SessionKey, TrackKey};
use crate::net::Now;
use crate::sfu::Sfu;
use crate::sfu::containment::AtWork;
use crate::spec::{Event, MediaKind};
use crate::stats::{Counters, DropReason};
use crate::timers::Timers;
use crate::tracks::history::{Arrived, EXTENSIONS_BYTES_MAX, History, PADDING_BYTES_MAX};
use crate::tracks::playout::MediaClock;
use crate::tracks::track::{Flush, Pass};
use crate::wire::rtp::{ExtensionKind, ExtensionValues, Header, Seq};

/// A packet of a media stream after RTX is taken off: what its header said and where its payload lies.
struct Opened<'a> {
    index: u64,
    payload_type: u8,
    marker: bool,
    timestamp: u32,
    values: ExtensionValues<'a>,
    payload: &'a [u8],
}

// ── In: from a publisher into the history of a track ────────────────────────────────────────────────────

impl Sfu {
    /// An SRTP packet from an address that is known to be the session's.
    pub(crate) fn handle_rtp(&mut self, now: Instant, key: SessionKey, packet: &mut [u8]) -> Result<(), DropReason> {
        let header = Header::parse(packet).map_err(|_| DropReason::RtpMalformed)?;
        let session = self.sessions.get_mut(key).ok_or(DropReason::RouteUnknown)?;
        let opener = session.opener.as_ref().ok_or(DropReason::SessionNotReady)?;
        let place = session.place_of(header.ssrc);
        let index = session.index_of(place, &header)?;
        let len = opener.open_rtp(index, header.header_len, packet).map_err(|_| DropReason::RtpAuthentication)?;
        let packet = packet.get(..header.header_len + len).ok_or(DropReason::RtpMalformed)?;
        session.transport.note_activity(now);

        let values = session.extensions.find(header.extensions(packet));
        let place = match place {
            Some(place) => place,
            None => session.learn(&header, index, &values, now)?,
        };
        if let Some(seq) = values.transport_seq().filter(|_| session.tells_arrivals) {
            session.arrivals.record(now, Seq(seq));
            lower(&mut self.timers, key, session.arrivals.poll_timeout());
        }
        let payload = header.payload(packet).ok_or(DropReason::RtpMalformed)?;
        let opened = Opened {
            index,
            payload_type: header.payload_type,
            marker: header.marker,
            timestamp: header.timestamp,
            values,
            payload: packet.get(payload.range()).unwrap_or(&[]),
        };
        self.handle_opened(now, key, place, opened)
    }

    /// Statistics of the SSRC the packet came on; RTX is turned into what it repeats.
    fn handle_opened(
        &mut self,
        now: Instant,
        key: SessionKey,
        place: StreamPlace,
        mut opened: Opened<'_>,
    ) -> Result<(), DropReason> {
        let Some(session) = self.sessions.get_mut(key) else { return Ok(()) };
        let source = &mut session.sources[place.source];
        let meaning = source.meaning(opened.payload_type).ok_or(DropReason::RtpPayloadUnmapped)?;
        let clock_rate = source.codec(opened.payload_type).map_or(90_000, |codec| codec.clock_rate);
        let stream = &mut source.streams[place.stream];
        stream.window.accept(opened.index);
        stream.heard = now;
        stream.reception.record(opened.index, opened.timestamp, ticks_since(session.opened, now, clock_rate));
        source.traffic.add(opened.payload.len());

        let mut media = place;
        if let Meaning::Repair(repeated) = meaning {
            // Padding on the RTX SSRC probes for bandwidth; transport-wide feedback has counted it already.
            let Some((original, payload)) = opened.payload.split_first_chunk::<2>() else { return Ok(()) };
            if payload.is_empty() {
                return Ok(());
            }
            media.stream = source.repaired_by(place.stream).ok_or(DropReason::RtpUnknownSource)?;
            let repaired = &mut source.streams[media.stream];
            let original = Seq(u16::from_be_bytes(*original));
            let index = repaired.window.guess(original.0);
            if !repaired.window.check(index) {
                return Err(DropReason::RtpReplayed);
            }
            repaired.window.accept(index);
            if let Some(asked) = repaired.nack.first_asked(original) {
                session.note_round_trip(now.saturating_duration_since(asked));
            }
            opened = Opened { index, payload_type: repeated, payload, ..opened };
        } else if source.streams[place.stream].role != Role::Media {
            return Err(DropReason::RtpPayloadUnmapped);
        }
        self.keep(now, key, media, opened)
    }

    /// Notes what is missing, and puts the packet into the history of its track.
    fn keep(
        &mut self,
        now: Instant,
        key: SessionKey,
        place: StreamPlace,
        opened: Opened<'_>,
    ) -> Result<(), DropReason> {
        let Some(session) = self.sessions.get_mut(key) else { return Ok(()) };
        let at_ms = now.saturating_duration_since(session.opened).as_millis() as u32;
        let source = &mut session.sources[place.source];
        let codec = *source.codec(opened.payload_type).ok_or(DropReason::RtpPayloadUnmapped)?;
        let is_video = codec.codec.is_video();
        let start = if opened.payload.is_empty() { Start::No } else { find_start(codec.codec, opened.payload) };
        let is_picture = start == Start::Picture && is_video;
        let stream = &mut source.streams[place.stream];
        let (mut lost_too_much, reported) = (false, stream.clock.believed);
        if codec.feedback.nack {
            let arrival = stream.nack.handle_packet(now, Seq(opened.index as u16), is_picture);
            lost_too_much = arrival == Arrival::KeyframeNeeded && is_video;
            lower(&mut self.timers, key, stream.nack.poll_timeout());
        }
        source.heard = Some(now);
        let selection = source.select(place.stream, opened.index, is_picture || !is_video, now);
        if is_picture && selection != Selection::Other {
            source.keyframes.satisfy();
        }
        let (id, track_id, track_key, kind) = (session.id, source.spec.track, source.track, source.spec.kind);
        if !std::mem::replace(&mut source.active, true) {
            lower(&mut self.timers, key, Some(now + SILENT_AFTER));
            self.push_event(Event::TrackActive { session: id, track: track_id, active: true });
        }
        let Some(source) = self.sessions.get_mut(key).and_then(|session| session.sources.get_mut(place.source)) else {
            return Ok(());
        };
        let (Some(track), Some(wall)) = (self.tracks.get_mut(track_key), &self.wall) else { return Ok(()) };
        match selection {
            Selection::Other => return Ok(()),
            Selection::Superseded => {
                track.generation = track.generation.wrapping_add(1);
                track.clock = reported;
            }
            Selection::Current => {}
        }
        track.clock.get_or_insert_with(|| MediaClock::of_arrival(wall, opened.timestamp, now));
        let mut arrived = Arrived {
            sequence: 0,
            timestamp: opened.timestamp,
            generation: track.generation,
            payload_type: opened.payload_type,
            marker: opened.marker,
            keyframe: start != Start::No,
            sets_only: start == Start::ParameterSets,
            ends_burst: opened.marker || !is_video,
            at_ms,
        };
        if let Some(format) = codec.codec.nal_format() {
            let history = (track.history_mut(kind), &mut self.cache);
            put_sets_first(source, history, format, (opened.index, opened.payload), arrived);
        }
        arrived.sequence = source.sequence(opened.index).ok_or(DropReason::RtpReplayed)?;
        let extensions = passed_on(&opened.values);
        let pushed = track.history_mut(kind).push(&mut self.cache, arrived, &extensions, opened.payload);
        pushed.ok_or(DropReason::RtpTooLong)?;
        if track.note_waiting(now, self.turn) {
            self.waiting.push(track_key);
        }
        if lost_too_much {
            self.want_keyframe(track_key);
        }
        Ok(())
    }
}

/// The extensions that viewers get, one after the other: kind, length, value. What belongs to one hop or to
/// the naming of streams stays here.
fn passed_on(values: &ExtensionValues<'_>) -> ArrayVec<u8, EXTENSIONS_BYTES_MAX> {
    let mut kept = ArrayVec::new();
    for (kind, value) in values.iter() {
        let passes = !matches!(
            kind,
            ExtensionKind::Mid
                | ExtensionKind::Rid
                | ExtensionKind::RepairedRid
                | ExtensionKind::TransportCc
                | ExtensionKind::AbsSendTime
        );
        if passes && kept.remaining_capacity() >= value.len() + 2 {
            kept.push(kind as u8);
            kept.push(value.len() as u8);
            kept.extend(value.iter().copied());
        }
    }
    kept
}

fn lower(timers: &mut Timers<SessionKey>, key: SessionKey, at: Option<Instant>) {
    if let Some(at) = at {
        timers.lower(key, at);
    }
}

// ── Out: from the history to each viewer ────────────────────────────────────────────────────────────────

impl Sfu {
    /// The end of a batch: what should leave now is sealed. True when the arena is full and more is to come:
    /// send, clear, and call again.
    pub fn flush(&mut self, now: Now) -> bool {
        self.contained_flush(now.mono, |sfu| sfu.flush_due(now.mono)).unwrap_or(true)
    }

    fn flush_due(&mut self, now: Instant) -> bool {
        self.settle_demand(now);
        // Other workers first: whoever watches there has the longer way.
        if !self.serve_children(now) {
            return true;
        }
        let mut at = 0;
        let mut is_complete = true;
        while let Some(key) = self.waiting.get(at).copied() {
            self.containment.note(AtWork::Track(key));
            match self.tracks.get(key).map_or(Flush::Nothing, |track| track.decide_flush(now)) {
                Flush::Later => at += 1,
                Flush::Now if !self.fan_out(key, now) => {
                    is_complete = false;
                    break;
                }
                Flush::Now | Flush::Nothing => {
                    self.waiting.swap_remove(at);
                }
            }
        }
        // Last, and not before what is live has left.
        is_complete = is_complete && self.serve_joiners(now);
        self.ask_for_keyframes(now);
        self.counters.drop_many(DropReason::ControlFull, self.egress.take_refused());
        !is_complete
    }

    /// Seals all that waits on a track for all its viewers. False when the arena filled up before.
    fn fan_out(&mut self, key: TrackKey, now: Instant) -> bool {
        if self.tracks.get(key).is_some_and(|track| !track.awaiting.is_empty()) {
            self.switch_awaiting(now, key);
        }
        let Some(track) = self.tracks.get_mut(key) else { return true };
        if track.subscribers.is_empty() {
            track.skip_passes();
            return true;
        }
        let mut somebody_waits = false;
        while let Some(pass) = track.begin_pass(PASS_PACKETS_MAX as u64) {
            if let Some(history) = track.history.as_mut().filter(|_| pass.done == 0) {
                equalise(history, pass);
            }
            let Some(history) = track.history.as_ref() else { break };
            self.templates.load(history, pass);
            let newest = self.templates.packets.last().map(|template| template.entry.packet);
            somebody_waits = false;
            let mut starts = self.templates.packets.iter().map(|template| template.entry.packet);
            let late_start = starts.rfind(|packet| track.starts_late(packet, now));
            while let Some(subscriber) = track.subscribers.at(track.pass.done) {
                if !self.egress.media().has_room(self.templates.bytes_max) {
                    if somebody_waits {
                        // Who is served already is not looked at again.
                        self.want_keyframe(key);
                    }
                    return false;
                }
                track.pass.done += 1;
                self.containment.note(AtWork::Copy { track: key, viewer: subscriber.session() });
                let Some(session) = self.sessions.get_mut(subscriber.session()) else { continue };
                if late_start.is_some_and(|start| awaits_keyframe(session, subscriber.line(), &start)) {
                    self.joiners.admit(session, subscriber);
                }
                let viewer = (session.as_mut(), subscriber.line());
                let started = serve(viewer, history, &mut self.templates, now, self.egress.media(), &mut self.counters);
                if started {
                    self.timers.lower(subscriber.session(), now);
                }
                somebody_waits |= newest.is_some_and(|newest| awaits_keyframe(session, subscriber.line(), &newest));
            }
            track.end_pass();
        }
        if somebody_waits {
            self.want_keyframe(key);
        }
        true
    }
}

/// One viewer's copies of the packets of a pass, one behind the other in the arena. True when a source
/// started with one of them: then a sender report is due.
pub(crate) fn serve(
    (session, sender): (&mut Session, usize),
    history: &History,
    templates: &mut Templates,
    now: Instant,
    arena: &mut Arena,
    counters: &mut Counters,
) -> bool {
    let (Some(route), Some(sealer)) = (session.outlet.route, session.outlet.sealer.as_ref()) else { return false };
    let Some(Some(sender)) = session.senders.get_mut(sender) else { return false };
    if sender.catch_up.is_some() {
        return false;
    }
    let report_at = sender.report_at;
    templates.translate(history, &session.extensions);
    for template in &mut templates.packets {
        let entry = template.entry;
        let Step::Send(numbers, payload_type) = sender.step(&entry, now) else { continue };
        let payload = history.payload(&entry);
        let header = match session.extensions.id(ExtensionKind::Mid).filter(|_| sender.names_mid) {
            Some(id) => {
                let mid = Some((id, sender.spec.mid.as_bytes()));
                let len = write_header(&mut templates.named, history, &entry, &session.extensions, mid);
                &mut templates.named[..len]
            }
            None => template.header_mut(),
        };
        patch(header, sender.spec.ssrc, payload_type, entry.packet.marker, numbers);
        let len_max = header.len() + payload.len() + sealer.rtp_overhead();
        if arena.push(route, len_max, |out| sealer.seal_rtp(numbers.index, header, payload, out)) {
            sender.note_sent(payload.len());
            counters.packets_out += 1;
            counters.bytes_out += len_max as u64;
            session.outlet.sent = Some(now);
        }
    }
    sender.report_at != report_at
}

/// Whether a key frame would help this viewer. It would not while the publisher sends a codec that the viewer
/// cannot decode, but each would cost all others.
fn awaits_keyframe(session: &Session, sender: usize, newest: &Arrived) -> bool {
    let is_ready = session.outlet.is_open();
    let sender = session.senders.get(sender).and_then(Option::as_ref);
    is_ready && sender.is_some_and(|s| s.spec.kind == MediaKind::Video && s.is_waiting(newest))
}

/// Makes packets that differ by a few bytes equally long, so that they leave as one run: libwebrtc splits a
/// frame into sizes that differ by one.
fn equalise(history: &mut History, pass: Pass) {
    let size = |history: &History, number| {
        let entry = history.entry(number)?;
        (!entry.is_empty()).then(|| (entry.extensions_len(), entry.payload_len()))
    };
    let mut from = pass.from;
    while from < pass.to {
        let Some((extensions, len)) = size(history, from) else {
            from += 1;
            continue;
        };
        let (mut shortest, mut longest, mut to) = (len, len, from + 1);
        while let Some((other, len)) = size(history, to).filter(|_| to < pass.to) {
            let spread = longest.max(len) - shortest.min(len);
            if other != extensions || spread > PADDING_BYTES_MAX {
                break;
            }
            (shortest, longest, to) = (shortest.min(len), longest.max(len), to + 1);
        }
        for number in from..to {
            // The last of a run may be shorter.
            if let Some((_, len)) = size(history, number).filter(|_| number + 1 < to) {
                history.pad(number, (longest - len) as u8);
            }
        }
        from = to;
    }
}

/// Packets of a track that are sent in one go to each viewer.
pub(crate) const PASS_PACKETS_MAX: usize = 48;
