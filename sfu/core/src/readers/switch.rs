//! Owns how a sender goes over to another track or encoding: what flows goes on until what is to replace it can begin.
//! Never chooses which one, and never numbers or seals a packet.

use std::time::{Duration, Instant};

use crate::clients::{Awaited, Sender};
use crate::keys::{LayerKey, SenderKey};
use crate::readers::{Parts, Readers};
use crate::spec::{MediaKind, SendTrack};
use crate::tracks::history::{Gop, GopState, History};
use crate::tracks::playout::ClockBridge;
use crate::tracks::{LATE_TICKS, Layer, Tracks};

// ── As it was chosen ────────────────────────────────────────────────────────────────────────────────────

impl Readers {
    /// Another encoding of the track that a viewer has: at once if it is there to be begun with, or if there is nothing
    /// to keep meanwhile. What waits for its budget for long is more than the line carries, and would be in the way.
    pub(super) fn go_over(&mut self, viewer: SenderKey, layer: LayerKey, parts: &mut Parts<'_>) {
        self.stop_awaiting(viewer, parts);
        let Some(sender) = parts.clients.sender(viewer) else { return };
        let is_late = sender.layer.is_some_and(|present| self.is_backed_up(viewer, present, parts));
        if !is_late && is_worth_awaiting(viewer, layer, &sender.spec, parts) {
            self.await_layer(viewer, layer, None, parts);
        } else {
            self.follow_at_once(viewer, Some(layer), None, parts);
        }
    }

    /// Another encoding of the track that a viewer awaits.
    pub(super) fn await_instead(&mut self, viewer: SenderKey, layer: LayerKey, parts: &mut Parts<'_>) {
        let Some(awaited) = parts.clients.sender_mut(viewer).and_then(|sender| sender.awaited.as_mut()) else { return };
        let before = std::mem::replace(&mut awaited.layer, layer);
        self.audience(before).awaiting.remove(viewer);
        self.note_viewers(before, parts.tracks);
        self.note_awaiting(viewer, layer, parts);
    }

    /// Nothing is sent any more: the page does not show it. The m-line stays what it is.
    pub(super) fn hide(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) {
        self.stop_awaiting(viewer, parts);
        self.attach(viewer, None, parts);
        self.queue.forget(viewer);
        self.release_paced(viewer, parts);
    }

    pub(super) fn await_layer(
        &mut self,
        viewer: SenderKey,
        layer: LayerKey,
        spec: Option<SendTrack>,
        parts: &mut Parts<'_>,
    ) {
        let now = parts.now;
        let Some(sender) = parts.clients.sender_mut(viewer) else { return };
        let look_at = now + STILL_AFTER;
        if spec.is_some() {
            sender.forbid_plain_repeats();
        }
        sender.awaited = Some(Box::new(Awaited { layer, spec, began: now, look_at }));
        parts.clients.wake(viewer.session(), look_at);
        self.note_awaiting(viewer, layer, parts);
    }

    fn note_awaiting(&mut self, viewer: SenderKey, layer: LayerKey, parts: &mut Parts<'_>) {
        self.audience(layer).awaiting.insert(viewer, 0);
        self.note_viewers(layer, parts.tracks);
        let is_video = parts.clients.sender(viewer).is_some_and(|sender| sender.next_spec().kind == MediaKind::Video);
        // What is switched off begins with one anyway, and some encoders answer for all encodings.
        if is_video && !parts.tracks.is_off(layer) {
            parts.tracks.want_keyframe(layer);
        }
    }

    pub(super) fn stop_awaiting(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) {
        let awaited = parts.clients.sender_mut(viewer).and_then(|sender| sender.awaited.take());
        let Some(layer) = awaited.map(|awaited| awaited.layer) else { return };
        self.audience(layer).awaiting.remove(viewer);
        self.note_viewers(layer, parts.tracks);
    }

    pub(super) fn follow_at_once(
        &mut self,
        viewer: SenderKey,
        layer: Option<LayerKey>,
        spec: Option<SendTrack>,
        parts: &mut Parts<'_>,
    ) {
        if let (Some(sender), Some(spec)) = (parts.clients.sender_mut(viewer), spec) {
            sender.replace_spec(spec);
        }
        self.attach(viewer, layer, parts);
    }

    /// Lets a sender follow `layer`, or nothing, with what is there of it or with the next key frame.
    fn attach(&mut self, viewer: SenderKey, layer: Option<LayerKey>, parts: &mut Parts<'_>) {
        let before = parts.clients.sender(viewer).and_then(|sender| sender.layer);
        if before == layer {
            return;
        }
        self.replace_layer(viewer, layer, parts);
        if let Some(layer) = layer
            && !self.join(viewer, parts)
        {
            parts.tracks.want_keyframe(layer);
        }
    }

    fn replace_layer(&mut self, viewer: SenderKey, layer: Option<LayerKey>, parts: &mut Parts<'_>) {
        let Some(sender) = parts.clients.sender_mut(viewer) else { return };
        let before = std::mem::replace(&mut sender.layer, layer);
        if sender.spec.kind == MediaKind::Audio {
            self.listening.mark(viewer.session());
        }
        sender.interrupt();
        sender.cross(bridge(before, layer, parts.tracks));
        if is_of_one_track(before, layer, parts.tracks) {
            sender.switches += 1;
            parts.out.counters.layer_switches += 1;
        }
        if let Some(layer) = before {
            self.audience(layer).unsubscribe(viewer);
            self.note_viewers(layer, parts.tracks);
        }
        if let Some(layer) = layer {
            self.audience(layer).subscribe(viewer);
            self.note_viewers(layer, parts.tracks);
            self.set_point(viewer, parts);
        }
    }
}

/// The clocks of two encodings of one track; those of two tracks have nothing to do with each other.
fn bridge(before: Option<LayerKey>, layer: Option<LayerKey>, tracks: &Tracks) -> Option<ClockBridge> {
    if !is_of_one_track(before, layer, tracks) {
        return None;
    }
    ClockBridge::new(tracks.clock(before?), tracks.clock(layer?))
}

fn is_of_one_track(before: Option<LayerKey>, layer: Option<LayerKey>, tracks: &Tracks) -> bool {
    let [before, layer] = [before, layer].map(|layer| tracks.track_of(layer?));
    before.is_some() && before == layer
}

/// Not if there is nothing to keep, or if the new picture is so young that it starts as a live one does, and all of it that
/// there is can be sent at once.
pub(super) fn is_worth_awaiting(viewer: SenderKey, layer: LayerKey, spec: &SendTrack, parts: &Parts<'_>) -> bool {
    let now = parts.now;
    let Some(sender) = parts.clients.sender(viewer) else { return false };
    let flows = flows_until(sender, parts.tracks).is_some_and(|until| until > now);
    if !flows || sender.layer == Some(layer) {
        return false;
    }
    let Some(layer) = parts.tracks.layer(layer) else { return false };
    let is_live = layer.heard.is_some_and(|heard| now < heard + STILL_AFTER);
    let takes =
        |gop: &Gop| parts.clients.get(viewer.session()).is_some_and(|session| session.delivery.takes_at_once(gop));
    let is_taken = layer.history.as_ref().and_then(History::cached_gop).is_some_and(|gop| takes(&gop));
    spec.kind == MediaKind::Audio || !is_live || !is_taken || find_picture(layer, spec, now) != SwitchPoint::Here
}

/// Until when the encoding that a sender sends counts as flowing. `None` if the sender sends nothing of it.
pub(super) fn flows_until(sender: &Sender, tracks: &Tracks) -> Option<Instant> {
    let layer = tracks.layer(sender.layer?)?;
    layer.heard.filter(|_| sender.is_sending(layer.generation)).map(|heard| heard + STILL_AFTER)
}

// ── As media comes ──────────────────────────────────────────────────────────────────────────────────────

/// What the packets that are about to leave are for a sender that awaits them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SwitchPoint {
    Here,
    /// A key frame would help.
    Missing,
    /// Nothing would, or what is missing is on its way.
    Impossible,
}

impl Readers {
    /// Whoever awaits this layer gets it from the next pass on, if it can be begun with.
    pub(super) fn switch_awaiting(&mut self, key: LayerKey, parts: &mut Parts<'_>) {
        let (mut place, mut is_missed) = (0, false);
        while let Some(viewer) = self.audience(key).awaiting.at(place).map(|reader| reader.sink) {
            match find_start(viewer, key, self.audience(key).live(), parts) {
                SwitchPoint::Here => self.switch(viewer, key, parts),
                start => {
                    is_missed |= start == SwitchPoint::Missing;
                    place += 1;
                }
            }
        }
        if is_missed {
            parts.tracks.want_keyframe(key);
        }
    }

    fn switch(&mut self, viewer: SenderKey, key: LayerKey, parts: &mut Parts<'_>) {
        self.audience(key).awaiting.remove(viewer);
        self.note_viewers(key, parts.tracks);
        let Some(sender) = parts.clients.sender_mut(viewer) else { return };
        let Some(awaited) = sender.awaited.take() else { return };
        if let Some(spec) = awaited.spec {
            sender.replace_spec(spec);
        }
        let is_video = sender.spec.kind == MediaKind::Video;
        if is_video {
            // Another track may have others that are better for it.
            parts.clients.adapting.mark(viewer.session());
        }
        self.replace_layer(viewer, Some(key), parts);
        if is_video && !self.join(viewer, parts) {
            self.begin_paced(viewer, key, parts);
        }
    }
}

fn find_start(viewer: SenderKey, key: LayerKey, live: u64, parts: &Parts<'_>) -> SwitchPoint {
    let spec = parts.clients.sender(viewer).filter(|_| parts.clients.is_open(viewer)).map(Sender::next_spec);
    let layer = parts.tracks.layer(key);
    let history = layer.and_then(|layer| layer.history.as_ref());
    let (Some(spec), Some(layer), Some(history)) = (spec, layer, history) else {
        return SwitchPoint::Impossible;
    };
    if spec.kind == MediaKind::Video {
        return find_picture(layer, spec, parts.now);
    }
    let mut leaving = (live..history.next()).filter_map(|number| Some(history.entry(number)?.packet));
    let can_begin = leaving.any(|packet| packet.keyframe && spec.decodes(packet.payload_type));
    if can_begin { SwitchPoint::Here } else { SwitchPoint::Impossible }
}

/// Whether a viewer can go over to the newest picture of a layer without a stop. A publisher that has just begun sends
/// its first key frame as slowly as it guesses its way to be, so all of it has to be there.
fn find_picture(layer: &Layer, spec: &SendTrack, now: Instant) -> SwitchPoint {
    if !layer.newest().is_some_and(|packet| spec.decodes(packet.payload_type)) {
        return SwitchPoint::Impossible;
    }
    let gop = layer.history.as_ref().and_then(History::newest_gop).filter(|gop| spec.decodes(gop.payload_type));
    // A picture of the past comes all at once, which would shake a playout that runs.
    let Some(gop) = gop.filter(|gop| gop.span() as i32 <= LATE_TICKS) else { return SwitchPoint::Missing };
    if gop.has_picture() && gop.state() == GopState::Cached && !layer.is_filling(now) {
        SwitchPoint::Here
    } else {
        SwitchPoint::Impossible
    }
}

/// A track of which nothing came for this long does not flow: to leave it is no break.
pub(super) const STILL_AFTER: Duration = Duration::from_millis(250);
