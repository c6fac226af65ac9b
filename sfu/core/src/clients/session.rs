//! Owns one client: its transport, SRTP, m-lines, and which SSRC belongs to which. Never sees another session.

use std::time::{Duration, Instant};

use crate::clients::alive::SlotNumber;
use crate::clients::sender::Sender;
use crate::clients::source::{Meaning, Role, Source, Stream, accepts};
use crate::clients::twcc::ArrivalLog;
use crate::crypto::srtp::{Opener, RetiredStreams, Sealer};
use crate::egress::Egress;
use crate::net::Route;
use crate::spec::{Epoch, SessionId, SessionState};
use crate::stats::DropReason;
use crate::tracks::playout::PublisherClock;
use crate::transport::{Transport, TransportState};
use crate::wire::rtcp::Writer;
use crate::wire::rtp::{ExtensionKind, ExtensionMap, ExtensionValues, Header, Ssrc};

pub(crate) struct Session {
    pub id: SessionId,
    pub epoch: Epoch,
    pub opened: Instant,
    pub transport: Transport,
    pub outlet: Outlet,
    /// Those of ours that answer.
    pub ufrags: Vec<String>,
    /// Every route by which the worker finds this session.
    pub routes: Vec<Route>,
    pub opener: Option<Opener>,
    pub extensions: ExtensionMap,
    pub sources: Vec<Source>,
    /// Places are stable: an m-line that went leaves `None`.
    pub senders: Vec<Option<Sender>>,
    /// SSRC to source and stream.
    ssrcs: Vec<(Ssrc, StreamPlace)>,
    /// SSRCs that have no place now.
    retired: RetiredStreams,
    /// Whether transport-wide feedback was accepted.
    pub tells_arrivals: bool,
    pub arrivals: ArrivalLog,
    /// Of what it publishes.
    pub clock: PublisherClock,
    pub round_trip: Option<Duration>,
    /// Of our RTCP towards this client.
    pub feedback_ssrc: Ssrc,
    /// When receiver reports are due next.
    pub report_at: Option<Instant>,
    /// How often the client wants to hear of us; `None` for one that did not ask.
    pub alive: Option<Alive>,
    /// Where the numbers of SSRCs that are no longer sent ended: they must never be used again.
    pub spent: Vec<(u32, u64)>,
}

/// The signs of life that a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alive {
    pub interval: Duration,
    /// The valid entry among those of this session's key; none before the keys.
    pub slot: Option<SlotNumber>,
}

/// The way out to a client; it is open once both are there.
pub(crate) struct Outlet {
    /// The transport's choice, kept at hand.
    pub route: Option<Route>,
    pub sealer: Option<Sealer>,
    /// When media or RTCP left last: what a browser's statistics show to have arrived. Answers to checks are not
    /// in them.
    pub sent: Option<Instant>,
}

impl Outlet {
    pub fn is_open(&self) -> bool {
        self.route.is_some() && self.is_keyed()
    }

    /// The DTLS handshake is complete.
    pub fn is_keyed(&self) -> bool {
        self.sealer.is_some()
    }

    /// Writes a compound packet, seals it and leaves it to be sent at once. `write` returns `None` for nothing.
    pub fn send_rtcp(&mut self, now: Instant, egress: &mut Egress, write: impl FnOnce(&mut Writer<'_>) -> Option<()>) {
        let (Some(route), Some(sealer)) = (self.route, self.sealer.as_mut()) else { return };
        let mut plain = [0; RTCP_BYTES_MAX];
        let mut writer = Writer::new(&mut plain);
        if write(&mut writer).is_none() || writer.is_empty() {
            return;
        }
        let len = writer.len();
        let sealed_max = len + sealer.rtcp_overhead();
        if egress.control().push(route, sealed_max, |out| sealer.seal_rtcp(&plain[..len], out)) {
            self.sent = Some(now);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamPlace {
    pub source: usize,
    pub stream: usize,
}

impl Session {
    pub fn new(now: Instant, id: SessionId, epoch: Epoch, transport: Transport, feedback_ssrc: Ssrc) -> Session {
        Session {
            id,
            epoch,
            opened: now,
            transport,
            outlet: Outlet { route: None, sealer: None, sent: None },
            ufrags: Vec::new(),
            routes: Vec::new(),
            opener: None,
            extensions: ExtensionMap::empty(),
            sources: Vec::new(),
            senders: Vec::new(),
            ssrcs: Vec::new(),
            retired: RetiredStreams::default(),
            tells_arrivals: false,
            arrivals: ArrivalLog::new(now),
            clock: PublisherClock::default(),
            round_trip: None,
            feedback_ssrc,
            report_at: None,
            alive: None,
            spent: Vec::new(),
        }
    }

    pub fn state(&self) -> SessionState {
        match self.transport.state() {
            TransportState::New => SessionState::New,
            TransportState::Connecting => SessionState::Connecting,
            TransportState::Connected => SessionState::Connected,
            TransportState::Disconnected | TransportState::Closed(_) => SessionState::Disconnected,
        }
    }

    #[inline]
    pub fn place_of(&self, ssrc: Ssrc) -> Option<StreamPlace> {
        self.ssrcs.iter().find(|(known, _)| *known == ssrc).map(|(_, place)| *place)
    }

    /// The SRTP index of a packet, unless it was received before. An SSRC that is new to the session starts with a
    /// roll-over counter of zero.
    #[inline]
    pub fn index_of(&self, place: Option<StreamPlace>, header: &Header) -> Result<u64, DropReason> {
        let retired;
        let window = match place.and_then(|place| self.sources.get(place.source)?.streams.get(place.stream)) {
            Some(stream) => &stream.window,
            None => {
                retired = self.retired.window(header.ssrc);
                &retired
            }
        };
        let index = window.guess(header.seq.0);
        if window.check(index) { Ok(index) } else { Err(DropReason::RtpReplayed) }
    }

    /// Finds the m-line of an SSRC that an authentic packet of this index just introduced: by the SSRCs of the SDP, by
    /// mid and rid, or, for clients without extensions, by a payload type that only one m-line accepts.
    pub fn learn(
        &mut self,
        header: &Header,
        index: u64,
        values: &ExtensionValues<'_>,
        now: Instant,
    ) -> Result<StreamPlace, DropReason> {
        let place = self.find_place(header, values, now);
        if place.is_err() {
            // Of no m-line now, but its SSRC goes on.
            self.retired.note(header.ssrc, index);
        }
        place
    }

    fn find_place(
        &mut self,
        header: &Header,
        values: &ExtensionValues<'_>,
        now: Instant,
    ) -> Result<StreamPlace, DropReason> {
        let ssrc = header.ssrc;
        let known = self.sources.iter().enumerate().find_map(|(at, source)| {
            let pair = source.spec.ssrcs.iter().find(|pair| pair.ssrc == ssrc.0 || pair.rtx == Some(ssrc.0))?;
            Some((at, if pair.ssrc == ssrc.0 { Role::Media } else { Role::Repair(Some(Ssrc(pair.ssrc))) }))
        });
        let (source, role) = match known.or_else(|| self.learn_by_mid(header, values)) {
            Some(found) => found,
            None => self.learn_by_payload_type(header)?,
        };
        let layer = self.layer(source, values);
        let stream = self.sources[source].add(ssrc, role, layer, now, &mut self.retired);
        let place = StreamPlace { source, stream };
        // Whatever had this place before is forgotten.
        self.ssrcs.retain(|(_, other)| *other != place);
        self.ssrcs.push((ssrc, place));
        Ok(place)
    }

    fn learn_by_mid(&self, header: &Header, values: &ExtensionValues<'_>) -> Option<(usize, Role)> {
        let mid = values.value(ExtensionKind::Mid)?;
        let at = self.sources.iter().position(|source| source.spec.mid.as_bytes() == mid)?;
        let source = &self.sources[at];
        let repaired = values.value(ExtensionKind::RepairedRid).and_then(|rid| {
            let layer = source.spec.rids.iter().position(|known| known.as_bytes() == rid)?;
            let media = |stream: &&Stream| stream.role == Role::Media && usize::from(stream.layer) == layer;
            source.streams.iter().rev().find(media).map(|stream| stream.ssrc)
        });
        match source.meaning(header.payload_type)? {
            Meaning::Media => Some((at, Role::Media)),
            Meaning::Repair(_) => Some((at, Role::Repair(repaired))),
        }
    }

    fn learn_by_payload_type(&self, header: &Header) -> Result<(usize, Role), DropReason> {
        let mut matching = self.sources.iter().enumerate().filter(|(_, s)| accepts(&s.spec, header.payload_type));
        let (Some((at, source)), None) = (matching.next(), matching.next()) else {
            return Err(DropReason::RtpUnknownSource);
        };
        match source.meaning(header.payload_type) {
            Some(Meaning::Repair(_)) => Ok((at, Role::Repair(None))),
            _ => Ok((at, Role::Media)),
        }
    }

    fn layer(&self, source: usize, values: &ExtensionValues<'_>) -> u8 {
        let rid = values.value(ExtensionKind::Rid).or(values.value(ExtensionKind::RepairedRid));
        let rids = &self.sources[source].spec.rids;
        rid.and_then(|rid| rids.iter().position(|known| known.as_bytes() == rid)).unwrap_or(0) as u8
    }

    /// The m-line is gone; its SSRCs may come back on another.
    pub fn retire_source(&mut self, source: &Source) {
        for stream in &source.streams {
            self.retired.retire(stream.ssrc, &stream.window);
        }
    }

    /// Sources came, went or moved: SSRCs that were said to be another m-line's from now on leave the one they were on.
    pub fn reindex_sources(&mut self) {
        let names = |source: &Source, ssrc: Ssrc| {
            source.spec.ssrcs.iter().any(|pair| pair.ssrc == ssrc.0 || pair.rtx == Some(ssrc.0))
        };
        for at in 0..self.sources.len() {
            let streams = self.sources[at].streams.iter().map(|stream| stream.ssrc);
            let is_elsewhere = |ssrc: &Ssrc| {
                let named_by = |source: &Source| names(source, *ssrc);
                !named_by(&self.sources[at]) && self.sources.iter().any(named_by)
            };
            let moved: Vec<Ssrc> = streams.filter(is_elsewhere).collect();
            for ssrc in moved {
                self.sources[at].remove(ssrc, &mut self.retired);
            }
        }
        self.ssrcs.clear();
        for (at, source) in self.sources.iter().enumerate() {
            for (stream, known) in source.streams.iter().enumerate() {
                self.ssrcs.push((known.ssrc, StreamPlace { source: at, stream }));
            }
        }
    }

    pub fn sender_of(&mut self, ssrc: Ssrc) -> Option<(usize, &mut Sender)> {
        let of = |sender: &&mut Sender| sender.spec.ssrc == ssrc.0;
        self.senders.iter_mut().enumerate().find_map(|(at, sender)| Some((at, sender.as_mut().filter(of)?)))
    }

    /// A round trip to the client was measured: by its answer to a sender report, or to a NACK of ours.
    pub fn note_round_trip(&mut self, measured: Duration) {
        // Smoothed like TCP's (RFC 6298 section 2.3).
        let measured = measured.min(ROUND_TRIP_MAX);
        self.round_trip = Some(self.round_trip.map_or(measured, |before| (before * 7 + measured) / 8));
    }

    /// When the session next wants to be woken.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sources = self.sources.iter().filter_map(Source::poll_timeout).min();
        let senders = self.senders.iter().flatten().filter_map(Sender::poll_timeout).min();
        let own = [self.transport.poll_timeout(), self.arrivals.poll_timeout(), self.report_at];
        own.into_iter().chain([sources, senders]).flatten().min()
    }
}

/// Longer measurements are the trouble of one packet, or made up.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(2);
/// Longest RTCP packet before it is sealed, in bytes.
pub(crate) const RTCP_BYTES_MAX: usize = 1_200;
