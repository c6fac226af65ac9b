//! Owns which track a sender follows: what flows goes on until what is to replace it can begin. Never numbers or
//! seals a packet.

use std::time::{Duration, Instant};

use crate::clients::{Awaited, Sender};
use crate::keys::{LayerKey, SenderKey, SessionKey, TrackKey};
use crate::readers::{Parts, Readers};
use crate::spec::{MediaKind, SendTrack};
use crate::tracks::history::{GopState, History};
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
        if let Some(awaited) = sender.awaited.as_mut().filter(|awaited| Some(awaited.track) == track) {
            awaited.spec = spec;
            sender.forbid_plain_repeats();
            return;
        }
        self.stop_awaiting(viewer, parts);
        match track.filter(|track| is_worth_awaiting(viewer, *track, &spec, parts)) {
            Some(track) => self.await_track(viewer, track, spec, parts),
            None => self.follow_at_once(viewer, track, spec, parts),
        }
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

    fn await_track(&mut self, viewer: SenderKey, track: TrackKey, spec: SendTrack, parts: &mut Parts<'_>) {
        let now = parts.now;
        let Some(sender) = parts.clients.sender_mut(viewer) else { return };
        let is_video = spec.kind == MediaKind::Video;
        let look_at = now + STILL_AFTER;
        sender.awaited = Some(Box::new(Awaited { track, spec, began: now, look_at }));
        sender.forbid_plain_repeats();
        parts.clients.wake(viewer.session(), look_at);
        let Some(layer) = parts.tracks.layer_of(track) else { return };
        self.audience(layer).awaiting.insert(viewer, 0);
        self.note_viewers(layer, parts.tracks);
        if is_video {
            parts.tracks.want_keyframe(layer);
        }
    }

    fn stop_awaiting(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) {
        let awaited = parts.clients.sender_mut(viewer).and_then(|sender| sender.awaited.take());
        let Some(layer) = awaited.and_then(|awaited| parts.tracks.layer_of(awaited.track)) else { return };
        self.audience(layer).awaiting.remove(viewer);
        self.note_viewers(layer, parts.tracks);
    }

    fn follow_at_once(&mut self, viewer: SenderKey, track: Option<TrackKey>, spec: SendTrack, parts: &mut Parts<'_>) {
        if let Some(sender) = parts.clients.sender_mut(viewer) {
            sender.replace_spec(spec);
        }
        self.attach(viewer, track, parts);
    }

    /// Lets a sender follow `track`, or nothing, with what is there of it or with the next key frame.
    fn attach(&mut self, viewer: SenderKey, track: Option<TrackKey>, parts: &mut Parts<'_>) {
        let before = parts.clients.sender(viewer).and_then(|sender| sender.track);
        if before == track {
            return;
        }
        self.replace_track(viewer, track, parts);
        if let Some(track) = track
            && !self.join(viewer, parts)
        {
            parts.tracks.want_keyframe_of(track);
        }
    }

    fn replace_track(&mut self, viewer: SenderKey, track: Option<TrackKey>, parts: &mut Parts<'_>) {
        let Some(sender) = parts.clients.sender_mut(viewer) else { return };
        let before = std::mem::replace(&mut sender.track, track);
        sender.interrupt();
        if let Some(layer) = before.and_then(|before| parts.tracks.layer_of(before)) {
            self.audience(layer).unsubscribe(viewer);
            self.note_viewers(layer, parts.tracks);
        }
        if let Some(layer) = track.and_then(|track| parts.tracks.layer_of(track)) {
            self.audience(layer).subscribe(viewer);
            self.note_viewers(layer, parts.tracks);
        }
    }
}

/// Not if there is nothing to keep, or if the new picture is so young that it starts as a live one does.
fn is_worth_awaiting(viewer: SenderKey, track: TrackKey, spec: &SendTrack, parts: &Parts<'_>) -> bool {
    let now = parts.now;
    let Some(sender) = parts.clients.sender(viewer) else { return false };
    let flows = flows_until(sender, parts.tracks).is_some_and(|until| until > now);
    if !flows || sender.track == Some(track) {
        return false;
    }
    let layer = parts.tracks.layer_of(track).and_then(|layer| parts.tracks.layer(layer));
    let Some(layer) = layer else { return false };
    let is_live = layer.heard.is_some_and(|heard| now < heard + STILL_AFTER);
    spec.kind == MediaKind::Audio || !is_live || find_picture(layer, spec, now) != SwitchPoint::Here
}

/// Until when the track a sender sends counts as flowing. `None` if the sender sends nothing of it.
fn flows_until(sender: &Sender, tracks: &Tracks) -> Option<Instant> {
    let layer = tracks.layer(tracks.layer_of(sender.track?)?)?;
    layer.heard.filter(|_| sender.is_sending(layer.generation)).map(|heard| heard + STILL_AFTER)
}

// ── As media and time have it ───────────────────────────────────────────────────────────────────────────

/// What the packets that are about to leave are for a sender that awaits their track.
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
        let track = parts.tracks.track_of(key);
        let Some(sender) = parts.clients.sender_mut(viewer) else { return };
        let Some(awaited) = sender.awaited.take() else { return };
        let is_video = awaited.spec.kind == MediaKind::Video;
        sender.replace_spec(awaited.spec);
        self.replace_track(viewer, track, parts);
        if is_video {
            self.join(viewer, parts);
        }
    }

    /// Nothing to begin with came in time, or there is nothing left to go on with.
    pub fn settle_awaited(&mut self, key: SessionKey, parts: &mut Parts<'_>) {
        let now = parts.now;
        for line in 0..parts.clients.get(key).map_or(0, |session| session.delivery.senders.len()) {
            let viewer = SenderKey::of(key, line);
            let Some(sender) = parts.clients.sender(viewer) else { continue };
            let flows_until = flows_until(sender, parts.tracks);
            let Some(awaited) = parts.clients.sender_mut(viewer).and_then(|sender| sender.awaited.as_mut()) else {
                continue;
            };
            if now < awaited.look_at {
                continue;
            }
            let until = flows_until.map(|until| until.min(awaited.began + AWAIT_MAX));
            match until.filter(|until| now < *until) {
                Some(until) => awaited.look_at = until,
                None => {
                    let (track, spec) = (awaited.track, awaited.spec.clone());
                    self.follow_at_once(viewer, Some(track), spec, parts);
                    self.stop_awaiting(viewer, parts);
                }
            }
        }
    }
}

fn find_start(viewer: SenderKey, key: LayerKey, live: u64, parts: &Parts<'_>) -> SwitchPoint {
    let awaited = parts.clients.sender(viewer).and_then(|sender| sender.awaited.as_ref());
    let awaited = awaited.filter(|_| parts.clients.is_open(viewer));
    let layer = parts.tracks.layer(key);
    let history = layer.and_then(|layer| layer.history.as_ref());
    let (Some(Awaited { spec, .. }), Some(layer), Some(history)) = (awaited.map(Box::as_ref), layer, history) else {
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
