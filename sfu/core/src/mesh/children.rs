//! Owns what children ask for and when they begin and end: whether they are served here, repeats, key frames. Never
//! sends media but through `deliver.rs`.

use arrayvec::ArrayVec;

use crate::keys::{ChildKey, Key, LayerKey, LinkKey, TrackKey};
use crate::mesh::child::{ChildRelay, ChildState};
use crate::mesh::feed::Feed;
use crate::mesh::start::decide_start;
use crate::mesh::tree::{CHILDREN_MAX, Child, DEPTH_MAX, Parent, decide_parent};
use crate::mesh::wire::{Nack, Refusal, RelayMessage, Subscribe};
use crate::mesh::{CHANNELS_MAX, Mesh, ReaderChange, Scope};
use crate::spec::{MediaKind, PeerId};
use crate::stats::DropReason;
use crate::tracks::history::History;

impl Mesh {
    /// For a drain: workers that get from here what is relayed here are sent to where it comes from, and
    /// served until they are there.
    pub(crate) fn release_children(&mut self, scope: &mut Scope<'_>) {
        for key in self.children.keys() {
            let Some(child) = self.children.get(key) else { continue };
            if self.parent_peer(child.layer, scope).is_none() {
                continue;
            }
            if let Some(child) = self.children.get_mut(key)
                && let ChildState::Serving { from } = child.state
            {
                child.state = ChildState::Releasing { from };
                // Twice, because the next occasion is a second away.
                self.send_away(key, scope);
                self.send_away(key, scope);
            }
        }
    }

    pub(super) fn handle_subscribe(
        &mut self,
        link: LinkKey,
        counter: u64,
        ask: &Subscribe,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let known = self.child_of(link, ask.channel);
        if known.and_then(|key| self.children.get(key)).is_some_and(|child| counter < child.asked) {
            return Err(DropReason::RelayStale);
        }
        if let Err(reason) = self.check_subscription(link, ask, scope) {
            if let Some(key) = known {
                self.remove_child(key, scope);
            }
            return self.refuse(link, ask.channel, reason, scope);
        }
        match known.filter(|key| self.is_for(*key, ask, scope)) {
            Some(key) => self.refresh(key, counter, scope),
            None => {
                if let Some(key) = known {
                    self.remove_child(key, scope);
                }
                self.add_child(link, counter, ask, scope)
            }
        }
    }

    fn is_for(&self, child: ChildKey, ask: &Subscribe, scope: &Scope<'_>) -> bool {
        self.children.get(child).is_some_and(|child| {
            let is_same_track = scope.tracks.get(child.track).is_some_and(|track| track.id == ask.track);
            let encoding = scope.tracks.layer(child.layer).map(|layer| layer.encoding);
            child.epoch == ask.epoch && is_same_track && encoding == Some(ask.encoding)
        })
    }

    /// Whether we may be the parent at all.
    fn check_subscription(&mut self, link: LinkKey, ask: &Subscribe, scope: &mut Scope<'_>) -> Result<(), Refusal> {
        let key = scope.tracks.find(ask.track);
        let is_published = |key: &TrackKey| scope.tracks.get(*key).is_some_and(|track| track.publisher.is_some());
        if let Some(track) = key.filter(is_published) {
            return if scope.tracks.note_epoch(track, ask.epoch) { Ok(()) } else { Err(Refusal::StaleEpoch) };
        }
        let origin = self.origins.get(&ask.track).ok_or(Refusal::NotHere)?;
        if ask.epoch < origin.epoch {
            return Err(Refusal::StaleEpoch);
        }
        if ask.epoch > origin.epoch {
            return Err(Refusal::NotHere);
        }
        if self.links.get(link).is_none_or(|link| link.peer == origin.peer) {
            return Err(Refusal::Loop);
        }
        let layer = key.and_then(|key| scope.tracks.layers_of(key).get(usize::from(ask.encoding)).copied());
        let feed = layer.and_then(|layer| scope.tracks.layer(layer)?.feed).and_then(|feed| self.feeds.get(feed));
        if feed.map_or(1, |feed| feed.depth) >= DEPTH_MAX {
            return Err(Refusal::TooDeep);
        }
        Ok(())
    }

    /// A child that is known asks again: its answer was lost, or it says that it still is there.
    fn refresh(&mut self, key: ChildKey, counter: u64, scope: &mut Scope<'_>) -> Result<(), DropReason> {
        let Some(child) = self.children.get_mut(key) else { return Ok(()) };
        (child.asked, child.refreshed) = (counter, scope.now);
        let is_releasing = matches!(child.state, ChildState::Releasing { .. });
        self.accept(key, scope);
        if is_releasing {
            self.send_away(key, scope);
        }
        Ok(())
    }

    fn add_child(
        &mut self,
        link: LinkKey,
        counter: u64,
        ask: &Subscribe,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let Some(peer) = self.links.get(link).map(|link| link.peer) else { return Ok(()) };
        if self.links.get(link).is_none_or(|link| link.channels.len() >= CHANNELS_MAX) {
            self.refuse(link, ask.channel, Refusal::Full, scope)?;
            return Err(DropReason::RelayLimit);
        }
        // A worker gets an encoding once; what it asked for before it has forgotten.
        let known = scope.tracks.find(ask.track);
        let known = known.and_then(|track| scope.tracks.layers_of(track).get(usize::from(ask.encoding)).copied());
        let children = known.map_or(&[][..], |layer| self.children_of(layer));
        let before = children.iter().find(|key| self.children.get(**key).is_some_and(|child| child.link == link));
        if let Some(before) = before.copied() {
            if self.children.get(before).is_some_and(|child| counter < child.asked) {
                // Unless this is what it asked before, and was longer under way.
                return Err(DropReason::RelayStale);
            }
            self.remove_child(before, scope);
        }
        match self.decide_child(known, peer, ask.leaves) {
            Parent::Here => {}
            Parent::Child(place) => return self.redirect(known, place, (link, ask.channel), scope),
            Parent::None => return self.refuse(link, ask.channel, Refusal::Full, scope),
        }
        let track = scope.tracks.open(ask.track);
        let Some(layer) = scope.tracks.open_layer(track, ask.encoding) else { return Err(DropReason::RelayMalformed) };
        let mut child = ChildRelay::new(scope.now, (track, layer), (link, ask.channel), (ask.kind, ask.epoch), counter);
        child.have = ask.have;
        let key = self.children.insert(child);
        if self.by_layer.len() <= layer.place() {
            self.by_layer.resize_with(layer.place() + 1, Vec::new);
        }
        self.by_layer[layer.place()].push(key);
        if let Some(link) = self.links.get_mut(link) {
            link.channels.insert(ask.channel, key);
        }
        self.start_child(key, scope);
        scope.tracks.set_children(layer, self.children_of(layer).len());
        self.arm_child(key);
        Ok(())
    }

    fn decide_child(&self, layer: Option<LayerKey>, joiner: PeerId, leaves: Option<PeerId>) -> Parent {
        let children = layer.map_or(&[][..], |layer| self.children_of(layer));
        let child = |key: &ChildKey| {
            let child = self.children.get(*key)?;
            let link = self.links.get(child.link)?;
            let takes_more = !link.is_lost() && matches!(child.state, ChildState::Serving { .. });
            Some(Child { peer: link.peer, redirected: child.redirected, takes_more })
        };
        let children: ArrayVec<Child, CHILDREN_MAX> = children.iter().take(CHILDREN_MAX).filter_map(child).collect();
        decide_parent(&children, joiner, leaves)
    }

    fn redirect(
        &mut self,
        layer: Option<LayerKey>,
        place: usize,
        (link, channel): (LinkKey, u32),
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let key = layer.and_then(|layer| self.children_of(layer).get(place).copied());
        let Some(child) = key.and_then(|key| self.children.get_mut(key)) else { return Ok(()) };
        child.redirected += 1;
        let to = self.links.get(child.link).map(|link| link.peer);
        if let (Some(to), Some(link)) = (to, self.links.get_mut(link)) {
            link.send(&mut scope.out.egress, &RelayMessage::Redirect { channel, to });
        }
        Ok(())
    }

    /// Begins to send, if the track is here by now.
    pub(super) fn start_child(&mut self, key: ChildKey, scope: &mut Scope<'_>) {
        let Some(child) = self.children.get(key) else { return };
        let Some(track) = scope.tracks.get(child.track) else { return };
        let layer = child.layer;
        let own = self.links.get(child.link).map_or(0, |link| link.own.0);
        let feed = scope.tracks.layer(layer).and_then(|layer| layer.feed).and_then(|feed| self.feeds.get(feed));
        let run = match track.publisher {
            Some(_) => Some(own.wrapping_add(track.run)),
            None => feed.and_then(|feed: &Feed| feed.run),
        };
        let Some(run) = run else { return };
        let have = child.have.filter(|(of, _)| *of == run).map(|(_, have)| have);
        let history = scope.tracks.layer(layer).and_then(|layer| layer.history.as_ref());
        let start = decide_start(history, child.kind, have);
        let live_from = history.map_or(0, History::next);
        let Some(child) = self.children.get_mut(key) else { return };
        child.state = ChildState::Serving { from: start.from };
        (child.run, child.live_from) = (run, live_from);
        child.highest = start.from.saturating_sub(1);
        let is_video = child.kind == MediaKind::Video;
        self.accept(key, scope);
        self.changes.push_back(ReaderChange::Begins { child: key, layer, next: start.number });
        if !start.has_picture && is_video {
            scope.tracks.want_keyframe(layer);
        }
    }

    /// Children that waited for the layer to come here.
    pub(super) fn start_waiting(&mut self, layer: LayerKey, scope: &mut Scope<'_>) {
        let mut place = 0;
        while let Some(key) = self.children_of(layer).get(place).copied() {
            if self.children.get(key).is_some_and(|child| child.state == ChildState::Waiting) {
                self.start_child(key, scope);
            }
            place += 1;
        }
    }

    /// They wait for what does not come.
    pub(super) fn refuse_waiting(&mut self, layer: LayerKey, scope: &mut Scope<'_>) {
        while let Some(key) = self.children_of(layer).last().copied() {
            if let Some((link, channel)) = self.remove_child(key, scope)
                && let Some(link) = self.links.get_mut(link)
            {
                link.send(&mut scope.out.egress, &RelayMessage::Refuse { channel, reason: Refusal::NotHere });
            }
        }
    }

    /// Children of a layer are sent nothing until its new numbering is known.
    pub(super) fn restart_children(&mut self, layer: LayerKey) {
        for at in 0..self.children_of(layer).len() {
            let Some(key) = self.children_of(layer).get(at).copied() else { continue };
            if let Some(child) = self.children.get_mut(key) {
                child.restart();
                self.changes.push_back(ReaderChange::Ends { child: key, layer: child.layer });
            }
        }
    }

    fn refuse(
        &mut self,
        link: LinkKey,
        channel: u32,
        reason: Refusal,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        if let Some(link) = self.links.get_mut(link) {
            link.send(&mut scope.out.egress, &RelayMessage::Refuse { channel, reason });
        }
        Ok(())
    }

    /// Names our own parent to a child.
    fn send_away(&mut self, key: ChildKey, scope: &mut Scope<'_>) {
        let Some(child) = self.children.get(key) else { return };
        let (channel, to) = (child.channel, self.parent_peer(child.layer, scope));
        if let (Some(to), Some(link)) = (to, self.links.get_mut(child.link)) {
            link.send(&mut scope.out.egress, &RelayMessage::Redirect { channel, to });
        }
    }

    fn parent_peer(&self, layer: LayerKey, scope: &Scope<'_>) -> Option<PeerId> {
        let feed = self.feeds.get(scope.tracks.layer(layer)?.feed?)?;
        feed.open_parent().map(|parent| parent.peer)
    }

    pub(super) fn handle_unsubscribe(
        &mut self,
        link: LinkKey,
        channel: u32,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let key = self.child_of(link, channel).ok_or(DropReason::RelayStale)?;
        self.remove_child(key, scope);
        Ok(())
    }

    pub(super) fn handle_relay_nack(
        &mut self,
        link: LinkKey,
        nack: &Nack<'_>,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let key = self.child_of(link, nack.channel).ok_or(DropReason::RelayStale)?;
        if self.children.get(key).is_none_or(|child| !child.is_served() || child.run as u8 != nack.run) {
            return Err(DropReason::RelayStale);
        }
        self.repair_child(key, nack.lost(), if nack.urgent { 2 } else { 1 }, scope);
        Ok(())
    }

    pub(super) fn handle_child_keyframe(
        &mut self,
        link: LinkKey,
        channel: u32,
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let key = self.child_of(link, channel).ok_or(DropReason::RelayStale)?;
        let layer = self.children.get(key).map(|child| child.layer).ok_or(DropReason::RelayStale)?;
        scope.tracks.want_keyframe(layer);
        Ok(())
    }

    fn child_of(&self, link: LinkKey, channel: u32) -> Option<ChildKey> {
        self.links.get(link)?.channels.get(&channel).copied()
    }

    pub(super) fn handle_child_due(&mut self, key: ChildKey, scope: &mut Scope<'_>) {
        let Some(child) = self.children.get_mut(key) else { return };
        if child.is_expired(scope.now) {
            self.remove_child(key, scope);
            return;
        }
        if child.take_tail(scope.now) {
            let (channel, run, sequence) = (child.channel, child.run as u8, child.highest);
            if let Some(link) = self.links.get_mut(child.link) {
                link.send(&mut scope.out.egress, &RelayMessage::Tail { channel, run, sequence });
            }
        }
        self.tell_clock(key, scope);
        self.arm_child(key);
    }

    fn arm_child(&mut self, key: ChildKey) {
        let at = self.children.get(key).and_then(ChildRelay::poll_timeout);
        self.child_timers.set(key, at);
    }

    /// The track ended: its children are told, and are none any more.
    pub(crate) fn end_children_of(&mut self, track: TrackKey, scope: &mut Scope<'_>) {
        for layer in scope.tracks.layers_of(track) {
            self.end_children(layer, scope);
        }
    }

    /// What the track sends from now on is another run: its children are told, and stay.
    pub(crate) fn restart_children_of(&mut self, track: TrackKey, scope: &Scope<'_>) {
        for layer in scope.tracks.layers_of(track) {
            self.restart_children(layer);
        }
    }

    pub(super) fn end_children(&mut self, layer: LayerKey, scope: &mut Scope<'_>) {
        while let Some(key) = self.children_of(layer).last().copied() {
            let run = self.children.get(key).map_or(0, |child| child.run as u8);
            let Some((link, channel)) = self.remove_child(key, scope) else { return };
            if let Some(link) = self.links.get_mut(link) {
                // Twice, because nothing follows that would tell.
                link.send(&mut scope.out.egress, &RelayMessage::End { channel, run });
                link.send(&mut scope.out.egress, &RelayMessage::End { channel, run });
            }
        }
    }

    /// Returns its link and channel.
    pub(crate) fn remove_child(&mut self, key: ChildKey, scope: &mut Scope<'_>) -> Option<(LinkKey, u32)> {
        let child = self.children.remove(key)?;
        self.child_timers.set(key, None);
        if let Some(known) = self.by_layer.get_mut(child.layer.place()) {
            known.retain(|known| *known != key);
        }
        scope.tracks.set_children(child.layer, self.children_of(child.layer).len());
        self.changes.push_back(ReaderChange::Ends { child: key, layer: child.layer });
        if let Some(link) = self.links.get_mut(child.link) {
            link.channels.remove(&child.channel);
        }
        Some((child.link, child.channel))
    }
}
