//! Owns what a parent knows of a child that gets one encoding from it: how far it is served and until when it
//! counts. Never sends.

use std::time::{Duration, Instant};

use crate::keys::{LayerKey, LinkKey, TrackKey};
use crate::spec::{Epoch, MediaKind};
use crate::stats::Traffic;
use crate::tracks::history::Arrived;
use crate::tracks::playout::MediaClock;

pub(crate) struct ChildRelay {
    pub track: TrackKey,
    /// What it is sent.
    pub layer: LayerKey,
    pub link: LinkKey,
    /// The child's number for it.
    pub channel: u32,
    pub epoch: Epoch,
    pub kind: MediaKind,
    pub state: ChildState,
    /// The numbering of what it is sent.
    pub run: u64,
    /// Run and sequence the child had when it asked.
    pub have: Option<(u64, u64)>,
    /// Counter of its newest request: what was under way longer does not count.
    pub asked: u64,
    pub refreshed: Instant,
    /// Workers that were sent on to this child.
    pub redirected: u32,
    /// Number of the first packet that came since it is served: what was there before is the past, and not late.
    pub live_from: u64,
    /// Highest sequence sent, and its generation.
    pub highest: u64,
    pub generation: Option<u32>,
    tails: u8,
    tail_at: Option<Instant>,
    clock: Option<MediaClock>,
    pub clock_at: Option<Instant>,
    /// Bytes that repairs may still take; earned by media.
    credit: usize,
    pub traffic: Traffic,
    pub repaired: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildState {
    /// We do not have the track ourselves yet.
    Waiting,
    /// Sequence the child was told to expect first.
    Serving { from: u64 },
    /// Served until it has found the parent it was sent to.
    Releasing { from: u64 },
}

impl ChildRelay {
    pub fn new(
        now: Instant,
        (track, layer): (TrackKey, LayerKey),
        (link, channel): (LinkKey, u32),
        (kind, epoch): (MediaKind, Epoch),
        asked: u64,
    ) -> ChildRelay {
        ChildRelay {
            track,
            layer,
            link,
            channel,
            epoch,
            kind,
            state: ChildState::Waiting,
            run: 0,
            have: None,
            asked,
            refreshed: now,
            redirected: 0,
            live_from: 0,
            highest: 0,
            generation: None,
            tails: 0,
            tail_at: None,
            clock: None,
            clock_at: None,
            credit: REPAIR_CREDIT_START,
            traffic: Traffic::default(),
            repaired: 0,
        }
    }

    pub fn is_served(&self) -> bool {
        self.state != ChildState::Waiting
    }

    pub fn is_expired(&self, now: Instant) -> bool {
        now >= self.refreshed + EXPIRES_AFTER
    }

    /// A packet is about to leave. True when the numbers begin or jump with it, which the child must be told:
    /// it would not miss the first ones.
    pub fn note_next(&mut self, packet: &Arrived) -> bool {
        if packet.sequence <= self.highest {
            return false;
        }
        self.highest = packet.sequence;
        let before = self.generation.replace(packet.generation);
        let (ChildState::Serving { from } | ChildState::Releasing { from }) = &mut self.state else { return false };
        let is_told = if before.is_none() { *from > 0 } else { before == Some(packet.generation) };
        if !is_told {
            *from = packet.sequence;
        }
        !is_told
    }

    /// Media left. On a link that loses packets the child is told where it ends.
    pub fn note_sent(&mut self, now: Instant, is_lossy: bool) {
        if is_lossy {
            (self.tails, self.tail_at) = (TAILS, Some(now + TAIL_AFTER));
        }
    }

    pub fn take_tail(&mut self, now: Instant) -> bool {
        if self.tail_at.is_none_or(|at| at > now) {
            return false;
        }
        self.tails = self.tails.saturating_sub(1);
        self.tail_at = (self.tails > 0).then_some(now + TAIL_AFTER);
        true
    }

    /// Whether the child is to be told of `clock`: at once when it means something else than before, and
    /// once a second in case that was lost.
    pub fn take_clock(&mut self, now: Instant, clock: &MediaClock) -> bool {
        let is_better = self.clock.is_none_or(|told| told.reported != clock.reported);
        let is_other = self.clock.is_some_and(|told| told != *clock);
        let told = self.clock_at.and_then(|at| at.checked_sub(CLOCK_INTERVAL));
        let is_due = is_better
            || self.clock_at.is_none_or(|at| now >= at)
            || is_other && told.is_none_or(|told| now >= told + CLOCK_INTERVAL_MIN);
        if is_due {
            (self.clock, self.clock_at) = (Some(*clock), Some(now + CLOCK_INTERVAL));
        }
        is_due
    }

    /// Nothing that was sent counts any more.
    pub fn restart(&mut self) {
        self.state = ChildState::Waiting;
        (self.highest, self.generation) = (0, None);
        (self.tails, self.tail_at) = (0, None);
        (self.clock, self.clock_at) = (None, None);
    }

    pub fn earn(&mut self, bytes: usize) {
        self.traffic.add(bytes);
        self.credit = (self.credit + bytes / REPAIR_SHARE).min(REPAIR_CREDIT_MAX);
    }

    pub fn spend(&mut self, bytes: usize) -> bool {
        let is_enough = self.credit >= bytes;
        if is_enough {
            self.credit -= bytes;
            self.repaired += 1;
        }
        is_enough
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let expiry = Some(self.refreshed + EXPIRES_AFTER);
        let clock = self.clock_at.filter(|_| self.is_served());
        [expiry, self.tail_at, clock].into_iter().flatten().min()
    }
}

/// Packets of one layer to one child at once.
pub(crate) const BURST_MAX: usize = 64;
/// A child that has not asked for this long is gone: five of its refreshments.
const EXPIRES_AFTER: Duration = Duration::from_secs(5);
/// After the last packet of a burst.
const TAIL_AFTER: Duration = Duration::from_millis(8);
/// Times a child is told where a burst ended.
const TAILS: u8 = 2;
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// A publisher that reports all the time is passed on this often.
const CLOCK_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Repairs may take one byte for this many of media.
const REPAIR_SHARE: usize = 2;
const REPAIR_CREDIT_START: usize = 256 << 10;
const REPAIR_CREDIT_MAX: usize = 1 << 20;
