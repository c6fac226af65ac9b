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
        let next = sender.awaited.as_ref().map(|awaited| awaited.layer).or(sender.layer);
        let is_new = std::mem::replace(&mut sender.choice, choice) != choice;
        let next = next.and_then(|next| parts.tracks.layer(next)).map(|layer| layer.encoding);
        self.set_point(viewer, parts);
        // It may have begun with another one because that had a picture.
        if is_new || next != choice.map(|choice| choice.encoding) {
            self.aim(viewer, parts);
        }
    }

    /// Other encodings of a track can be chosen than before.
    pub(super) fn aim_all(&mut self, track: TrackKey, parts: &mut Parts<'_>) {
        parts.tracks.watch_encodings(track, parts.now);
        let (mesh, mut scope) = parts.of_mesh();
        mesh.tell_offers(track, &mut scope);
        let layers = parts.tracks.layers_of(track);
        if layers.len() < 2 && !parts.tracks.is_scalable(track) {
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
        let Some(target) = decide_encoding(offered, sender.choice, sender.next_spec().height_max) else { return };
        let meanwhile = flowing_up_to(offered, target);
        let Some(target) = parts.tracks.open_layer(track, target) else { return };
        let is_off = parts.tracks.is_off(target);
        let is_here = sender.layer.and_then(|layer| parts.tracks.track_of(layer)) == Some(track);
        match (is_here, sender.awaited.as_ref().map(|awaited| awaited.layer)) {
            // Its m-line still follows another track: it begins with what flows of this one.
            (false, Some(awaited)) => {
                let begin = meanwhile.filter(|_| is_off).and_then(|lower| parts.tracks.open_layer(track, lower));
                let begin = begin.unwrap_or(target);
                if begin != awaited {
                    self.await_instead(viewer, begin, parts);
                }
            }
            (_, Some(awaited)) if awaited == target => {}
            (true, _) if sender.layer == Some(target) => self.stop_awaiting(viewer, parts),
            (true, _) if is_off => self.await_off(viewer, target, parts),
            (true, _) => self.go_over(viewer, target, parts),
            (false, None) => {}
        }
    }

    /// The encoding that a viewer should read is switched off, and comes because it is waited for. What the viewer has is
    /// kept until then.
    pub(super) fn await_off(&mut self, viewer: SenderKey, target: LayerKey, parts: &mut Parts<'_>) {
        self.read_meanwhile(viewer, target, parts);
        self.stop_awaiting(viewer, parts);
        self.await_layer(viewer, target, None, parts);
    }

    /// A viewer that waits for an encoding which is switched off, and that has none that flows or one above it that its line
    /// does not carry, reads the best below.
    fn read_meanwhile(&mut self, viewer: SenderKey, target: LayerKey, parts: &mut Parts<'_>) {
        let Some(track) = parts.tracks.track_of(target) else { return };
        let Some(encoding) = parts.tracks.layer(target).map(|layer| layer.encoding) else { return };
        let offered = parts.tracks.offered(track);
        let place = |encoding: u8| offered.iter().position(|layer| layer.choice.encoding == encoding);
        let present = parts.clients.sender(viewer).and_then(|sender| sender.layer);
        let at = present.and_then(|layer| parts.tracks.layer(layer)).and_then(|layer| place(layer.encoding));
        let flows = at.and_then(|at| offered.get(at)).is_some_and(OfferedLayer::flows);
        let is_late = present.is_some_and(|present| self.is_late(viewer, present, parts)) && at > place(encoding);
        if flows && !is_late {
            return;
        }
        let lower = flowing_up_to(&offered, encoding).and_then(|lower| parts.tracks.open_layer(track, lower));
        if let Some(lower) = lower.filter(|lower| Some(*lower) != present) {
            self.go_over(viewer, lower, parts);
        }
    }

    /// Whether what a viewer reads does not get through as it comes.
    fn is_late(&mut self, viewer: SenderKey, present: LayerKey, parts: &Parts<'_>) -> bool {
        let sender = parts.clients.sender(viewer).zip(parts.tracks.layer(present));
        self.is_paced(viewer, present) || !sender.is_some_and(|(sender, layer)| sender.is_sending(layer.generation))
    }
}

/// The best encoding that flows and is not above this one, or the lowest that flows.
fn flowing_up_to(offered: &[OfferedLayer], encoding: u8) -> Option<u8> {
    let count = offered.iter().position(|layer| layer.choice.encoding == encoding).map_or(0, |at| at + 1);
    let best = offered.iter().take(count).rev().find(|layer| layer.flows());
    best.or(offered.iter().find(|layer| layer.flows())).map(|layer| layer.choice.encoding)
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
