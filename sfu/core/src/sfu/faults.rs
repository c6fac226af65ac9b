//! Owns what a panic costs: the session whose packet, deadline, copy or command was at work, and nothing else. All that
//! reads what a peer sent runs inside [`Sfu::contained`]. Never decides what is forwarded.
//!
//! A panic is a bug, of ours or of a library. What it left half done belongs to the session (or relay) that it ends,
//! so the tables of the others are whole. A flush that panics on nobody's behalf would do so for ever: after
//! [`FLUSH_FAULTS_MAX`](crate::blame::FLUSH_FAULTS_MAX) of them in a row the process ends and is replaced.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use arrayvec::ArrayVec;

use crate::blame::AtWork;
use crate::keys::{FeedKey, SessionKey, TrackKey};
use crate::sfu::Sfu;
use crate::spec::{CloseReason, ControlError, ENCODINGS_MAX};
use crate::stats::DropReason;

/// Whether somebody was found who caused a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Culprit {
    Ended,
    Nobody,
}

impl Sfu {
    /// Runs a step that reads what peers sent, and passes on what it noted. `None` when it panicked: whoever caused it
    /// has been ended and counted.
    #[inline]
    pub(super) fn contained<T>(&mut self, now: Instant, step: impl FnOnce(&mut Sfu) -> T) -> Option<T> {
        self.out.at_work = None;
        let done = catch_unwind(AssertUnwindSafe(|| {
            let done = step(self);
            self.settle(now);
            done
        }));
        match done {
            Ok(done) => Some(done),
            Err(_) => {
                self.end_culprit(now);
                None
            }
        }
    }

    /// A command carries what a client wrote in its offer.
    pub(super) fn contained_command(
        &mut self,
        now: Instant,
        command: impl FnOnce(&mut Sfu) -> Result<(), ControlError>,
    ) -> Result<(), ControlError> {
        self.contained(now, command).unwrap_or(Err(ControlError::Fault))
    }

    /// The same for a flush, which is called again for what it did not come to. `None` when it panicked.
    #[inline]
    pub(super) fn contained_flush(&mut self, now: Instant, flush: impl FnOnce(&mut Sfu) -> bool) -> Option<bool> {
        self.out.at_work = None;
        match catch_unwind(AssertUnwindSafe(|| flush(self))) {
            Ok(has_more) => {
                self.blame.clear();
                Some(has_more)
            }
            Err(panic) => {
                self.note_flush_fault(now, panic);
                None
            }
        }
    }

    #[cold]
    fn note_flush_fault(&mut self, now: Instant, panic: Box<dyn Any + Send>) {
        if self.end_culprit(now) == Culprit::Nobody && self.blame.note_flush_fault() {
            resume_unwind(panic);
        }
    }

    #[cold]
    fn end_culprit(&mut self, now: Instant) -> Culprit {
        self.out.counters.drop(DropReason::SessionFault);
        let Some(at_work) = self.out.at_work.take() else { return Culprit::Nobody };
        match at_work {
            AtWork::Session(session) => self.end_faulty_session(now, session),
            AtWork::Track(track) => self.end_faulty_track(now, track),
            AtWork::Copy { track, .. } | AtWork::Child { track, .. } if self.blame.is_suspect(track) => {
                self.end_faulty_track(now, track);
            }
            AtWork::Copy { viewer, .. } => self.end_faulty_session(now, viewer),
            // The child asks for it again.
            AtWork::Child { child, .. } => self.try_to(now, |sfu| {
                let (mesh, mut scope) = sfu.mesh_parts(now);
                mesh.remove_child(child, &mut scope);
            }),
            // Asked for again by the next flush.
            AtWork::Feed(feed) => self.try_to(now, |sfu| {
                let (mesh, mut scope) = sfu.mesh_parts(now);
                mesh.close_feed(feed, &mut scope);
            }),
            AtWork::Link(link) => self.try_to(now, |sfu| {
                let (mesh, mut scope) = sfu.mesh_parts(now);
                mesh.restart_link(link, &mut scope);
            }),
        }
        Culprit::Ended
    }

    /// What cleans up may panic itself: the rest goes on.
    fn try_to(&mut self, now: Instant, step: impl FnOnce(&mut Sfu)) {
        drop(catch_unwind(AssertUnwindSafe(|| {
            step(self);
            self.settle(now);
        })));
    }

    fn end_faulty_session(&mut self, now: Instant, key: SessionKey) {
        let removal = catch_unwind(AssertUnwindSafe(|| {
            self.remove_session(now, key, CloseReason::Fault);
            self.settle(now);
        }));
        if removal.is_err() {
            self.forget_session(now, key);
        }
    }

    /// Its publisher goes with it; what another worker feeds starts over.
    fn end_faulty_track(&mut self, now: Instant, key: TrackKey) {
        let Some(track) = self.tracks.get(key) else { return };
        let (publisher, layers) = (track.publisher, self.tracks.layers_of(key));
        let feeds = layers.iter().filter_map(|layer| self.tracks.layer(*layer)?.feed);
        let feeds: ArrayVec<FeedKey, ENCODINGS_MAX> = feeds.collect();
        for layer in layers {
            self.tracks.fresh.forget(layer);
        }
        match publisher {
            Some(publisher) => self.end_faulty_session(now, publisher.session()),
            None if feeds.is_empty() => self.try_to(now, |sfu| sfu.tracks.end(key)),
            None => self.try_to(now, |sfu| {
                let (mesh, mut scope) = sfu.mesh_parts(now);
                for feed in feeds {
                    mesh.close_feed(feed, &mut scope);
                }
            }),
        }
    }

    /// Takes a session out of the tables without a look at what is in it.
    pub(super) fn forget_session(&mut self, now: Instant, key: SessionKey) {
        if !self.clients.forget(key, &mut self.out) {
            return;
        }
        self.readers.forget_session(key, &mut self.tracks);
        for track in self.tracks.keys() {
            let publisher = self.tracks.get(track).and_then(|track| track.publisher);
            if publisher.is_some_and(|publisher| publisher.session() == key) {
                self.tracks.end(track);
            }
        }
        self.try_to(now, |_| ());
    }
}

#[cfg(test)]
mod tests;
