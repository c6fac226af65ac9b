//! Owns the way of a packet from the history of a track to the workers that get it from here. No allocation, no
//! lock, no clock.

use std::ops::Range;
use std::time::Instant;

use crate::blame::AtWork;
use crate::crypto::relay::OVERHEAD_BYTES;
use crate::egress::Arena;
use crate::keys::{ChildKey, LayerKey, LinkKey, TrackKey};
use crate::mesh::child::{BURST_MAX, ChildRelay, ChildState};
use crate::mesh::link::Link;
use crate::mesh::wire::{Accept, Clock, MEDIA_FIXED_BYTES, MEDIA_PADDING_MAX, RelayMessage, media_tail};
use crate::mesh::{Mesh, Scope};
use crate::stats::Counters;
use crate::tracks::history::{Entry, History};
use crate::tracks::{Layer, Tracks};

impl Mesh {
    /// The child's copies of these packets, one behind the other in the arena, so that they leave as one run. Returns
    /// the number of the first that found no room, or the end. `heard` is when the last of them came, where it was not
    /// there before the child asked.
    pub(crate) fn deliver(
        &mut self,
        key: ChildKey,
        numbers: Range<u64>,
        heard: Option<Instant>,
        scope: &mut Scope<'_>,
    ) -> u64 {
        let Range { start: from, end: to } = numbers;
        let Some(child) = self.children.get_mut(key).filter(|child| child.is_served()) else { return to };
        scope.out.note(AtWork::Child { track: child.track, child: key });
        let Some(layer) = scope.tracks.layer(child.layer) else { return to };
        let (Some(history), Some(link)) = (&layer.history, self.links.get_mut(child.link)) else { return to };
        let padding = level(history, from, to);
        let mut has_jumped = false;
        let arena = scope.out.egress.media();
        for (number, padding) in (from..to).zip(padding) {
            let Some(entry) = history.entry(number) else { continue };
            if !arena.has_room(datagram_len(entry) + MEDIA_PADDING_MAX) {
                return number;
            }
            has_jumped |= child.note_next(&entry.packet);
            let waited_ms = if number < child.live_from { 0 } else { waited_ms(layer, entry, scope.now) };
            if let Some(len) = send_media(arena, link, child, history, (entry, waited_ms), padding) {
                child.earn(len);
                count(&mut scope.out.counters, len);
            }
        }
        if let Some(hop) = heard.and_then(|heard| link.hop(scope.now, heard)) {
            scope.out.counters.relay_hops.note(hop);
        }
        child.note_sent(scope.now, link.is_lossy(scope.now));
        if let Some(at) = child.poll_timeout() {
            self.child_timers.lower(key, at);
        }
        if has_jumped {
            self.accept(key, scope);
        }
        self.tell_clock(key, scope);
        to
    }

    /// What was lost on the way to a child, as far as it is still there.
    pub(super) fn repair_child(
        &mut self,
        key: ChildKey,
        lost: impl Iterator<Item = u64>,
        copies: usize,
        scope: &mut Scope<'_>,
    ) {
        let Some(child) = self.children.get_mut(key) else { return };
        let history = scope.tracks.layer(child.layer).and_then(|layer| layer.history.as_ref());
        let (Some(history), Some(link)) = (history, self.links.get_mut(child.link)) else { return };
        link.note_loss(scope.now);
        let arena = scope.out.egress.media();
        for sequence in lost {
            let Some(entry) = history.find(sequence) else { continue };
            for _ in 0..copies {
                if !arena.has_room(datagram_len(entry)) || !child.spend(datagram_len(entry)) {
                    return;
                }
                if let Some(len) = send_media(arena, link, child, history, (entry, 0), 0) {
                    count(&mut scope.out.counters, len);
                }
            }
        }
    }

    pub(super) fn tell_clock(&mut self, key: ChildKey, scope: &mut Scope<'_>) {
        let Some(child) = self.children.get_mut(key).filter(|child| child.is_served()) else { return };
        let clock = scope.tracks.layer(child.layer).and_then(|layer| layer.clock);
        if clock.is_none_or(|clock| !child.take_clock(scope.now, &clock)) {
            return;
        }
        let (channel, run, layer, link) = (child.channel, child.run as u8, child.layer, child.link);
        if let Some(clock) = self.clock_for(layer, link, scope)
            && let Some(link) = self.links.get_mut(link)
        {
            link.send(&mut scope.out.egress, &RelayMessage::Clock { channel, run, clock });
        }
        // As often as the clock, in case it was lost.
        self.tell_offer(key, scope);
    }

    /// What the encodings of a track bring is other than before: its children are told.
    pub(crate) fn tell_offers(&mut self, track: TrackKey, scope: &mut Scope<'_>) {
        for layer in scope.tracks.layers_of(track) {
            for at in 0..self.children_of(layer).len() {
                if let Some(child) = self.children_of(layer).get(at).copied() {
                    self.tell_offer(child, scope);
                }
            }
        }
    }

    /// Of one encoding there is nothing to tell.
    pub(super) fn tell_offer(&mut self, key: ChildKey, scope: &mut Scope<'_>) {
        let Some(child) = self.children.get(key).filter(|child| child.is_served()) else { return };
        let encodings = scope.tracks.announcement(child.track);
        if encodings.len() > 1
            && let Some(link) = self.links.get_mut(child.link)
        {
            let (channel, run) = (child.channel, child.run as u8);
            link.send(&mut scope.out.egress, &RelayMessage::Offer { channel, run, encodings });
        }
    }

    /// Says yes, again if need be.
    pub(super) fn accept(&mut self, key: ChildKey, scope: &mut Scope<'_>) {
        let Some(child) = self.children.get(key) else { return };
        let (ChildState::Serving { from } | ChildState::Releasing { from }) = child.state else { return };
        let (channel, run, layer, link) = (child.channel, child.run, child.layer, child.link);
        let clock = self.clock_for(layer, link, scope);
        let depth = self.depth(layer, scope.tracks);
        if let Some(link) = self.links.get_mut(link) {
            link.send(&mut scope.out.egress, &RelayMessage::Accept(Accept { channel, run, depth, from, clock }));
        }
        self.tell_offer(key, scope);
    }

    /// The clock of a layer by the wall clock of its origin.
    fn clock_for(&self, layer: LayerKey, link: LinkKey, scope: &Scope<'_>) -> Option<Clock> {
        let (clock, wall) = (scope.tracks.clock(layer)?, scope.tracks.wall()?);
        let (origin, offset) = match scope.tracks.relay_of(layer) {
            Some(feed) => {
                let origin = self.feeds.get(feed)?.origin?;
                (origin, *self.clock_offsets.get(&origin)?)
            }
            None => (self.links.get(link)?.own, 0),
        };
        let age_us = scope.now.saturating_duration_since(clock.at).as_micros().try_into().unwrap_or(u32::MAX);
        Some(Clock {
            origin,
            ntp: clock.ntp.wrapping_sub(offset),
            timestamp: clock.timestamp,
            now_ntp: wall.at(scope.now).wrapping_sub(offset),
            age_us,
            reported: clock.reported,
        })
    }

    /// Hops from the origin of a track to us.
    pub(super) fn depth(&self, layer: LayerKey, tracks: &Tracks) -> u8 {
        tracks.relay_of(layer).and_then(|feed| self.feeds.get(feed)).map_or(0, |feed| feed.depth)
    }
}

fn send_media(
    arena: &mut Arena,
    link: &mut Link,
    child: &ChildRelay,
    history: &History,
    (entry, waited_ms): (&Entry, u8),
    padding: u8,
) -> Option<usize> {
    let route = link.route()?;
    let body = history.body(entry);
    let (channel, packet) = ((child.channel, child.run as u8), (&entry.packet, waited_ms));
    let tail = media_tail(channel, packet, entry.extensions_len() as u8, padding);
    let len = body.len() + tail.len() + OVERHEAD_BYTES;
    let sealing = &mut link.sealing;
    let is_sent = arena.push(route, len, |out| sealing.seal(body, &tail, out));
    if is_sent {
        link.sent.add(len);
    }
    is_sent.then_some(len)
}

/// How long a packet has been under way, here and at the workers before, as far as a message says it.
fn waited_ms(layer: &Layer, entry: &Entry, now: Instant) -> u8 {
    let waited = layer.arrived_at(entry).map_or(0, |since| now.saturating_duration_since(since).as_millis());
    waited.try_into().unwrap_or(u8::MAX)
}

fn count(counters: &mut Counters, len: usize) {
    counters.packets_out += 1;
    counters.bytes_out += len as u64;
}

fn datagram_len(entry: &Entry) -> usize {
    entry.body_len() + MEDIA_FIXED_BYTES + OVERHEAD_BYTES
}

/// Zeros for each of these packets, so that those that differ by a few bytes leave as one run.
fn level(history: &History, from: u64, to: u64) -> [u8; BURST_MAX] {
    let mut padding = [0; BURST_MAX];
    let len = |at: u64| history.entry(from + at).map(Entry::body_len);
    let (mut start, count) = (0, to - from);
    while start < count {
        let first = len(start).unwrap_or(0);
        let (mut shortest, mut longest, mut end) = (first, first, start + 1);
        while let Some(other) = (end < count).then(|| len(end)).flatten() {
            if longest.max(other) - shortest.min(other) > MEDIA_PADDING_MAX {
                break;
            }
            (shortest, longest, end) = (shortest.min(other), longest.max(other), end + 1);
        }
        // The last of a run may be shorter.
        for at in start..end - 1 {
            padding[at as usize] = (longest - len(at).unwrap_or(longest)) as u8;
        }
        start = end;
    }
    padding
}
