//! Owns the counts of refusals that operators see. Never decides what is refused.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Since the process started.
#[derive(Debug, Default)]
pub struct Refusals {
    /// For whose the caller is, or how often it asks.
    pub access: RefusalCounts,
    /// For want of a place within a cap, by the name of its setting.
    pub caps: RefusalCounts,
}

/// By words of ours, so it is bounded.
#[derive(Debug, Default)]
pub struct RefusalCounts {
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

/// As what a refusal counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Access(&'static str),
    Cap(&'static str),
}

impl Refusals {
    pub fn note(&self, counted: Counted) {
        match counted {
            Counted::Access(reason) => self.access.count(reason),
            Counted::Cap(setting) => self.caps.count(setting),
        }
    }
}

impl RefusalCounts {
    pub fn count(&self, word: &'static str) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(word).or_default() += 1;
    }

    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(word, count)| (*word, *count)).collect()
    }
}
