//! Owns the way of packets from a layer to other workers and to its live viewers, which read together, so that what is
//! alike in their copies is made once. No allocation, no lock, no clock.

use std::ops::Range;
use std::time::Instant;

use crate::blame::AtWork;
use crate::clients::PASS_PACKETS_MAX;
use crate::keys::{Key, LayerKey};
use crate::readers::audience::Audience;
use crate::readers::reader::{Flushed, Pace, Reader, WORKER};
use crate::readers::stale::{decide_resume, packets_of_picture};
use crate::readers::{Parts, Readers};
use crate::relief::Relief;
use crate::tracks::history::{Arrived, History, PADDING_BYTES_MAX};
use crate::tracks::{Layer, TICK};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    Nothing,
    Now,
    Later,
}

impl Readers {
    // ── Workers ─────────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn serve_workers(&mut self, parts: &mut Parts<'_>) -> Flushed {
        while let Some(child) = self.backlog.at(0) {
            if let Some(layer) = parts.mesh.layer_of(child)
                && let Some(place) = self.audience(layer).workers.place(child)
                && self.serve_worker(layer, place, None, parts) == Flushed::Full
            {
                return Flushed::Full;
            }
            self.backlog.take();
        }
        for at in 0.. {
            let Some(layer) = parts.tracks.fresh.at(at) else { break };
            let heard = parts.tracks.layer(layer).and_then(|layer| layer.heard);
            for place in 0..self.audience(layer).workers.len() {
                // One that is behind goes on after its pause.
                let is_live = self.audience(layer).workers.at(place).is_some_and(Reader::is_live);
                if is_live && self.serve_worker(layer, place, heard, parts) == Flushed::Full {
                    return Flushed::Full;
                }
            }
        }
        Flushed::Done
    }

    /// `heard` is when the newest packet came, for one that reads as packets come.
    fn serve_worker(
        &mut self,
        layer: LayerKey,
        place: usize,
        heard: Option<Instant>,
        parts: &mut Parts<'_>,
    ) -> Flushed {
        let history = parts.tracks.layer(layer).and_then(|layer| layer.history.as_ref());
        let (Some(history), Some(reader)) = (history, self.audience(layer).workers.at_mut(place)) else {
            return Flushed::Done;
        };
        let (numbers, head) = (reader.slice(history.oldest(), history.next(), WORKER.packets), history.next());
        if numbers.is_empty() {
            reader.pace = Pace::Live;
            return Flushed::Done;
        }
        let (child, to) = (reader.sink, numbers.end);
        let heard = heard.filter(|_| to == head);
        let (mesh, mut scope) = parts.of_mesh();
        reader.next = mesh.deliver(child, numbers, heard, &mut scope);
        if reader.next < to {
            return Flushed::Full;
        }
        reader.pace = if to < head { Pace::Behind { read: 0 } } else { Pace::Live };
        self.pauses.set(child, (to < head).then_some(parts.now + WORKER.pause));
        Flushed::Done
    }

    // ── Live viewers ────────────────────────────────────────────────────────────────────────────────────

    /// What waits of sound, before all pictures.
    pub(super) fn serve_sound(&mut self, parts: &mut Parts<'_>) -> Flushed {
        let mut at = 0;
        while let Some(key) = parts.tracks.fresh.at(at) {
            if parts.tracks.layer(key).is_none_or(Layer::is_video) {
                at += 1;
            } else if self.fan_out(key, parts) == Flushed::Full {
                return Flushed::Full;
            } else {
                parts.tracks.fresh.remove_at(at);
            }
        }
        Flushed::Done
    }

    pub(super) fn serve_viewers(&mut self, parts: &mut Parts<'_>) -> Flushed {
        let mut at = 0;
        while let Some(key) = parts.tracks.fresh.at(at) {
            if let Some(track) = parts.tracks.track_of(key) {
                parts.out.note(AtWork::Track(track));
            }
            let flush = parts
                .tracks
                .layer(key)
                .map_or(Flush::Nothing, |layer| decide_flush(layer, self.audience(key), parts.now));
            match flush {
                Flush::Later => at += 1,
                Flush::Now if self.fan_out(key, parts) == Flushed::Full => return Flushed::Full,
                Flush::Now | Flush::Nothing => {
                    parts.tracks.fresh.remove_at(at);
                }
            }
        }
        Flushed::Done
    }

    /// Seals all that waits on a layer for all its live viewers.
    fn fan_out(&mut self, key: LayerKey, parts: &mut Parts<'_>) -> Flushed {
        if !self.audience(key).awaiting.is_empty() {
            self.switch_awaiting(key, parts);
        }
        let Some(layer) = parts.tracks.layer_mut(key) else { return Flushed::Done };
        if self.audience(key).viewers.is_empty() {
            self.audience(key).skip_to(layer.next());
            layer.note_read();
            return Flushed::Done;
        }
        if let Some(since) = layer.waiting_since() {
            parts.out.counters.egress_waits.note(parts.now.saturating_duration_since(since));
        }
        let before = parts.out.counters.bytes_out;
        let mut somebody_waits = false;
        let mut progress = Flushed::Done;
        while let Some(layer) = parts.tracks.layer_mut(key) {
            let (relief, audience) = (self.relief, self.audience(key));
            // Late media would only push all that follows further back.
            if let Some(resume) = decide_resume(layer, audience, parts.now, relief) {
                self.go_on_at(key, resume, parts);
                continue;
            }
            let packets_max = match relief {
                Relief::None => PASS_PACKETS_MAX as u64,
                // The next picture is judged by itself.
                _ => packets_of_picture(layer, audience.live()).clamp(1, PASS_PACKETS_BEHIND),
            };
            let Some((pass, is_new)) = audience.begin_pass(layer, packets_max) else { break };
            let numbers = pass.from..pass.to;
            if is_new {
                audience.sending.begin(parts.now);
                if let Some(history) = &mut layer.history {
                    equalise(history, &numbers);
                }
            }
            if let Some(history) = layer.history.as_ref() {
                self.templates.load(history, numbers);
            }
            somebody_waits = false;
            let before_pass = parts.out.counters.bytes_out;
            progress = self.serve_pass(key, parts, &mut somebody_waits);
            let audience = self.audience(key);
            audience.sending.note_sent(parts.out.counters.bytes_out - before_pass);
            if progress == Flushed::Full {
                break;
            }
            audience.end_pass();
            audience.sending.end(parts.now, pass.to - pass.from);
        }
        parts.tracks.note_sent(key, parts.out.counters.bytes_out - before);
        if somebody_waits {
            // Who is served already is not looked at again.
            parts.tracks.want_keyframe(key);
        }
        progress
    }

    /// The packets of a pass, which the templates hold, for all live viewers that have not read them.
    fn serve_pass(&mut self, key: LayerKey, parts: &mut Parts<'_>, somebody_waits: &mut bool) -> Flushed {
        let Some(audience) = self.audiences.get_mut(key.place()) else { return Flushed::Done };
        let Parts { now, tracks, clients, out, .. } = parts;
        let now = *now;
        let (Some(layer), Some(track)) = (tracks.layer(key), tracks.track_of(key)) else { return Flushed::Done };
        let Some(history) = layer.history.as_ref() else { return Flushed::Done };
        let mut packets = self.templates.entries().map(|entry| entry.packet);
        let late_start: Option<Arrived> = packets.rfind(|packet| layer.starts_late(packet, now));
        drop(packets);
        let newest = self.templates.entries().next_back().map(|entry| entry.packet);
        let has_start = self.templates.entries().any(|entry| entry.packet.keyframe);
        let first = audience.pass_start();
        let mut read_up_to = 0;
        while let Some(place) = audience.next_of_pass() {
            if !out.egress.media().has_room(self.templates.bytes_max) {
                return Flushed::Full;
            }
            if place >= read_up_to || place + READ_TOGETHER < read_up_to {
                read_up_to = place + READ_TOGETHER;
                clients.read_for_sending(audience.upcoming(place, READ_TOGETHER));
            }
            let Some(viewer) = audience.read_pass(place) else { break };
            out.note(AtWork::Copy { track, viewer: viewer.session() });
            let Some(session) = clients.get_mut(viewer.session()) else { continue };
            let (delivery, line) = (&mut session.delivery, viewer.line());
            if late_start.is_some_and(|start| delivery.awaits_keyframe(line, &start, now)) {
                audience.admit(viewer);
                self.queue.mark(viewer);
                continue;
            }
            if let Some((newest, first)) = newest.zip(first)
                && let bytes = delivery.line_bytes_of(line, &self.templates)
                && delivery.holds_back(line, (&newest, has_start, bytes), now)
            {
                audience.pace(viewer, first);
                self.paced.mark(viewer);
                continue;
            }
            let started = delivery.forward(line, history, &mut self.templates, now, out);
            *somebody_waits |= newest.is_some_and(|newest| delivery.wants_keyframe(line, &newest, now));
            if started {
                clients.wake(viewer.session(), now);
            }
        }
        Flushed::Done
    }
}

/// Whether the packets that wait should leave now or would gain from company: a frame that is complete
/// gains nothing, nor does audio, nor a track with few viewers, nor one whose packets come singly.
fn decide_flush(layer: &Layer, audience: &Audience, now: Instant) -> Flush {
    let Some(since) = layer.waiting_since() else { return Flush::Nothing };
    let count = layer.next().saturating_sub(audience.live());
    let fan_out = count.saturating_mul(audience.viewers.len() as u64);
    let is_due = audience.is_in_pass()
        || now >= since + TICK
        || fan_out <= FAN_OUT_AT_ONCE
        || count >= RUN_GOAL
        || !layer.expects_more();
    if is_due { Flush::Now } else { Flush::Later }
}

/// Makes packets that differ by a few bytes equally long, so that they leave as one run: libwebrtc splits a
/// frame into sizes that differ by one.
fn equalise(history: &mut History, numbers: &Range<u64>) {
    let size = |history: &History, number| {
        let entry = history.entry(number)?;
        (!entry.is_empty()).then(|| (entry.extensions_len(), entry.payload_len()))
    };
    let mut from = numbers.start;
    while from < numbers.end {
        let Some((extensions, len)) = size(history, from) else {
            from += 1;
            continue;
        };
        let (mut shortest, mut longest, mut to) = (len, len, from + 1);
        while let Some((other, len)) = size(history, to).filter(|_| to < numbers.end) {
            let spread = longest.max(len) - shortest.min(len);
            if other != extensions || spread > PADDING_BYTES_MAX {
                break;
            }
            (shortest, longest, to) = (shortest.min(len), longest.max(len), to + 1);
        }
        for number in from..to {
            // The last of a run may be shorter.
            if let Some((_, len)) = size(history, number).filter(|_| number + 1 < to) {
                history.pad(number, (longest - len) as u8);
            }
        }
        from = to;
    }
}

/// Sends of one layer that are done at once because there is too little to gain. It may be small: a frame
/// can't be shown before its last packet, and that one never waits.
const FAN_OUT_AT_ONCE: u64 = 4;
/// Viewers of whom is read what is needed before the first of them is served: some kilobytes of each.
const READ_TOGETHER: usize = 8;
/// Packets of one layer that make a good run.
const RUN_GOAL: u64 = 16;
/// More are not read at once by a worker that is behind: what was begun is sent to its end, however long that takes.
const PASS_PACKETS_BEHIND: u64 = 8;
