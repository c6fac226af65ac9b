//! Owns what comes from one client: SRTP, its m-lines, and which SSRC belongs to which. Never knows where the packets
//! go.

pub(crate) mod feedback;
pub mod nack;
mod received;
mod source;
pub mod twcc;

use std::time::Instant;

pub(crate) use received::Received;
pub(crate) use source::Source;

use crate::clients::ingest::received::MediaPacket;
use crate::clients::ingest::source::{Meaning, Stream, StreamRole, accepts, ticks_since};
use crate::clients::ingest::twcc::ArrivalLog;
use crate::crypto::srtp::{Opener, RetiredStreams};
use crate::keys::{Key, ReceiveLine, StreamKey};
use crate::spec::SsrcPair;
use crate::stats::DropReason;
use crate::timers::lower;
use crate::tracks::playout::PublisherClock;
use crate::wire::rtp::{ExtensionKind, ExtensionMap, ExtensionValues, Header, Seq, Ssrc};

pub(crate) struct Ingest {
    pub opener: Option<Opener>,
    pub extensions: ExtensionMap,
    pub sources: Vec<Source>,
    /// SSRC to source and stream.
    ssrcs: Vec<(Ssrc, StreamPlace)>,
    /// SSRCs that have no place now.
    retired: RetiredStreams,
    /// Whether transport-wide feedback was accepted.
    pub tells_arrivals: bool,
    pub arrivals: ArrivalLog,
    /// Of what it publishes.
    pub clock: PublisherClock,
    /// When receiver reports are due next.
    pub report_at: Option<Instant>,
    /// Where the ticks of arrivals begin.
    pub opened: Instant,
    /// A deadline that came up since the last look.
    wake_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamPlace {
    pub source: ReceiveLine,
    pub stream: StreamKey,
}

/// A packet that is authentic, and where it belongs if its SSRC is known.
pub(crate) struct Opened<'a> {
    header: Header,
    place: Option<StreamPlace>,
    index: u64,
    packet: &'a [u8],
}

impl Ingest {
    pub fn new(now: Instant) -> Ingest {
        Ingest {
            opener: None,
            extensions: ExtensionMap::empty(),
            sources: Vec::new(),
            ssrcs: Vec::new(),
            retired: RetiredStreams::default(),
            tells_arrivals: false,
            arrivals: ArrivalLog::new(now),
            clock: PublisherClock::default(),
            report_at: None,
            opened: now,
            wake_at: None,
        }
    }

    /// Opens an SRTP packet in place, unless it was received before.
    #[inline]
    pub fn open<'a>(&self, packet: &'a mut [u8]) -> Result<Opened<'a>, DropReason> {
        let header = Header::parse(packet).map_err(|_| DropReason::RtpMalformed)?;
        let opener = self.opener.as_ref().ok_or(DropReason::SessionNotReady)?;
        let place = self.place_of(header.ssrc);
        let index = self.index_of(place, &header)?;
        let len = opener.open_rtp(index, header.header_len, packet).map_err(|_| DropReason::RtpAuthentication)?;
        let packet: &[u8] = packet;
        let packet = packet.get(..header.header_len + len).ok_or(DropReason::RtpMalformed)?;
        Ok(Opened { header, place, index, packet })
    }

    /// Counts a packet by the SSRC it came on and turns RTX into what it repeats. `None` for what is no media.
    #[inline]
    pub fn receive<'a>(&'a mut self, now: Instant, opened: Opened<'a>) -> Result<Option<Received<'a>>, DropReason> {
        let Opened { header, place, index, packet } = opened;
        let values = self.extensions.find(header.extensions(packet));
        let place = match place {
            Some(place) => place,
            None => self.learn(&header, index, &values, now)?,
        };
        if let Some(seq) = values.transport_seq().filter(|_| self.tells_arrivals) {
            self.arrivals.record(now, Seq(seq));
            lower(&mut self.wake_at, self.arrivals.poll_timeout());
        }
        let payload = header.payload(packet).ok_or(DropReason::RtpMalformed)?;
        let media = MediaPacket {
            index,
            payload_type: header.payload_type,
            marker: header.marker,
            timestamp: header.timestamp,
            values,
            payload: packet.get(payload.range()).unwrap_or(&[]),
        };
        let source = self.sources.get_mut(place.source.place()).ok_or(DropReason::RtpUnknownSource)?;
        Received::new(now, source, place.stream, media, self.opened, &mut self.wake_at)
    }

    /// A deadline that packets brought up: the session is to be woken by then.
    #[inline]
    pub fn take_wake(&mut self) -> Option<Instant> {
        self.wake_at.take()
    }

    #[inline]
    pub fn place_of(&self, ssrc: Ssrc) -> Option<StreamPlace> {
        self.ssrcs.iter().find(|(known, _)| *known == ssrc).map(|(_, place)| *place)
    }

    #[inline]
    pub fn source(&self, line: ReceiveLine) -> Option<&Source> {
        self.sources.get(line.place())
    }

    pub fn source_mut(&mut self, line: ReceiveLine) -> Option<&mut Source> {
        self.sources.get_mut(line.place())
    }

    /// RTP clock ticks since the session was opened.
    pub fn ticks(&self, now: Instant, clock_rate: u32) -> u32 {
        ticks_since(self.opened, now, clock_rate)
    }

    /// The SRTP index of a packet, unless it was received before. An SSRC that is new to the session starts with a
    /// roll-over counter of zero.
    #[inline]
    fn index_of(&self, place: Option<StreamPlace>, header: &Header) -> Result<u64, DropReason> {
        let retired;
        let window = match place.and_then(|place| self.source(place.source)?.stream(place.stream)) {
            Some(stream) => &stream.window,
            None => {
                retired = self.retired.window(header.ssrc);
                &retired
            }
        };
        let index = window.guess(header.seq.0);
        if window.check(index) { Ok(index) } else { Err(DropReason::RtpReplayed) }
    }

    /// Finds the m-line of an SSRC that is new with an authentic packet of this index: by the SSRCs of the SDP, by
    /// mid and rid, or, for clients without extensions, by a payload type that only one m-line accepts.
    fn learn(
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
            Some((
                ReceiveLine::new(at),
                if pair.ssrc == ssrc.0 { StreamRole::Media } else { StreamRole::Repair(Some(Ssrc(pair.ssrc))) },
            ))
        });
        let (source, role) = match known.or_else(|| self.learn_by_mid(header, values)) {
            Some(found) => found,
            None => self.learn_by_payload_type(header)?,
        };
        let encoding = self.encoding(source, ssrc, values).ok_or(DropReason::RtpUnknownSource)?;
        let stream = self.sources[source.place()].add(ssrc, role, encoding, now, &mut self.retired);
        let place = StreamPlace { source, stream };
        // Whatever had this place before is forgotten.
        self.ssrcs.retain(|(_, other)| *other != place);
        self.ssrcs.push((ssrc, place));
        Ok(place)
    }

    fn learn_by_mid(&self, header: &Header, values: &ExtensionValues<'_>) -> Option<(ReceiveLine, StreamRole)> {
        let mid = values.value(ExtensionKind::Mid)?;
        let at = self.sources.iter().position(|source| source.spec.mid.as_bytes() == mid)?;
        let source = &self.sources[at];
        let repaired = values.value(ExtensionKind::RepairedRid).and_then(|rid| {
            let encoding = source.spec.rids.iter().position(|known| known.as_bytes() == rid)?;
            let media = |stream: &&Stream| stream.role == StreamRole::Media && usize::from(stream.encoding) == encoding;
            source.streams.iter().rev().find(media).map(|stream| stream.ssrc)
        });
        let line = ReceiveLine::new(at);
        match source.meaning(header.payload_type)? {
            Meaning::Media => Some((line, StreamRole::Media)),
            Meaning::Repair(_) => Some((line, StreamRole::Repair(repaired))),
        }
    }

    fn learn_by_payload_type(&self, header: &Header) -> Result<(ReceiveLine, StreamRole), DropReason> {
        let mut matching = self.sources.iter().enumerate().filter(|(_, s)| accepts(&s.spec, header.payload_type));
        let (Some((at, source)), None) = (matching.next(), matching.next()) else {
            return Err(DropReason::RtpUnknownSource);
        };
        let line = ReceiveLine::new(at);
        match source.meaning(header.payload_type) {
            Some(Meaning::Repair(_)) => Ok((line, StreamRole::Repair(None))),
            _ => Ok((line, StreamRole::Media)),
        }
    }

    /// The encoding of an SSRC, as its rid or the SDP says. `None` with simulcast when neither does, or the rid is none
    /// that was accepted.
    fn encoding(&self, source: ReceiveLine, ssrc: Ssrc, values: &ExtensionValues<'_>) -> Option<u8> {
        let source = self.source(source)?;
        let rid = values.value(ExtensionKind::Rid).or(values.value(ExtensionKind::RepairedRid));
        let rids = &source.spec.rids;
        let encoding = match rid.filter(|_| !rids.is_empty()) {
            Some(rid) => rids.iter().position(|known| known.as_bytes() == rid)?,
            None => {
                let is_of = |pair: &&SsrcPair| pair.ssrc == ssrc.0 || pair.rtx == Some(ssrc.0);
                match source.spec.ssrcs.iter().find(is_of) {
                    Some(pair) => usize::from(pair.encoding),
                    None if rids.is_empty() => 0,
                    None => return None,
                }
            }
        };
        (encoding < source.encodings.len()).then_some(encoding as u8)
    }

    /// The rids of an m-line that stays mean other encodings from now on.
    pub fn forget_streams(&mut self, source: &mut Source) {
        source.forget_streams(&mut self.retired);
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
                let place = StreamPlace { source: ReceiveLine::new(at), stream: StreamKey::new(stream) };
                self.ssrcs.push((known.ssrc, place));
            }
        }
    }

    /// When there is something to report, to ask for again, or to notice.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sources = self.sources.iter().filter_map(Source::poll_timeout).min();
        [self.arrivals.poll_timeout(), self.report_at, sources].into_iter().flatten().min()
    }
}
