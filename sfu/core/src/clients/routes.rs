//! Owns the table of which session an address leads to, and which other one claims it. Never decides between them.

use crate::keys::{Index, SessionKey};
use crate::net::{ConnectionId, Route};

/// The sessions at each address, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    owners: Index<Route, SessionKey>,
    /// Whoever claims the address of another session that was heard a moment ago.
    contenders: Index<Route, SessionKey>,
    /// Datagrams come in trains from one address.
    last: Option<(Route, SessionKey)>,
    /// What the worker was not told yet of its connections.
    claims: Vec<(ConnectionId, Claim)>,
}

/// What sessions say of a TCP connection. The worker owns it, and knows by this which of its connections are of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A check that came over it has proven to be of a session.
    Taken,
    /// It leads to no session any more.
    Left,
    /// Nor does it here: its session has enough others, and it is the one of them that came first. It is to be closed.
    Surplus,
}

impl Routes {
    #[inline]
    pub fn owner(&mut self, route: Route) -> Option<SessionKey> {
        if let Some((last, key)) = self.last
            && last == route
        {
            return Some(key);
        }
        let key = *self.owners.get(&route)?;
        self.last = Some((route, key));
        Some(key)
    }

    /// The same without remembering it.
    pub fn peek(&self, route: Route) -> Option<SessionKey> {
        self.owners.get(&route).copied()
    }

    #[inline]
    pub fn contender(&self, route: Route) -> Option<SessionKey> {
        if self.contenders.is_empty() { None } else { self.contenders.get(&route).copied() }
    }

    /// The address is this session's alone. Returns whose it was.
    pub fn settle(&mut self, route: Route, key: SessionKey) -> Option<SessionKey> {
        self.last = None;
        self.contenders.remove(&route);
        let before = self.owners.insert(route, key);
        if before.is_none() {
            self.note(route, Claim::Taken);
        }
        before.filter(|before| *before != key)
    }

    /// The session claims the address of another one. Returns who did before.
    pub fn contend(&mut self, route: Route, key: SessionKey) -> Option<SessionKey> {
        self.contenders.insert(route, key).filter(|before| *before != key)
    }

    /// The session leaves the address to whoever else is there.
    pub fn leave(&mut self, route: Route, key: SessionKey) {
        self.withdraw(route, key, Claim::Left);
    }

    /// The session has too many addresses, and does without this one.
    pub fn shed(&mut self, route: Route, key: SessionKey) {
        self.withdraw(route, key, Claim::Surplus);
    }

    fn withdraw(&mut self, route: Route, key: SessionKey, last: Claim) {
        if self.contenders.get(&route) == Some(&key) {
            self.contenders.remove(&route);
        }
        if self.owners.get(&route) == Some(&key) {
            self.last = None;
            match self.contenders.remove(&route) {
                Some(next) => {
                    self.owners.insert(route, next);
                }
                None => {
                    self.owners.remove(&route);
                    self.note(route, last);
                }
            }
        }
    }

    fn note(&mut self, route: Route, claim: Claim) {
        if let Route::Tcp { connection, .. } = route {
            self.claims.push((connection, claim));
        }
    }

    /// In the order in which it was said.
    pub fn take_claims(&mut self) -> Vec<(ConnectionId, Claim)> {
        std::mem::take(&mut self.claims)
    }

    /// The session leaves every address, whatever it says of itself.
    pub fn forget(&mut self, key: SessionKey) {
        let all = self.owners.iter().chain(&self.contenders);
        let left: Vec<Route> = all.filter(|(_, of)| **of == key).map(|(route, _)| *route).collect();
        for route in left {
            self.leave(route, key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Key;

    fn at(port: u16) -> Route {
        Route::Udp { remote: std::net::SocketAddr::from(([192, 0, 2, 1], port)), local: None }
    }

    fn session(key: usize) -> SessionKey {
        SessionKey::new(key)
    }

    #[test]
    fn an_address_passes_to_the_contender_when_its_owner_leaves() {
        let mut routes = Routes::default();
        assert_eq!(routes.settle(at(1), session(7)), None);
        assert_eq!(routes.contend(at(1), session(8)), None);
        assert_eq!(routes.contend(at(1), session(9)), Some(session(8)));
        assert_eq!((routes.owner(at(1)), routes.contender(at(1))), (Some(session(7)), Some(session(9))));
        routes.forget(session(7));
        assert_eq!((routes.owner(at(1)), routes.contender(at(1))), (Some(session(9)), None));
        routes.leave(at(1), session(9));
        assert_eq!(routes.owner(at(1)), None);
    }

    #[test]
    fn the_worker_hears_what_becomes_of_its_connections() {
        let mut routes = Routes::default();
        let [first, second] = [5, 6].map(ConnectionId);
        let over = |connection| Route::Tcp { connection, remote: at(1).remote() };
        routes.settle(at(1), session(7));
        routes.settle(over(first), session(7));
        routes.settle(over(first), session(7));
        routes.settle(over(second), session(7));
        assert_eq!(routes.take_claims(), [(first, Claim::Taken), (second, Claim::Taken)]);
        routes.contend(over(first), session(8));
        routes.leave(over(first), session(7));
        routes.leave(over(first), session(7));
        assert_eq!(routes.take_claims(), [], "the contender has it");
        routes.shed(over(second), session(7));
        routes.forget(session(8));
        routes.leave(at(1), session(7));
        assert_eq!(routes.take_claims(), [(second, Claim::Surplus), (first, Claim::Left)]);
    }

    #[test]
    fn who_settles_at_an_address_is_alone_there() {
        let mut routes = Routes::default();
        routes.settle(at(1), session(7));
        routes.contend(at(1), session(8));
        assert_eq!(routes.owner(at(1)), Some(session(7)));
        assert_eq!(routes.settle(at(1), session(8)), Some(session(7)));
        assert_eq!((routes.owner(at(1)), routes.contender(at(1))), (Some(session(8)), None));
        routes.leave(at(1), session(7));
        assert_eq!(routes.owner(at(1)), Some(session(8)), "it was not there any more");
    }
}
