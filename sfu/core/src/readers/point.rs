//! Owns up to which layers within its encoding a viewer gets what it reads. Never goes over to another encoding.

use crate::codec::Codec;
use crate::codec::layers::OperatingPoint;
use crate::keys::{SenderKey, TrackKey};
use crate::readers::{Parts, Readers};
use crate::tracks::history::Arrived;
use crate::tracks::{Layer, LayerChoice, Tracks};

impl Readers {
    /// With what a viewer begins of whose line something will be known: the lowest layer, until it is.
    pub(super) fn first_choice(&self, viewer: SenderKey, track: TrackKey, parts: &Parts<'_>) -> Option<LayerChoice> {
        let client = parts.clients.get(viewer.session())?;
        if let Some(choice) = client.delivery.sender(viewer.line())?.choice {
            return Some(choice);
        }
        if !client.delivery.will_estimate() {
            return None;
        }
        let offered = parts.tracks.offered(track);
        let lowest = offered.iter().find(|layer| layer.is_alive)?.choice;
        let rates = parts.tracks.point_rates(track, lowest.encoding);
        let smallest = rates.first().map_or(u8::MAX, |rate| rate.point.spatial);
        Some(LayerChoice { spatial: smallest, ..lowest })
    }

    /// Up to which layers of what a viewer reads it gets that: as it was chosen, where that is of the same encoding, and all
    /// where it waits for another one.
    pub(super) fn set_point(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) {
        let Some(layer) = parts.clients.sender(viewer).and_then(|sender| sender.layer) else { return };
        let Some((track, encoding)) = parts.tracks.track_of(layer).zip(parts.tracks.layer(layer)) else { return };
        let encoding = encoding.encoding;
        let choice = self.first_choice(viewer, track, parts).filter(|choice| choice.encoding == encoding);
        let mut point = choice.map_or(OperatingPoint::TOP, LayerChoice::point);
        let has_descriptors =
            parts.clients.get(viewer.session()).is_some_and(|client| client.delivery.has_descriptors());
        if !has_descriptors && needs_descriptors(track, parts.tracks) {
            point.spatial = 0;
        }
        if let Some(sender) = parts.clients.sender_mut(viewer) {
            sender.set_point(point);
        }
    }
}

/// Whether a player needs dependency descriptors to tell the spatial layers of a track apart. Those of VP9 are told by the
/// payload as well; of AV1 libwebrtc takes each for a picture of its own without them.
pub(super) fn needs_descriptors(track: TrackKey, tracks: &Tracks) -> bool {
    let is_av1 = |newest: &Arrived| newest.codec == Codec::Av1 && newest.layers.is_layered();
    tracks.layers_of(track).into_iter().any(|layer| tracks.layer(layer).and_then(Layer::newest).is_some_and(is_av1))
}
