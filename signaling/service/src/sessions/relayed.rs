//! Owns which sessions of other nodes this node told credentials for its TURN server, and which of them have ended. Never
//! asks those nodes: the service does.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use chappe_sfu_api::SessionId;
use chappe_signaling_rooms::SessionAlias;

#[derive(Debug, Default)]
pub struct RelayedElsewhere {
    sessions: HashMap<SessionAlias, Relayed>,
    /// Each once, in the order in which they were told.
    order: VecDeque<SessionAlias>,
}

#[derive(Debug)]
struct Relayed {
    session: SessionId,
    told: Instant,
    /// The TURN server has asked about it since the last [`RelayedElsewhere::take_used`].
    is_used: bool,
    has_ended: bool,
}

impl RelayedElsewhere {
    /// Its client is told credentials.
    pub fn note(&mut self, now: Instant, session: SessionId) {
        let alias = SessionAlias::of(session);
        if self.order.len() >= SESSIONS_MAX
            && let Some(eldest) = self.order.pop_front()
        {
            self.sessions.remove(&eldest);
        }
        let relayed = Relayed { session, told: now, is_used: false, has_ended: false };
        if self.sessions.insert(alias, relayed).is_none() {
            self.order.push_back(alias);
        }
    }

    pub fn end(&mut self, session: SessionId) {
        if let Some(relayed) = self.sessions.get_mut(&SessionAlias::of(session)) {
            relayed.has_ended = true;
        }
    }

    /// Whether credentials that were told it are good, as far as is known.
    pub fn goes_on(&mut self, alias: SessionAlias) -> bool {
        let Some(relayed) = self.sessions.get_mut(&alias) else { return true };
        relayed.is_used = true;
        !relayed.has_ended
    }

    /// Those that are relayed for, and not known to have ended. Others are forgotten once nothing new can come of what
    /// they were told.
    pub fn take_used(&mut self, now: Instant) -> Vec<SessionId> {
        let mut used = Vec::new();
        self.sessions.retain(|_, relayed| {
            let is_used = std::mem::take(&mut relayed.is_used);
            if is_used && !relayed.has_ended {
                used.push(relayed.session);
            }
            is_used || now.saturating_duration_since(relayed.told) < KEPT
        });
        self.order.retain(|alias| self.sessions.contains_key(alias));
        used
    }
}

/// Longer than any credentials last.
const KEPT: Duration = Duration::from_secs(600);
/// Those before are taken to go on: nothing that does may be cut.
const SESSIONS_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: usize) -> SessionId {
        SessionId(7, number as u128)
    }

    #[test]
    fn a_session_goes_on_until_its_end_is_known_and_is_asked_about_while_it_is_relayed_for() {
        let (mut relayed, now) = (RelayedElsewhere::default(), Instant::now());
        (0..3).for_each(|number| relayed.note(now, session(number)));
        assert_eq!(relayed.take_used(now), [], "nobody uses what they were told");
        assert!(relayed.goes_on(SessionAlias::of(session(0))) && relayed.goes_on(SessionAlias::of(session(9))));
        assert_eq!(relayed.take_used(now), [session(0)]);
        relayed.end(session(0));
        assert!(!relayed.goes_on(SessionAlias::of(session(0))));
        assert!(relayed.goes_on(SessionAlias::of(session(1))));
        assert_eq!(relayed.take_used(now), [session(1)], "who has ended is asked about no more");
    }

    #[test]
    fn those_that_are_not_relayed_for_are_forgotten_when_credentials_are_over() {
        let (mut relayed, now) = (RelayedElsewhere::default(), Instant::now());
        (0..2 * SESSIONS_MAX).for_each(|number| relayed.note(now, session(number)));
        assert!(relayed.sessions.len() <= SESSIONS_MAX && relayed.order.len() == relayed.sessions.len());
        let newest = 2 * SESSIONS_MAX - 1;
        assert!(relayed.goes_on(SessionAlias::of(session(newest))));
        assert_eq!(relayed.take_used(now + KEPT), [session(newest)]);
        assert_eq!((relayed.sessions.len(), relayed.order.len()), (1, 1));
        assert_eq!(relayed.take_used(now + KEPT), []);
        assert_eq!((relayed.sessions.len(), relayed.order.len()), (0, 0));
    }
}
