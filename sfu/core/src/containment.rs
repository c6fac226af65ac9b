//! Owns what a panic costs: the session whose packet, deadline or track was at work, and nothing else. Everything that
//! a peer sent is looked at inside [`Sfu::contained`]. Never decides what is forwarded.
//!
//! A panic is a bug, of ours or of a library. What it left half done belongs to the session that it ends, so the
//! tables of the others are whole; should they not be, the same panic comes again, and after
//! [`FAULTS_IN_A_ROW_MAX`] of them in a row the process ends and is replaced.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use crate::sfu::Sfu;
use crate::spec::{CloseReason, Event};
use crate::stats::DropReason;

/// What the core is at work on, and how often in a row that panicked.
#[derive(Debug, Default)]
pub(crate) struct Containment {
    at_work: Option<AtWork>,
    in_a_row: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtWork {
    /// Key of a session.
    Session(usize),
    /// Key of a track: whoever publishes it wrote what is looked at.
    Track(usize),
}

impl Containment {
    #[inline]
    pub fn note(&mut self, at_work: AtWork) {
        self.at_work = Some(at_work);
    }
}

impl Sfu {
    /// Runs a step that reads what peers sent. `None` when it panicked: whoever caused it has been ended and counted.
    #[inline]
    pub(crate) fn contained<T>(&mut self, now: Instant, step: impl FnOnce(&mut Sfu) -> T) -> Option<T> {
        self.containment.at_work = None;
        match catch_unwind(AssertUnwindSafe(|| step(self))) {
            Ok(done) => {
                self.containment.in_a_row = 0;
                Some(done)
            }
            Err(panic) => {
                self.counters.drop(DropReason::SessionFault);
                self.containment.in_a_row += 1;
                if self.containment.in_a_row > FAULTS_IN_A_ROW_MAX {
                    resume_unwind(panic);
                }
                self.end_culprit(now);
                None
            }
        }
    }

    fn end_culprit(&mut self, now: Instant) {
        let key = match self.containment.at_work.take() {
            Some(AtWork::Session(key)) => Some(key),
            Some(AtWork::Track(key)) => self.publisher_of_faulty(key),
            None => None,
        };
        let Some(key) = key else { return };
        let removal = catch_unwind(AssertUnwindSafe(|| self.remove_session(now, key, CloseReason::Fault)));
        if removal.is_err() {
            self.forget_session(key);
        }
    }

    /// Key of the session to end for a track that could not be sent. One that another worker feeds starts over.
    fn publisher_of_faulty(&mut self, track: usize) -> Option<usize> {
        self.waiting.retain(|waiting| *waiting != track);
        let publisher = self.tracks.get(track)?.publisher;
        if publisher.is_none() {
            let _ = catch_unwind(AssertUnwindSafe(|| self.end_track(track)));
        }
        publisher.map(|publisher| publisher.session)
    }

    /// Takes a session out of the tables without a look at what is in it.
    fn forget_session(&mut self, key: usize) {
        let Some(session) = self.sessions.try_remove(key) else { return };
        self.timers.set(key as u32, None);
        self.by_id.remove(&session.id);
        self.by_ufrag.retain(|_, of| *of != key);
        for route in &session.routes {
            self.forget_route(*route);
        }
        let tracks: Vec<usize> = self.tracks.iter().map(|(track, _)| track).collect();
        for track in tracks {
            if let Some(track) = self.tracks.get_mut(track) {
                track.forget_session(key);
            }
            self.drop_unused(track);
        }
        self.push_event(Event::Closed { session: session.id, reason: CloseReason::Fault });
    }
}

/// Panics without a step between them that went well. One session can't cause more than two.
const FAULTS_IN_A_ROW_MAX: u32 = 64;

#[cfg(test)]
mod tests;
