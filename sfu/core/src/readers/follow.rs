//! Owns how a sender becomes what signaling says, and what ends its waiting for that when nothing comes. Never numbers or
//! seals a packet.

use std::time::Duration;

use crate::clients::Awaited;
use crate::keys::{Key, SendLine, SenderKey, SessionKey, TrackKey};
use crate::readers::aim::decide_first;
use crate::readers::switch::{STILL_AFTER, flows_until, is_worth_awaiting};
use crate::readers::{Parts, Readers};
use crate::spec::SendTrack;

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

    /// Ends what a sender sends and what it waits for.
    pub fn unfollow(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) {
        self.hide(viewer, parts);
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

/// Longest that a source goes on because there is nothing to begin the next one with.
const AWAIT_MAX: Duration = Duration::from_secs(2);
