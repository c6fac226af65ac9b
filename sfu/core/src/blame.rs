//! Owns the judgement who caused a panic. Never catches one.

use crate::keys::{ChildKey, FeedKey, LinkKey, SessionKey, TrackKey};

/// What the core is at work on.
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

/// What the last panics were about.
#[derive(Debug, Default)]
pub(crate) struct Blame {
    /// Track whose copy for somebody panicked since the last flush that went well.
    suspect: Option<TrackKey>,
    /// Flushes in a row that panicked on nobody's behalf.
    flush_faults: u32,
}

impl Blame {
    /// One copy that panics is its receiver's fault, a second one that of the track.
    pub fn is_suspect(&mut self, track: TrackKey) -> bool {
        self.suspect.replace(track) == Some(track)
    }

    /// A flush went well.
    #[inline]
    pub fn clear(&mut self) {
        *self = Blame::default();
    }

    /// A flush panicked on nobody's behalf. True if it does so for ever.
    pub fn note_flush_fault(&mut self) -> bool {
        self.flush_faults += 1;
        self.flush_faults > FLUSH_FAULTS_MAX
    }
}

pub(crate) const FLUSH_FAULTS_MAX: u32 = 64;
