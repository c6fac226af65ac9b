//! Owns how long sessions last that were made with tokens. Never judges a token.

use chappe_sfu_api::{Command, SessionId};
use chappe_signaling_access::{Access, Holder};

use crate::effect::{Effect, LostReason};
use crate::registry::Registry;

impl Registry {
    /// Sessions whose tokens are over, some of them.
    pub fn expired_sessions(&self, now_ms: u64) -> Vec<SessionId> {
        self.sessions.expired(now_ms).take(EXPIRED_PER_TURN_MAX).collect()
    }

    pub fn end_expired(&mut self, id: SessionId) -> Vec<Effect> {
        self.end(id, Some(LostReason::TokenExpired))
    }

    pub fn end_revoked(&mut self, id: SessionId) -> Vec<Effect> {
        self.end(id, Some(LostReason::TokenRevoked))
    }

    /// Whether a client with this token may do something to a session: it is the one who made it.
    pub fn is_held_by(&self, id: SessionId, holder: Option<Holder>) -> bool {
        self.sessions.get(&id).is_some_and(|session| session.holder() == holder)
    }

    /// Sessions of a client that has a new token last as long as that one. Those of others stay as they are.
    pub fn renew(&mut self, ids: &[SessionId], access: &Access) -> Vec<Effect> {
        let mut effects = Vec::new();
        for id in ids {
            let is_same = |known: &Access| known.holder == access.holder && known != access;
            if !self.sessions.get(id).and_then(|session| session.note.access.as_ref()).is_some_and(is_same) {
                continue;
            }
            self.sessions.renew(id, access);
            let Some(session) = self.sessions.get(id) else { continue };
            if let Ok(note) = session.note.to_text() {
                let (epoch, media) = (session.epoch, session.media.clone());
                effects.push(Effect::Command(session.worker, Command::SetMedia { session: *id, epoch, media, note }));
            }
        }
        effects
    }
}

const EXPIRED_PER_TURN_MAX: usize = 256;
