//! Owns the queue of spans that ended. Whoever ends one waits for nothing: one that finds the queue full is dropped and
//! counted.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::ended::EndedSpan;

#[derive(Debug)]
pub struct SpanQueue {
    ended: mpsc::Sender<EndedSpan>,
    fates: [AtomicU64; SpanFate::ALL.len()],
}

/// What became of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanFate {
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
            self.count(SpanFate::Dropped, 1);
        }
    }

    pub fn count(&self, fate: SpanFate, spans: u64) {
        self.fates[fate as usize].fetch_add(spans, Ordering::Relaxed);
    }

    pub fn counts(&self) -> [(SpanFate, u64); SpanFate::ALL.len()] {
        SpanFate::ALL.map(|fate| (fate, self.fates[fate as usize].load(Ordering::Relaxed)))
    }
}

impl SpanFate {
    pub const ALL: [SpanFate; 3] = [SpanFate::Sent, SpanFate::Dropped, SpanFate::Refused];

    pub fn as_text(self) -> &'static str {
        match self {
            SpanFate::Sent => "sent",
            SpanFate::Dropped => "dropped",
            SpanFate::Refused => "refused",
        }
    }
}
