//! Owns how a sender goes over to another track or encoding: what flows goes on until what is to replace it can begin. Never numbers or
//! seals a packet.

use std::time::{Duration, Instant};

use crate::clients::{Awaited, Sender};
use crate::keys::{Key, LayerKey, SendLine, SenderKey, SessionKey, TrackKey};
use crate::readers::aim::decide_first;
use crate::readers::{Parts, Readers};
use crate::spec::{MediaKind, SendTrack};
use crate::tracks::history::{Gop, GopState, History};
use crate::tracks::playout::ClockBridge;
use crate::tracks::{LATE_TICKS, Layer, Tracks};

// ── As signaling says ───────────────────────────────────────────────────────────────────────────────────

impl Readers {
    /// Lets a sender be what signaling says: at once, or, where that would be a break, as soon as the new source
    /// has something to begin with.
    pub fn follow(&mut self, viewer: SenderKey, spec: SendTrack, parts: &mut Parts<'_>) {
        let Some(sender) = parts.clients.sender_mut(viewer) else { return };
        if sender.is_hidden() {
            sender.replace_spec(spec);
            return self.hide(viewer, parts);
        }
        let track = spec.source.map(|source| parts.tracks.open(source));
        let Some(sender) = parts.clients.sender_mut(viewer) else { return };
        let present = sender.layer.and_then(|layer| parts.tracks.track_of(layer));
        let awaits_other = |awaited: &&mut Box<Awaited>| parts.tracks.track_of(awaited.layer) == track;
        match sender.awaited.as_mut().filter(awaits_other) {
            Some(awaited) if present != track => {
                awaited.spec = Some(spec);
                sender.forbid_plain_repeats();
                self.aim(viewer, parts);
            }
            Some(_) => {
                sender.replace_spec(spec);
                self.aim(viewer, parts);
            }
            None if present.is_some() && present == track => {
                sender.replace_spec(spec);
                self.stop_awaiting(viewer, parts);
                self.aim(viewer, parts);
            }
            None => self.follow_other(viewer, track, spec, parts),
        }
    }

    /// The m-line has another source than before.
    fn follow_other(&mut self, viewer: SenderKey, track: Option<TrackKey>, spec: SendTrack, parts: &mut Parts<'_>) {
        self.stop_awaiting(viewer, parts);
        let layer = track.and_then(|track| {
            let choice = self.first_choice(viewer, track, parts);
            decide_first(parts.tracks, track, choice, &spec)
        });
        match layer.filter(|layer| is_worth_awaiting(viewer, *layer, &spec, parts)) {
            Some(layer) => self.await_layer(viewer, layer, Some(spec), parts),
            None => {
                self.follow_at_once(viewer, layer, Some(spec), parts);
                self.aim(viewer, parts);
            }
        }
    }

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

    /// Ends what a sender sends and what it waits for.
    pub fn unfollow(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) {
        self.hide(viewer, parts);
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

    fn follow_at_once(
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
fn is_worth_awaiting(viewer: SenderKey, layer: LayerKey, spec: &SendTrack, parts: &Parts<'_>) -> bool {
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
fn flows_until(sender: &Sender, tracks: &Tracks) -> Option<Instant> {
    let layer = tracks.layer(sender.layer?)?;
    layer.heard.filter(|_| sender.is_sending(layer.generation)).map(|heard| heard + STILL_AFTER)
}

// ── As media and time have it ───────────────────────────────────────────────────────────────────────────

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

    /// Nothing to begin with came in time, or there is nothing left to go on with.
    pub fn settle_awaited(&mut self, key: SessionKey, parts: &mut Parts<'_>) {
        let now = parts.now;
        let count = parts.clients.get(key).map_or(0, |session| session.delivery.senders.len());
        for line in (0..count).map(SendLine::new) {
            let viewer = SenderKey::of(key, line);
            let Some(sender) = parts.clients.sender(viewer) else { continue };
            let flows_until = flows_until(sender, parts.tracks);
            let present = sender.layer.and_then(|layer| parts.tracks.track_of(layer));
            let Some(awaited) = parts.clients.sender_mut(viewer).and_then(|sender| sender.awaited.as_mut()) else {
                continue;
            };
            if now < awaited.look_at {
                continue;
            }
            // Another encoding of the same track is no better than none: it may take as long as it likes.
            let is_off = parts.tracks.is_off(awaited.layer);
            let is_same = present.is_some() && present == parts.tracks.track_of(awaited.layer);
            let give_up_at = (!is_same).then_some(awaited.began + AWAIT_MAX);
            let until = flows_until.map(|until| give_up_at.map_or(until, |at| until.min(at)));
            match until.filter(|until| now < *until) {
                Some(until) => awaited.look_at = until,
                // It was just asked for.
                None if is_off && is_same => {
                    let target = awaited.layer;
                    self.await_off(viewer, target, parts);
                }
                None if is_off => awaited.look_at = now + STILL_AFTER,
                None => {
                    let (layer, spec) = (awaited.layer, awaited.spec.take());
                    self.stop_awaiting(viewer, parts);
                    self.follow_at_once(viewer, Some(layer), spec, parts);
                }
            }
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
const STILL_AFTER: Duration = Duration::from_millis(250);
/// Longest that a source goes on because there is nothing to begin the next one with.
const AWAIT_MAX: Duration = Duration::from_secs(2);
