//! Owns what is known of TLS on the listeners: how connections begin, and until when the certificate is good.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    Done,
    /// The client spoke plain HTTP.
    Plain,
    Failed,
    /// Not done in time.
    Late,
}

#[derive(Debug, Default)]
pub struct TlsReport {
    handshakes: [AtomicU64; 4],
    /// Milliseconds since 1970; 0 where there is no certificate.
    expires_unix_ms: AtomicU64,
    /// Why there is no certificate from the authority that is asked for one, or for another one.
    problem: Mutex<Option<String>>,
}

impl TlsReport {
    pub fn count(&self, handshake: Handshake) {
        self.handshakes[handshake as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.handshakes.iter().map(|count| count.load(Ordering::Relaxed));
        ["done", "plain", "failed", "late"].into_iter().zip(counts)
    }

    pub fn set_expiry(&self, unix_ms: u64) {
        self.expires_unix_ms.store(unix_ms, Ordering::Relaxed);
    }

    pub fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn expires_unix_ms(&self) -> Option<u64> {
        Some(self.expires_unix_ms.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }
}
