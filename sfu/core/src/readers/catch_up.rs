//! Owns the viewers who get what was there before they were: the cached key frame and all since then, in turns
//! that never hold up what is live. Never numbers or seals a packet.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::clients::session::Session;
use crate::keys::{FixedHash, SenderKey, TrackKey};
use crate::readers::forward::serve;
use crate::sfu::Sfu;
use crate::sfu::containment::AtWork;
use crate::spec::MediaKind;
use crate::tracks::history::GOP_PACKETS_MAX;
use crate::tracks::track::Pass;

/// How far one viewer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CatchUp {
    /// Waits for its turn.
    Admitted(Hold),
    /// Has begun, and gets the packet with this number next.
    Behind { next: u64, sent: u64 },
}

/// How long it has been waiting for a relay to deliver the past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hold {
    turns: u32,
    /// Turns since something came, and the number of what would have come next then.
    quiet: u32,
    next: u64,
}

/// First come, first served: it is better that some see the picture at once than that all see it late.
#[derive(Debug, Default)]
pub(crate) struct Joiners {
    queue: VecDeque<SenderKey>,
    /// The same, to be found without a look at all: thousands are admitted at once when their stream moves.
    queued: HashSet<SenderKey, FixedHash>,
    /// When the next turn may be.
    turn_at: Option<Instant>,
}

/// What a turn came to for one viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
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

impl Joiners {
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.turn_at.filter(|_| !self.queue.is_empty())
    }

    /// From now on nothing live is for this sender until it has caught up.
    pub fn admit(&mut self, session: &mut Session, joiner: SenderKey) {
        let Some(Some(sender)) = session.senders.get_mut(joiner.line()) else { return };
        sender.catch_up = Some(CatchUp::Admitted(Hold::default()));
        if self.queued.insert(joiner) {
            self.queue.push_back(joiner);
        }
    }

    fn remove(&mut self, at: usize) {
        if let Some(joiner) = self.queue.remove(at) {
            self.queued.remove(&joiner);
        }
    }
}

impl Hold {
    /// Another turn passes, and `next` is what the history would number next. A relay sends the past in one go:
    /// when it is quiet there is no more to come, however old the newest is.
    fn goes_on(&mut self, next: u64) -> bool {
        self.turns += 1;
        self.quiet = if next == self.next { self.quiet + 1 } else { 0 };
        self.next = next;
        self.turns <= HOLD_TURNS_MAX && self.quiet <= QUIET_TURNS_MAX
    }
}

impl Sfu {
    /// A sender follows a track, or its client became reachable. False when a key frame is to be asked for: there is
    /// nothing to start with, or so much that a publisher that answers would serve the viewer better.
    pub(crate) fn join(&mut self, joiner: SenderKey, track: TrackKey) -> bool {
        let Some(session) = self.sessions.get_mut(joiner.session()) else { return false };
        let Some(Some(sender)) = session.senders.get(joiner.line()) else { return false };
        let history = self.tracks.get(track).and_then(|track| track.history.as_ref());
        let gop = history.and_then(|history| history.cached_gop());
        let is_cached = sender.spec.kind == MediaKind::Video && gop.is_some_and(|gop| sender.decodes(gop.payload_type));
        if is_cached && session.outlet.is_open() {
            self.joiners.admit(session, joiner);
        }
        // Who can't be reached yet will be here again, and by then there may be a newer key frame.
        is_cached && gop.is_some_and(|gop| gop.is_fresh())
    }

    /// A turn, if one is due. False when something live is to be sent first.
    pub(crate) fn serve_joiners(&mut self, now: Instant) -> bool {
        if self.joiners.queue.is_empty() || self.joiners.turn_at.is_some_and(|at| now < at) {
            return true;
        }
        if !self.egress.media().is_empty() {
            return false;
        }
        self.joiners.turn_at = Some(now + PACE);
        let (mut at, mut budget) = (0, TURN_PACKETS_MAX);
        while let Some(joiner) = self.joiners.queue.get(at).copied().filter(|_| budget > 0) {
            let turn = self.serve_joiner(joiner, budget, now);
            match turn {
                Turn::Again { packets } => {
                    budget -= packets;
                    at += 1;
                    continue;
                }
                Turn::Live { packets } => budget -= packets,
                Turn::Lost => self.start_at_next_keyframe(joiner),
            }
            self.joiners.remove(at);
        }
        true
    }

    fn serve_joiner(&mut self, joiner: SenderKey, budget: u64, now: Instant) -> Turn {
        let Some(session) = self.sessions.get_mut(joiner.session()) else { return Turn::Live { packets: 0 } };
        let is_open = session.outlet.is_open();
        let Some(Some(sender)) = session.senders.get_mut(joiner.line()) else {
            return Turn::Live { packets: 0 };
        };
        self.containment.note(AtWork::Session(joiner.session()));
        // What is interrupted is not to catch up any more.
        let Some(progress) = sender.catch_up else { return Turn::Live { packets: 0 } };
        let Some(track) = sender.track.and_then(|track| self.tracks.get(track)).filter(|_| is_open) else {
            return Turn::Lost;
        };
        let Some(history) = track.history.as_ref() else { return Turn::Lost };
        let cached = history.cached_gop();
        let (next, sent) = match progress {
            CatchUp::Behind { next, sent } => {
                // A newer picture spares what lies before it, whether that is still there or not.
                let newer = cached.filter(|gop| gop.number > next && gop.has_picture());
                match newer.filter(|gop| sender.begin_behind(gop, now)) {
                    Some(gop) => (gop.number, 0),
                    None => (next, sent),
                }
            }
            CatchUp::Admitted(mut hold) => {
                if track.is_filling(now) && hold.goes_on(history.next()) {
                    sender.catch_up = Some(CatchUp::Admitted(hold));
                    return Turn::Again { packets: 0 };
                }
                let Some(gop) = cached.filter(|gop| sender.begin_behind(gop, now)) else {
                    return Turn::Lost;
                };
                self.timers.lower(joiner.session(), now);
                (gop.number, 0)
            }
        };
        // No pass is under way: what is live has just left, and the next pass starts where it ended.
        let to = track.sent().min(next + SLICE_PACKETS.min(budget));
        if next < history.oldest() || sent > 2 * GOP_PACKETS_MAX {
            return Turn::Lost;
        }
        let packets = to.saturating_sub(next);
        sender.catch_up = None;
        if packets > 0 {
            self.templates.load(history, Pass { from: next, to, done: 0 });
            let viewer = (session.as_mut(), joiner.line());
            serve(viewer, history, &mut self.templates, now, self.egress.media(), &mut self.counters);
        }
        if next + packets >= track.sent() {
            return Turn::Live { packets };
        }
        if let Some(Some(sender)) = session.senders.get_mut(joiner.line()) {
            sender.catch_up = Some(CatchUp::Behind { next: to, sent: sent + packets });
        }
        Turn::Again { packets }
    }

    /// As without a cache.
    fn start_at_next_keyframe(&mut self, joiner: SenderKey) {
        let Some(session) = self.sessions.get_mut(joiner.session()) else { return };
        let Some(Some(sender)) = session.senders.get_mut(joiner.line()) else { return };
        sender.interrupt();
        if let Some(track) = sender.track {
            self.want_keyframe(track);
        }
    }
}

/// Between two turns.
const PACE: Duration = Duration::from_millis(1);
/// Packets for one viewer in a turn: about 70 Mbit/s, which most ways to a viewer take and their queues even out.
const SLICE_PACKETS: u64 = 8;
/// Packets for all viewers in a turn. Sealing them takes a fraction of a millisecond, and they fit into the arena.
const TURN_PACKETS_MAX: u64 = 256;
/// Turns that a viewer waits for a relay to deliver the past, in all and after the last packet of it.
const HOLD_TURNS_MAX: u32 = 400;
const QUIET_TURNS_MAX: u32 = 10;
