//! Owns the way of one media packet from its SSRC into the history of its layer. Never opens a packet.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::clients::ingest::nack::Arrival;
use crate::clients::ingest::source::{Encoding, Meaning, SILENT_AFTER, Selection, Source, StreamRole, ticks_since};
use crate::codec::dependency::Structure;
use crate::codec::frame::FrameNumbers;
use crate::codec::layers::FrameLayers;
use crate::codec::parameter_sets::NalPacket;
use crate::codec::{Codec, PictureSize, Start, find_size, find_start};
use crate::keys::StreamKey;
use crate::spec::{ReceiveCodec, ReceiveTrack};
use crate::stats::DropReason;
use crate::timers::lower;
use crate::tracks::history::{Arrived, EXTENSIONS_BYTES_MAX};
use crate::tracks::playout::MediaClock;
use crate::tracks::{LayerWriter, Tracks};
use crate::wire::rtp::{ExtensionKind, ExtensionValues, Seq};

/// What the header of a packet said and where its payload lies, after RTX is taken off.
pub(super) struct MediaPacket<'a> {
    pub index: u64,
    pub payload_type: u8,
    pub marker: bool,
    pub timestamp: u32,
    pub values: ExtensionValues<'a>,
    pub payload: &'a [u8],
}

/// A packet of media and the m-line it came on.
pub(crate) struct Received<'a> {
    pub source: &'a mut Source,
    /// Measured by a repeat that was asked for.
    pub round_trip: Option<Duration>,
    /// Place of its SSRC in the source.
    stream: StreamKey,
    media: MediaPacket<'a>,
    opened: Instant,
    wake_at: &'a mut Option<Instant>,
}

/// What becomes of a packet of media.
pub(crate) struct Selected {
    /// Media was silent before.
    pub begins: bool,
    selection: Selection,
    /// What is known of the clock of its stream.
    reported: Option<MediaClock>,
    /// Too much was lost before it to be asked for again.
    lost_too_much: bool,
    start: Start,
    /// Of the pictures that start here, where that is said.
    size: Option<PictureSize>,
    codec: ReceiveCodec,
}

impl<'a> Received<'a> {
    /// Statistics of the SSRC the packet came on; RTX is turned into what it repeats.
    #[inline]
    pub(super) fn new(
        now: Instant,
        source: &'a mut Source,
        place: StreamKey,
        mut media: MediaPacket<'a>,
        opened: Instant,
        wake_at: &'a mut Option<Instant>,
    ) -> Result<Option<Received<'a>>, DropReason> {
        let meaning = source.meaning(media.payload_type).ok_or(DropReason::RtpPayloadUnmapped)?;
        let clock_rate = source.codec(media.payload_type).map_or(90_000, |codec| codec.clock_rate);
        let stream = source.stream_mut(place).ok_or(DropReason::RtpUnknownSource)?;
        stream.window.accept(media.index);
        stream.heard = now;
        stream.reception.record(media.index, media.timestamp, ticks_since(opened, now, clock_rate));
        let role = stream.role;
        source.traffic.add(media.payload.len());
        let (mut stream, mut round_trip) = (place, None);
        if let Meaning::Repair(repeated) = meaning {
            // Padding on the RTX SSRC probes for bandwidth; transport-wide feedback has counted it already.
            let Some((original, payload)) = media.payload.split_first_chunk::<2>() else { return Ok(None) };
            if payload.is_empty() {
                return Ok(None);
            }
            stream = source.repaired_by(place).ok_or(DropReason::RtpUnknownSource)?;
            let repaired = source.stream_mut(stream).ok_or(DropReason::RtpUnknownSource)?;
            let original = Seq(u16::from_be_bytes(*original));
            let index = repaired.window.guess(original.0);
            if !repaired.window.check(index) {
                return Err(DropReason::RtpReplayed);
            }
            repaired.window.accept(index);
            round_trip = repaired.nack.first_asked(original).map(|asked| now.saturating_duration_since(asked));
            media = MediaPacket { index, payload_type: repeated, payload, ..media };
        } else if role != StreamRole::Media {
            return Err(DropReason::RtpPayloadUnmapped);
        }
        Ok(Some(Received { source, round_trip, stream, media, opened, wake_at }))
    }

    /// Notes what is missing before the packet, and whether its stream is the one to forward.
    #[inline]
    pub fn select(&mut self, now: Instant) -> Result<Selected, DropReason> {
        let (source, media) = (&mut *self.source, &self.media);
        let codec = *source.codec(media.payload_type).ok_or(DropReason::RtpPayloadUnmapped)?;
        let is_video = codec.codec.is_video();
        let at = usize::from(source.stream(self.stream).map_or(0, |stream| stream.encoding));
        let encoding = source.encodings.get_mut(at).ok_or(DropReason::RtpUnknownSource)?;
        let (start, size) = start_of(media, codec.codec, encoding);
        let is_picture = start == Start::Picture && is_video;
        let stream = source.stream_mut(self.stream).ok_or(DropReason::RtpUnknownSource)?;
        let (mut lost_too_much, reported) = (false, stream.clock.believed);
        if codec.feedback.nack {
            let arrival = stream.nack.handle_packet(now, Seq(media.index as u16), is_picture);
            lost_too_much = arrival == Arrival::KeyframeNeeded && is_video;
            lower(self.wake_at, stream.nack.poll_timeout());
        }
        source.heard = Some(now);
        let encoding = source.encodings.get_mut(at).ok_or(DropReason::RtpUnknownSource)?;
        let selection = encoding.select(&source.streams, self.stream, media.index, now);
        if is_picture && selection != Selection::Other {
            encoding.keyframes.satisfy();
        }
        let begins = !std::mem::replace(&mut source.active, true);
        if begins {
            lower(self.wake_at, Some(now + SILENT_AFTER));
        }
        Ok(Selected { begins, selection, reported, lost_too_much, start, size, codec })
    }

    /// Puts the packet into the history of its layer, if its stream is the one to forward and its track is not muted.
    #[inline]
    pub fn keep(&mut self, now: Instant, selected: &Selected, tracks: &mut Tracks) -> Result<(), DropReason> {
        let (source, media) = (&mut *self.source, &self.media);
        if source.spec.muted {
            return Err(DropReason::RtpMuted);
        }
        let is_other = selected.selection == Selection::Other;
        let encoding = source.stream(self.stream).map_or(0, |stream| stream.encoding);
        let encoding = source.encodings.get_mut(usize::from(encoding)).ok_or(DropReason::RtpUnknownSource)?;
        let key = encoding.layer;
        let Some(mut writer) = tracks.writer(key).filter(|_| !is_other) else { return Ok(()) };
        if selected.selection == Selection::Superseded {
            // Viewers start afresh.
            writer.layer.generation = writer.layer.generation.wrapping_add(1);
            writer.layer.clock = selected.reported;
        }
        let wall = writer.wall;
        writer.layer.clock.get_or_insert_with(|| MediaClock::of_arrival(wall, media.timestamp, now));
        let mut packet = Arrived {
            sequence: 0,
            timestamp: media.timestamp,
            generation: writer.layer.generation,
            payload_type: media.payload_type,
            marker: media.marker,
            keyframe: selected.start != Start::No,
            sets_only: selected.start == Start::ParameterSets,
            ends_burst: media.marker || !selected.codec.codec.is_video(),
            codec: selected.codec.codec,
            frame: FrameNumbers::default(),
            layers: FrameLayers::NONE,
            at_ms: now.saturating_duration_since(self.opened).as_millis() as u32,
        };
        selected.size.into_iter().for_each(|size| writer.note_size(size));
        put_sets_first((&source.spec, encoding), &mut writer, &selected.codec, media, packet);
        packet.sequence = encoding.sequence(media.index).ok_or(DropReason::RtpReplayed)?;
        writer.push(source.spec.kind, packet, &passed_on(&media.values), media.payload)?;
        writer.note_arrival(now);
        let objection = writer.take_objection();
        if selected.lost_too_much {
            tracks.want_keyframe(key);
        }
        objection.map_or(Ok(()), Err)
    }
}

/// Where a decoder can start, and how large its pictures are then. Once dependency descriptors tell that, payloads are not
/// looked into: they may be encrypted end to end. Of codecs with parameter sets these are looked for in any case.
fn start_of(media: &MediaPacket<'_>, codec: Codec, encoding: &mut Encoding) -> (Start, Option<PictureSize>) {
    if media.payload.is_empty() {
        return (Start::No, None);
    }
    let is_told = codec.is_video() && codec.nal_format().is_none();
    let descriptor = media.values.value(ExtensionKind::DependencyDescriptor).filter(|_| is_told);
    if let Some(told) = descriptor.and_then(Structure::of_key_frame) {
        encoding.is_described |= told.is_some();
        match told {
            Some(structure) => return (Start::Picture, structure.sizes.last().copied()),
            None if encoding.is_described => return (Start::No, None),
            None => {}
        }
    }
    match find_start(codec, media.payload) {
        Start::No => (Start::No, None),
        start => (start, find_size(codec, media.payload)),
    }
}

/// The parameter sets that a key frame lacks go into the history before it, with its timestamp.
fn put_sets_first(
    (spec, encoding): (&ReceiveTrack, &mut Encoding),
    writer: &mut LayerWriter<'_>,
    codec: &ReceiveCodec,
    media: &MediaPacket<'_>,
    picture: Arrived,
) {
    let Some(format) = codec.codec.nal_format() else { return };
    let MediaPacket { index, timestamp, marker, payload, .. } = *media;
    encoding.parameter_sets.begin(picture.payload_type, format, &spec.parameter_sets);
    let packet = NalPacket { index, timestamp, marker, payload };
    let Some(insertion) = encoding.parameter_sets.handle_packet(format, packet) else { return };
    let (first, kind) = (encoding.make_room(insertion.before, insertion.count), spec.kind);
    for (sequence, unit) in (first..).zip(encoding.parameter_sets.inserted(&insertion)) {
        let packet = Arrived { sequence, marker: false, keyframe: true, sets_only: true, ends_burst: false, ..picture };
        // No set is longer than a packet.
        let _ = writer.push(kind, packet, &[], unit);
    }
}

/// The extensions that viewers get, or by which other workers choose layers, one after the other: kind, length, value. What
/// belongs to one hop or to the naming of streams stays here.
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
