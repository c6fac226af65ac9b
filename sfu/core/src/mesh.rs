//! Owns the relays of a worker: tracks that come from other workers, and tracks that go to them. Never chooses
//! a parent: signaling says where a track comes from, and a parent that is full names one of its children.
//!
//! A *link* is the association with one peer, a *feed* an encoding of a track that comes over one, a *child* a worker
//! that gets an encoding from here: of each no more go from worker to worker than are watched. An edge keeps what it gets
//! in a history of its own, with the numbers of the origin; they are rewritten for viewers only. Everything in band may be
//! lost and may be repeated.
//!
//! The tables are here. Methods call each other one way: `peers` → `demand` → `edge` → `children` → `deliver`.

mod child;
mod children;
mod deliver;
mod demand;
mod edge;
mod feed;
mod link;
mod missing;
mod peers;
mod start;
pub(crate) mod summary;
pub mod tree;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) use child::BURST_MAX;

use crate::blame::AtWork;
use crate::keys::{ChildKey, FeedKey, FixedHash, Index, Key, LayerKey, LinkKey, Table};
use crate::mesh::child::ChildRelay;
use crate::mesh::feed::Feed;
use crate::mesh::link::{LifeChange, Link};
use crate::mesh::wire::RelayMessage;
use crate::net::Route;
use crate::outputs::Outputs;
use crate::spec::{Event, OriginSpec, PeerId, RelayKey, TrackId};
use crate::stats::DropReason;
use crate::timers::Timers;
use crate::tracks::Tracks;

#[derive(Default)]
pub(crate) struct Mesh {
    links: Table<LinkKey, Link>,
    by_peer: Index<PeerId, LinkKey>,
    by_address: Index<SocketAddr, LinkKey>,
    /// Datagrams come in trains from one address.
    last_address: Option<(SocketAddr, LinkKey)>,
    /// Where the tracks come from that are not published here, whether anybody watches them or not.
    origins: HashMap<TrackId, OriginSpec, FixedHash>,
    feeds: Table<FeedKey, Feed>,
    children: Table<ChildKey, ChildRelay>,
    /// The children of each layer, by its place.
    by_layer: Vec<Vec<ChildKey>>,
    link_timers: Timers<LinkKey>,
    feed_timers: Timers<FeedKey>,
    child_timers: Timers<ChildKey>,
    /// Children that begin to be sent their layer, and that are sent nothing any more, in this order.
    changes: VecDeque<ReaderChange>,
    /// Above every counter that a link which is gone has used, whatever its keys were.
    counter_floor: u64,
    /// How far the peers of links that are gone had counted, oldest first.
    floors: VecDeque<(RelayKey, u64)>,
    channels: u32,
    /// From the wall clock of an origin to ours: fixed when it is first heard of, as for a publisher.
    clock_offsets: HashMap<PeerId, u64, FixedHash>,
    /// Where the time stamps of heartbeats begin.
    base: Option<Instant>,
}

/// What the mesh wants of the readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReaderChange {
    /// The child is sent the layer from the packet with this number on.
    Begins {
        child: ChildKey,
        layer: LayerKey,
        next: u64,
    },
    Ends {
        child: ChildKey,
        layer: LayerKey,
    },
}

/// What is lent to the mesh for one step.
pub(crate) struct Scope<'a> {
    pub now: Instant,
    pub tracks: &'a mut Tracks,
    pub out: &'a mut Outputs,
}

impl Mesh {
    /// What a child is sent.
    pub fn layer_of(&self, child: ChildKey) -> Option<LayerKey> {
        self.children.get(child).map(|child| child.layer)
    }

    /// The children of a layer.
    fn children_of(&self, layer: LayerKey) -> &[ChildKey] {
        self.by_layer.get(layer.place()).map_or(&[], Vec::as_slice)
    }

    #[inline]
    pub fn is_settled(&self) -> bool {
        self.changes.is_empty()
    }

    #[inline]
    pub fn take_change(&mut self) -> Option<ReaderChange> {
        self.changes.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.link_timers.next(), self.feed_timers.next(), self.child_timers.next()].into_iter().flatten().min()
    }

    fn find(&mut self, address: SocketAddr) -> Option<LinkKey> {
        if let Some((last, key)) = self.last_address
            && last == address
        {
            return Some(key);
        }
        let key = *self.by_address.get(&address)?;
        self.last_address = Some((address, key));
        Some(key)
    }

    /// The place of a feed, and a number that tells this relay of it from the one before.
    fn next_channel(&mut self, feed: FeedKey) -> u32 {
        self.channels = self.channels.wrapping_add(1);
        self.channels << FEED_BITS | feed.place() as u32
    }
}

impl Mesh {
    /// A datagram of another worker, opened in place, and how long it has lain with the kernel.
    pub(crate) fn handle_datagram(
        &mut self,
        (route, waited): (Route, Duration),
        datagram: &mut [u8],
        scope: &mut Scope<'_>,
    ) -> Result<(), DropReason> {
        let Route::Udp { remote, local } = route else { return Err(DropReason::RelayUnknownPeer) };
        let key = self.find(remote).ok_or(DropReason::RelayUnknownPeer)?;
        let link = self.links.get_mut(key).ok_or(DropReason::RelayUnknownPeer)?;
        scope.out.note(AtWork::Link(key));
        let len = datagram.len();
        let (counter, plain) = link.opening.open(datagram)?;
        let peer = link.peer;
        if link.note_heard(scope.now, local, len) == Some(LifeChange::Found) {
            scope.out.push_event(Event::PeerFound { peer });
        }
        match RelayMessage::parse(plain).ok_or(DropReason::RelayMalformed)? {
            RelayMessage::Media(media) => self.handle_relayed(key, &media, waited, scope),
            RelayMessage::Heartbeat(beat) => self.handle_heartbeat(key, &beat, scope),
            RelayMessage::Subscribe(ask) => self.handle_subscribe(key, counter, &ask, scope),
            RelayMessage::Accept(accept) => self.handle_accept(key, &accept, scope),
            RelayMessage::Refuse { channel, reason } => self.handle_refuse(key, channel, reason, scope),
            RelayMessage::Redirect { channel, to } => self.handle_redirect(key, channel, to, scope),
            RelayMessage::Unsubscribe { channel } => self.handle_unsubscribe(key, channel, scope),
            RelayMessage::Nack(nack) => self.handle_relay_nack(key, &nack, scope),
            RelayMessage::Keyframe { channel } => self.handle_child_keyframe(key, channel, scope),
            RelayMessage::Clock { channel, run, clock } => self.handle_clock(key, (channel, run), &clock, scope),
            RelayMessage::Offer { channel, run, encodings } => {
                self.handle_offer(key, (channel, run), &encodings, scope)
            }
            RelayMessage::Tail { channel, run, sequence } => self.handle_tail(key, (channel, run), sequence, scope),
            RelayMessage::End { channel, run } => self.handle_end(key, (channel, run), scope),
        }
    }

    pub(crate) fn handle_timeouts(&mut self, scope: &mut Scope<'_>) {
        // Each once at most: one that keeps a deadline in the past must not hold up the loop.
        for _ in 0..=self.links.len() {
            let Some(key) = self.link_timers.pop_due(scope.now) else { break };
            scope.out.note(AtWork::Link(key));
            self.handle_link_due(key, scope);
        }
        for _ in 0..=self.feeds.len() {
            let Some(key) = self.feed_timers.pop_due(scope.now) else { break };
            scope.out.note(AtWork::Feed(key));
            self.handle_feed_due(key, scope);
        }
        for _ in 0..=self.children.len() {
            let Some(key) = self.child_timers.pop_due(scope.now) else { break };
            if let Some(child) = self.children.get(key) {
                scope.out.note(AtWork::Child { track: child.track, child: key });
            }
            self.handle_child_due(key, scope);
        }
    }
}

/// The feed that a channel was given to.
fn feed_at(channel: u32) -> FeedKey {
    FeedKey::new((channel & ((1 << FEED_BITS) - 1)) as usize)
}

/// Peers of one worker.
const PEERS_MAX: usize = 1_024;
/// Tracks a worker knows the origin of, watched or not.
const ORIGINS_MAX: usize = 1 << FEED_BITS;
/// Relays to one peer.
const CHANNELS_MAX: usize = 4_096;
/// Origins whose clock is translated.
const CLOCKS_MAX: usize = 4_096;
/// Bits of a channel that are the place of its feed.
const FEED_BITS: u32 = 14;
