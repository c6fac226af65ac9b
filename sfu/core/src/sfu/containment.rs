//! Owns what a panic costs: the session whose packet, deadline, copy or command was at work, and nothing else. All that
//! reads what a peer sent runs inside [`Sfu::contained`]. Never decides what is forwarded.
//!
//! A panic is a bug, of ours or of a library. What it left half done belongs to the session (or relay) that it ends,
//! so the tables of the others are whole. A flush that panics on nobody's behalf would do so for ever: after
//! [`FLUSH_FAULTS_MAX`] of them in a row the process ends and is replaced.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use crate::keys::{ChildKey, FeedKey, LinkKey, SessionKey, TrackKey};
use crate::sfu::Sfu;
use crate::spec::{CloseReason, ControlError, Event};
use crate::stats::DropReason;

/// What the core is at work on, and what the last panics were about.
#[derive(Debug, Default)]
pub(crate) struct Containment {
    at_work: Option<AtWork>,
    /// Track whose copy for somebody panicked since the last flush that went well.
    suspect: Option<TrackKey>,
    /// Flushes in a row that panicked on nobody's behalf.
    flush_faults: u32,
}

/// Keys of the tables of [`Sfu`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtWork {
    Session(SessionKey),
    /// Whoever publishes it wrote what is looked at.
    Track(TrackKey),
    /// A viewer's copy of the packets of a track.
    Copy {
        track: TrackKey,
        viewer: SessionKey,
    },
    /// Another worker's copy of them.
    Child {
        track: TrackKey,
        child: ChildKey,
    },
    Feed(FeedKey),
    Link(LinkKey),
}

/// Whether somebody was found who caused a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Culprit {
    Ended,
    Nobody,
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
            Ok(done) => Some(done),
            Err(_) => {
                self.end_culprit(now);
                None
            }
        }
    }

    /// A command carries what a client wrote in its offer.
    pub(crate) fn contained_command(
        &mut self,
        now: Instant,
        command: impl FnOnce(&mut Sfu) -> Result<(), ControlError>,
    ) -> Result<(), ControlError> {
        self.contained(now, command).unwrap_or(Err(ControlError::Fault))
    }

    /// The same for a flush, which is called again for what it did not come to. `None` when it panicked.
    #[inline]
    pub(crate) fn contained_flush(&mut self, now: Instant, flush: impl FnOnce(&mut Sfu) -> bool) -> Option<bool> {
        self.containment.at_work = None;
        match catch_unwind(AssertUnwindSafe(|| flush(self))) {
            Ok(has_more) => {
                (self.containment.suspect, self.containment.flush_faults) = (None, 0);
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
        if self.end_culprit(now) == Culprit::Ended {
            return;
        }
        self.containment.flush_faults += 1;
        if self.containment.flush_faults > FLUSH_FAULTS_MAX {
            resume_unwind(panic);
        }
    }

    #[cold]
    fn end_culprit(&mut self, now: Instant) -> Culprit {
        self.counters.drop(DropReason::SessionFault);
        match self.containment.at_work.take() {
            Some(AtWork::Session(session)) => self.end_faulty_session(now, session),
            Some(AtWork::Track(track)) => self.end_faulty_track(now, track),
            Some(AtWork::Copy { track, viewer }) => match self.is_suspect(track) {
                true => self.end_faulty_track(now, track),
                false => self.end_faulty_session(now, viewer),
            },
            Some(AtWork::Child { track, child }) => match self.is_suspect(track) {
                true => self.end_faulty_track(now, track),
                // The child asks for it again.
                false => drop(catch_unwind(AssertUnwindSafe(|| self.remove_outlet(child)))),
            },
            // Asked for again by the next flush.
            Some(AtWork::Feed(feed)) => drop(catch_unwind(AssertUnwindSafe(|| self.close_feed(feed)))),
            Some(AtWork::Link(link)) => drop(catch_unwind(AssertUnwindSafe(|| self.restart_link(now, link)))),
            None => return Culprit::Nobody,
        }
        Culprit::Ended
    }

    /// One copy that panics is its receiver's fault, a second one that of the track.
    fn is_suspect(&mut self, track: TrackKey) -> bool {
        self.containment.suspect.replace(track) == Some(track)
    }

    fn end_faulty_session(&mut self, now: Instant, key: SessionKey) {
        let removal = catch_unwind(AssertUnwindSafe(|| self.remove_session(now, key, CloseReason::Fault)));
        if removal.is_err() {
            self.forget_session(key);
        }
    }

    /// Its publisher goes with it; what another worker feeds starts over.
    fn end_faulty_track(&mut self, now: Instant, key: TrackKey) {
        self.waiting.retain(|waiting| *waiting != key);
        let Some(track) = self.tracks.get(key) else { return };
        match (track.publisher, track.feed) {
            (Some(publisher), _) => self.end_faulty_session(now, publisher.session()),
            (None, Some(feed)) => drop(catch_unwind(AssertUnwindSafe(|| self.close_feed(feed)))),
            (None, None) => drop(catch_unwind(AssertUnwindSafe(|| self.end_track(key)))),
        }
    }

    /// Takes a session out of the tables without a look at what is in it.
    fn forget_session(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.remove(key) else { return };
        self.timers.set(key, None);
        self.by_id.remove(&session.id);
        self.by_ufrag.retain(|_, of| *of != key);
        self.routes.forget(key);
        for at in self.tracks.keys() {
            let Some(track) = self.tracks.get_mut(at) else { continue };
            if track.forget_session(key) {
                self.end_track(at);
            }
            self.drop_unused(at);
        }
        self.push_event(Event::Closed { session: session.id, reason: CloseReason::Fault });
    }
}

const FLUSH_FAULTS_MAX: u32 = 64;

#[cfg(test)]
mod tests;
