//! Owns one encoding of a track: the history of its packets, what their numbers and timestamps mean, and the rhythm in
//! which they come. Never knows who reads it.

use std::time::{Duration, Instant};

use crate::codec::PictureSize;
use crate::codec::frame::{FrameNumbers, descriptor_frame};
use crate::codec::layer_reader::{LayerReader, has_layers};
use crate::codec::layers::{FrameLayers, LAYERS, OperatingPoint};
use crate::keys::{FeedKey, LayerKey, TrackKey};
use crate::marks::Marks;
use crate::spec::MediaKind;
use crate::stats::DropReason;
use crate::tracks::announced::Announced;
use crate::tracks::bursts::{Bursts, Turn};
use crate::tracks::content::Content;
use crate::tracks::history::{Arrived, CacheBudget, Entry, History, HistoryLimits};
use crate::tracks::layer_demand::LayerDemand;
use crate::tracks::loudness::Loudness;
use crate::tracks::meter::LayerMeter;
use crate::tracks::playout::{MediaClock, WallClock};
use crate::tracks::scalable::{PointRates, Scalable};
use crate::tracks::targets::{MeasuredRate, Targets};
use crate::tracks::voice::Voice;
use crate::wire::rtp::ExtensionKind;

#[derive(Default)]
pub(crate) struct Layer {
    pub(super) track: Option<TrackKey>,
    /// Its place among the encodings of the track.
    pub encoding: u8,
    /// The relay it comes by. A publisher of our own has precedence.
    pub feed: Option<FeedKey>,
    /// Viewers that get it or wait for it.
    pub(super) viewers: usize,
    /// Workers that get it from here or wait for it.
    pub(super) children: usize,
    /// It comes from another worker.
    pub(super) is_relayed: bool,
    pub meter: LayerMeter,
    /// What its publisher announces of the same.
    targets: Targets,
    /// Of the newest packet: where a publisher sends 7 bits of it the others follow from this.
    picture_id: Option<u16>,
    /// Of an encoding with layers (SVC, temporal ones): what its packets say of them, and what each brings.
    pub(super) scalable: Option<Box<Scalable>>,
    /// Of its last key frame, where that says it.
    pub size: Option<PictureSize>,
    /// What the worker that it comes from says of it, also while nobody here watches it.
    pub(super) announced: Option<Announced>,
    /// What its publisher was asked for, if that is ours.
    pub(super) demand: LayerDemand,
    /// None until the first packet.
    pub history: Option<History>,
    /// When the newest packet came; `None` before the first.
    pub heard: Option<Instant>,
    /// Generation of the newest packet.
    pub generation: u32,
    /// What the timestamps of the packets mean; `None` until the first.
    pub clock: Option<MediaClock>,
    /// Since when something waits to be read.
    waiting_since: Option<Instant>,
    /// The newest packet leaves its frame incomplete: the next one could join it.
    is_open: bool,
    bursts: Bursts,
    /// Of video.
    pub(super) content: Content,
    /// Of sound: who speaks is told to pages, how loud it is decides who of many is heard.
    pub(super) voice: Voice,
    pub loudness: Loudness,
}

impl Layer {
    pub(super) fn new(track: TrackKey, encoding: u8) -> Layer {
        Layer { track: Some(track), encoding, ..Layer::default() }
    }

    /// Somebody here watches it, or another worker gets it from here.
    pub fn is_wanted(&self) -> bool {
        self.viewers > 0 || self.children > 0
    }

    /// How large the pictures are of a spatial layer, or of all.
    pub fn size_of(&self, spatial: Option<u8>) -> Option<PictureSize> {
        let whole = self.size.or(self.announced.and_then(|announced| announced.size));
        match (&self.scalable, spatial) {
            (Some(scalable), Some(spatial)) => scalable.size(spatial, whole),
            _ => whole,
        }
    }

    /// What all of it takes of a line.
    pub fn bits_per_second(&self) -> u64 {
        self.targets.rate(None, self.measured(), self.content.is_detail())
    }

    /// The operating points that can be chosen, lowest first, and what they take; none where it has no layers.
    pub fn point_rates(&self) -> PointRates {
        let whole = self.size_of(None);
        let mut rates = self.scalable.as_ref().map_or_else(PointRates::new, |scalable| scalable.rates(whole));
        for rate in &mut rates {
            let measured = MeasuredRate { bits_per_second: rate.measured, frames_per_second: rate.frames_per_second };
            rate.bits_per_second = self.targets.rate(Some(rate.point), measured, self.content.is_detail());
        }
        rates
    }

    /// What its publisher announces of a spatial layer, or of all, headers included.
    pub fn target(&self, spatial: Option<u8>) -> Option<u64> {
        let point = spatial.map(|spatial| OperatingPoint::new(spatial, LAYERS - 1));
        self.targets.announced(point, self.meter.frames_per_second())
    }

    fn measured(&self) -> MeasuredRate {
        let (bits_per_second, frames_per_second) = (self.meter.bits_per_second(), self.meter.frames_per_second());
        MeasuredRate { bits_per_second, frames_per_second }
    }

    /// Number of the next packet.
    pub fn next(&self) -> u64 {
        self.history.as_ref().map_or(0, History::next)
    }

    pub fn is_video(&self) -> bool {
        self.newest().is_some_and(|packet| packet.codec.is_video())
    }

    /// Whether a picture starts here that is of the past: a relay delivers what was there before it was asked.
    pub fn starts_late(&self, packet: &Arrived, now: Instant) -> bool {
        packet.keyframe && self.is_late(packet, now)
    }

    /// Whether a relay still delivers the past.
    pub fn is_filling(&self, now: Instant) -> bool {
        self.newest().is_some_and(|packet| self.is_late(packet, now))
    }

    pub fn newest(&self) -> Option<&Arrived> {
        let history = self.history.as_ref()?;
        Some(&history.entry(history.next().checked_sub(1)?)?.packet)
    }

    /// Only by a relay more than one frame comes at once.
    fn is_late(&self, packet: &Arrived, now: Instant) -> bool {
        self.clock.filter(|_| self.is_relayed).is_some_and(|clock| {
            let (_, live) = clock.advanced(now, VIDEO_CLOCK_RATE);
            live.wrapping_sub(packet.timestamp) as i32 > LATE_TICKS
        })
    }

    /// A packet was added; `turn` is the last one that ended. True when nothing waited before.
    fn note_arrival(&mut self, now: Instant, turn: Turn) -> bool {
        let is_first = self.waiting_since.is_none();
        let now = self.heard.map_or(now, |heard| heard.max(now));
        let before = self.heard.replace(now);
        // What came in one batch was not waited for.
        if let Some(before) = before.filter(|before| self.is_open && *before != now) {
            self.bursts.note(now < turn.free_after(before) + TICK);
        }
        self.is_open = self.newest().is_some_and(|packet| !packet.ends_burst);
        self.waiting_since.get_or_insert(now);
        is_first
    }

    pub fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since
    }

    /// When a packet came that is kept.
    pub fn arrived_at(&self, entry: &Entry) -> Option<Instant> {
        let age = Duration::from_millis(u64::from(self.newest()?.at_ms.wrapping_sub(entry.packet.at_ms)));
        self.heard?.checked_sub(age)
    }

    /// All that is there was read.
    pub fn note_read(&mut self) {
        self.waiting_since = None;
    }

    /// Whether the next packet is likely to belong to the same frame and to come within the tick.
    pub fn expects_more(&self) -> bool {
        self.is_open && self.bursts.is_expected()
    }

    /// The publisher or the feed is gone. What it sent is of no use to whoever comes next.
    pub(super) fn end(&mut self, cache: &mut CacheBudget) {
        self.release(cache);
        let Layer { track, encoding, feed, viewers, children, announced, generation, .. } = *self;
        let generation = generation.wrapping_add(1);
        *self = Layer { track, encoding, feed, viewers, children, announced, generation, ..Layer::default() };
    }

    /// Its memory is for other layers.
    pub(super) fn release(&mut self, cache: &mut CacheBudget) {
        if let Some(history) = self.history.take() {
            history.release(cache);
        }
    }
}

/// A layer and what it takes to add packets to it.
pub(crate) struct LayerWriter<'a> {
    pub(super) key: LayerKey,
    pub layer: &'a mut Layer,
    pub wall: &'a WallClock,
    pub(super) cache: &'a mut CacheBudget,
    pub(super) fresh: &'a mut Marks<LayerKey>,
    pub(super) offers: &'a mut Marks<TrackKey>,
    pub(super) voices: &'a mut Marks<LayerKey>,
    pub(super) audible: &'a mut Marks<LayerKey>,
    pub(super) turn: Turn,
}

impl LayerWriter<'_> {
    /// Keeps a packet. Readers see it after [`LayerWriter::note_arrival`].
    pub fn push(
        &mut self,
        kind: MediaKind,
        packet: Arrived,
        extensions: &[u8],
        payload: &[u8],
    ) -> Result<(), DropReason> {
        let is_video = kind == MediaKind::Video;
        // One that waited longer with the kernel than the one before comes after it all the same.
        let at_ms = self.layer.newest().map_or(packet.at_ms, |newest| later(newest.at_ms, packet.at_ms));
        let packet = Arrived { at_ms, ..packet };
        let packet = if is_video { self.read_frame(packet, extensions, payload) } else { packet };
        if is_video {
            self.note_content(&packet, extensions);
            self.layer.targets.note(&packet, kept_extension(extensions, ExtensionKind::LayersAllocation));
        } else {
            self.note_level(extensions);
        }
        self.measure(payload.len(), &packet);
        let history = self.layer.history.get_or_insert_with(|| {
            History::new(match kind {
                MediaKind::Video => HistoryLimits::VIDEO,
                MediaKind::Audio => HistoryLimits::AUDIO,
            })
        });
        let pushed = history.push(self.cache, packet, extensions, payload);
        pushed.map(|_| ()).ok_or(DropReason::RtpTooLong)
    }

    fn measure(&mut self, bytes: usize, packet: &Arrived) {
        let Layer { meter, targets, .. } = &mut *self.layer;
        if meter.add(bytes, packet.marker, packet.at_ms) {
            let (bits_per_second, frames_per_second) = (meter.last_bits_per_second(), meter.frames_per_second());
            targets.note_interval(MeasuredRate { bits_per_second, frames_per_second });
        }
    }

    fn note_content(&mut self, packet: &Arrived, extensions: &[u8]) {
        let kind = || first_byte(extensions, ExtensionKind::VideoContentType);
        if self.layer.content.note(packet, kind) {
            self.note_offer();
        }
    }

    fn note_level(&mut self, extensions: &[u8]) {
        let Some(level) = first_byte(extensions, ExtensionKind::AudioLevel) else { return };
        // The highest bit is the sender's guess whether this is speech, which not all senders make.
        let below_full = level & 0x7f;
        let (begins, is_other) = (self.layer.voice.hear(below_full), self.layer.loudness.hear(below_full));
        if begins {
            self.voices.mark(self.key);
        }
        if begins || is_other {
            self.audible.mark(self.key);
        }
    }

    fn read_frame(&mut self, packet: Arrived, extensions: &[u8], payload: &[u8]) -> Arrived {
        let mut frame = FrameNumbers::read(packet.codec, payload, self.layer.picture_id);
        if frame.picture_id.is_some() {
            self.layer.picture_id = frame.picture_id;
        }
        let descriptor = kept_extension(extensions, ExtensionKind::DependencyDescriptor);
        frame.frame = descriptor.and_then(descriptor_frame);
        let layers = match LayerReader::may_read(packet.codec, descriptor) && !payload.is_empty() {
            true => self.read_layers(&packet, descriptor, payload),
            false => FrameLayers::NONE,
        };
        Arrived { frame, layers, ..packet }
    }

    fn read_layers(&mut self, packet: &Arrived, descriptor: Option<&[u8]>, payload: &[u8]) -> FrameLayers {
        let scalable = match &mut self.layer.scalable {
            Some(scalable) => scalable,
            none if descriptor.is_some() || has_layers(packet.codec, payload) => none.get_or_insert_default(),
            _ => return FrameLayers::NONE,
        };
        let (layers, is_news) = scalable.read(packet, descriptor, payload);
        if is_news {
            self.note_offer();
        }
        layers
    }

    pub fn note_arrival(&mut self, now: Instant) {
        if self.layer.heard.is_none() {
            self.note_offer();
        }
        if self.layer.note_arrival(now, self.turn) {
            self.fresh.mark(self.key);
        }
    }

    /// What was wrong with what packets say of their layers, if something was.
    pub fn take_objection(&mut self) -> Option<DropReason> {
        let is_unread = self.layer.scalable.as_mut().is_some_and(|scalable| scalable.take_unread());
        if is_unread { Some(DropReason::LayersUnread) } else { self.layer.targets.take_objection() }
    }

    /// A key frame says how large the picture is.
    pub fn note_size(&mut self, size: PictureSize) {
        if self.layer.size.replace(size) != Some(size) {
            self.note_offer();
        }
    }

    /// What can be chosen of the track is other than before.
    fn note_offer(&mut self) {
        if let Some(track) = self.layer.track {
            self.offers.mark(track);
        }
    }
}

/// The later of two times in milliseconds that may wrap around.
fn later(a: u32, b: u32) -> u32 {
    if (b.wrapping_sub(a) as i32) < 0 { a } else { b }
}

/// The value of an extension among those that are kept: kind, length and value one after the other.
pub(crate) fn kept_extension(mut extensions: &[u8], kind: ExtensionKind) -> Option<&[u8]> {
    while let Some((&[other, len], rest)) = extensions.split_first_chunk::<2>() {
        let (value, rest) = rest.split_at_checked(usize::from(len))?;
        if other == kind as u8 {
            return Some(value);
        }
        extensions = rest;
    }
    None
}

fn first_byte(extensions: &[u8], kind: ExtensionKind) -> Option<u8> {
    kept_extension(extensions, kind)?.first().copied()
}

/// Longest that a packet waits for company, which saves more system calls than it costs in latency.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// RFC 3551 section 5, and every codec since.
const VIDEO_CLOCK_RATE: u32 = 90_000;
/// A picture this much older than live is not where a viewer's clock should start: 150 ms.
pub(crate) const LATE_TICKS: i32 = 13_500;
