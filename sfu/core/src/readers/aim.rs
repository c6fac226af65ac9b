//! Owns which encoding of its track each viewer is to read. Never numbers or seals a packet.

use crate::keys::{LayerKey, SenderKey, TrackKey};
use crate::readers::{Parts, Readers};
use crate::spec::SendTrack;
use crate::tracks::{LayerChoice, Offered, OfferedLayer, Tracks, decide_encoding};

impl Readers {
    /// What a viewer is to read of its track from now on: no encoding above `choice`, and the best that lives below. It
    /// goes over to another one where a decoder can begin with it, and keeps what it has until then.
    pub fn choose(&mut self, viewer: SenderKey, choice: Option<LayerChoice>, parts: &mut Parts<'_>) {
        let Some(sender) = parts.clients.sender_mut(viewer) else { return };
        if std::mem::replace(&mut sender.choice, choice) != choice {
            self.aim(viewer, parts);
        }
    }

    /// Other encodings of a track can be chosen than before.
    pub(super) fn aim_all(&mut self, track: TrackKey, parts: &mut Parts<'_>) {
        parts.tracks.watch_encodings(track, parts.now);
        let (mesh, mut scope) = parts.of_mesh();
        mesh.tell_offers(track, &mut scope);
        let layers = parts.tracks.layers_of(track);
        if layers.len() < 2 {
            return;
        }
        let mut viewers = Vec::new();
        for layer in layers {
            let audience = self.audience(layer);
            viewers.extend(audience.viewers.iter().chain(audience.awaiting.iter()).map(|reader| reader.sink));
        }
        let offered = parts.tracks.offered(track);
        for viewer in viewers {
            self.aim_at(viewer, track, &offered, parts);
            parts.clients.adapting.mark(viewer.session());
        }
    }

    /// What a viewer may or should read has changed.
    pub(super) fn aim(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) {
        let Some(sender) = parts.clients.sender(viewer) else { return };
        let awaited = sender.awaited.as_ref().map(|awaited| awaited.layer);
        let Some(track) = awaited.or(sender.layer).and_then(|layer| parts.tracks.track_of(layer)) else { return };
        let offered = parts.tracks.offered(track);
        self.aim_at(viewer, track, &offered, parts);
    }

    fn aim_at(&mut self, viewer: SenderKey, track: TrackKey, offered: &Offered, parts: &mut Parts<'_>) {
        let Some(sender) = parts.clients.sender(viewer) else { return };
        let target = decide_encoding(offered, sender.choice, sender.next_spec().height_max);
        let Some(target) = target.and_then(|target| parts.tracks.open_layer(track, target)) else { return };
        let is_here = sender.layer.and_then(|layer| parts.tracks.track_of(layer)) == Some(track);
        match (is_here, sender.awaited.as_ref().map(|awaited| awaited.layer)) {
            (_, Some(awaited)) if awaited == target => {}
            // Its m-line still follows another track.
            (false, Some(_)) => self.await_instead(viewer, target, parts),
            (true, _) if sender.layer == Some(target) => self.stop_awaiting(viewer, parts),
            (true, _) if parts.tracks.is_off(target) => {
                self.keep_meanwhile(viewer, track, offered, parts);
                self.await_layer(viewer, target, None, parts);
            }
            (true, _) => self.go_over(viewer, target, parts),
            (false, None) => {}
        }
    }

    /// The encoding that a viewer should read is switched off: what it has is kept until that comes, or, where it has
    /// nothing that flows, the best below is read.
    fn keep_meanwhile(&mut self, viewer: SenderKey, track: TrackKey, offered: &Offered, parts: &mut Parts<'_>) {
        let Some(sender) = parts.clients.sender(viewer) else { return };
        let flowing: Offered = offered.iter().copied().filter(OfferedLayer::flows).collect();
        let present = sender.layer.and_then(|layer| parts.tracks.layer(layer)).map(|layer| layer.encoding);
        let best = decide_encoding(&flowing, sender.choice, sender.next_spec().height_max);
        if !flowing.iter().any(|layer| Some(layer.choice.encoding) == present)
            && let Some(layer) = best.and_then(|best| parts.tracks.open_layer(track, best))
        {
            self.go_over(viewer, layer, parts);
        }
        self.stop_awaiting(viewer, parts);
    }
}

/// With which encoding of a track a viewer begins: the one it should read, or, where that has nothing to begin with, the
/// best below it that has.
pub(super) fn decide_first(
    tracks: &Tracks,
    track: TrackKey,
    choice: Option<LayerChoice>,
    spec: &SendTrack,
) -> Option<LayerKey> {
    let layers = tracks.layers_of(track);
    let first = layers.first().copied();
    if layers.len() < 2 {
        return first;
    }
    let offered = tracks.offered(track);
    let layer_at = |encoding: u8| layers.get(usize::from(encoding)).copied();
    let Some(target) = decide_encoding(&offered, choice, spec.height_max) else { return first };
    let has_picture = |layer: &LayerKey| tracks.history(*layer).is_some_and(|history| history.cached_gop().is_some());
    let up_to = offered.iter().position(|layer| layer.choice.encoding == target).map_or(0, |at| at + 1);
    let flowing = offered.iter().take(up_to).rev().filter(|layer| layer.flows());
    let mut flowing = flowing.filter_map(|layer| layer_at(layer.choice.encoding));
    flowing.clone().find(has_picture).or(flowing.next()).or(layer_at(target))
}
