//! Owns what children ask for: whether they are served here, repeats, key frames, and their end. Never sends
//! media but through `serve.rs`.

use std::time::Instant;

use arrayvec::ArrayVec;

use crate::keys::{ChildKey, LinkKey, TrackKey};
use crate::mesh::CHANNELS_MAX;
use crate::mesh::feed::Feed;
use crate::mesh::outlet::{Outlet, OutletState};
use crate::mesh::start::decide_start;
use crate::mesh::tree::{CHILDREN_MAX, Child, DEPTH_MAX, Parent, decide_parent};
use crate::mesh::wire::{Message, Nack, Refusal, Subscribe};
use crate::net::Now;
use crate::sfu::Sfu;
use crate::spec::{MediaKind, PeerId};
use crate::stats::DropReason;

impl Sfu {
    /// For a drain: workers that get from here what is relayed here are sent to where it comes from, and
    /// served until they are there.
    pub fn release_children(&mut self, _now: Now) {
        for key in self.relay.outlets.keys() {
            let Some(outlet) = self.relay.outlets.get(key) else { continue };
            if self.parent_of(outlet.track).is_none() {
                continue;
            }
            if let Some(outlet) = self.relay.outlets.get_mut(key)
                && let OutletState::Serving { from } = outlet.state
            {
                outlet.state = OutletState::Releasing { from };
                // Twice, because the next occasion is a second away.
                self.send_away(key);
                self.send_away(key);
            }
        }
    }

    pub(super) fn handle_subscribe(
        &mut self,
        now: Instant,
        link: LinkKey,
        counter: u64,
        ask: &Subscribe,
    ) -> Result<(), DropReason> {
        let known = self.outlet_of(link, ask.channel);
        if known.and_then(|key| self.relay.outlets.get(key)).is_some_and(|outlet| counter < outlet.asked) {
            return Err(DropReason::RelayStale);
        }
        if let Err(reason) = self.check_subscription(link, ask) {
            if let Some(key) = known {
                self.remove_outlet(key);
            }
            return self.refuse(link, ask.channel, reason);
        }
        match known.filter(|key| self.is_for(*key, ask)) {
            Some(key) => self.refresh(now, key, counter),
            None => {
                if let Some(key) = known {
                    self.remove_outlet(key);
                }
                self.add_child(now, link, counter, ask)
            }
        }
    }

    fn is_for(&self, outlet: ChildKey, ask: &Subscribe) -> bool {
        self.relay.outlets.get(outlet).is_some_and(|outlet| {
            outlet.epoch == ask.epoch && self.tracks.get(outlet.track).is_some_and(|track| track.id == ask.track)
        })
    }

    /// Whether we may be the parent at all.
    fn check_subscription(&mut self, link: LinkKey, ask: &Subscribe) -> Result<(), Refusal> {
        let key = self.by_track.get(&ask.track).copied();
        if let Some(track) = key.and_then(|key| self.tracks.get_mut(key)).filter(|track| track.publisher.is_some()) {
            if ask.epoch < track.epoch {
                return Err(Refusal::StaleEpoch);
            }
            track.epoch = ask.epoch;
            return Ok(());
        }
        let origin = self.relay.origins.get(&ask.track).ok_or(Refusal::NotHere)?;
        if ask.epoch < origin.epoch {
            return Err(Refusal::StaleEpoch);
        }
        if ask.epoch > origin.epoch {
            return Err(Refusal::NotHere);
        }
        if self.relay.links.get(link).is_none_or(|link| link.peer == origin.peer) {
            return Err(Refusal::Loop);
        }
        let feed = key.and_then(|key| self.tracks.get(key)?.feed).and_then(|feed| self.relay.feeds.get(feed));
        if feed.map_or(1, |feed| feed.depth) >= DEPTH_MAX {
            return Err(Refusal::TooDeep);
        }
        Ok(())
    }

    /// A child that is known asks again: its answer was lost, or it says that it still is there.
    fn refresh(&mut self, now: Instant, key: ChildKey, counter: u64) -> Result<(), DropReason> {
        let Some(outlet) = self.relay.outlets.get_mut(key) else { return Ok(()) };
        (outlet.asked, outlet.refreshed) = (counter, now);
        let is_releasing = matches!(outlet.state, OutletState::Releasing { .. });
        self.accept(now, key);
        if is_releasing {
            self.send_away(key);
        }
        Ok(())
    }

    fn add_child(&mut self, now: Instant, link: LinkKey, counter: u64, ask: &Subscribe) -> Result<(), DropReason> {
        let Some(peer) = self.relay.links.get(link).map(|link| link.peer) else { return Ok(()) };
        if self.relay.links.get(link).is_none_or(|link| link.channels.len() >= CHANNELS_MAX) {
            self.refuse(link, ask.channel, Refusal::Full)?;
            return Err(DropReason::RelayLimit);
        }
        // A worker gets a track once; what it asked for before it has forgotten.
        let known = self.by_track.get(&ask.track).copied();
        let outlets = known.and_then(|key| self.tracks.get(key)).map_or(&[][..], |track| &track.outlets);
        let before = outlets.iter().find(|key| self.relay.outlets.get(**key).is_some_and(|outlet| outlet.link == link));
        if let Some(before) = before.copied() {
            if self.relay.outlets.get(before).is_some_and(|outlet| counter < outlet.asked) {
                // Unless this is what it asked before, and was longer under way.
                return Err(DropReason::RelayStale);
            }
            self.remove_outlet(before);
        }
        // Known once more: to take a child away may have been the end of the track.
        let known = self.by_track.get(&ask.track).copied();
        match self.decide_child(known, peer, ask.leaves) {
            Parent::Here => {}
            Parent::Child(place) => return self.redirect(known, place, link, ask.channel),
            Parent::None => return self.refuse(link, ask.channel, Refusal::Full),
        }
        let track = self.track(ask.track);
        let mut outlet = Outlet::new(now, (track, link, ask.channel), (ask.kind, ask.epoch), counter);
        outlet.have = ask.have;
        let key = self.relay.outlets.insert(outlet);
        if let Some(track) = self.tracks.get_mut(track) {
            track.outlets.push(key);
        }
        if let Some(link) = self.relay.links.get_mut(link) {
            link.channels.insert(ask.channel, key);
        }
        self.start_outlet(now, key);
        self.note_demand(track);
        self.arm_outlet(key);
        Ok(())
    }

    fn decide_child(&self, track: Option<TrackKey>, joiner: PeerId, leaves: Option<PeerId>) -> Parent {
        let outlets = track.and_then(|track| self.tracks.get(track)).map_or(&[][..], |track| &track.outlets);
        let child = |key: &ChildKey| {
            let outlet = self.relay.outlets.get(*key)?;
            let link = self.relay.links.get(outlet.link)?;
            let takes_more = !link.is_lost() && matches!(outlet.state, OutletState::Serving { .. });
            Some(Child { peer: link.peer, redirected: outlet.redirected, takes_more })
        };
        let children: ArrayVec<Child, CHILDREN_MAX> = outlets.iter().take(CHILDREN_MAX).filter_map(child).collect();
        decide_parent(&children, joiner, leaves)
    }

    fn redirect(
        &mut self,
        track: Option<TrackKey>,
        place: usize,
        link: LinkKey,
        channel: u32,
    ) -> Result<(), DropReason> {
        let key = track.and_then(|track| self.tracks.get(track)?.outlets.get(place).copied());
        let Some(outlet) = key.and_then(|key| self.relay.outlets.get_mut(key)) else { return Ok(()) };
        outlet.redirected += 1;
        let to = self.relay.links.get(outlet.link).map(|link| link.peer);
        if let (Some(to), Some(link)) = (to, self.relay.links.get_mut(link)) {
            link.send(&mut self.egress, &Message::Redirect { channel, to });
        }
        Ok(())
    }

    /// Begins to send, if the track is here by now.
    pub(super) fn start_outlet(&mut self, now: Instant, key: ChildKey) {
        let Some(outlet) = self.relay.outlets.get(key) else { return };
        let Some(track) = self.tracks.get(outlet.track) else { return };
        let own = self.relay.links.get(outlet.link).map_or(0, |link| link.own.0);
        let feed = track.feed.and_then(|feed| self.relay.feeds.get(feed));
        let run = match track.publisher {
            Some(_) => Some(own.wrapping_add(track.run)),
            None => feed.and_then(|feed: &Feed| feed.run),
        };
        let Some(run) = run else { return };
        let have = outlet.have.filter(|(of, _)| *of == run).map(|(_, have)| have);
        let start = decide_start(track.history.as_ref(), outlet.kind, have);
        let track = outlet.track;
        let Some(outlet) = self.relay.outlets.get_mut(key) else { return };
        outlet.state = OutletState::Serving { from: start.from };
        (outlet.run, outlet.sent) = (run, start.number);
        outlet.highest = start.from.saturating_sub(1);
        let is_video = outlet.kind == MediaKind::Video;
        self.accept(now, key);
        self.relay.behind.push(key);
        if !start.has_picture && is_video {
            self.want_keyframe(track);
        }
    }

    fn refuse(&mut self, link: LinkKey, channel: u32, reason: Refusal) -> Result<(), DropReason> {
        if let Some(link) = self.relay.links.get_mut(link) {
            link.send(&mut self.egress, &Message::Refuse { channel, reason });
        }
        Ok(())
    }

    /// Names our own parent to a child.
    fn send_away(&mut self, key: ChildKey) {
        let Some(outlet) = self.relay.outlets.get(key) else { return };
        let (channel, to) = (outlet.channel, self.parent_of(outlet.track));
        if let (Some(to), Some(link)) = (to, self.relay.links.get_mut(outlet.link)) {
            link.send(&mut self.egress, &Message::Redirect { channel, to });
        }
    }

    fn parent_of(&self, track: TrackKey) -> Option<PeerId> {
        let feed = self.relay.feeds.get(self.tracks.get(track)?.feed?)?;
        feed.open_inlet().map(|inlet| inlet.peer)
    }

    pub(super) fn handle_unsubscribe(&mut self, link: LinkKey, channel: u32) -> Result<(), DropReason> {
        let key = self.outlet_of(link, channel).ok_or(DropReason::RelayStale)?;
        self.remove_outlet(key);
        Ok(())
    }

    pub(super) fn handle_relay_nack(&mut self, now: Instant, link: LinkKey, nack: &Nack<'_>) -> Result<(), DropReason> {
        let key = self.outlet_of(link, nack.channel).ok_or(DropReason::RelayStale)?;
        if self.relay.outlets.get(key).is_none_or(|outlet| !outlet.is_served() || outlet.run as u8 != nack.run) {
            return Err(DropReason::RelayStale);
        }
        self.repair_child(now, key, nack.lost(), if nack.urgent { 2 } else { 1 });
        Ok(())
    }

    pub(super) fn handle_child_keyframe(&mut self, link: LinkKey, channel: u32) -> Result<(), DropReason> {
        let key = self.outlet_of(link, channel).ok_or(DropReason::RelayStale)?;
        let track = self.relay.outlets.get(key).map(|outlet| outlet.track).ok_or(DropReason::RelayStale)?;
        self.want_keyframe(track);
        Ok(())
    }

    fn outlet_of(&self, link: LinkKey, channel: u32) -> Option<ChildKey> {
        self.relay.links.get(link)?.channels.get(&channel).copied()
    }

    pub(super) fn handle_outlet_due(&mut self, now: Instant, key: ChildKey) {
        let Some(outlet) = self.relay.outlets.get_mut(key) else { return };
        if outlet.is_expired(now) {
            self.remove_outlet(key);
            return;
        }
        if outlet.resume_at.is_some_and(|at| now >= at) {
            outlet.resume_at = None;
            self.relay.behind.push(key);
        }
        if outlet.take_tail(now) {
            let (channel, run, sequence) = (outlet.channel, outlet.run as u8, outlet.highest);
            if let Some(link) = self.relay.links.get_mut(outlet.link) {
                link.send(&mut self.egress, &Message::Tail { channel, run, sequence });
            }
        }
        self.tell_clock(now, key);
        self.arm_outlet(key);
    }

    fn arm_outlet(&mut self, key: ChildKey) {
        let at = self.relay.outlets.get(key).and_then(Outlet::poll_timeout);
        self.relay.outlet_timers.set(key, at);
    }

    /// The track ended: its children are told, and are none any more.
    pub(crate) fn end_outlets(&mut self, track: TrackKey) {
        while let Some(key) = self.tracks.get(track).and_then(|track| track.outlets.last().copied()) {
            let run = self.relay.outlets.get(key).map_or(0, |outlet| outlet.run as u8);
            let Some((link, channel)) = self.detach_outlet(key) else { return };
            if let Some(link) = self.relay.links.get_mut(link) {
                // Twice, because nothing follows that would tell.
                link.send(&mut self.egress, &Message::End { channel, run });
                link.send(&mut self.egress, &Message::End { channel, run });
            }
        }
    }

    /// Returns its link and channel.
    pub(crate) fn remove_outlet(&mut self, key: ChildKey) -> Option<(LinkKey, u32)> {
        let track = self.relay.outlets.get(key)?.track;
        let gone = self.detach_outlet(key);
        self.note_demand(track);
        self.drop_unused(track);
        gone
    }

    fn detach_outlet(&mut self, key: ChildKey) -> Option<(LinkKey, u32)> {
        let outlet = self.relay.outlets.remove(key)?;
        self.relay.outlet_timers.set(key, None);
        self.relay.behind.retain(|behind| *behind != key);
        if let Some(track) = self.tracks.get_mut(outlet.track) {
            track.outlets.retain(|known| *known != key);
        }
        if let Some(link) = self.relay.links.get_mut(outlet.link) {
            link.channels.remove(&outlet.channel);
        }
        Some((outlet.link, outlet.channel))
    }
}
