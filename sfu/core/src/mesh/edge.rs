//! Owns what a parent sends: media into the history of its track, and the answers to what was asked. Never
//! serves anybody.

use std::time::{Duration, Instant};

use crate::keys::{FeedKey, LinkKey, TrackKey};
use crate::mesh::CLOCKS_MAX;
use crate::mesh::feed::{Feed, InletState};
use crate::mesh::missing::Arrival;
use crate::mesh::wire::{Accept, Clock, Media, Message, Refusal, Subscribe, nack_frame};
use crate::sfu::Sfu;
use crate::spec::{Event, MediaKind, PeerId};
use crate::stats::DropReason;
use crate::tracks::playout::MediaClock;

// ── Media ───────────────────────────────────────────────────────────────────────────────────────────────

impl Sfu {
    /// One packet, into the history as the origin has it.
    pub(super) fn handle_relayed(&mut self, now: Instant, link: LinkKey, media: &Media<'_>) -> Result<(), DropReason> {
        let key = self.feed_of(now, link, media.channel)?;
        let feed = &mut self.relay.feeds[key];
        let Some(inlet) = feed.inlet_of(link, media.channel) else { return Err(DropReason::RelayStale) };
        let is_open = inlet.is_open();
        if !is_open || feed.run.map(|run| run as u8) != Some(media.run) {
            // The answer that says what these numbers are was lost.
            self.ask_soon(now, key);
            return Err(DropReason::RelayStale);
        }
        // The new parent delivers: even if all of it is there already, because the old one is nearer.
        let left = feed.inlet.filter(|inlet| inlet.channel == media.channel).and_then(|_| feed.previous.take());
        if left.is_some() {
            self.say_goodbye(left);
        }
        let (feed, sequence) = (&mut self.relay.feeds[key], media.packet.sequence);
        if !feed.seen.check(sequence) {
            // From two parents, or repeated twice.
            feed.missing.forget(sequence);
            return Ok(());
        }
        let arrival = feed.missing.handle_packet(now, sequence);
        feed.repaired += u64::from(arrival == Arrival::Recovered);
        if media.packet.starts_picture() {
            feed.keyframes.satisfy();
        }
        if let Some(at) = feed.missing.poll_timeout() {
            self.relay.feed_timers.lower(key, at);
        }
        let (track_key, kind, base) = (feed.track, feed.kind, self.relay.base.unwrap_or(now));
        let Some(track) = self.tracks.get_mut(track_key) else { return Ok(()) };
        let at_ms = now.saturating_duration_since(base).as_millis() as u32;
        let packet = crate::tracks::history::Arrived { at_ms, ..media.packet };
        let pushed = track.history_mut(kind).push(&mut self.cache, packet, media.extensions, media.payload);
        pushed.ok_or(DropReason::RtpTooLong)?;
        let feed = &mut self.relay.feeds[key];
        feed.seen.accept(sequence);
        feed.received.add(media.payload.len());
        if feed.seen.highest() == Some(sequence) {
            track.generation = packet.generation;
        }
        if track.note_waiting(now, self.turn) {
            self.waiting.push(track_key);
        }
        Ok(())
    }

    /// The feed that has this channel; a parent that sends for nobody is told.
    fn feed_of(&mut self, now: Instant, link: LinkKey, channel: u32) -> Result<FeedKey, DropReason> {
        let key = self.relay.feed_of(channel);
        if self.relay.feeds.get_mut(key).is_some_and(|feed| feed.inlet_of(link, channel).is_some()) {
            return Ok(key);
        }
        if let Some(link) = self.relay.links.get_mut(link)
            && link.scolded.is_none_or(|at| now >= at + SCOLD_INTERVAL)
        {
            link.scolded = Some(now);
            link.send(&mut self.egress, &Message::Unsubscribe { channel });
        }
        Err(DropReason::RelayStale)
    }

    /// The same for messages about what is open already.
    fn open_feed_of(&mut self, now: Instant, link: LinkKey, (channel, run): (u32, u8)) -> Result<FeedKey, DropReason> {
        let key = self.feed_of(now, link, channel)?;
        let feed = &mut self.relay.feeds[key];
        let is_open = feed.inlet_of(link, channel).is_some_and(|inlet| inlet.is_open());
        if is_open && feed.run.map(|run| run as u8) == Some(run) { Ok(key) } else { Err(DropReason::RelayStale) }
    }

    pub(super) fn handle_tail(
        &mut self,
        now: Instant,
        link: LinkKey,
        of: (u32, u8),
        sequence: u64,
    ) -> Result<(), DropReason> {
        let key = self.open_feed_of(now, link, of)?;
        self.relay.feeds[key].missing.handle_tail(now, sequence);
        self.arm_feed(key);
        Ok(())
    }

    pub(super) fn handle_clock(
        &mut self,
        now: Instant,
        link: LinkKey,
        of: (u32, u8),
        clock: &Clock,
    ) -> Result<(), DropReason> {
        let key = self.open_feed_of(now, link, of)?;
        self.take_clock(now, key, clock);
        Ok(())
    }

    /// The origin's wall clock becomes ours.
    fn take_clock(&mut self, now: Instant, feed: FeedKey, clock: &Clock) {
        let (Some(feed), Some(wall)) = (self.relay.feeds.get_mut(feed), self.wall.as_ref()) else { return };
        let offsets = &mut self.relay.clock_offsets;
        if offsets.len() >= CLOCKS_MAX && !offsets.contains_key(&clock.origin) {
            offsets.clear();
        }
        let offset = *offsets.entry(clock.origin).or_insert_with(|| wall.at(now).wrapping_sub(clock.now_ntp));
        feed.origin = Some(clock.origin);
        let at = now.checked_sub(Duration::from_micros(u64::from(clock.age_us))).unwrap_or(now);
        let (ntp, timestamp) = (clock.ntp.wrapping_add(offset), clock.timestamp);
        let track = feed.track;
        self.set_clock(track, MediaClock { ntp, timestamp, at, reported: clock.reported }, now);
    }
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────

impl Sfu {
    pub(super) fn handle_accept(&mut self, now: Instant, link: LinkKey, accept: &Accept) -> Result<(), DropReason> {
        let key = self.feed_of(now, link, accept.channel)?;
        let patience = self.relay.links.get(link).map_or(SCOLD_INTERVAL, |link| link.patience());
        let feed = &mut self.relay.feeds[key];
        let is_current = feed.inlet.is_some_and(|inlet| inlet.channel == accept.channel);
        let is_served = feed.inlet.is_some_and(|inlet| inlet.is_open());
        let Some(inlet) = feed.inlet_of(link, accept.channel) else { return Err(DropReason::RelayStale) };
        let (was_open, is_settled) = (inlet.is_open(), inlet.is_settled(now));
        inlet.state = InletState::Open;
        inlet.note_asked(now, patience, false);
        if is_current || !is_served {
            feed.depth = accept.depth.saturating_add(1);
            if feed.run != Some(accept.run) {
                self.begin_run(now, key, accept, patience);
            }
        }
        if is_settled && is_current {
            // There is just no media, and the old parent may wait to be left.
            let left = self.relay.feeds[key].previous.take();
            self.say_goodbye(left);
        }
        let feed = &mut self.relay.feeds[key];
        if accept.from > 0 && is_current && feed.run == Some(accept.run) && feed.previous.is_none() {
            feed.missing.expect(now, accept.from);
        }
        if let Some(clock) = accept.clock.filter(|_| self.relay.feeds[key].run == Some(accept.run)) {
            self.take_clock(now, key, &clock);
        }
        if !was_open {
            let track = self.relay.feeds[key].track;
            self.start_waiting(now, track);
            self.ask_for_keyframe(now, key);
        }
        self.arm_feed(key);
        Ok(())
    }

    /// Numbers of another run follow: what was sent before is over.
    fn begin_run(&mut self, now: Instant, key: FeedKey, accept: &Accept, patience: Duration) {
        let feed = &mut self.relay.feeds[key];
        let (track, was_running) = (feed.track, feed.run.is_some());
        feed.restart(Some(accept.run));
        if accept.from > 0 && feed.kind == MediaKind::Video {
            feed.keyframes.hold(now + patience + KEYFRAME_PATIENCE);
        }
        if feed.inlet.is_some_and(|inlet| inlet.channel == accept.channel) {
            let left = feed.previous.take();
            self.say_goodbye(left);
        }
        if was_running {
            self.end_track(track);
            self.restart_outlets(track);
        }
        self.start_waiting(now, track);
    }

    pub(super) fn handle_refuse(
        &mut self,
        now: Instant,
        link: LinkKey,
        channel: u32,
        reason: Refusal,
    ) -> Result<(), DropReason> {
        let key = self.feed_of(now, link, channel)?;
        let feed = &mut self.relay.feeds[key];
        let is_current = feed.inlet.is_some_and(|inlet| inlet.channel == channel);
        let Some(inlet) = feed.inlet_of(link, channel) else { return Err(DropReason::RelayStale) };
        let was_open = inlet.is_open();
        inlet.state = InletState::Closed;
        inlet.note_asked(now, Duration::ZERO, false);
        let (peer, is_news) = (inlet.peer, inlet.note_refused(now));
        let track = feed.id;
        if !is_current {
            feed.previous = None;
        } else if is_news {
            self.push_event(Event::RelayRefused { track, peer });
        }
        if was_open && reason == Refusal::NotHere && self.relay.feeds[key].open_inlet().is_none() {
            self.end_feed(key);
        }
        self.arm_feed(key);
        Ok(())
    }

    pub(super) fn handle_redirect(
        &mut self,
        now: Instant,
        link: LinkKey,
        channel: u32,
        to: PeerId,
    ) -> Result<(), DropReason> {
        let key = self.feed_of(now, link, channel)?;
        let feed = &mut self.relay.feeds[key];
        let track = feed.id;
        // A parent that we are about to leave has nothing to say.
        let Some(inlet) = feed.inlet.as_mut().filter(|inlet| inlet.channel == channel) else { return Ok(()) };
        if !inlet.is_open() {
            inlet.state = InletState::Closed;
            inlet.note_asked(now, Duration::ZERO, false);
        }
        if inlet.note_refused(now) {
            self.push_event(Event::RelayRedirected { track, to });
        }
        self.arm_feed(key);
        Ok(())
    }

    /// The publisher is gone.
    pub(super) fn handle_end(&mut self, now: Instant, link: LinkKey, of: (u32, u8)) -> Result<(), DropReason> {
        let key = self.open_feed_of(now, link, of)?;
        let feed = &mut self.relay.feeds[key];
        let is_current = feed.inlet.is_some_and(|inlet| inlet.channel == of.0);
        if let Some(inlet) = feed.inlet_of(link, of.0) {
            inlet.state = InletState::Closed;
            inlet.note_asked(now, Duration::ZERO, false);
        }
        if !is_current {
            feed.previous = None;
        }
        if feed.open_inlet().is_none() {
            self.end_feed(key);
        }
        self.arm_feed(key);
        Ok(())
    }

    /// Viewers wait for whoever comes next, here as where it was published.
    fn end_feed(&mut self, key: FeedKey) {
        let feed = &mut self.relay.feeds[key];
        feed.restart(None);
        let track = feed.track;
        self.end_outlets(track);
        self.end_track(track);
        self.note_demand(track);
    }
}

// ── Questions ───────────────────────────────────────────────────────────────────────────────────────────

impl Sfu {
    pub(super) fn handle_feed_due(&mut self, now: Instant, key: FeedKey) {
        if self.close_idle(now, key) {
            return;
        }
        self.ask_parents(now, key);
        self.ask_for_missing(now, key);
        self.ask_for_keyframe(now, key);
        self.arm_feed(key);
    }

    /// Asks, asks again or says that it still is there, whatever is due.
    pub(super) fn ask_parents(&mut self, now: Instant, key: FeedKey) {
        let Some(feed) = self.relay.feeds.get_mut(key) else { return };
        let (track, kind, have) = (feed.id, feed.kind, feed.have());
        let leaves = feed.previous.map(|inlet| inlet.peer);
        let mut unanswered = None;
        for (inlet, leaves) in [(&mut feed.inlet, leaves), (&mut feed.previous, None)] {
            let Some(inlet) = inlet.as_mut().filter(|inlet| now >= inlet.ask_at) else { continue };
            let Some(link) = self.relay.links.get_mut(inlet.link) else { continue };
            let (channel, epoch) = (inlet.channel, inlet.epoch);
            link.send(&mut self.egress, &Message::Subscribe(Subscribe { channel, track, epoch, kind, have, leaves }));
            inlet.note_asked(now, link.patience(), link.is_lost());
            // It may wait for a parent of its own, and that one for us.
            if inlet.is_unanswered(now) && inlet.note_refused(now) {
                unanswered = Some(inlet.peer);
            }
        }
        if let Some(peer) = unanswered {
            self.push_event(Event::RelayRefused { track, peer });
        }
    }

    /// The parent thinks that we know what we don't.
    fn ask_soon(&mut self, now: Instant, key: FeedKey) {
        let Some(feed) = self.relay.feeds.get_mut(key) else { return };
        let Some(inlet) = feed.inlet.as_mut() else { return };
        let patience = self.relay.links.get(inlet.link).map_or(SCOLD_INTERVAL, |link| link.patience());
        if inlet.is_open() && inlet.ask_at > now + patience {
            inlet.ask_at = now + patience;
            self.arm_feed(key);
        }
    }

    fn ask_for_missing(&mut self, now: Instant, key: FeedKey) {
        let Some(feed) = self.relay.feeds.get_mut(key) else { return };
        let Some(inlet) = feed.open_inlet().copied() else { return };
        let Some(link) = self.relay.links.get_mut(inlet.link) else { return };
        if let Some(round_trip) = link.round_trip {
            feed.missing.set_round_trip(round_trip);
        }
        let due = feed.missing.poll_due(now);
        feed.lost += due.given_up as u64;
        if due.given_up > 0 && feed.kind == MediaKind::Video {
            feed.keyframes.want();
        }
        if let Some(run) = feed.run.filter(|_| !due.lost.is_empty()) {
            let frame = nack_frame(inlet.channel, run as u8, due.urgent, &due.lost);
            link.send_frame(&mut self.egress, &frame);
        }
    }

    /// A viewer or child of a track that comes from elsewhere needs a key frame.
    pub(crate) fn ask_parent_for_keyframe(&mut self, now: Instant, track: TrackKey) {
        let Some(key) = self.tracks.get(track).and_then(|track| track.feed) else { return };
        let Some(feed) = self.relay.feeds.get_mut(key).filter(|feed| feed.kind == MediaKind::Video) else { return };
        if feed.run.is_none() {
            // Before the parent has answered: it sends a picture, or asks for one itself.
            return;
        }
        feed.keyframes.want();
        self.ask_for_keyframe(now, key);
        self.arm_feed(key);
    }

    fn ask_for_keyframe(&mut self, now: Instant, key: FeedKey) {
        let Some(feed) = self.relay.feeds.get_mut(key) else { return };
        let Some(inlet) = feed.open_inlet().copied() else { return };
        if !feed.keyframes.take_due(now) {
            return;
        }
        if let Some(link) = self.relay.links.get_mut(inlet.link) {
            link.send(&mut self.egress, &Message::Keyframe { channel: inlet.channel });
        }
    }

    pub(super) fn arm_feed(&mut self, key: FeedKey) {
        let at = self.relay.feeds.get(key).and_then(Feed::poll_timeout);
        self.relay.feed_timers.set(key, at);
    }
}

/// Between two times a parent is told that nobody wants what it sends.
const SCOLD_INTERVAL: Duration = Duration::from_millis(100);
/// Beyond a round trip, for a key frame that the parent has said is on its way.
const KEYFRAME_PATIENCE: Duration = Duration::from_millis(100);
