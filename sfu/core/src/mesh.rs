//! Owns the relays of a worker: tracks that come from other workers, and tracks that go to them. Never chooses
//! a parent: signaling says where a track comes from, and a parent that is full names one of its children.
//!
//! A *link* is the association with one peer, a *feed* a track that comes over one, an *outlet* a track that
//! leaves to a child. An edge keeps what it gets in a history of its own, with the numbers of the origin; they
//! are rewritten for viewers only. Everything in band may be lost and may be repeated.

mod demand;
mod edge;
mod feed;
mod link;
mod missing;
mod outlet;
mod parent;
mod peers;
mod seal;
mod serve;
mod start;
mod summary;
pub mod tree;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

pub use summary::{PeerSummary, RelayDirection, RelaySummary};

use crate::keys::{ChildKey, FeedKey, FixedHash, Index, Key, LinkKey, Table, TrackKey};
use crate::mesh::feed::Feed;
use crate::mesh::link::{LifeChange, Link};
use crate::mesh::outlet::Outlet;
use crate::mesh::wire::Message;
use crate::net::Route;
use crate::sfu::Sfu;
use crate::sfu::containment::AtWork;
use crate::spec::{Event, OriginSpec, PeerId, RelayKey, TrackId};
use crate::stats::DropReason;
use crate::timers::Timers;

#[derive(Default)]
pub(crate) struct Relay {
    links: Table<LinkKey, Link>,
    by_peer: Index<PeerId, LinkKey>,
    by_address: Index<SocketAddr, LinkKey>,
    /// Datagrams come in trains from one address.
    last_address: Option<(SocketAddr, LinkKey)>,
    /// Where the tracks come from that are not published here, whether anybody watches them or not.
    origins: HashMap<TrackId, OriginSpec, FixedHash>,
    feeds: Table<FeedKey, Feed>,
    outlets: Table<ChildKey, Outlet>,
    link_timers: Timers<LinkKey>,
    feed_timers: Timers<FeedKey>,
    outlet_timers: Timers<ChildKey>,
    /// Tracks whose viewers, children or source changed since the last look.
    demand: Vec<TrackKey>,
    /// Outlets with a backlog.
    behind: Vec<ChildKey>,
    /// Above every counter that a link which is gone has used, whatever its keys were.
    counter_floor: u64,
    /// How far the peers of links that are gone had counted, oldest first.
    floors: VecDeque<(RelayKey, u64)>,
    channels: u32,
    runs: u64,
    /// From the wall clock of an origin to ours: fixed when it is first heard of, as for a publisher.
    clock_offsets: HashMap<PeerId, u64, FixedHash>,
    /// Where the time stamps of heartbeats begin.
    base: Option<Instant>,
}

impl Relay {
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.link_timers.next(), self.feed_timers.next(), self.outlet_timers.next()].into_iter().flatten().min()
    }

    pub fn next_run(&mut self) -> u64 {
        self.runs += 1;
        self.runs
    }

    pub fn forget_track(&mut self, key: TrackKey) {
        self.demand.retain(|noted| *noted != key);
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

    fn feed_of(&self, channel: u32) -> FeedKey {
        FeedKey::new((channel & ((1 << FEED_BITS) - 1)) as usize)
    }
}

impl Sfu {
    /// A datagram of another worker, opened in place.
    pub(crate) fn handle_relay(&mut self, now: Instant, route: Route, datagram: &mut [u8]) -> Result<(), DropReason> {
        let Route::Udp { remote, local } = route else { return Err(DropReason::RelayUnknownPeer) };
        let key = self.relay.find(remote).ok_or(DropReason::RelayUnknownPeer)?;
        let link = self.relay.links.get_mut(key).ok_or(DropReason::RelayUnknownPeer)?;
        self.containment.note(AtWork::Link(key));
        let len = datagram.len();
        let (counter, plain) = link.opening.open(datagram)?;
        let peer = link.peer;
        if link.note_heard(now, local, len) == Some(LifeChange::Found) {
            self.push_event(Event::PeerFound { peer });
        }
        match Message::parse(plain).ok_or(DropReason::RelayMalformed)? {
            Message::Media(media) => self.handle_relayed(now, key, &media),
            Message::Heartbeat(beat) => self.handle_heartbeat(now, key, &beat),
            Message::Subscribe(ask) => self.handle_subscribe(now, key, counter, &ask),
            Message::Accept(accept) => self.handle_accept(now, key, &accept),
            Message::Refuse { channel, reason } => self.handle_refuse(now, key, channel, reason),
            Message::Redirect { channel, to } => self.handle_redirect(now, key, channel, to),
            Message::Unsubscribe { channel } => self.handle_unsubscribe(key, channel),
            Message::Nack(nack) => self.handle_relay_nack(now, key, &nack),
            Message::Keyframe { channel } => self.handle_child_keyframe(key, channel),
            Message::Clock { channel, run, clock } => self.handle_clock(now, key, (channel, run), &clock),
            Message::Tail { channel, run, sequence } => self.handle_tail(now, key, (channel, run), sequence),
            Message::End { channel, run } => self.handle_end(now, key, (channel, run)),
        }
    }

    pub(crate) fn handle_relay_timeouts(&mut self, now: Instant) {
        // Each once at most: one that keeps a deadline in the past must not hold up the loop.
        for _ in 0..=self.relay.links.len() {
            let Some(key) = self.relay.link_timers.pop_due(now) else { break };
            self.containment.note(AtWork::Link(key));
            self.handle_link_due(now, key);
        }
        for _ in 0..=self.relay.feeds.len() {
            let Some(key) = self.relay.feed_timers.pop_due(now) else { break };
            self.containment.note(AtWork::Feed(key));
            self.handle_feed_due(now, key);
        }
        for _ in 0..=self.relay.outlets.len() {
            let Some(key) = self.relay.outlet_timers.pop_due(now) else { break };
            if let Some(outlet) = self.relay.outlets.get(key) {
                self.containment.note(AtWork::Child { track: outlet.track, child: key });
            }
            self.handle_outlet_due(now, key);
        }
    }
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
