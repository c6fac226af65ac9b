//! Owns the association with one other worker: where it is, its keys, whether it lives and how far it is.
//! Never knows what a track is.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::egress::Egress;
use crate::keys::{ChildKey, Index};
use crate::net::Route;

use crate::crypto::relay::{OVERHEAD_BYTES, Opening, Sealing};
use crate::mesh::wire::{Frame, Heartbeat, RelayMessage};
use crate::spec::{PeerId, RelayKey};
use crate::stats::Traffic;

pub(crate) struct Link {
    pub peer: PeerId,
    pub own: PeerId,
    /// The first is sent to.
    pub addresses: ArrayVec<SocketAddr, ADDRESSES_MAX>,
    pub keys: LinkKeys,
    pub sealing: Sealing,
    pub opening: Opening,
    /// Our address the peer sends to.
    local: Option<IpAddr>,
    life: Life,
    pub round_trip: Option<Duration>,
    heartbeat_at: Instant,
    /// The newest time stamp of the peer, and when it came.
    stamp: Option<(u64, Instant)>,
    /// The peer asked for repeats until lately.
    lossy_until: Option<Instant>,
    /// When the peer was last told that it sends for nobody.
    pub unsubscribed_at: Option<Instant>,
    /// Relays the peer gets from us: its number for each, and ours.
    pub channels: Index<u32, ChildKey>,
    pub sent: Traffic,
    pub received: Traffic,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LinkKeys {
    pub seal: RelayKey,
    pub open: RelayKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Never heard, since then.
    New(Instant),
    /// Last heard then.
    Alive(Instant),
    Lost,
}

/// What time or a datagram changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LifeChange {
    Lost,
    Found,
}

impl Link {
    pub fn new(now: Instant, peer: PeerId, own: PeerId, keys: LinkKeys, sealing: Sealing, opening: Opening) -> Link {
        Link {
            peer,
            own,
            addresses: ArrayVec::new(),
            keys,
            sealing,
            opening,
            local: None,
            life: Life::New(now),
            round_trip: None,
            heartbeat_at: now,
            stamp: None,
            lossy_until: None,
            unsubscribed_at: None,
            channels: Index::default(),
            sent: Traffic::default(),
            received: Traffic::default(),
        }
    }

    pub fn route(&self) -> Option<Route> {
        Some(Route::Udp { remote: *self.addresses.first()?, local: self.local })
    }

    /// The path changed: which address of ours the peer will use is to be seen.
    pub fn set_addresses(&mut self, addresses: ArrayVec<SocketAddr, ADDRESSES_MAX>) {
        self.local = self.local.filter(|_| self.addresses.first() == addresses.first());
        self.addresses = addresses;
    }

    /// Leaves a message to be sent at once.
    pub fn send(&mut self, egress: &mut Egress, message: &RelayMessage<'_>) {
        self.send_frame(egress, &message.frame());
    }

    pub fn send_frame(&mut self, egress: &mut Egress, frame: &Frame) {
        let Some(route) = self.route() else { return };
        let (sealing, len) = (&mut self.sealing, frame.len() + OVERHEAD_BYTES);
        if egress.control().push(route, len, |out| sealing.seal(frame, &[], out)) {
            self.sent.add(len);
        }
    }

    /// An authentic datagram came.
    pub fn note_heard(&mut self, now: Instant, local: Option<IpAddr>, bytes: usize) -> Option<LifeChange> {
        self.received.add(bytes);
        self.local = local;
        match std::mem::replace(&mut self.life, Life::Alive(now)) {
            Life::Lost => Some(LifeChange::Found),
            Life::New(_) | Life::Alive(_) => None,
        }
    }

    pub fn is_alive(&self) -> bool {
        matches!(self.life, Life::Alive(_))
    }

    pub fn is_lost(&self) -> bool {
        self.life == Life::Lost
    }

    /// Sends a heartbeat if one is due and judges whether the peer lives. `base` is where our time stamps begin.
    pub fn handle_timeout(&mut self, now: Instant, base: Instant, egress: &mut Egress) -> Option<LifeChange> {
        let late = now.saturating_duration_since(self.heartbeat_at);
        if now >= self.heartbeat_at {
            self.beat(now, base, egress);
            self.heartbeat_at += HEARTBEAT_INTERVAL;
            if self.heartbeat_at <= now {
                self.heartbeat_at = now + HEARTBEAT_INTERVAL;
            }
        }
        if late >= SLEPT {
            // It is we who were away; what the peer sent meanwhile may still wait in the socket.
            self.life = match self.life {
                Life::Alive(heard) => Life::Alive(heard.max(now.checked_sub(LOST_AFTER - GRACE).unwrap_or(heard))),
                other => other,
            };
        }
        if self.lost_at().is_some_and(|at| now >= at) {
            self.life = Life::Lost;
            return Some(LifeChange::Lost);
        }
        None
    }

    fn beat(&mut self, now: Instant, base: Instant, egress: &mut Egress) {
        let (echo_us, came) = self.stamp.unwrap_or((0, now));
        let held_us = micros(now, came).try_into().unwrap_or(u32::MAX);
        let beat = Heartbeat { sent_us: micros(now, base), echo_us, held_us };
        self.send(egress, &RelayMessage::Heartbeat(beat));
    }

    pub fn handle_heartbeat(&mut self, now: Instant, base: Instant, beat: &Heartbeat) {
        if self.stamp.is_none_or(|(newest, _)| beat.sent_us > newest) {
            self.stamp = Some((beat.sent_us, now));
        }
        let away = micros(now, base).checked_sub(beat.echo_us).filter(|_| beat.echo_us > 0);
        let Some(measured) = away.and_then(|away| away.checked_sub(u64::from(beat.held_us))) else { return };
        let measured = Duration::from_micros(measured).min(ROUND_TRIP_MAX);
        self.round_trip = Some(self.round_trip.map_or(measured, |before| (before * 7 + measured) / 8));
    }

    pub fn poll_timeout(&self) -> Instant {
        self.lost_at().map_or(self.heartbeat_at, |lost| lost.min(self.heartbeat_at))
    }

    fn lost_at(&self) -> Option<Instant> {
        match self.life {
            Life::New(since) => Some(since + FIRST_HEARD_WITHIN),
            Life::Alive(heard) => Some(heard + LOST_AFTER),
            Life::Lost => None,
        }
    }

    /// The peer misses something.
    pub fn note_loss(&mut self, now: Instant) {
        self.lossy_until = Some(now + LOSSY_FOR);
    }

    pub fn is_lossy(&self, now: Instant) -> bool {
        self.lossy_until.is_some_and(|until| now < until)
    }

    /// From when a packet came here until the peer has it, which leaves now. No clock is compared with another: there is
    /// half of the time that both ways take, what waits in the kernels on both ends included. None while that is not
    /// known, or the peer is not heard.
    pub fn hop(&self, now: Instant, heard: Instant) -> Option<Duration> {
        let round_trip = self.round_trip.filter(|_| self.is_alive())?;
        Some(now.saturating_duration_since(heard) + round_trip / 2)
    }

    /// How long to wait for an answer before asking again.
    pub fn patience(&self) -> Duration {
        self.round_trip.map_or(ROUND_TRIP_DEFAULT, |measured| measured.max(ROUND_TRIP_MIN))
    }
}

fn micros(now: Instant, since: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(since).as_micros()).unwrap_or(u64::MAX)
}

/// Addresses of one peer.
pub(crate) const ADDRESSES_MAX: usize = 8;
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);
/// A peer unheard for this long is lost: four heartbeats, and their way.
const LOST_AFTER: Duration = Duration::from_millis(450);
/// A new peer learns of us from its own signaling, which may take a moment.
const FIRST_HEARD_WITHIN: Duration = Duration::from_secs(2);
/// A heartbeat of ours that is this late shows that it was us who stood still.
const SLEPT: Duration = Duration::from_millis(150);
/// How long after that a peer is given to be heard.
const GRACE: Duration = Duration::from_millis(150);
/// A link that lost something is watched this long.
const LOSSY_FOR: Duration = Duration::from_secs(10);
const ROUND_TRIP_DEFAULT: Duration = Duration::from_millis(100);
const ROUND_TRIP_MIN: Duration = Duration::from_millis(50);
const ROUND_TRIP_MAX: Duration = Duration::from_secs(2);
