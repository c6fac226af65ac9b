//! Owns what workers tell each other of the encodings of a track. Never decides which is watched.

use arrayvec::ArrayVec;

use crate::keys::TrackKey;
use crate::spec::ENCODINGS_MAX;
use crate::tracks::{Announced, OfferedLayer, Tracks};

impl Tracks {
    /// What can be chosen of a track, for other workers, by the places of the encodings.
    pub fn announcement(&self, track: TrackKey) -> ArrayVec<Announced, ENCODINGS_MAX> {
        let mut offered = self.offered(track);
        offered.sort_by_key(|layer| layer.choice.encoding);
        let announced = |layer: &OfferedLayer| {
            let OfferedLayer { bits_per_second, frames_per_second, size, is_alive, is_off, .. } = *layer;
            Announced { bits_per_second, frames_per_second, size, is_alive, is_off }
        };
        offered.iter().map(announced).collect()
    }

    /// Another worker says what the encodings of a track bring that it sends; nothing when that is over.
    pub fn announce(&mut self, track: TrackKey, encodings: &[Announced]) {
        if self.get(track).is_none_or(|track| track.publisher.is_some()) {
            return;
        }
        self.open_layer(track, encodings.len().saturating_sub(1) as u8);
        let mut is_news = false;
        for (place, layer) in self.layers_of(track).into_iter().enumerate() {
            let Some(layer) = self.layers.get_mut(layer) else { continue };
            let before = std::mem::replace(&mut layer.announced, encodings.get(place).copied());
            let kind = |announced: Option<Announced>| announced.map(|a| (a.is_alive, a.is_off, a.size));
            is_news |= kind(before) != kind(layer.announced);
        }
        if is_news {
            self.offers.mark(track);
        }
    }
}
