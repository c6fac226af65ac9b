//! Owns which track a sender follows: what flows goes on until what is to replace it can begin. Never numbers or
//! seals a packet.

use std::time::{Duration, Instant};

use crate::clients::sender::Sender;
use crate::keys::{SenderKey, SessionKey, TrackKey};
use crate::sfu::Sfu;
use crate::spec::{MediaKind, SendTrack};
use crate::tracks::history::{GopState, History};
use crate::tracks::track::{LATE_TICKS, Track};

/// What a sender follows next. Until something of it arrives that a decoder can begin with, the picture that is
/// there goes on.
#[derive(Debug)]
pub(crate) struct Awaited {
    /// Key of the track.
    pub track: TrackKey,
    /// What the m-line is from then on. Until then its payload types may mean others.
    pub spec: SendTrack,
    began: Instant,
    /// When to look again whether the old track flows and whether the wait was long enough.
    pub look_at: Instant,
}

impl Awaited {
    /// The old track is at its end: there is nothing to go on with.
    pub fn hurry(&mut self) -> Instant {
        self.look_at = self.began;
        self.began
    }
}

// ── As signaling says ───────────────────────────────────────────────────────────────────────────────────

impl Sfu {
    /// Lets a sender be what signaling says: at once, or, where that would be a break, as soon as the new source
    /// has something to begin with.
    pub(crate) fn follow(&mut self, now: Instant, subscriber: SenderKey, spec: SendTrack) {
        let track = spec.source.map(|source| self.track(source));
        let Some(sender) = self.sender_mut(subscriber) else { return };
        if let Some(awaited) = sender.awaited.as_mut().filter(|awaited| Some(awaited.track) == track) {
            awaited.spec = spec;
            sender.forbid_plain_repeats();
            return;
        }
        self.stop_awaiting(subscriber);
        match track.filter(|track| self.is_worth_awaiting(now, subscriber, *track, &spec)) {
            Some(track) => self.await_track(now, subscriber, track, spec),
            None => self.follow_at_once(subscriber, track, spec),
        }
    }

    /// Ends what a sender sends and what it waits for.
    pub(crate) fn unfollow(&mut self, subscriber: SenderKey) {
        self.stop_awaiting(subscriber);
        self.attach(subscriber, None);
    }

    /// Not if there is nothing to keep, or if the new picture is so young that it starts as a live one does.
    fn is_worth_awaiting(&self, now: Instant, subscriber: SenderKey, track: TrackKey, spec: &SendTrack) -> bool {
        let Some(sender) = self.sender(subscriber) else { return false };
        let flows = self.flows_until(sender).is_some_and(|until| until > now);
        if !flows || sender.track == Some(track) {
            return false;
        }
        let Some(track) = self.tracks.get(track) else { return false };
        let is_live = track.heard.is_some_and(|heard| now < heard + STILL_AFTER);
        spec.kind == MediaKind::Audio || !is_live || find_picture(track, spec, now) != Start::Here
    }

    /// Until when the track a sender sends counts as flowing. `None` if the sender sends nothing of it.
    fn flows_until(&self, sender: &Sender) -> Option<Instant> {
        let track = self.tracks.get(sender.track?)?;
        track.heard.filter(|_| sender.is_sending(track.generation)).map(|heard| heard + STILL_AFTER)
    }

    fn await_track(&mut self, now: Instant, subscriber: SenderKey, track: TrackKey, spec: SendTrack) {
        let Some(sender) = self.sender_mut(subscriber) else { return };
        let is_video = spec.kind == MediaKind::Video;
        let look_at = now + STILL_AFTER;
        sender.awaited = Some(Box::new(Awaited { track, spec, began: now, look_at }));
        sender.forbid_plain_repeats();
        self.timers.lower(subscriber.session(), look_at);
        if let Some(track) = self.tracks.get_mut(track) {
            track.awaiting.insert(subscriber);
        }
        self.note_demand(track);
        if is_video {
            self.want_keyframe(track);
        }
    }

    fn stop_awaiting(&mut self, subscriber: SenderKey) {
        let awaited = self.sender_mut(subscriber).and_then(|sender| sender.awaited.take());
        let Some(awaited) = awaited else { return };
        if let Some(track) = self.tracks.get_mut(awaited.track) {
            track.stop_awaiting(subscriber);
        }
        self.note_demand(awaited.track);
        self.drop_unused(awaited.track);
    }

    fn follow_at_once(&mut self, subscriber: SenderKey, track: Option<TrackKey>, spec: SendTrack) {
        if let Some(sender) = self.sender_mut(subscriber) {
            sender.replace_spec(spec);
        }
        self.attach(subscriber, track);
    }

    /// Lets a sender follow `track`, or nothing, with what is there of it or with the next key frame.
    fn attach(&mut self, subscriber: SenderKey, track: Option<TrackKey>) {
        let before = self.sender(subscriber).and_then(|sender| sender.track);
        if before == track {
            return;
        }
        self.replace_track(subscriber, track);
        if let Some(before) = before {
            self.drop_unused(before);
        }
        if let Some(track) = track
            && !self.join(subscriber, track)
        {
            self.want_keyframe(track);
        }
    }

    fn replace_track(&mut self, subscriber: SenderKey, track: Option<TrackKey>) {
        let Some(sender) = self.sender_mut(subscriber) else { return };
        let before = std::mem::replace(&mut sender.track, track);
        sender.interrupt();
        if let Some(before) = before {
            if let Some(track) = self.tracks.get_mut(before) {
                track.unsubscribe(subscriber);
            }
            self.note_demand(before);
        }
        if let Some(track) = track {
            if let Some(track) = self.tracks.get_mut(track) {
                track.subscribe(subscriber);
            }
            self.note_demand(track);
        }
    }

    fn sender(&self, subscriber: SenderKey) -> Option<&Sender> {
        self.sessions.get(subscriber.session())?.senders.get(subscriber.line())?.as_ref()
    }

    fn sender_mut(&mut self, subscriber: SenderKey) -> Option<&mut Sender> {
        self.sessions.get_mut(subscriber.session())?.senders.get_mut(subscriber.line())?.as_mut()
    }
}

// ── As media and time have it ───────────────────────────────────────────────────────────────────────────

/// What the packets that are about to leave are for a sender that awaits their track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Here,
    /// A key frame would help.
    Missing,
    /// Nothing would, or what is missing is on its way.
    Impossible,
}

/// Whether a viewer can go over to the newest picture of a track without a stop. A publisher that has just begun sends
/// its first key frame as slowly as it guesses its way to be, so all of it has to be there.
fn find_picture(track: &Track, spec: &SendTrack, now: Instant) -> Start {
    let history = track.history.as_ref();
    let newest = history.and_then(|history| history.entry(history.next().checked_sub(1)?));
    if !newest.is_some_and(|entry| spec.decodes(entry.packet.payload_type)) {
        return Start::Impossible;
    }
    let gop = history.and_then(History::newest_gop).filter(|gop| spec.decodes(gop.payload_type));
    // A picture of the past comes all at once, which would shake a playout that runs.
    let Some(gop) = gop.filter(|gop| gop.span() as i32 <= LATE_TICKS) else { return Start::Missing };
    if gop.has_picture() && gop.state() == GopState::Cached && !track.is_filling(now) {
        Start::Here
    } else {
        Start::Impossible
    }
}

impl Sfu {
    /// Whoever awaits this track gets it from the next pass on, if it can be begun with.
    pub(crate) fn switch_awaiting(&mut self, now: Instant, key: TrackKey) {
        let (mut place, mut is_missed) = (0, false);
        while let Some(subscriber) = self.tracks.get(key).and_then(|track| track.awaiting.at(place)) {
            match self.find_start(now, key, subscriber) {
                Start::Here => self.switch(subscriber, key),
                start => {
                    is_missed |= start == Start::Missing;
                    place += 1;
                }
            }
        }
        if is_missed {
            self.want_keyframe(key);
        }
    }

    fn find_start(&self, now: Instant, key: TrackKey, subscriber: SenderKey) -> Start {
        let is_open = self.sessions.get(subscriber.session()).is_some_and(|viewer| viewer.outlet.is_open());
        let awaited = self.sender(subscriber).and_then(|sender| sender.awaited.as_ref()).filter(|_| is_open);
        let track = self.tracks.get(key);
        let history = track.and_then(|track| track.history.as_ref());
        let (Some(Awaited { spec, .. }), Some(track), Some(history)) = (awaited.map(Box::as_ref), track, history)
        else {
            return Start::Impossible;
        };
        if spec.kind == MediaKind::Video {
            return find_picture(track, spec, now);
        }
        let mut leaving = (track.sent()..history.next()).filter_map(|number| Some(history.entry(number)?.packet));
        let can_begin = leaving.any(|packet| packet.keyframe && spec.decodes(packet.payload_type));
        if can_begin { Start::Here } else { Start::Impossible }
    }

    /// In the middle of a flush: a track that nobody uses any more goes in the next one.
    fn switch(&mut self, subscriber: SenderKey, key: TrackKey) {
        if let Some(track) = self.tracks.get_mut(key) {
            track.stop_awaiting(subscriber);
        }
        let Some(sender) = self.sender_mut(subscriber) else { return };
        let Some(awaited) = sender.awaited.take() else { return };
        let is_video = awaited.spec.kind == MediaKind::Video;
        sender.replace_spec(awaited.spec);
        self.replace_track(subscriber, Some(key));
        if is_video {
            self.join(subscriber, key);
        }
    }

    /// Nothing to begin with came in time, or there is nothing left to go on with.
    pub(crate) fn settle_awaited(&mut self, now: Instant, key: SessionKey) {
        for at in 0..self.sessions.get(key).map_or(0, |session| session.senders.len()) {
            let subscriber = SenderKey::of(key, at);
            let Some(sender) = self.sender(subscriber) else { continue };
            let flows_until = self.flows_until(sender);
            let Some(awaited) = self.sender_mut(subscriber).and_then(|sender| sender.awaited.as_mut()) else {
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
                    self.follow_at_once(subscriber, Some(track), spec);
                    self.stop_awaiting(subscriber);
                }
            }
        }
    }
}

/// A track of which nothing came for this long does not flow: to leave it is no break.
const STILL_AFTER: Duration = Duration::from_millis(250);
/// Longest that a source goes on because there is nothing to begin the next one with.
const AWAIT_MAX: Duration = Duration::from_secs(2);
