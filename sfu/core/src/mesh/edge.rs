//! Owns what a parent sends: media into the history of its track, and the answers to what was asked. Never
//! serves anybody.

use std::time::Duration;

use crate::keys::{FeedKey, LayerKey, LinkKey};
use crate::mesh::feed::{Feed, ParentRelay, ParentState};
use crate::mesh::missing::RelayArrival;
use crate::mesh::wire::{Accept, Announcement, Clock, Refusal, RelayMessage, RelayedPacket, Subscribe, nack_frame};
use crate::mesh::{CLOCKS_MAX, Mesh, Scope, feed_at};
use crate::net::before;
use crate::spec::{Event, MediaKind, PeerId};
use crate::stats::DropReason;
use crate::tracks::history::Arrived;
use crate::tracks::playout::MediaClock;

// ── Media ───────────────────────────────────────────────────────────────────────────────────────────────

impl Mesh {
    /// One packet, into the history as the origin has it, and as old as it is: what it waited on its way here, and with
    /// the kernel.
    pub(super) fn handle_relayed(
        &mut self,
        link: LinkKey,
        media: &RelayedPacket<'_>,
        waited: Duration,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let key = self.feed_of(link, media.channel, scope)?;
        let feed = &mut self.feeds[key];
        let Some(parent) = feed.parent_of(link, media.channel) else { return Err(DropReason::RelayStale) };
        let is_open = parent.is_open();
        if !is_open || feed.run.map(|run| run as u8) != Some(media.run) {
            // The answer that says what these numbers are was lost.
            self.ask_soon(key, scope);
            return Err(DropReason::RelayStale);
        }
        // The new parent delivers: even if all of it is there already, because the old one is nearer.
        let left = feed.parent.filter(|parent| parent.channel == media.channel).and_then(|_| feed.previous.take());
        if left.is_some() {
            self.say_goodbye(left, scope);
        }
        let (feed, sequence) = (&mut self.feeds[key], media.packet.sequence);
        if !feed.seen.check(sequence) {
            // From two parents, or repeated twice.
            feed.missing.forget(sequence);
            return Ok(());
        }
        let arrival = feed.missing.handle_packet(scope.now, sequence);
        feed.repaired += u64::from(arrival == RelayArrival::Recovered);
        if media.packet.starts_picture() {
            feed.keyframes.satisfy();
        }
        if let Some(at) = feed.missing.poll_timeout() {
            self.feed_timers.lower(key, at);
        }
        let Some(mut writer) = scope.tracks.writer(feed.layer) else { return Ok(()) };
        let came = before(scope.now, waited + Duration::from_millis(media.waited_ms.into()));
        let since = came.saturating_duration_since(self.base.unwrap_or(came));
        let packet = Arrived { at_ms: since.as_millis() as u32, ..media.packet };
        writer.push(feed.kind, packet, media.extensions, media.payload)?;
        feed.seen.accept(sequence);
        feed.received.add(media.payload.len());
        if feed.seen.highest() == Some(sequence) {
            writer.layer.generation = packet.generation;
        }
        writer.note_arrival(came);
        Ok(())
    }

    /// The feed that has this channel; a parent that sends for nobody is told.
    fn feed_of(&mut self, link: LinkKey, channel: u32, scope: &mut Scope<'_>) -> Result<FeedKey, DropReason> {
        let key = feed_at(channel);
        if self.feeds.get_mut(key).is_some_and(|feed| feed.parent_of(link, channel).is_some()) {
            return Ok(key);
        }
        if let Some(link) = self.links.get_mut(link)
            && link.unsubscribed_at.is_none_or(|at| scope.now >= at + UNSUBSCRIBE_INTERVAL)
        {
            link.unsubscribed_at = Some(scope.now);
            link.send(&mut scope.out.egress, &RelayMessage::Unsubscribe { channel });
        }
        Err(DropReason::RelayStale)
    }

    /// The same for messages about what is open already.
    fn open_feed_of(
        &mut self,
        link: LinkKey,
        (channel, run): (u32, u8),
        scope: &mut Scope<'_>,
    ) -> Result<FeedKey, DropReason> {
        let key = self.feed_of(link, channel, scope)?;
        let feed = &mut self.feeds[key];
        let is_open = feed.parent_of(link, channel).is_some_and(|parent| parent.is_open());
        if is_open && feed.run.map(|run| run as u8) == Some(run) { Ok(key) } else { Err(DropReason::RelayStale) }
    }

    pub(super) fn handle_tail(
        &mut self,
        link: LinkKey,
        of: (u32, u8),
        sequence: u64,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let key = self.open_feed_of(link, of, scope)?;
        self.feeds[key].missing.handle_tail(scope.now, sequence);
        self.arm_feed(key);
        Ok(())
    }

    /// Encodings that nobody here watches are known by this alone.
    pub(super) fn handle_offer(
        &mut self,
        link: LinkKey,
        of: (u32, u8),
        encodings: &Announcement,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let key = self.open_feed_of(link, of, scope)?;
        if let Some(track) = scope.tracks.track_of(self.feeds[key].layer) {
            scope.tracks.announce(track, encodings);
        }
        Ok(())
    }

    pub(super) fn handle_clock(
        &mut self,
        link: LinkKey,
        of: (u32, u8),
        clock: &Clock,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let key = self.open_feed_of(link, of, scope)?;
        self.take_clock(key, clock, scope);
        Ok(())
    }

    /// The origin's wall clock becomes ours.
    fn take_clock(&mut self, feed: FeedKey, clock: &Clock, scope: &mut Scope<'_>) {
        let (Some(feed), Some(wall)) = (self.feeds.get_mut(feed), scope.tracks.wall()) else { return };
        let offsets = &mut self.clock_offsets;
        if offsets.len() >= CLOCKS_MAX && !offsets.contains_key(&clock.origin) {
            offsets.clear();
        }
        let offset = *offsets.entry(clock.origin).or_insert_with(|| wall.at(scope.now).wrapping_sub(clock.now_ntp));
        feed.origin = Some(clock.origin);
        let at = scope.now.checked_sub(Duration::from_micros(u64::from(clock.age_us))).unwrap_or(scope.now);
        let (ntp, timestamp) = (clock.ntp.wrapping_add(offset), clock.timestamp);
        scope.tracks.set_clock(feed.layer, MediaClock { ntp, timestamp, at, reported: clock.reported });
    }
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────

impl Mesh {
    pub(super) fn handle_accept(
        &mut self,
        link: LinkKey,
        accept: &Accept,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let key = self.feed_of(link, accept.channel, scope)?;
        let patience = self.links.get(link).map_or(UNSUBSCRIBE_INTERVAL, |link| link.patience());
        let feed = &mut self.feeds[key];
        let is_current = feed.parent.is_some_and(|parent| parent.channel == accept.channel);
        let is_served = feed.parent.is_some_and(|parent| parent.is_open());
        let Some(parent) = feed.parent_of(link, accept.channel) else { return Err(DropReason::RelayStale) };
        let (was_open, is_settled) = (parent.is_open(), parent.is_settled(scope.now));
        parent.state = ParentState::Open;
        parent.note_asked(scope.now, patience, false);
        if is_current || !is_served {
            feed.depth = accept.depth.saturating_add(1);
            if feed.run != Some(accept.run) {
                self.begin_run(key, accept, patience, scope);
            }
        }
        if is_settled && is_current {
            // There is just no media, and the old parent may wait to be left.
            let left = self.feeds[key].previous.take();
            self.say_goodbye(left, scope);
        }
        let feed = &mut self.feeds[key];
        if accept.from > 0 && is_current && feed.run == Some(accept.run) && feed.previous.is_none() {
            feed.missing.expect(scope.now, accept.from);
        }
        if let Some(clock) = accept.clock.filter(|_| self.feeds[key].run == Some(accept.run)) {
            self.take_clock(key, &clock, scope);
        }
        if !was_open {
            let layer = self.feeds[key].layer;
            self.start_waiting(layer, scope);
            self.ask_for_keyframe(key, scope);
        }
        self.arm_feed(key);
        Ok(())
    }

    /// Numbers of another run follow: what was sent before is over.
    fn begin_run(&mut self, key: FeedKey, accept: &Accept, patience: Duration, scope: &mut Scope<'_>) {
        let feed = &mut self.feeds[key];
        let (layer, was_running) = (feed.layer, feed.run.is_some());
        feed.restart(Some(accept.run));
        if accept.from > 0 && feed.kind == MediaKind::Video {
            feed.keyframes.expect_by(scope.now + patience + KEYFRAME_PATIENCE);
        }
        if feed.parent.is_some_and(|parent| parent.channel == accept.channel) {
            let left = feed.previous.take();
            self.say_goodbye(left, scope);
        }
        if was_running {
            scope.tracks.end_layer(layer);
            self.restart_children(layer);
        }
        self.start_waiting(layer, scope);
    }

    pub(super) fn handle_refuse(
        &mut self,
        link: LinkKey,
        channel: u32,
        reason: Refusal,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let key = self.feed_of(link, channel, scope)?;
        let feed = &mut self.feeds[key];
        let is_current = feed.parent.is_some_and(|parent| parent.channel == channel);
        let Some(parent) = feed.parent_of(link, channel) else { return Err(DropReason::RelayStale) };
        let was_open = parent.is_open();
        parent.state = ParentState::Closed;
        parent.note_asked(scope.now, Duration::ZERO, false);
        let (peer, is_news) = (parent.peer, parent.note_refused(scope.now));
        let track = feed.id;
        if !is_current {
            feed.previous = None;
        } else if is_news {
            scope.out.push_event(Event::RelayRefused { track, peer });
        }
        if was_open && reason == Refusal::NotHere && self.feeds[key].open_parent().is_none() {
            self.end_feed(key, scope);
        }
        self.arm_feed(key);
        Ok(())
    }

    pub(super) fn handle_redirect(
        &mut self,
        link: LinkKey,
        channel: u32,
        to: PeerId,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let key = self.feed_of(link, channel, scope)?;
        let feed = &mut self.feeds[key];
        let track = feed.id;
        // A parent that we are about to leave has nothing to say.
        let Some(parent) = feed.parent.as_mut().filter(|parent| parent.channel == channel) else { return Ok(()) };
        if !parent.is_open() {
            parent.state = ParentState::Closed;
            parent.note_asked(scope.now, Duration::ZERO, false);
        }
        if parent.note_refused(scope.now) {
            scope.out.push_event(Event::RelayRedirected { track, to });
        }
        self.arm_feed(key);
        Ok(())
    }

    /// The publisher is gone.
    pub(super) fn handle_end(&mut self, link: LinkKey, of: (u32, u8), scope: &mut Scope<'_>) -> Result<(), DropReason> {
        let key = self.open_feed_of(link, of, scope)?;
        let feed = &mut self.feeds[key];
        let is_current = feed.parent.is_some_and(|parent| parent.channel == of.0);
        if let Some(parent) = feed.parent_of(link, of.0) {
            parent.state = ParentState::Closed;
            parent.note_asked(scope.now, Duration::ZERO, false);
        }
        if !is_current {
            feed.previous = None;
        }
        if feed.open_parent().is_none() {
            self.end_feed(key, scope);
        }
        self.arm_feed(key);
        Ok(())
    }

    /// Viewers wait for whoever comes next, here as where it was published.
    fn end_feed(&mut self, key: FeedKey, scope: &mut Scope<'_>) {
        let feed = &mut self.feeds[key];
        feed.restart(None);
        let layer = feed.layer;
        self.end_children(layer, scope);
        if let Some(track) = scope.tracks.track_of(layer) {
            scope.tracks.announce(track, &[]);
        }
        scope.tracks.end_layer(layer);
    }
}

// ── Questions ───────────────────────────────────────────────────────────────────────────────────────────

impl Mesh {
    /// Asks, asks again or says that it still is there, whatever is due.
    pub(super) fn ask_parents(&mut self, key: FeedKey, scope: &mut Scope<'_>) {
        let Some(feed) = self.feeds.get_mut(key) else { return };
        let (track, encoding, kind, have) = (feed.id, feed.encoding, feed.kind, feed.have());
        let leaves = feed.previous.map(|parent| parent.peer);
        let mut unanswered = None;
        for (parent, leaves) in [(&mut feed.parent, leaves), (&mut feed.previous, None)] {
            let Some(parent) = parent.as_mut().filter(|parent| scope.now >= parent.ask_at) else { continue };
            let Some(link) = self.links.get_mut(parent.link) else { continue };
            let (channel, epoch) = (parent.channel, parent.epoch);
            let ask = Subscribe { channel, track, encoding, epoch, kind, have, leaves };
            link.send(&mut scope.out.egress, &RelayMessage::Subscribe(ask));
            parent.note_asked(scope.now, link.patience(), link.is_lost());
            // It may wait for a parent of its own, and that one for us.
            if parent.is_unanswered(scope.now) && parent.note_refused(scope.now) {
                unanswered = Some(parent.peer);
            }
        }
        if let Some(peer) = unanswered {
            scope.out.push_event(Event::RelayRefused { track, peer });
        }
    }

    pub(super) fn say_goodbye(&mut self, parent: Option<ParentRelay>, scope: &mut Scope<'_>) {
        if let Some(parent) = parent
            && let Some(link) = self.links.get_mut(parent.link)
        {
            link.send(&mut scope.out.egress, &RelayMessage::Unsubscribe { channel: parent.channel });
        }
    }

    /// The parent thinks that we know what we don't.
    fn ask_soon(&mut self, key: FeedKey, scope: &mut Scope<'_>) {
        let Some(feed) = self.feeds.get_mut(key) else { return };
        let Some(parent) = feed.parent.as_mut() else { return };
        let patience = self.links.get(parent.link).map_or(UNSUBSCRIBE_INTERVAL, |link| link.patience());
        if parent.is_open() && parent.ask_at > scope.now + patience {
            parent.ask_at = scope.now + patience;
            self.arm_feed(key);
        }
    }

    pub(super) fn ask_for_missing(&mut self, key: FeedKey, scope: &mut Scope<'_>) {
        let Some(feed) = self.feeds.get_mut(key) else { return };
        let Some(parent) = feed.open_parent().copied() else { return };
        let Some(link) = self.links.get_mut(parent.link) else { return };
        if let Some(round_trip) = link.round_trip {
            feed.missing.set_round_trip(round_trip);
        }
        let due = feed.missing.poll_due(scope.now);
        feed.lost += due.given_up as u64;
        if due.given_up > 0 && feed.kind == MediaKind::Video {
            feed.keyframes.want();
        }
        if let Some(run) = feed.run.filter(|_| !due.lost.is_empty()) {
            let frame = nack_frame(parent.channel, run as u8, due.urgent, &due.lost);
            link.send_frame(&mut scope.out.egress, &frame);
        }
    }

    /// A viewer or child of an encoding that comes from elsewhere needs a key frame.
    pub(crate) fn ask_parent_for_keyframe(&mut self, layer: LayerKey, scope: &mut Scope<'_>) {
        let Some(key) = scope.tracks.layer(layer).and_then(|layer| layer.feed) else { return };
        let Some(feed) = self.feeds.get_mut(key).filter(|feed| feed.kind == MediaKind::Video) else { return };
        if feed.run.is_none() {
            // Before the parent has answered: it sends a picture, or asks for one itself.
            return;
        }
        feed.keyframes.want();
        self.ask_for_keyframe(key, scope);
        self.arm_feed(key);
    }

    pub(super) fn ask_for_keyframe(&mut self, key: FeedKey, scope: &mut Scope<'_>) {
        let Some(feed) = self.feeds.get_mut(key) else { return };
        let Some(parent) = feed.open_parent().copied() else { return };
        if !feed.keyframes.take_due(scope.now) {
            return;
        }
        if let Some(link) = self.links.get_mut(parent.link) {
            link.send(&mut scope.out.egress, &RelayMessage::Keyframe { channel: parent.channel });
        }
    }

    pub(super) fn arm_feed(&mut self, key: FeedKey) {
        let at = self.feeds.get(key).and_then(Feed::poll_timeout);
        self.feed_timers.set(key, at);
    }
}

/// Between two times a parent is told that nobody wants what it sends.
const UNSUBSCRIBE_INTERVAL: Duration = Duration::from_millis(100);
/// Beyond a round trip, for a key frame that the parent has said is on its way.
const KEYFRAME_PATIENCE: Duration = Duration::from_millis(100);
