//! Owns when it is looked at which encodings of a track come and which are watched, and whether somebody still speaks and
//! is heard. Never tells anybody.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::keys::{LayerKey, TrackKey};
use crate::spec::{ENCODINGS_MAX, TrackId};
use crate::tracks::Tracks;
use crate::tracks::loudness::Audibility;
use crate::tracks::voice::VOICE_LOOK;

impl Tracks {
    /// Looks again soon at the encodings of a track, if it has several.
    pub fn watch_encodings(&mut self, key: TrackKey, now: Instant) {
        let living = self.living(key);
        let Some(track) = self.tracks.get_mut(key) else { return };
        track.living = living;
        self.looks.set(key, (track.layers.len() > 1).then_some(now + LOOK_INTERVAL));
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(key) = self.voice_looks.pop_due(now) {
            let Some(layer) = self.layers.get_mut(key) else { continue };
            let was_speaking = layer.voice.is_speaking();
            if layer.voice.look() != was_speaking {
                self.voices.mark(key);
            }
            // Others may be louder by now.
            layer.loudness.look();
            self.audible.mark(key);
        }
        while let Some(key) = self.looks.pop_due(now) {
            self.look_at_demand(key, now);
            let before = self.tracks.get(key).map(|track| track.living.clone());
            self.watch_encodings(key, now);
            if before != self.tracks.get(key).map(|track| track.living.clone()) {
                self.offers.mark(key);
            }
        }
    }

    fn living(&self, track: TrackKey) -> ArrayVec<(u8, bool), ENCODINGS_MAX> {
        let living = self.offered(track).into_iter().filter(|layer| layer.is_alive);
        living.map(|layer| (layer.choice.encoding, layer.is_off)).collect()
    }

    /// Encodings that nobody watches need not be sent, but for the lowest that comes: a viewer that joins begins with it.
    fn look_at_demand(&mut self, key: TrackKey, now: Instant) {
        if self.get(key).is_none_or(|track| track.publisher.is_none()) {
            return;
        }
        let (layers, offered) = (self.layers_of(key), self.offered(key));
        let lowest = offered.iter().find(|layer| layer.flows()).map(|layer| layer.choice.encoding);
        let mut is_news = false;
        for offered in &offered {
            let encoding = offered.choice.encoding;
            let layer = layers.get(usize::from(encoding)).and_then(|layer| self.layers.get_mut(*layer));
            let Some(layer) = layer else { continue };
            let is_wanted = layer.is_wanted() || lowest == Some(encoding);
            is_news |= layer.demand.look(is_wanted, offered.flows(), now);
            if layer.demand.is_off() && !offered.flows() {
                layer.meter.pause();
            }
        }
        if is_news {
            self.unwatched.mark(key);
        }
    }

    /// A track in which somebody began to speak (true) or fell silent since the last call.
    pub fn take_speaking(&mut self) -> Option<(TrackId, bool)> {
        let layer = self.layers.get(self.voices.take()?)?;
        Some((self.tracks.get(layer.track?)?.id, layer.voice.is_speaking()))
    }

    /// A layer of sound that began to be audible, fell silent or is to be compared with the others again.
    pub fn take_audible(&mut self, now: Instant) -> Option<LayerKey> {
        let key = self.audible.take()?;
        let is_audible = self.layers.get(key).is_some_and(|layer| layer.loudness.state() == Audibility::Audible);
        if is_audible {
            self.voice_looks.lower(key, now + VOICE_LOOK);
        }
        Some(key)
    }

    /// The encodings that a publisher need not send, by their places: a bit for each.
    pub fn unwatched_of(&self, track: TrackKey) -> u8 {
        let is_unwatched = |layer: LayerKey| self.layer(layer).is_some_and(|layer| layer.demand.is_unwatched());
        let bits = self.layers_of(track).into_iter().enumerate().map(|(at, layer)| u8::from(is_unwatched(layer)) << at);
        bits.fold(0, |sum, bit| sum | bit)
    }

    /// Whether an encoding is not sent because nobody watched it, and comes when somebody does.
    pub fn is_off(&self, layer: LayerKey) -> bool {
        let Some((encoding, track)) = self.layer(layer).and_then(|layer| Some((layer.encoding, layer.track?))) else {
            return false;
        };
        self.offered(track).iter().any(|layer| layer.choice.encoding == encoding && layer.is_off)
    }
}

/// Between two looks at the encodings of a track.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
