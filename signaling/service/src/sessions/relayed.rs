//! Owns which sessions of other nodes the TURN server of this node relays for, or was told to, and which of them have ended.
//! Never asks those nodes: the service does.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use chappe_sfu_api::SessionId;
use chappe_signaling_rooms::SessionAlias;

#[derive(Debug, Default)]
pub struct RelayedElsewhere {
    sessions: HashMap<SessionAlias, Relayed>,
    /// Each once, in the order in which they became known.
    order: VecDeque<SessionAlias>,
}

#[derive(Debug)]
struct Relayed {
    /// Its node is asked by this: its id, or its alias where another process told the credentials.
    session: SessionId,
    known_since: Instant,
    /// It is relayed for since the last [`RelayedElsewhere::take_used`].
    is_used: bool,
    has_ended: bool,
}

impl RelayedElsewhere {
    /// Its client is told credentials.
    pub fn note(&mut self, now: Instant, session: SessionId) {
        self.enter(now, SessionAlias::of(session), session);
    }

    /// It is relayed for: with credentials that this process told it, or the one before.
    pub fn note_used(&mut self, now: Instant, alias: SessionAlias) {
        if !self.sessions.contains_key(&alias) {
            self.enter(now, alias, alias.shown());
        }
        self.sessions.entry(alias).and_modify(|relayed| relayed.is_used = true);
    }

    fn enter(&mut self, now: Instant, alias: SessionAlias, session: SessionId) {
        if self.order.len() >= SESSIONS_MAX
            && let Some(eldest) = self.order.pop_front()
        {
            self.sessions.remove(&eldest);
        }
        let relayed = Relayed { session, known_since: now, is_used: false, has_ended: false };
        if self.sessions.insert(alias, relayed).is_none() {
            self.order.push_back(alias);
        }
    }

    pub fn end(&mut self, alias: SessionAlias) {
        if let Some(relayed) = self.sessions.get_mut(&alias) {
            relayed.has_ended = true;
        }
    }

    /// Whether credentials that were told it are good, as far as is known.
    pub fn goes_on(&self, alias: SessionAlias) -> bool {
        self.sessions.get(&alias).is_none_or(|relayed| !relayed.has_ended)
    }

    /// Those that are relayed for, and not known to have ended. Others are forgotten once nothing new can come of what
    /// they were told.
    pub fn take_used(&mut self, now: Instant) -> Vec<(SessionAlias, SessionId)> {
        let mut used = Vec::new();
        self.sessions.retain(|alias, relayed| {
            let is_used = std::mem::take(&mut relayed.is_used);
            if is_used && !relayed.has_ended {
                used.push((*alias, relayed.session));
            }
            is_used || now.saturating_duration_since(relayed.known_since) < KEPT
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

    fn alias(number: usize) -> SessionAlias {
        SessionAlias::of(session(number))
    }

    #[test]
    fn a_session_goes_on_until_its_end_is_known_and_is_asked_about_while_it_is_relayed_for() {
        let (mut relayed, now) = (RelayedElsewhere::default(), Instant::now());
        (0..3).for_each(|number| relayed.note(now, session(number)));
        assert_eq!(relayed.take_used(now), [], "nobody uses what they were told");
        relayed.note_used(now, alias(0));
        assert!(relayed.goes_on(alias(0)) && relayed.goes_on(alias(9)));
        assert_eq!(relayed.take_used(now), [(alias(0), session(0))]);
        [0, 1].into_iter().for_each(|number| relayed.note_used(now, alias(number)));
        relayed.end(alias(0));
        assert!(!relayed.goes_on(alias(0)) && relayed.goes_on(alias(1)));
        assert_eq!(relayed.take_used(now), [(alias(1), session(1))], "who has ended is asked about no more");
    }

    #[test]
    fn what_another_process_told_is_asked_about_as_well_and_its_end_is_remembered() {
        let (mut relayed, now) = (RelayedElsewhere::default(), Instant::now());
        relayed.note_used(now, alias(1));
        assert_eq!(relayed.take_used(now), [(alias(1), alias(1).shown())]);
        relayed.end(alias(1));
        let _ = relayed.take_used(now);
        assert!(!relayed.goes_on(alias(1)));
    }

    #[test]
    fn those_that_are_not_relayed_for_are_forgotten_when_credentials_are_over() {
        let (mut relayed, now) = (RelayedElsewhere::default(), Instant::now());
        (0..2 * SESSIONS_MAX).for_each(|number| relayed.note(now, session(number)));
        assert!(relayed.sessions.len() <= SESSIONS_MAX && relayed.order.len() == relayed.sessions.len());
        let newest = 2 * SESSIONS_MAX - 1;
        relayed.note_used(now, alias(newest));
        assert_eq!(relayed.take_used(now + KEPT), [(alias(newest), session(newest))]);
        assert_eq!((relayed.sessions.len(), relayed.order.len()), (1, 1));
        assert_eq!(relayed.take_used(now + KEPT), []);
        assert_eq!((relayed.sessions.len(), relayed.order.len()), (0, 0));
    }
}
