//! Owns the list of viewers that wait for the budget of their line. Never serves one.

use std::time::Instant;

use crate::keys::SenderKey;
use crate::marks::Marks;

/// Who waits for its budget, in the order of their turns.
#[derive(Debug, Default)]
pub(crate) struct PacedViewers {
    pub viewers: Marks<SenderKey>,
    /// Where the turn under way goes on.
    pub place: usize,
    /// When the next one may be.
    pub at: Option<Instant>,
}

impl PacedViewers {
    pub fn mark(&mut self, viewer: SenderKey) {
        self.viewers.mark(viewer);
    }

    pub fn forget(&mut self, viewer: SenderKey) {
        self.viewers.forget(viewer);
    }

    pub fn turn_at(&self) -> Option<Instant> {
        self.at.filter(|_| !self.viewers.is_empty())
    }
}
