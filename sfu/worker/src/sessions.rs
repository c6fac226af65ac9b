//! Owns what the worker remembers of its sessions for signaling: their specs as set, their states, and the
//! epochs that fence their owners. Never touches media.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use chappe_sfu_api::{Epoch, SessionId, SessionSnapshot, SessionSpec, SessionState, TrackId};

#[derive(Default)]
pub(crate) struct Sessions {
    entries: HashMap<SessionId, HeldSession>,
    /// Sessions closed by their owner, oldest first, at most [`TOMBSTONES_MAX`].
    tombstones: VecDeque<(SessionId, Epoch)>,
}

struct HeldSession {
    spec: SessionSpec,
    state: SessionState,
    active: Vec<TrackId>,
    opened: Instant,
}

/// What an epoch may do with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fence {
    Open,
    Unknown,
    /// A higher epoch was seen: this one.
    Stale(Epoch),
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.entries.keys().copied()
    }

    pub(crate) fn spec(&self, session: SessionId) -> Option<&SessionSpec> {
        self.entries.get(&session).map(|entry| &entry.spec)
    }

    /// Judges a command by its epoch, and remembers a higher one.
    pub(crate) fn fence(&mut self, session: SessionId, epoch: Epoch) -> Fence {
        if let Some(entry) = self.entries.get_mut(&session) {
            if epoch < entry.spec.epoch {
                return Fence::Stale(entry.spec.epoch);
            }
            entry.spec.epoch = epoch;
            return Fence::Open;
        }
        match self.tombstones.iter().find(|(closed, _)| *closed == session) {
            Some((_, seen)) if epoch < *seen => Fence::Stale(*seen),
            _ => Fence::Unknown,
        }
    }

    pub(crate) fn insert(&mut self, now: Instant, spec: SessionSpec) {
        self.tombstones.retain(|(closed, _)| *closed != spec.session);
        let entry = HeldSession { state: SessionState::New, active: Vec::new(), opened: now, spec };
        self.entries.insert(entry.spec.session, entry);
    }

    /// Changes what a snapshot will say of a session.
    pub(crate) fn update(&mut self, session: SessionId, change: impl FnOnce(&mut SessionSpec)) {
        if let Some(entry) = self.entries.get_mut(&session) {
            change(&mut entry.spec);
            let HeldSession { spec, active, .. } = entry;
            active.retain(|track| spec.media.receive.iter().any(|receive| receive.track == *track));
        }
    }

    pub(crate) fn set_state(&mut self, session: SessionId, state: SessionState) {
        if let Some(entry) = self.entries.get_mut(&session) {
            entry.state = state;
        }
    }

    pub(crate) fn set_active(&mut self, session: SessionId, track: TrackId, active: bool) {
        if let Some(entry) = self.entries.get_mut(&session) {
            entry.active.retain(|other| *other != track);
            if active {
                entry.active.push(track);
            }
        }
    }

    pub(crate) fn remove(&mut self, session: SessionId) {
        let Some(entry) = self.entries.remove(&session) else { return };
        if self.tombstones.len() >= TOMBSTONES_MAX {
            self.tombstones.pop_front();
        }
        self.tombstones.push_back((session, entry.spec.epoch));
    }

    pub(crate) fn snapshot(&self, now: Instant, session: SessionId) -> Option<SessionSnapshot> {
        let entry = self.entries.get(&session)?;
        let age = now.saturating_duration_since(entry.opened);
        Some(SessionSnapshot {
            spec: entry.spec.clone(),
            state: entry.state,
            active: entry.active.clone(),
            age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// Closed sessions whose epoch is remembered, so that a late command of an old owner does not open them again.
const TOMBSTONES_MAX: usize = 1024;

#[cfg(test)]
mod tests;
