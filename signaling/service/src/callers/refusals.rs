//! Owns the count of refusals of access.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Refusals of access since the process started, by reason. Reasons are ours, so it is bounded.
#[derive(Debug, Default)]
pub struct AccessRefusals {
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl AccessRefusals {
    pub fn count(&self, reason: &'static str) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(reason, count)| (*reason, *count)).collect()
    }
}
