//! Owns the tracks of a worker and the packets of their layers, and says by marks what changed. Never sees a session,
//! a reader or another worker.

mod bursts;
pub(crate) mod history;
mod layer;
pub(crate) mod playout;
mod track;

use std::time::Instant;

pub(crate) use bursts::Turn;
pub(crate) use layer::{LATE_TICKS, Layer, LayerWriter, TICK};
pub(crate) use track::Track;

use crate::keys::{FeedKey, Index, LayerKey, SourceKey, Table, TrackKey};
use crate::marks::Marks;
use crate::net::Now;
use crate::spec::{Epoch, TrackId};
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
    /// Tracks whose viewers, children or source changed.
    pub demand: Marks<TrackKey>,
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

    /// The layer that is forwarded.
    pub fn layer_of(&self, track: TrackKey) -> Option<LayerKey> {
        Some(self.tracks.get(track)?.layer())
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

    pub fn history_of(&self, track: TrackKey) -> Option<&History> {
        self.layer(self.layer_of(track)?)?.history.as_ref()
    }

    pub fn clock_of(&self, track: TrackKey) -> Option<MediaClock> {
        self.layer(self.layer_of(track)?)?.clock
    }

    /// What is needed to add packets to a layer; `None` before there is a wall clock.
    #[inline]
    pub fn writer(&mut self, key: LayerKey) -> Option<LayerWriter<'_>> {
        let (layer, wall) = (self.layers.get_mut(key)?, self.wall.as_ref()?);
        Some(LayerWriter { key, layer, wall, cache: &mut self.cache, fresh: &mut self.fresh, turn: self.turn })
    }

    // ── Who has it, and who wants it ────────────────────────────────────────────────────────────────────

    pub fn set_publisher(&mut self, key: TrackKey, publisher: SourceKey) {
        if let Some(track) = self.tracks.get_mut(key) {
            track.publisher = Some(publisher);
        }
        self.note_source(key);
    }

    /// The relay it comes by; a publisher of our own has precedence.
    pub fn set_feed(&mut self, key: TrackKey, feed: Option<FeedKey>) {
        if let Some(track) = self.tracks.get_mut(key) {
            track.feed = feed;
        }
        self.note_source(key);
        self.left.mark(key);
    }

    /// So many viewers get it or wait for it.
    pub fn set_viewers(&mut self, key: TrackKey, count: usize) {
        if let Some(track) = self.tracks.get_mut(key) {
            track.viewers = count;
            self.demand.mark(key);
            self.left.mark(key);
        }
    }

    /// So many workers get it from here or wait for it.
    pub fn set_children(&mut self, key: TrackKey, count: usize) {
        if let Some(track) = self.tracks.get_mut(key) {
            track.children = count;
            self.demand.mark(key);
            self.left.mark(key);
        }
    }

    /// Another worker asked for it under this epoch. False if a higher one is known.
    pub fn note_epoch(&mut self, key: TrackKey, epoch: Epoch) -> bool {
        let Some(track) = self.tracks.get_mut(key).filter(|track| epoch >= track.epoch) else { return false };
        track.epoch = epoch;
        true
    }

    pub fn note_demand(&mut self, key: TrackKey) {
        if self.tracks.get(key).is_some() {
            self.demand.mark(key);
        }
    }

    fn note_source(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get(key) else { return };
        let is_relayed = track.feed.is_some() && track.publisher.is_none();
        if let Some(layer) = self.layers.get_mut(track.layer()) {
            layer.is_relayed = is_relayed;
        }
    }

    /// What a track sent so far is over. Who comes next under its id counts anew.
    pub fn end(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        self.runs += 1;
        (track.publisher, track.run) = (None, self.runs);
        let layer = track.layer();
        if let Some(layer) = self.layers.get_mut(layer) {
            layer.end(&mut self.cache);
        }
        self.ended.mark(layer);
        self.note_source(key);
        self.demand.mark(key);
        self.left.mark(key);
    }

    /// Forgets the tracks that nobody publishes, relays or watches any more.
    pub fn drop_unused(&mut self) {
        while let Some(key) = self.left.take() {
            if self.tracks.get(key).is_none_or(|track| !track.is_unused()) {
                continue;
            }
            let Some(track) = self.tracks.remove(key) else { continue };
            self.by_id.remove(&track.id);
            self.demand.forget(key);
            let layer = track.layer();
            if let Some(mut gone) = self.layers.remove(layer) {
                gone.release(&mut self.cache);
            }
            self.fresh.forget(layer);
            self.keyframe_wanted.forget(layer);
            self.reported.forget(layer);
            // Its readers are gone; whoever has the key next starts afresh.
            self.ended.mark(layer);
        }
    }

    /// Whether nothing of it waits to be told to readers.
    #[inline]
    pub fn is_settled(&self) -> bool {
        self.left.is_empty() && self.ended.is_empty() && self.reported.is_empty()
    }

    // ── What readers and publishers say of it ───────────────────────────────────────────────────────────

    /// A reader of the layer can't go on without a key frame. Asked for at the next flush.
    pub fn want_keyframe(&mut self, layer: LayerKey) {
        if self.layers.get(layer).is_some() {
            self.keyframe_wanted.mark(layer);
        }
    }

    pub fn want_keyframe_of(&mut self, track: TrackKey) {
        if let Some(layer) = self.layer_of(track) {
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

    /// When packets that wait for company leave at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.fresh.iter().filter_map(|key| self.layers.get(key)?.tick_at()).min()
    }

    /// Memory for what viewers may be sent again or begin with, in bytes.
    pub fn cache_bytes(&self) -> usize {
        self.cache.used()
    }
}
