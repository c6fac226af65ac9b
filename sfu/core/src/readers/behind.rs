//! Owns the viewers that get what was there before they were: the cached key frame and all since then, in turns that
//! never hold up what is live. Never numbers or seals a packet.

use std::time::Instant;

use crate::blame::AtWork;
use crate::clients::Sender;
use crate::keys::{Key, SenderKey};
use crate::readers::reader::{Flushed, Pace, VIEWER};
use crate::readers::{Parts, Readers};
use crate::spec::MediaKind;
use crate::tracks::Layer;
use crate::tracks::history::{GOP_PACKETS_MAX, Gop, History};

/// What a turn came to for one viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Again {
        packets: u64,
    },
    /// From now on it gets what is live.
    Live {
        packets: u64,
    },
    /// It can't go on from what is kept.
    Lost,
}

impl Readers {
    /// A sender follows a track, or its client became reachable. False when a key frame is to be asked for: there is
    /// nothing to start with, or so much that a publisher that answers would serve the viewer better.
    pub(super) fn join(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) -> bool {
        let Some(sender) = parts.clients.sender(viewer) else { return false };
        let Some(layer) = sender.layer else { return false };
        let history = parts.tracks.layer(layer).and_then(|layer| layer.history.as_ref());
        let takes =
            |gop: &Gop| parts.clients.get(viewer.session()).is_some_and(|session| session.delivery.takes_at_once(gop));
        let gop = history.and_then(History::cached_gop).filter(takes);
        let is_cached = sender.spec.kind == MediaKind::Video && gop.is_some_and(|gop| sender.decodes(gop.payload_type));
        let is_fresh = gop.is_some_and(|gop| gop.is_fresh());
        let waits = sender.spec.kind == MediaKind::Video && !sender.is_started();
        if parts.clients.is_open(viewer) {
            if is_cached {
                self.audience(layer).admit(viewer);
                self.queue.mark(viewer);
            }
            if let Some(sender) = parts.clients.sender_mut(viewer).filter(|_| waits) {
                sender.waits_since.get_or_insert(parts.now);
            }
        }
        // Who can't be reached yet will be here again, and by then there may be a newer key frame.
        is_cached && is_fresh
    }

    /// A turn, if one is due.
    pub(super) fn serve_behind(&mut self, parts: &mut Parts<'_>) -> Flushed {
        if self.queue.is_empty() || self.turn_at.is_some_and(|at| parts.now < at) {
            return Flushed::Done;
        }
        if !parts.out.egress.media().is_empty() {
            // What is live is to be sent first.
            return Flushed::Full;
        }
        self.turn_at = Some(parts.now + VIEWER.pause);
        let (mut at, mut budget) = (0, TURN_PACKETS_MAX);
        while let Some(viewer) = self.queue.at(at).filter(|_| budget > 0) {
            match self.serve_turn(viewer, budget, parts) {
                Outcome::Again { packets } => {
                    budget -= packets;
                    at += 1;
                    continue;
                }
                Outcome::Live { packets } => budget -= packets,
                Outcome::Lost => self.start_at_next_keyframe(viewer, parts),
            }
            self.queue.remove_at(at);
        }
        Flushed::Done
    }

    fn serve_turn(&mut self, viewer: SenderKey, budget: u64, parts: &mut Parts<'_>) -> Outcome {
        let Parts { now, tracks, clients, out, .. } = parts;
        let now = *now;
        let Some(session) = clients.get_mut(viewer.session()) else { return Outcome::Live { packets: 0 } };
        let is_open = session.delivery.path.is_open();
        let Some(sender) = session.delivery.sender_mut(viewer.line()) else { return Outcome::Live { packets: 0 } };
        out.note(AtWork::Session(viewer.session()));
        // What is interrupted is not to catch up any more.
        let live_already = Outcome::Live { packets: 0 };
        let Some(key) = sender.layer else { return live_already };
        let Some(audience) = self.audiences.get_mut(key.place()) else { return live_already };
        let live = audience.live();
        let is_behind = |pace| matches!(pace, Pace::Admitted(_) | Pace::Behind { .. });
        let Some(reader) = audience.viewers.get_mut(viewer).filter(|reader| is_behind(reader.pace)) else {
            return live_already;
        };
        let Some(layer) = tracks.layer(key).filter(|_| is_open) else { return Outcome::Lost };
        let Some(history) = layer.history.as_ref() else { return Outcome::Lost };
        let Some(begins) = find_beginning(reader.pace, reader.next, (layer, history), sender, now) else {
            return Outcome::Lost;
        };
        let (next, read) = match begins {
            Beginning::Later(pace) => {
                reader.pace = pace;
                return Outcome::Again { packets: 0 };
            }
            Beginning::At { next, read } => (next, read),
        };
        // No pass is under way: what is live has just left, and the next pass starts where it ended.
        if next < history.oldest() || read > 2 * GOP_PACKETS_MAX {
            return Outcome::Lost;
        }
        (reader.next, reader.pace) = (next, Pace::Behind { read });
        let numbers = reader.slice(history.oldest(), live, VIEWER.packets.min(budget));
        let packets = numbers.end - numbers.start;
        let to = numbers.end;
        (reader.next, reader.pace) = (to, Pace::Behind { read: read + packets });
        if to >= live {
            audience.go_live(viewer);
        }
        if packets > 0 {
            // The viewer before may have read the same: to keep its headers spares 3 % of what a packet costs in a crowd.
            self.templates.load(history, numbers);
            let before = out.counters.bytes_out;
            session.delivery.forward(viewer.line(), history, &mut self.templates, now, out);
            tracks.note_sent(key, out.counters.bytes_out - before);
        }
        if read == 0 {
            // It has begun, which its client is told by a report.
            clients.wake(viewer.session(), now);
        }
        if to >= live { Outcome::Live { packets } } else { Outcome::Again { packets } }
    }

    /// As without a cache.
    fn start_at_next_keyframe(&mut self, viewer: SenderKey, parts: &mut Parts<'_>) {
        let Some(sender) = parts.clients.sender_mut(viewer) else { return };
        sender.interrupt();
        if let Some(layer) = sender.layer {
            self.audience(layer).go_live(viewer);
            parts.tracks.want_keyframe(layer);
        }
    }
}

/// Where a viewer that is behind goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// Not yet.
    Later(Pace),
    At {
        next: u64,
        read: u64,
    },
}

/// Where the viewer goes on in this turn, or with which key frame it begins. `None` when there is none.
fn find_beginning(
    pace: Pace,
    next: u64,
    (layer, history): (&Layer, &History),
    sender: &mut Sender,
    now: Instant,
) -> Option<Beginning> {
    let cached = history.cached_gop();
    match pace {
        Pace::Live | Pace::Paced | Pace::Silenced => None,
        Pace::Behind { read } => {
            // A newer picture spares what lies before it, whether that is still there or not.
            let newer = cached.filter(|gop| gop.number > next && gop.has_picture());
            let newer = newer.filter(|gop| sender.begin_behind(gop, now));
            Some(newer.map_or(Beginning::At { next, read }, |gop| Beginning::At { next: gop.number, read: 0 }))
        }
        Pace::Admitted(mut wait) => {
            if layer.is_filling(now) && wait.goes_on(history.next()) {
                return Some(Beginning::Later(Pace::Admitted(wait)));
            }
            let gop = cached.filter(|gop| sender.begin_behind(gop, now))?;
            Some(Beginning::At { next: gop.number, read: 0 })
        }
    }
}

/// Packets for all viewers in a turn. Sealing them takes a fraction of a millisecond, and they fit into the arena.
const TURN_PACKETS_MAX: u64 = 256;
