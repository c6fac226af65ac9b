//! Owns the cursors into the histories: who reads which layer, how far each is, when it goes on. Never numbers, seals or
//! keeps a packet.
//!
//! The tables are here. Methods call each other one way: `adapt` → `follow` → `aim` → `switch` → `behind`, `paced`, `point`,
//! and `fanout` → `switch`, `stale`.

mod adapt;
mod aim;
mod audience;
mod behind;
mod fanout;
mod follow;
mod loudest;
mod paced;
mod point;
mod reader;
mod sending_time;
mod stale;
mod switch;
mod waiting;

use std::time::{Duration, Instant};

use crate::clients::{Clients, Templates};
use crate::keys::{ChildKey, Key, LayerKey, SendLine, SenderKey, SessionKey};
use crate::marks::Marks;
use crate::mesh::{Mesh, ReaderChange, Scope};
use crate::outputs::Outputs;
use crate::readers::audience::Audience;
use crate::readers::reader::Flushed;
use crate::readers::waiting::PacedViewers;
use crate::relief::Relief;
use crate::timers::Timers;
use crate::tracks::Tracks;

pub(crate) struct Readers {
    /// Of each layer, by its place.
    audiences: Vec<Audience>,
    /// Viewers that are behind: first come, first served, because it is better that some see the picture at once than
    /// that all see it late.
    queue: Marks<SenderKey>,
    /// When their next turn may be.
    turn_at: Option<Instant>,
    /// Viewers whose line does not take what arrives at once.
    paced: PacedViewers,
    /// Clients for which it is to be decided whom they hear.
    listening: Marks<SessionKey>,
    /// Of a crowd so many are heard; 0 for all.
    loudest: usize,
    /// Workers that go on with what they have not read yet.
    backlog: Marks<ChildKey>,
    /// When each worker that is behind goes on.
    pauses: Timers<ChildKey>,
    templates: Templates,
    relief: Relief,
    /// The arena had no room for all that was due last.
    is_cut: bool,
}

/// What readers read from and what they write to, lent for one step.
pub(crate) struct Parts<'a> {
    pub now: Instant,
    pub tracks: &'a mut Tracks,
    pub clients: &'a mut Clients,
    pub mesh: &'a mut Mesh,
    pub out: &'a mut Outputs,
}

impl Parts<'_> {
    fn of_mesh(&mut self) -> (&mut Mesh, Scope<'_>) {
        (&mut *self.mesh, Scope { now: self.now, tracks: &mut *self.tracks, out: &mut *self.out })
    }
}

impl Readers {
    pub fn new(loudest: usize) -> Readers {
        Readers {
            audiences: Vec::new(),
            queue: Marks::default(),
            turn_at: None,
            paced: PacedViewers::default(),
            listening: Marks::default(),
            loudest,
            backlog: Marks::default(),
            pauses: Timers::default(),
            templates: Templates::new(),
            relief: Relief::default(),
            is_cut: false,
        }
    }

    fn audience(&mut self, layer: LayerKey) -> &mut Audience {
        if self.audiences.len() <= layer.place() {
            self.audiences.resize_with(layer.place() + 1, Audience::default);
        }
        &mut self.audiences[layer.place()]
    }

    /// The end of a batch: what should leave now is sealed. False when the arena is full and more is to come.
    pub fn flush(&mut self, parts: &mut Parts<'_>) -> bool {
        // Other workers first: whoever watches there has the longer way. Last who is behind, and not before what is
        // live has left. Sound that came while pictures were being sent does not wait for the rest of them.
        let is_complete = (!self.is_cut || self.serve_sound(parts) == Flushed::Done)
            && self.serve_workers(parts) == Flushed::Done
            && self.serve_viewers(parts) == Flushed::Done
            && self.serve_paced(parts) == Flushed::Done
            && self.serve_behind(parts) == Flushed::Done;
        self.is_cut = !is_complete;
        is_complete
    }

    /// Does what tracks, clients and other workers noted since the last look.
    pub fn settle(&mut self, parts: &mut Parts<'_>) {
        parts.tracks.drop_unused();
        while let Some(layer) = parts.tracks.ended.take() {
            self.restart(layer, parts.clients);
        }
        while let Some(change) = parts.mesh.take_change() {
            self.change(change);
        }
        while let Some(layer) = parts.tracks.reported.take() {
            self.report_soon(layer, parts);
        }
        while let Some(track) = parts.tracks.offers.take() {
            self.aim_all(track, parts);
        }
        while let Some(layer) = parts.tracks.take_audible(parts.now) {
            self.hear(layer);
        }
        while let Some(session) = self.listening.take() {
            self.listen(session, parts);
        }
        while let Some(session) = parts.clients.adapting.take() {
            self.adapt(session, parts);
        }
        while let Some(sender) = parts.clients.reachable.take() {
            if !self.join(sender, parts)
                && let Some(layer) = parts.clients.sender(sender).and_then(|sender| sender.layer)
            {
                parts.tracks.want_keyframe(layer);
            }
        }
        while let Some(sender) = parts.clients.repeating.take() {
            self.join(sender, parts);
        }
    }

    /// Whether nothing waits to be decided.
    #[inline]
    pub fn is_settled(&self) -> bool {
        self.listening.is_empty()
    }

    /// What the layer sent so far is over: its viewers begin with what comes next.
    fn restart(&mut self, layer: LayerKey, clients: &mut Clients) {
        let audience = self.audience(layer);
        audience.restart();
        for reader in audience.viewers.iter() {
            let Some(sender) = clients.sender_mut(reader.sink) else { continue };
            sender.interrupt();
            if let Some(awaited) = &mut sender.awaited {
                let at = awaited.hurry();
                clients.wake(reader.sink.session(), at);
            }
        }
    }

    fn change(&mut self, change: ReaderChange) {
        match change {
            ReaderChange::Begins { child, layer, next } => {
                self.audience(layer).workers.insert(child, next);
                self.backlog.mark(child);
            }
            ReaderChange::Ends { child, layer } => {
                self.audience(layer).workers.remove(child);
                self.backlog.forget(child);
                self.pauses.set(child, None);
            }
        }
    }

    /// The timestamps of a layer are known better than before, and its viewers are told at once.
    fn report_soon(&mut self, layer: LayerKey, parts: &mut Parts<'_>) {
        for reader in self.audience(layer).viewers.iter() {
            let Some(sender) = parts.clients.sender_mut(reader.sink).filter(|sender| sender.is_started()) else {
                continue;
            };
            sender.report_at = Some(parts.now);
            parts.clients.wake(reader.sink.session(), parts.now);
        }
    }

    /// From now on so much is given up of what viewers get.
    pub fn relieve(&mut self, relief: Relief, clients: &mut Clients) {
        if std::mem::replace(&mut self.relief, relief) != relief {
            clients.mark_adapting();
        }
    }

    /// How long a publisher that was asked for a key frame is left alone.
    pub fn keyframe_pause(&self) -> Duration {
        if self.relief == Relief::None { KEYFRAME_PAUSE } else { KEYFRAME_PAUSE_BEHIND }
    }

    /// A session is gone and could not say what it watched.
    pub fn forget_session(&mut self, session: SessionKey, tracks: &mut Tracks) {
        for place in 0..self.audiences.len() {
            let layer = LayerKey::new(place);
            if self.audiences[place].forget_session(session) {
                self.note_viewers(layer, tracks);
            }
        }
        self.listening.forget(session);
        for line in (0..crate::spec::TRACKS_PER_SESSION_MAX).map(SendLine::new) {
            self.queue.forget(SenderKey::of(session, line));
            self.paced.forget(SenderKey::of(session, line));
        }
    }

    /// Tells the layer how many watch it or wait for it.
    fn note_viewers(&mut self, layer: LayerKey, tracks: &mut Tracks) {
        let count = self.audience(layer).viewers.len() + self.audience(layer).awaiting.len();
        tracks.set_viewers(layer, count);
    }

    /// When workers that are behind go on.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(child) = self.pauses.pop_due(now) {
            self.backlog.mark(child);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let turn = self.turn_at.filter(|_| !self.queue.is_empty());
        [turn, self.pauses.next(), self.paced.turn_at()].into_iter().flatten().min()
    }
}

/// A publisher is asked for a key frame at most this often.
const KEYFRAME_PAUSE: Duration = Duration::from_millis(500);
/// The same of a worker that passes over pictures: its viewers stand still until the next key frame. Encoders of libwebrtc
/// heed no more requests than this.
const KEYFRAME_PAUSE_BEHIND: Duration = Duration::from_millis(300);
