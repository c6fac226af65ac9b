//! Owns counting what the server relays and what it refuses, by reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a message is not answered or not relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The address is no media port of ours.
    Peer,
    /// It comes from where nothing was sent to.
    Source,
    /// Credentials that are too old, not from here, or of a session that has ended.
    Credentials,
    /// The user, or all of them, have as many allocations as they may.
    Allocations,
    /// Too many answers to whoever has no allocation.
    Challenges,
    /// More than a client may send in a second, or than it takes.
    Rate,
    /// No place for another client.
    Clients,
    /// Neither channel data nor a message of STUN that is served, or too long.
    Malformed,
    /// What the client sent made its task panic, which ended it.
    Fault,
}

#[derive(Debug, Default)]
pub struct Counts {
    refused: [AtomicU64; 9],
    relayed_bytes: AtomicU64,
    allocations: AtomicU64,
}

impl Counts {
    pub fn refuse(&self, reason: Refused) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn relay(&self, bytes: usize) {
        self.relayed_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn allocate(&self) {
        self.allocations.fetch_add(1, Ordering::Relaxed);
    }

    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.refused.iter().map(|count| count.load(Ordering::Relaxed));
        let reasons =
            ["peer", "source", "credentials", "allocations", "challenges", "rate", "clients", "malformed", "fault"];
        reasons.into_iter().zip(counts)
    }

    pub fn relayed_bytes(&self) -> u64 {
        self.relayed_bytes.load(Ordering::Relaxed)
    }

    pub fn allocations(&self) -> u64 {
        self.allocations.load(Ordering::Relaxed)
    }
}
