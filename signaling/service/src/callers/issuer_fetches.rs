//! Owns the count of attempts to read the keys of foreign issuers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Since the process started, by issuer and by how they ended. Issuers are those of the settings, so it is bounded.
#[derive(Debug, Default)]
pub struct IssuerFetches {
    counts: Mutex<BTreeMap<(String, &'static str), u64>>,
}

impl IssuerFetches {
    pub fn count(&self, issuer: &str, is_ok: bool) {
        let key = (issuer.to_owned(), if is_ok { "ok" } else { "failed" });
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default() += 1;
    }

    pub fn counts(&self) -> Vec<(String, &'static str, u64)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|((issuer, result), count)| (issuer.clone(), *result, *count)).collect()
    }
}
