//! Owns the queue of spans that ended. Whoever ends one waits for nothing: one that finds the queue full is dropped and
//! counted.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::ended::EndedSpan;

#[derive(Debug)]
pub struct SpanQueue {
    ended: mpsc::Sender<EndedSpan>,
    fates: [AtomicU64; Fate::ALL.len()],
}

/// What became of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Sent,
    /// There was no place for it, or the collector was out of reach for too long.
    Dropped,
    /// The collector does not want it.
    Refused,
}

impl SpanQueue {
    pub fn new(ended: mpsc::Sender<EndedSpan>) -> SpanQueue {
        SpanQueue { ended, fates: Default::default() }
    }

    pub fn push(&self, step: EndedSpan) {
        if self.ended.try_send(step).is_err() {
            self.count(Fate::Dropped, 1);
        }
    }

    pub fn count(&self, fate: Fate, spans: u64) {
        self.fates[fate as usize].fetch_add(spans, Ordering::Relaxed);
    }

    pub fn counts(&self) -> [(Fate, u64); Fate::ALL.len()] {
        Fate::ALL.map(|fate| (fate, self.fates[fate as usize].load(Ordering::Relaxed)))
    }
}

impl Fate {
    pub const ALL: [Fate; 3] = [Fate::Sent, Fate::Dropped, Fate::Refused];

    pub fn as_text(self) -> &'static str {
        match self {
            Fate::Sent => "sent",
            Fate::Dropped => "dropped",
            Fate::Refused => "refused",
        }
    }
}
