//! Owns the tracks of a worker and the packets of their layers, and says by marks what changed. Never sees a session,
//! a reader or another worker.

mod announced;
mod announcing;
mod bursts;
mod content;
pub(crate) mod history;
mod layer;
mod layer_demand;
mod looks;
mod loudness;
mod meter;
pub(crate) mod offer;
pub(crate) mod playout;
mod scalable;
mod targets;
mod track;
mod voice;

use std::time::Instant;

use arrayvec::ArrayVec;

pub(crate) use announced::Announced;
pub(crate) use bursts::Turn;
pub(crate) use layer::{LATE_TICKS, Layer, LayerWriter, TICK, kept_extension};
pub(crate) use loudness::Audibility;
pub(crate) use offer::{LayerChoice, Offered, OfferedLayer, decide_encoding};
pub(crate) use scalable::PointRates;
pub(crate) use track::Track;

use crate::keys::{FeedKey, Index, LayerKey, SourceKey, Table, TrackKey};
use crate::marks::Marks;
use crate::net::Now;
use crate::spec::{ENCODINGS_MAX, Epoch, TrackId};
use crate::timers::Timers;
use crate::tracks::history::{CacheBudget, History};
use crate::tracks::playout::{MediaClock, WallClock};

#[derive(Default)]
pub(crate) struct Tracks {
    tracks: Table<TrackKey, Track>,
    layers: Table<LayerKey, Layer>,
    by_id: Index<TrackId, TrackKey>,
    /// Memory of all histories.
    cache: CacheBudget,
    runs: u64,
    /// The last one of the event loop.
    turn: Turn,
    /// Set by the first session or peer.
    wall: Option<WallClock>,
    /// Layers with packets that not all readers have.
    pub fresh: Marks<LayerKey>,
    /// Layers of which a reader needs a key frame.
    pub keyframe_wanted: Marks<LayerKey>,
    /// Layers whose past is of no use any more.
    pub ended: Marks<LayerKey>,
    /// Layers whose timestamps are known better than before.
    pub reported: Marks<LayerKey>,
    /// Layers whose viewers, children or source changed.
    pub demand: Marks<LayerKey>,
    /// Tracks of which other encodings can be chosen than before.
    pub offers: Marks<TrackKey>,
    /// Tracks whose publisher is to be told which encodings nobody watches.
    pub unwatched: Marks<TrackKey>,
    /// Layers of sound in which somebody began to speak, or fell silent.
    pub voices: Marks<LayerKey>,
    /// Layers of sound that began to be audible, fell silent, or are to be compared with the others.
    audible: Marks<LayerKey>,
    /// When it is looked at whether they still are.
    voice_looks: Timers<LayerKey>,
    /// When it is looked at which encodings of a track come and are watched.
    looks: Timers<TrackKey>,
    /// Tracks that somebody left.
    left: Marks<TrackKey>,
}

impl Tracks {
    /// The key of a track, which is made if it is not known.
    pub fn open(&mut self, id: TrackId) -> TrackKey {
        if let Some(known) = self.by_id.get(&id) {
            return *known;
        }
        self.runs += 1;
        let layer = self.layers.insert(Layer::default());
        let key = self.tracks.insert(Track::new(id, self.runs, layer));
        if let Some(layer) = self.layers.get_mut(layer) {
            layer.track = Some(key);
        }
        self.by_id.insert(id, key);
        key
    }

    /// The layer of an encoding, which is made if it is not known. `None` beyond the limit.
    pub fn open_layer(&mut self, track: TrackKey, encoding: u8) -> Option<LayerKey> {
        let known = self.tracks.get_mut(track)?;
        while known.layers.len() <= usize::from(encoding) && !known.layers.is_full() {
            let place = known.layers.len() as u8;
            known.layers.push(self.layers.insert(Layer::new(track, place)));
        }
        let layer = known.layers.get(usize::from(encoding)).copied();
        self.note_source(track);
        layer
    }

    pub fn find(&self, id: TrackId) -> Option<TrackKey> {
        self.by_id.get(&id).copied()
    }

    pub fn get(&self, track: TrackKey) -> Option<&Track> {
        self.tracks.get(track)
    }

    pub fn keys(&self) -> Vec<TrackKey> {
        self.tracks.keys()
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// The encodings of a track that are known, by their places.
    pub fn layers_of(&self, track: TrackKey) -> ArrayVec<LayerKey, ENCODINGS_MAX> {
        self.tracks.get(track).map_or_else(ArrayVec::new, |track| track.layers.clone())
    }

    /// What can be chosen of a track, lowest first.
    pub fn offered(&self, track: TrackKey) -> Offered {
        let layers = self.tracks.get(track).map_or(&[][..], Track::layers);
        offer::offer(layers.iter().filter_map(|layer| self.layers.get(*layer)))
    }

    /// The operating points of an encoding that can be chosen, lowest first; none where it has no layers.
    pub fn point_rates(&self, track: TrackKey, encoding: u8) -> PointRates {
        let key = self.tracks.get(track).and_then(|track| track.layers().get(usize::from(encoding)));
        key.and_then(|key| self.layers.get(*key)).map_or_else(PointRates::new, Layer::point_rates)
    }

    /// Whether there is something to choose from within an encoding of a track.
    pub fn is_scalable(&self, track: TrackKey) -> bool {
        self.layers_of(track).into_iter().any(|layer| self.layer(layer).is_some_and(|layer| layer.scalable.is_some()))
    }

    /// Whether a track shows text and drawings.
    pub fn is_detail(&self, track: TrackKey) -> bool {
        self.layers_of(track).into_iter().any(|layer| self.layer(layer).is_some_and(|layer| layer.content.is_detail()))
    }

    /// Of which track a layer is.
    pub fn track_of(&self, layer: LayerKey) -> Option<TrackKey> {
        self.layers.get(layer)?.track
    }

    #[inline]
    pub fn layer(&self, key: LayerKey) -> Option<&Layer> {
        self.layers.get(key)
    }

    #[inline]
    pub fn layer_mut(&mut self, key: LayerKey) -> Option<&mut Layer> {
        self.layers.get_mut(key)
    }

    pub fn history(&self, layer: LayerKey) -> Option<&History> {
        self.layer(layer)?.history.as_ref()
    }

    pub fn clock(&self, layer: LayerKey) -> Option<MediaClock> {
        self.layer(layer)?.clock
    }

    /// Whether it comes from a publisher of ours or from another worker.
    pub fn is_fed(&self, track: TrackKey) -> bool {
        let is_relayed = |layer: LayerKey| self.layer(layer).is_some_and(|layer| layer.feed.is_some());
        self.get(track).is_some_and(|track| track.publisher.is_some())
            || self.layers_of(track).into_iter().any(is_relayed)
    }

    /// The relay that a layer comes by, if nobody publishes it here.
    pub fn relay_of(&self, layer: LayerKey) -> Option<FeedKey> {
        let layer = self.layer(layer).filter(|layer| layer.is_relayed)?;
        layer.feed
    }

    /// What is needed to add packets to a layer; `None` before there is a wall clock.
    #[inline]
    pub fn writer(&mut self, key: LayerKey) -> Option<LayerWriter<'_>> {
        let Tracks { layers, wall, cache, fresh, offers, voices, audible, turn, .. } = self;
        let (layer, wall) = (layers.get_mut(key)?, wall.as_ref()?);
        Some(LayerWriter { key, layer, wall, cache, fresh, offers, voices, audible, turn: *turn })
    }

    // ── Who has it, and who wants it ────────────────────────────────────────────────────────────────────

    pub fn set_publisher(&mut self, key: TrackKey, publisher: SourceKey) {
        self.announce(key, &[]);
        if let Some(track) = self.tracks.get_mut(key) {
            track.publisher = Some(publisher);
        }
        self.note_source(key);
    }

    /// The relay a layer comes by; a publisher of our own has precedence.
    pub fn set_feed(&mut self, key: LayerKey, feed: Option<FeedKey>) {
        let Some(layer) = self.layers.get_mut(key) else { return };
        layer.feed = feed;
        if let Some(track) = layer.track {
            self.note_source(track);
            self.left.mark(track);
        }
    }

    /// So many viewers get a layer or wait for it.
    pub fn set_viewers(&mut self, key: LayerKey, count: usize) {
        self.note_wanted(key, |layer| layer.viewers = count);
    }

    /// So many workers get a layer from here or wait for it.
    pub fn set_children(&mut self, key: LayerKey, count: usize) {
        self.note_wanted(key, |layer| layer.children = count);
    }

    fn note_wanted(&mut self, key: LayerKey, note: impl FnOnce(&mut Layer)) {
        let Some(layer) = self.layers.get_mut(key) else { return };
        note(layer);
        self.demand.mark(key);
        if let Some(track) = layer.track {
            self.left.mark(track);
        }
    }

    /// Another worker asked for it under this epoch. False if a higher one is known.
    pub fn note_epoch(&mut self, key: TrackKey, epoch: Epoch) -> bool {
        let Some(track) = self.tracks.get_mut(key).filter(|track| epoch >= track.epoch) else { return false };
        track.epoch = epoch;
        true
    }

    pub fn note_demand(&mut self, key: TrackKey) {
        for layer in self.layers_of(key) {
            self.demand.mark(layer);
        }
    }

    fn note_source(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get(key) else { return };
        for layer in &track.layers {
            if let Some(layer) = self.layers.get_mut(*layer) {
                layer.is_relayed = layer.feed.is_some() && track.publisher.is_none();
            }
        }
    }

    /// What a track sent so far is over. Who comes next under its id counts anew.
    pub fn end(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        self.runs += 1;
        (track.publisher, track.run) = (None, self.runs);
        for layer in self.layers_of(key) {
            self.end_layer(layer);
        }
    }

    /// What came of one encoding so far is over.
    pub fn end_layer(&mut self, key: LayerKey) {
        let Some(layer) = self.layers.get_mut(key) else { return };
        if layer.voice.is_speaking() {
            self.voices.mark(key);
        }
        layer.end(&mut self.cache);
        let track = layer.track;
        self.ended.mark(key);
        self.demand.mark(key);
        if let Some(track) = track {
            self.note_source(track);
            self.offers.mark(track);
            self.left.mark(track);
        }
    }

    /// Forgets the tracks that nobody publishes, relays or watches any more.
    pub fn drop_unused(&mut self) {
        while let Some(key) = self.left.take() {
            if !self.is_unused(key) {
                continue;
            }
            let Some(track) = self.tracks.remove(key) else { continue };
            self.by_id.remove(&track.id);
            self.offers.forget(key);
            self.unwatched.forget(key);
            self.looks.set(key, None);
            for layer in track.layers {
                if let Some(mut gone) = self.layers.remove(layer) {
                    gone.release(&mut self.cache);
                }
                self.demand.forget(layer);
                self.fresh.forget(layer);
                self.keyframe_wanted.forget(layer);
                self.reported.forget(layer);
                self.voices.forget(layer);
                self.audible.forget(layer);
                self.voice_looks.set(layer, None);
                // Its readers are gone; whoever has the key next starts afresh.
                self.ended.mark(layer);
            }
        }
    }

    fn is_unused(&self, key: TrackKey) -> bool {
        let is_used = |layer: &LayerKey| self.layers.get(*layer).is_some_and(|l| l.feed.is_some() || l.is_wanted());
        let track = self.tracks.get(key);
        track.is_some_and(|track| track.publisher.is_none() && !track.layers.iter().any(is_used))
    }

    /// Whether nothing of it waits to be told to readers.
    #[inline]
    pub fn is_settled(&self) -> bool {
        let is_same = self.offers.is_empty() && self.audible.is_empty();
        is_same && self.left.is_empty() && self.ended.is_empty() && self.reported.is_empty()
    }

    // ── What readers and publishers say of it ───────────────────────────────────────────────────────────

    /// A reader of the layer can't go on without a key frame. Asked for at the next flush.
    pub fn want_keyframe(&mut self, layer: LayerKey) {
        if self.layers.get(layer).is_some() {
            self.keyframe_wanted.mark(layer);
        }
    }

    pub fn want_keyframes_of(&mut self, track: TrackKey) {
        for layer in self.layers_of(track) {
            self.want_keyframe(layer);
        }
    }

    /// What the timestamps of a layer mean is known better than before.
    pub fn set_clock(&mut self, key: LayerKey, clock: MediaClock) {
        let Some(layer) = self.layers.get_mut(key) else { return };
        if layer.clock.replace(clock).is_none_or(|before| clock.reported && !before.reported) {
            // Viewers have made do with times of arrival until now.
            self.reported.mark(key);
        }
    }

    // ── Time ────────────────────────────────────────────────────────────────────────────────────────────

    pub fn wall(&self) -> Option<&WallClock> {
        self.wall.as_ref()
    }

    pub fn start_wall(&mut self, now: Now) {
        self.wall.get_or_insert_with(|| WallClock::new(now));
    }

    /// Packets were taken in from `began` on, and all that was due had been sent when it `ended`.
    pub fn note_turn(&mut self, began: Instant, ended: Instant) {
        self.turn = Turn::new(began, ended);
    }

    /// Since when the oldest packet waits that not all live viewers have.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.fresh.iter().filter_map(|key| self.layers.get(key)?.waiting_since()).min()
    }

    /// Viewers here were sent so much of a layer.
    #[inline]
    pub fn note_sent(&mut self, layer: LayerKey, bytes: u64) {
        let track = self.track_of(layer);
        if let Some(track) = track.and_then(|track| self.tracks.get_mut(track)) {
            track.bytes_sent += bytes;
        }
    }

    pub fn bytes_sent(&self, id: TrackId) -> u64 {
        self.find(id).and_then(|track| self.get(track)).map_or(0, |track| track.bytes_sent)
    }

    /// When packets that wait for company leave at the latest, and when encodings are looked at.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let tick = self.waiting_since().map(|since| since + TICK);
        [tick, self.looks.next(), self.voice_looks.next()].into_iter().flatten().min()
    }

    /// Memory for what viewers may be sent again or begin with, in bytes.
    pub fn cache_bytes(&self) -> usize {
        self.cache.used()
    }
}
