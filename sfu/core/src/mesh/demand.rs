//! Owns when a feed begins, goes on and ends: signaling says where a track comes from, viewers and children decide
//! whether it comes. Never touches a packet.

use crate::keys::{FeedKey, LayerKey, LinkKey, TrackKey};
use crate::mesh::feed::{Feed, LINGER, ParentRelay, ParentState};
use crate::mesh::{Mesh, ORIGINS_MAX, Scope};
use crate::spec::{ControlError, OriginSpec, PeerId, TrackId};
use crate::tracks::Layer;

impl Mesh {
    /// Where a track comes from that is not published here. The same again changes nothing; with another peer
    /// the old one delivers until the new one does.
    pub fn set_origin(&mut self, spec: OriginSpec, scope: &mut Scope<'_>) -> Result<(), ControlError> {
        let known = self.origins.get(&spec.track).copied();
        if known.is_some_and(|known| spec.epoch < known.epoch) {
            return Err(ControlError::StaleEpoch);
        }
        if !self.by_peer.contains_key(&spec.peer) {
            return Err(ControlError::NotFound);
        }
        if known.is_none() && self.origins.len() >= ORIGINS_MAX {
            return Err(ControlError::Limit { what: "tracks of other workers", limit: ORIGINS_MAX });
        }
        if known == Some(spec) {
            return Ok(());
        }
        self.origins.insert(spec.track, spec);
        let Some(track) = scope.tracks.find(spec.track) else { return Ok(()) };
        for layer in scope.tracks.layers_of(track) {
            if let Some(feed) = scope.tracks.layer(layer).and_then(|layer| layer.feed) {
                self.reparent(feed, &spec, scope);
            }
        }
        scope.tracks.note_demand(track);
        Ok(())
    }

    /// Success also when there is none. Viewers wait for whoever comes next.
    pub fn remove_origin(&mut self, track: TrackId, scope: &mut Scope<'_>) {
        self.origins.remove(&track);
        let Some(key) = scope.tracks.find(track) else { return };
        for layer in scope.tracks.layers_of(key) {
            let Some(feed) = scope.tracks.layer(layer).and_then(|layer| layer.feed) else { continue };
            self.end_children(layer, scope);
            self.close_feed(feed, scope);
        }
    }

    /// Looks at the encodings whose viewers, children or source changed.
    pub(crate) fn settle_demand(&mut self, scope: &mut Scope<'_>) {
        while let Some(key) = scope.tracks.demand.take() {
            let Some(layer) = scope.tracks.layer(key) else { continue };
            let (feed, is_wanted) = (layer.feed, layer.is_wanted());
            let Some(track) = scope.tracks.track_of(key).and_then(|track| scope.tracks.get(track)) else { continue };
            let origin = self.origins.get(&track.id).copied();
            match (feed, origin) {
                _ if track.publisher.is_some() => self.start_waiting(key, scope),
                (Some(feed), _) => self.note_watched(feed, is_wanted, scope),
                (None, Some(origin)) if is_wanted => self.open_feed(key, &origin, scope),
                (None, Some(_)) => {}
                (None, None) => self.refuse_waiting(key, scope),
            }
        }
    }

    fn open_feed(&mut self, layer: LayerKey, origin: &OriginSpec, scope: &mut Scope<'_>) {
        let Some(encoding) = scope.tracks.layer(layer).map(|layer| layer.encoding) else { return };
        let feed = self.feeds.insert(Feed::new((layer, encoding), origin.track, origin.kind));
        scope.tracks.set_feed(layer, Some(feed));
        self.open_parent(feed, origin, scope);
    }

    /// Asks the parent that signaling named.
    fn open_parent(&mut self, feed: FeedKey, origin: &OriginSpec, scope: &mut Scope<'_>) {
        let Some(link) = self.by_peer.get(&origin.peer).copied() else { return };
        let channel = self.next_channel(feed);
        if let Some(feed) = self.feeds.get_mut(feed) {
            let (peer, epoch, state) = (origin.peer, origin.epoch, ParentState::Asking(0));
            feed.parent = Some(ParentRelay {
                link,
                peer,
                channel,
                epoch,
                state,
                began: scope.now,
                ask_at: scope.now,
                told: None,
            });
        }
        self.ask_parents(feed, scope);
        self.arm_feed(feed);
    }

    /// What delivers goes on until the new parent does.
    fn reparent(&mut self, feed: FeedKey, origin: &OriginSpec, scope: &mut Scope<'_>) {
        let Some(known) = self.feeds.get_mut(feed) else { return };
        let before = known.parent.take();
        let unused = match before {
            Some(parent) if parent.is_open() => known.previous.replace(parent),
            before => before,
        };
        self.say_goodbye(unused, scope);
        self.open_parent(feed, origin, scope);
    }

    /// A peer is there (again): what was to come from it is asked for.
    pub(super) fn rejoin(&mut self, peer: PeerId, scope: &mut Scope<'_>) {
        let orphans = self.feeds.iter().filter(|(_, feed)| feed.parent.is_none());
        let orphans = orphans.filter_map(|(key, feed)| Some((key, *self.origins.get(&feed.id)?)));
        let orphans: Vec<_> = orphans.filter(|(_, origin)| origin.peer == peer).collect();
        for (feed, origin) in orphans {
            self.open_parent(feed, &origin, scope);
        }
    }

    /// A link is about to go.
    pub(super) fn drop_parents(&mut self, link: LinkKey) {
        for at in self.feeds.keys() {
            let Some(feed) = self.feeds.get_mut(at) else { continue };
            feed.parent = feed.parent.filter(|parent| parent.link != link);
            feed.previous = feed.previous.filter(|parent| parent.link != link);
            self.arm_feed(at);
        }
    }

    fn note_watched(&mut self, feed: FeedKey, is_wanted: bool, scope: &mut Scope<'_>) {
        let Some(known) = self.feeds.get_mut(feed) else { return };
        match is_wanted {
            true => known.idle_since = None,
            false => {
                known.idle_since.get_or_insert(scope.now);
            }
        }
        self.arm_feed(feed);
    }

    pub(super) fn handle_feed_due(&mut self, key: FeedKey, scope: &mut Scope<'_>) {
        if self.close_idle(key, scope) {
            return;
        }
        self.ask_parents(key, scope);
        self.ask_for_missing(key, scope);
        self.ask_for_keyframe(key, scope);
        self.arm_feed(key);
    }

    /// Nobody watched for a while. True when the feed is gone.
    fn close_idle(&mut self, feed: FeedKey, scope: &mut Scope<'_>) -> bool {
        let Some(known) = self.feeds.get_mut(feed) else { return false };
        if scope.tracks.layer(known.layer).is_some_and(Layer::is_wanted) {
            // Somebody came back since the last flush.
            known.idle_since = None;
        }
        let since = known.idle_since;
        let is_idle = since.is_some_and(|since| scope.now >= since + LINGER);
        if is_idle {
            self.close_feed(feed, scope);
        }
        is_idle
    }

    /// The track has no source any more; viewers wait.
    pub(crate) fn close_feed(&mut self, key: FeedKey, scope: &mut Scope<'_>) {
        self.take_feed(key, scope);
    }

    fn take_feed(&mut self, key: FeedKey, scope: &mut Scope<'_>) {
        let Some(feed) = self.feeds.remove(key) else { return };
        self.feed_timers.set(key, None);
        self.say_goodbye(feed.parent, scope);
        self.say_goodbye(feed.previous, scope);
        scope.tracks.set_feed(feed.layer, None);
        scope.tracks.end_layer(feed.layer);
    }

    /// A publisher of our own takes over: children start afresh with its numbers.
    pub(crate) fn yield_to_publisher(&mut self, track: TrackKey, scope: &mut Scope<'_>) {
        for layer in scope.tracks.layers_of(track) {
            if let Some(feed) = scope.tracks.layer(layer).and_then(|layer| layer.feed) {
                self.restart_children(layer);
                self.take_feed(feed, scope);
            }
        }
        scope.tracks.note_demand(track);
    }
}
