//! Owns the viewers whose line does not take at once what arrives: each reads on as its budget allows, a few packets at a
//! time, until it has caught up or what waits is too old. Never numbers or seals a packet, and never estimates.

use std::ops::Range;
use std::time::{Duration, Instant};

use chappe_sfu_rate::Bitrate;

use crate::blame::AtWork;
use crate::clients::{PASS_PACKETS_MAX, Sender, line_bytes};
use crate::keys::{Key, LayerKey, SenderKey};
use crate::readers::reader::{Flushed, Pace};
use crate::readers::{Parts, Readers};
use crate::tracks::history::{Entry, History};

/// What a turn came to for one viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Waits,
    /// It reads with the others again, or is no viewer any more.
    Caught,
    /// What waits for it is too old.
    TooOld,
}

impl Readers {
    /// A turn, if one is due.
    pub(super) fn serve_paced(&mut self, parts: &mut Parts<'_>) -> Flushed {
        if self.paced.viewers.is_empty() || self.paced.at.is_some_and(|at| parts.now < at) {
            return Flushed::Done;
        }
        if !parts.out.egress.media().is_empty() && self.paced.place == 0 {
            // What is live is to be sent first.
            return Flushed::Full;
        }
        while let Some(viewer) = self.paced.viewers.at(self.paced.place) {
            if !parts.out.egress.media().has_room(ROOM_BYTES) {
                return Flushed::Full;
            }
            match self.serve_paced_viewer(viewer, parts) {
                Outcome::Waits => {
                    self.paced.place += 1;
                    continue;
                }
                Outcome::Caught => {}
                Outcome::TooOld => self.give_up(viewer, parts),
            }
            self.release_paced(viewer, parts);
        }
        (self.paced.place, self.paced.at) = (0, Some(parts.now + TURN_INTERVAL));
        Flushed::Done
    }

    /// A viewer goes over to a picture that its line does not take at once: it reads that as its budget allows.
    pub(super) fn begin_paced(&mut self, viewer: SenderKey, key: LayerKey, parts: &mut Parts<'_>) {
        let Some(gop) = parts.tracks.history(key).and_then(History::cached_gop) else { return };
        let Some(session) = parts.clients.get_mut(viewer.session()) else { return };
        if session.delivery.takes_at_once(&gop) {
            return;
        }
        if let Some(bandwidth) = &mut session.delivery.bandwidth {
            bandwidth.set_waiting(viewer.line(), true);
            self.audience(key).pace(viewer, gop.number);
            self.paced.mark(viewer);
        }
    }

    /// Whether what a viewer gets waits for its budget.
    pub(super) fn is_paced(&mut self, viewer: SenderKey, key: LayerKey) -> bool {
        self.audience(key).viewers.get_mut(viewer).is_some_and(|reader| reader.pace == Pace::Paced)
    }

    /// The same, and for so long that the line does not carry it: what waits for less is the rest of a key frame, as a rule.
    pub(super) fn is_backed_up(&mut self, viewer: SenderKey, key: LayerKey, parts: &Parts<'_>) -> bool {
        let reader = self.audience(key).viewers.get_mut(viewer).filter(|reader| reader.pace == Pace::Paced);
        let Some(next) = reader.map(|reader| reader.next) else { return false };
        let layer = parts.tracks.layer(key);
        let since = layer.and_then(|layer| layer.arrived_at(layer.history.as_ref()?.entry(next)?));
        since.is_none_or(|since| parts.now >= since + BACKED_UP_AFTER)
    }

    /// It does not wait for its budget any more.
    pub(super) fn release_paced(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) {
        self.paced.forget(viewer);
        let session = parts.clients.get_mut(viewer.session());
        if let Some(bandwidth) = session.and_then(|session| session.delivery.bandwidth.as_mut()) {
            bandwidth.set_waiting(viewer.line(), false);
        }
    }

    fn serve_paced_viewer(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) -> Outcome {
        let Parts { now, tracks, clients, out, .. } = parts;
        let now = *now;
        let Some(session) = clients.get_mut(viewer.session()) else { return Outcome::Caught };
        let delivery = &mut session.delivery;
        out.note(AtWork::Session(viewer.session()));
        let layer = delivery.sender(viewer.line()).and_then(|sender| sender.layer);
        let Some(key) = layer else { return Outcome::Caught };
        let Some(audience) = self.audiences.get_mut(key.place()) else { return Outcome::Caught };
        let live = audience.live();
        let reader = audience.viewers.get_mut(viewer).filter(|reader| reader.pace == Pace::Paced);
        let Some(reader) = reader else { return Outcome::Caught };
        let Some((layer, history)) = tracks.layer(key).and_then(|layer| Some((layer, layer.history.as_ref()?))) else {
            return Outcome::Caught;
        };
        if reader.next < history.oldest() {
            return Outcome::TooOld;
        }
        let sender = delivery.senders.get(viewer.line().place()).and_then(Option::as_ref);
        let (Some(bandwidth), Some(sender)) = (delivery.bandwidth.as_mut(), sender) else {
            audience.go_live(viewer);
            return Outcome::Caught;
        };
        let waiting = (reader.next..live).map_while(|number| history.entry(number));
        let waiting = waiting.take(BACKLOG_PACKETS_MAX).filter(|entry| sender.wants(&entry.packet));
        let bytes = waiting.clone().map(line_bytes).sum();
        let oldest = waiting.clone().next().and_then(|entry| Some((entry, layer.arrived_at(entry)?)));
        let waited = oldest.map(|(_, since)| now.saturating_duration_since(since));
        let oldest = oldest.filter(|(entry, since)| may_age(history, entry, *since, now)).map(|(_, since)| since);
        let grant = bandwidth.grant(now, bytes, oldest);
        if grant.gives_up {
            return Outcome::TooOld;
        }
        let to = read_up_to(history, sender, reader.next..live, grant.video_bytes);
        let numbers = reader.next..to;
        let lacks_layers = layer.newest().is_some_and(|newest| sender.lacks_layers(newest, now));
        reader.next = to;
        if to >= live {
            audience.go_live(viewer);
        }
        if !numbers.is_empty() {
            waited.into_iter().for_each(|waited| out.counters.egress_waits.note(waited));
            self.templates.load(history, numbers);
            let before = out.counters.bytes_out;
            if delivery.forward(viewer.line(), history, &mut self.templates, now, out) {
                clients.wake(viewer.session(), now);
            }
            tracks.note_sent(key, out.counters.bytes_out - before);
        }
        if lacks_layers {
            tracks.want_keyframe(key);
        }
        if to >= live { Outcome::Caught } else { Outcome::Waits }
    }

    /// The viewer goes on with a newer key frame, or with the next one.
    fn give_up(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) {
        let now = parts.now;
        let Some(session) = parts.clients.get_mut(viewer.session()) else { return };
        let estimate = session.delivery.estimate();
        let Some(sender) = session.delivery.sender_mut(viewer.line()) else { return };
        let layer = sender.layer.and_then(|layer| parts.tracks.layer(layer));
        let takes = layer.map_or(Bitrate::ZERO, |layer| Bitrate::from_bps(layer.meter.bits_per_second()));
        sender.give_up(now, takes, estimate);
        if let Some(layer) = sender.layer {
            // What it goes over to comes with a key frame of its own.
            let is_due = !sender.rests(now, || estimate) && sender.awaited.is_none();
            if let Some(awaited) = &mut sender.awaited {
                let at = awaited.hurry();
                parts.clients.wake(viewer.session(), at);
            }
            self.audience(layer).go_live(viewer);
            if is_due {
                parts.tracks.want_keyframe(layer);
            }
        }
    }
}

/// Whether a packet that waits decides about the age of the queue. One of the newest key frame does not: it is sent to its
/// end, because nothing after it could be shown without it.
pub(super) fn may_age(history: &History, entry: &Entry, since: Instant, now: Instant) -> bool {
    let is_of_keyframe = history
        .newest_gop()
        .is_some_and(|gop| (gop.timestamp, gop.generation) == (entry.packet.timestamp, entry.packet.generation));
    !is_of_keyframe || now > since + KEYFRAME_WAIT_MAX
}

/// The end of what a budget covers; its last packet may exceed it. What is left out takes nothing of it.
fn read_up_to(history: &History, sender: &Sender, numbers: Range<u64>, bytes: u64) -> u64 {
    let (mut to, mut left) = (numbers.start, bytes);
    while to < numbers.end && to < numbers.start + PASS_PACKETS_MAX as u64 {
        let Some(entry) = history.entry(to) else { break };
        if sender.wants(&entry.packet) {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(line_bytes(entry));
        }
        to += 1;
    }
    to
}

/// Between two turns: a run of eight packets takes 14 ms of a line of 6 Mbit/s.
const TURN_INTERVAL: Duration = Duration::from_millis(2);
/// A key frame on a line that is much too slow for it.
const KEYFRAME_WAIT_MAX: Duration = Duration::from_secs(2);
/// A key frame of 60 kB on a line of 6 Mbit/s.
const BACKED_UP_AFTER: Duration = Duration::from_millis(100);
/// Packets that are looked at to tell how much waits: more is as good as this.
const BACKLOG_PACKETS_MAX: usize = 256;
/// What one viewer's turn takes of the arena at most.
const ROOM_BYTES: usize = PASS_PACKETS_MAX * 2_048;
