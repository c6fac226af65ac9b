//! Owns the way of a packet from the history of a track to the workers that get it from here. No allocation, no
//! lock, no clock.

use std::time::{Duration, Instant};

use crate::keys::{ChildKey, LinkKey, TrackKey};
use crate::mesh::link::Link;
use crate::mesh::outlet::{Outlet, OutletState};
use crate::mesh::seal::OVERHEAD_BYTES;
use crate::mesh::wire::{Accept, Clock, MEDIA_FIXED_BYTES, MEDIA_PADDING_MAX, Message, media_tail};
use crate::sfu::Sfu;
use crate::sfu::containment::AtWork;
use crate::stats::Counters;
use crate::tracks::history::{Entry, History};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Done,
    /// The arena is full.
    Full,
}

impl Sfu {
    /// Seals what waits for other workers. False when the arena filled up before.
    pub(crate) fn serve_children(&mut self, now: Instant) -> bool {
        while let Some(key) = self.relay.behind.last().copied() {
            if self.serve_child(now, key) == Progress::Full {
                return false;
            }
            self.relay.behind.pop();
        }
        for at in 0..self.waiting.len() {
            let track = self.waiting[at];
            let mut place = 0;
            while let Some(key) = self.tracks.get(track).and_then(|track| track.outlets.get(place).copied()) {
                if self.serve_child(now, key) == Progress::Full {
                    return false;
                }
                place += 1;
            }
        }
        true
    }

    /// One behind the other in the arena, so that they leave as one run.
    fn serve_child(&mut self, now: Instant, key: ChildKey) -> Progress {
        let Some(outlet) = self.relay.outlets.get_mut(key).filter(|outlet| outlet.is_served()) else {
            return Progress::Done;
        };
        self.containment.note(AtWork::Child { track: outlet.track, child: key });
        let Some(history) = self.tracks.get(outlet.track).and_then(|track| track.history.as_ref()) else {
            return Progress::Done;
        };
        let Some(link) = self.relay.links.get_mut(outlet.link) else { return Progress::Done };
        let from = outlet.sent.max(history.oldest());
        let to = history.next().min(from + BURST_MAX as u64);
        if from >= to || outlet.resume_at.is_some_and(|at| now < at) {
            return Progress::Done;
        }
        let padding = level(history, from, to);
        let mut has_jumped = false;
        let arena = self.egress.media();
        for (number, padding) in (from..to).zip(padding) {
            outlet.sent = number;
            let Some(entry) = history.entry(number) else { continue };
            if !arena.has_room(datagram_len(entry) + MEDIA_PADDING_MAX) {
                return Progress::Full;
            }
            has_jumped |= outlet.note_next(&entry.packet);
            if let Some(len) = send_media(arena, link, outlet, history, entry, padding) {
                outlet.earn(len);
                count(&mut self.counters, len);
            }
        }
        outlet.sent = to;
        outlet.resume_at = (to < history.next()).then_some(now + PACE);
        outlet.note_sent(now, link.is_lossy(now));
        if let Some(at) = outlet.poll_timeout() {
            self.relay.outlet_timers.lower(key, at);
        }
        if has_jumped {
            self.accept(now, key);
        }
        self.tell_clock(now, key);
        Progress::Done
    }

    /// What was lost on the way to a child, as far as it is still there.
    pub(super) fn repair_child(&mut self, now: Instant, key: ChildKey, lost: impl Iterator<Item = u64>, copies: usize) {
        let Some(outlet) = self.relay.outlets.get_mut(key) else { return };
        let history = self.tracks.get(outlet.track).and_then(|track| track.history.as_ref());
        let (Some(history), Some(link)) = (history, self.relay.links.get_mut(outlet.link)) else { return };
        link.note_loss(now);
        let arena = self.egress.media();
        for sequence in lost {
            let Some(entry) = history.find(sequence) else { continue };
            for _ in 0..copies {
                if !arena.has_room(datagram_len(entry)) || !outlet.spend(datagram_len(entry)) {
                    return;
                }
                if let Some(len) = send_media(arena, link, outlet, history, entry, 0) {
                    count(&mut self.counters, len);
                }
            }
        }
    }

    pub(super) fn tell_clock(&mut self, now: Instant, key: ChildKey) {
        let Some(outlet) = self.relay.outlets.get_mut(key).filter(|outlet| outlet.is_served()) else { return };
        let clock = self.tracks.get(outlet.track).and_then(|track| track.clock);
        if clock.is_none_or(|clock| !outlet.take_clock(now, &clock)) {
            return;
        }
        let (channel, run, track, link) = (outlet.channel, outlet.run as u8, outlet.track, outlet.link);
        if let Some(clock) = self.clock_for(now, track, link)
            && let Some(link) = self.relay.links.get_mut(link)
        {
            link.send(&mut self.egress, &Message::Clock { channel, run, clock });
        }
    }

    /// Says yes, again if need be.
    pub(super) fn accept(&mut self, now: Instant, key: ChildKey) {
        let Some(outlet) = self.relay.outlets.get(key) else { return };
        let (OutletState::Serving { from } | OutletState::Releasing { from }) = outlet.state else { return };
        let (channel, run, track, link) = (outlet.channel, outlet.run, outlet.track, outlet.link);
        let clock = self.clock_for(now, track, link);
        let depth = self.depth(track);
        if let Some(link) = self.relay.links.get_mut(link) {
            link.send(&mut self.egress, &Message::Accept(Accept { channel, run, depth, from, clock }));
        }
    }

    /// The clock of a track by the wall clock of its origin.
    fn clock_for(&self, now: Instant, track: TrackKey, link: LinkKey) -> Option<Clock> {
        let (track, wall) = (self.tracks.get(track)?, self.wall.as_ref()?);
        let clock = track.clock?;
        let (origin, offset) = match track.feed.filter(|_| track.publisher.is_none()) {
            Some(feed) => {
                let origin = self.relay.feeds.get(feed)?.origin?;
                (origin, *self.relay.clock_offsets.get(&origin)?)
            }
            None => (self.relay.links.get(link)?.own, 0),
        };
        let age_us = now.saturating_duration_since(clock.at).as_micros().try_into().unwrap_or(u32::MAX);
        Some(Clock {
            origin,
            ntp: clock.ntp.wrapping_sub(offset),
            timestamp: clock.timestamp,
            now_ntp: wall.at(now).wrapping_sub(offset),
            age_us,
            reported: clock.reported,
        })
    }

    /// Hops from the origin of a track to us.
    pub(super) fn depth(&self, track: TrackKey) -> u8 {
        let Some(track) = self.tracks.get(track).filter(|track| track.publisher.is_none()) else { return 0 };
        track.feed.and_then(|feed| self.relay.feeds.get(feed)).map_or(0, |feed| feed.depth)
    }
}

fn send_media(
    arena: &mut crate::egress::Arena,
    link: &mut Link,
    outlet: &Outlet,
    history: &History,
    entry: &Entry,
    padding: u8,
) -> Option<usize> {
    let route = link.route()?;
    let body = history.body(entry);
    let tail = media_tail(outlet.channel, outlet.run as u8, &entry.packet, entry.extensions_len() as u8, padding);
    let len = body.len() + tail.len() + OVERHEAD_BYTES;
    let sealing = &mut link.sealing;
    let is_sent = arena.push(route, len, |out| sealing.seal(body, &tail, out));
    if is_sent {
        link.sent.add(len);
    }
    is_sent.then_some(len)
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

/// Packets of one track to one worker at once; a backlog goes on after [`PACE`].
const BURST_MAX: usize = 64;
const PACE: Duration = Duration::from_millis(2);
