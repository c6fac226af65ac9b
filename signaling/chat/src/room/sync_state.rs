//! Owns how far a room is with learning what was said before. Asks nobody.

use std::collections::BTreeSet;
use std::time::Instant;

use chappe_cluster::NodeName;

#[derive(Debug)]
pub(super) struct Sync {
    /// Whether what is told is history, or what the pages missed.
    pub purpose: Purpose,
    pub until: Instant,
    pub asked: BTreeSet<NodeName>,
    pub asks: u32,
    pub waits_for: Option<NodeName>,
    /// Those that told everything they have, to us or to others.
    pub heard: BTreeSet<NodeName>,
    /// One of them knew of nothing else.
    pub answered: bool,
    /// Something was told that the pages do not know yet.
    pub untold: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Opening,
    CutOff,
}
