//! Owns when a feed begins and ends: signaling says where a track comes from, viewers and children decide
//! whether it comes. Never touches a packet.

use std::time::Instant;

use crate::keys::{FeedKey, LinkKey, TrackKey};
use crate::mesh::ORIGINS_MAX;
use crate::mesh::feed::{Feed, Inlet, InletState, LINGER};
use crate::mesh::outlet::OutletState;
use crate::mesh::wire::{Message, Refusal};
use crate::net::Now;
use crate::sfu::Sfu;
use crate::spec::{ControlError, OriginSpec, PeerId, TrackId};
use crate::tracks::track::Track;

impl Sfu {
    /// Where a track comes from that is not published here. The same again changes nothing; with another peer
    /// the old one delivers until the new one does.
    pub fn set_origin(&mut self, now: Now, spec: OriginSpec) -> Result<(), ControlError> {
        let known = self.relay.origins.get(&spec.track).copied();
        if known.is_some_and(|known| spec.epoch < known.epoch) {
            return Err(ControlError::StaleEpoch);
        }
        if !self.relay.by_peer.contains_key(&spec.peer) {
            return Err(ControlError::NotFound);
        }
        if known.is_none() && self.relay.origins.len() >= ORIGINS_MAX {
            return Err(ControlError::Limit { what: "tracks of other workers", limit: ORIGINS_MAX });
        }
        if known == Some(spec) {
            return Ok(());
        }
        self.relay.origins.insert(spec.track, spec);
        let Some(track) = self.by_track.get(&spec.track).copied() else { return Ok(()) };
        match self.tracks.get(track).and_then(|track| track.feed) {
            Some(feed) => self.reparent(now.mono, feed, &spec),
            None => self.note_demand(track),
        }
        Ok(())
    }

    /// Success also when there is none. Viewers wait for whoever comes next.
    pub fn remove_origin(&mut self, _now: Now, track: TrackId) {
        self.relay.origins.remove(&track);
        let Some(key) = self.by_track.get(&track).copied() else { return };
        let Some(feed) = self.tracks.get(key).and_then(|track| track.feed) else { return };
        self.end_outlets(key);
        self.close_feed(feed);
    }

    /// Viewers, children or the source of a track changed; looked at in the next flush.
    pub(crate) fn note_demand(&mut self, track: TrackKey) {
        if let Some(noted) = self.tracks.get_mut(track)
            && !std::mem::replace(&mut noted.demand_noted, true)
        {
            self.relay.demand.push(track);
        }
    }

    pub(crate) fn settle_demand(&mut self, now: Instant) {
        while let Some(key) = self.relay.demand.pop() {
            let Some(track) = self.tracks.get_mut(key) else { continue };
            track.demand_noted = false;
            let (feed, is_wanted) = (track.feed, track.is_wanted());
            let origin = self.relay.origins.get(&track.id).copied();
            match (feed, origin) {
                _ if track.publisher.is_some() => self.start_waiting(now, key),
                (Some(feed), _) => self.note_watched(now, feed, is_wanted),
                (None, Some(origin)) if is_wanted => self.open_feed(now, key, &origin),
                (None, Some(_)) => {}
                (None, None) => self.refuse_waiting(key),
            }
            // Whoever left it in the middle of a flush could not.
            self.drop_unused(key);
        }
    }

    fn open_feed(&mut self, now: Instant, track: TrackKey, origin: &OriginSpec) {
        let feed = self.relay.feeds.insert(Feed::new(track, origin.track, origin.kind));
        if let Some(track) = self.tracks.get_mut(track) {
            track.feed = Some(feed);
        }
        self.open_inlet(now, feed, origin);
    }

    /// Asks the parent that signaling named.
    fn open_inlet(&mut self, now: Instant, feed: FeedKey, origin: &OriginSpec) {
        let Some(link) = self.relay.by_peer.get(&origin.peer).copied() else { return };
        let channel = self.relay.next_channel(feed);
        if let Some(feed) = self.relay.feeds.get_mut(feed) {
            let (peer, epoch, state) = (origin.peer, origin.epoch, InletState::Asking(0));
            feed.inlet = Some(Inlet { link, peer, channel, epoch, state, began: now, ask_at: now, told: None });
        }
        self.ask_parents(now, feed);
        self.arm_feed(feed);
    }

    /// What delivers goes on until the new parent does.
    fn reparent(&mut self, now: Instant, feed: FeedKey, origin: &OriginSpec) {
        let Some(known) = self.relay.feeds.get_mut(feed) else { return };
        let before = known.inlet.take();
        let unused = match before {
            Some(inlet) if inlet.is_open() => known.previous.replace(inlet),
            before => before,
        };
        self.say_goodbye(unused);
        self.open_inlet(now, feed, origin);
    }

    /// A peer is there (again): what was to come from it is asked for.
    pub(super) fn rejoin(&mut self, now: Instant, peer: PeerId) {
        let orphans = self.relay.feeds.iter().filter(|(_, feed)| feed.inlet.is_none());
        let orphans = orphans.filter_map(|(key, feed)| Some((key, *self.relay.origins.get(&feed.id)?)));
        let orphans: Vec<_> = orphans.filter(|(_, origin)| origin.peer == peer).collect();
        for (feed, origin) in orphans {
            self.open_inlet(now, feed, &origin);
        }
    }

    /// A link is about to go.
    pub(super) fn drop_inlets(&mut self, _now: Instant, link: LinkKey) {
        for at in self.relay.feeds.keys() {
            let Some(feed) = self.relay.feeds.get_mut(at) else { continue };
            feed.inlet = feed.inlet.filter(|inlet| inlet.link != link);
            feed.previous = feed.previous.filter(|inlet| inlet.link != link);
            self.arm_feed(at);
        }
    }

    fn note_watched(&mut self, now: Instant, feed: FeedKey, is_wanted: bool) {
        let Some(known) = self.relay.feeds.get_mut(feed) else { return };
        match is_wanted {
            true => known.idle_since = None,
            false => {
                known.idle_since.get_or_insert(now);
            }
        }
        self.arm_feed(feed);
    }

    /// Nobody watched for a while. True when the feed is gone.
    pub(super) fn close_idle(&mut self, now: Instant, feed: FeedKey) -> bool {
        let Some(known) = self.relay.feeds.get_mut(feed) else { return false };
        if self.tracks.get(known.track).is_some_and(Track::is_wanted) {
            // Somebody came back since the last flush.
            known.idle_since = None;
        }
        let since = known.idle_since;
        let is_idle = since.is_some_and(|since| now >= since + LINGER);
        if is_idle {
            self.close_feed(feed);
        }
        is_idle
    }

    /// The track has no source any more; viewers wait.
    pub(crate) fn close_feed(&mut self, key: FeedKey) {
        let Some(feed) = self.take_feed(key) else { return };
        self.note_demand(feed.track);
        self.drop_unused(feed.track);
    }

    fn take_feed(&mut self, key: FeedKey) -> Option<Feed> {
        let feed = self.relay.feeds.remove(key)?;
        self.relay.feed_timers.set(key, None);
        self.say_goodbye(feed.inlet);
        self.say_goodbye(feed.previous);
        if let Some(track) = self.tracks.get_mut(feed.track) {
            track.feed = None;
        }
        self.end_track(feed.track);
        Some(feed)
    }

    pub(super) fn say_goodbye(&mut self, inlet: Option<Inlet>) {
        if let Some(inlet) = inlet
            && let Some(link) = self.relay.links.get_mut(inlet.link)
        {
            link.send(&mut self.egress, &Message::Unsubscribe { channel: inlet.channel });
        }
    }

    /// A publisher of our own takes over: children start afresh with its numbers.
    pub(crate) fn yield_to_publisher(&mut self, track: TrackKey) {
        if let Some(feed) = self.tracks.get(track).and_then(|track| track.feed) {
            self.restart_outlets(track);
            self.take_feed(feed);
        }
        self.note_demand(track);
    }

    /// Children of a track are sent nothing until its new numbering is known.
    pub(super) fn restart_outlets(&mut self, track: TrackKey) {
        let Some(track) = self.tracks.get(track) else { return };
        for key in &track.outlets {
            if let Some(outlet) = self.relay.outlets.get_mut(*key) {
                outlet.restart();
            }
        }
    }

    /// Children that waited for the track to come here.
    pub(super) fn start_waiting(&mut self, now: Instant, track: TrackKey) {
        let mut place = 0;
        while let Some(key) = self.tracks.get(track).and_then(|track| track.outlets.get(place).copied()) {
            if self.relay.outlets.get(key).is_some_and(|outlet| outlet.state == OutletState::Waiting) {
                self.start_outlet(now, key);
            }
            place += 1;
        }
    }

    /// They wait for what does not come.
    fn refuse_waiting(&mut self, track: TrackKey) {
        while let Some(key) = self.tracks.get(track).and_then(|track| track.outlets.last().copied()) {
            if let Some((link, channel)) = self.remove_outlet(key)
                && let Some(link) = self.relay.links.get_mut(link)
            {
                link.send(&mut self.egress, &Message::Refuse { channel, reason: Refusal::NotHere });
            }
        }
    }
}
