//! Owns which session an address leads to, and what happens when two claim it. Never opens a packet.
//!
//! A client can sign checks for its own session and forge their source, so a check alone takes no address from a
//! session that is alive there. But a client that uses its socket for a new session comes from the address of its old
//! one, which nobody has seen die. So both have the address until one proves to be there: media is of the one whose
//! keys open it, and a DTLS handshake whose every flight went to the address can only have been finished from there.

use std::time::{Duration, Instant};

use crate::crypto::dtls::{ClientHello, is_plaintext};
use crate::keys::{Index, SessionKey};
use crate::net::Route;
use crate::sfu::Sfu;
use crate::sfu::containment::AtWork;
use crate::stats::DropReason;

/// The sessions at each address, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    owners: Index<Route, SessionKey>,
    /// Whoever claims the address of another session that was heard a moment ago.
    contenders: Index<Route, SessionKey>,
    /// Datagrams come in trains from one address.
    last: Option<(Route, SessionKey)>,
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

    #[inline]
    pub fn contender(&self, route: Route) -> Option<SessionKey> {
        if self.contenders.is_empty() { None } else { self.contenders.get(&route).copied() }
    }

    /// The address is this session's alone. Returns whose it was.
    pub fn settle(&mut self, route: Route, key: SessionKey) -> Option<SessionKey> {
        self.last = None;
        self.contenders.remove(&route);
        self.owners.insert(route, key).filter(|before| *before != key)
    }

    /// The session claims the address of another one. Returns who did before.
    pub fn contend(&mut self, route: Route, key: SessionKey) -> Option<SessionKey> {
        self.contenders.insert(route, key).filter(|before| *before != key)
    }

    /// The session leaves the address to whoever else is there.
    pub fn leave(&mut self, route: Route, key: SessionKey) {
        if self.contenders.get(&route) == Some(&key) {
            self.contenders.remove(&route);
        }
        if self.owners.get(&route) == Some(&key) {
            self.last = None;
            match self.contenders.remove(&route) {
                Some(next) => self.owners.insert(route, next),
                None => self.owners.remove(&route),
            };
        }
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

impl Sfu {
    /// The session that an address leads to.
    #[inline]
    pub(crate) fn find(&mut self, route: Route) -> Result<SessionKey, DropReason> {
        let key = self.routes.owner(route).ok_or(DropReason::RouteUnknown)?;
        self.containment.note(AtWork::Session(key));
        Ok(key)
    }

    /// SRTP and SRTCP of an address that two sessions claim is of the one whose keys open it.
    #[inline]
    pub(crate) fn of_whose_keys_open_it(
        &mut self,
        now: Instant,
        route: Route,
        packet: &mut [u8],
        handle: fn(&mut Sfu, Instant, SessionKey, &mut [u8]) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let owner = self.find(route)?;
        let Some(contender) = self.routes.contender(route) else { return handle(self, now, owner, packet) };
        // What does not open is spoilt.
        let mut copy = packet.to_vec();
        let result = handle(self, now, owner, packet);
        if result.is_ok() {
            return result;
        }
        self.containment.note(AtWork::Session(contender));
        handle(self, now, contender, &mut copy).or(result)
    }

    /// DTLS of an address that two sessions claim. A ClientHello is of one of them; of the rest each takes what it can
    /// use, and nothing that it can't harms it.
    pub(crate) fn handle_dtls(&mut self, now: Instant, route: Route, datagram: &[u8]) -> Result<(), DropReason> {
        let owner = self.find(route)?;
        let Some(contender) = self.routes.contender(route) else {
            return self.handle_dtls_of(now, owner, route, datagram);
        };
        if let Some(hello) = ClientHello::begun_by(datagram) {
            let key = if self.is_of_owner(route, [owner, contender], hello) { owner } else { contender };
            if key == contender && !self.is_keyed(owner) {
                // Its flights would come between those of the new handshake.
                self.take_route(now, contender, route);
            }
            return self.handle_dtls_of(now, key, route, datagram);
        }
        // A handshake that is complete has no use for what another one begins with.
        let is_over = self.is_keyed(owner) && !self.is_keyed(contender) && is_plaintext(datagram);
        let result = self.handle_dtls_of(now, contender, route, datagram);
        if is_over { result } else { self.handle_dtls_of(now, owner, route, datagram).or(result) }
    }

    fn handle_dtls_of(
        &mut self,
        now: Instant,
        key: SessionKey,
        route: Route,
        datagram: &[u8],
    ) -> Result<(), DropReason> {
        self.containment.note(AtWork::Session(key));
        let session = self.sessions.get_mut(key).ok_or(DropReason::RouteUnknown)?;
        let result = session.transport.handle_dtls(now, route, datagram);
        self.drain_transport(now, key);
        result
    }

    /// Whether a ClientHello is of the session that was there first.
    fn is_of_owner(&self, route: Route, [owner, contender]: [SessionKey; 2], hello: ClientHello) -> bool {
        let [owner, contender] = [owner, contender].map(|key| self.sessions.get(key).map(|session| &session.transport));
        let (Some(owner), Some(contender)) = (owner, contender) else { return contender.is_none() };
        match owner.client_hello() {
            Some(known) => known == hello,
            // Nobody has begun: whoever was checked last is the one that goes on.
            None => owner.checked(route) > contender.checked(route) && contender.client_hello() != Some(hello),
        }
    }

    fn is_keyed(&self, key: SessionKey) -> bool {
        self.sessions.get(key).is_some_and(|session| session.outlet.is_keyed())
    }

    /// An authentic check came from this route: it leads to the session, unless another one is alive there.
    pub(crate) fn learn_route(&mut self, now: Instant, key: SessionKey, route: Route) {
        match self.routes.owner(route) {
            Some(owner) if owner == key => return,
            Some(owner) if self.is_alive(now, owner) => {
                if let Some(before) = self.routes.contend(route, key) {
                    self.lose_route(now, before, route);
                }
            }
            _ => self.take_route(now, key, route),
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.routes.contains(&route) {
            return;
        }
        session.routes.push(route);
        if session.routes.len() > ROUTES_PER_SESSION_MAX {
            let spare = session.routes.iter().position(|known| Some(*known) != session.outlet.route).unwrap_or(0);
            let oldest = session.routes.remove(spare);
            self.routes.leave(oldest, key);
        }
    }

    /// A NAT that gives an address to another client does so long after the one before fell silent.
    fn is_alive(&self, now: Instant, key: SessionKey) -> bool {
        let heard = self.sessions.get(key).and_then(|session| session.transport.heard());
        heard.is_some_and(|heard| now.saturating_duration_since(heard) < ROUTE_HELD)
    }

    /// The address is this session's: whoever else was there is there no more.
    pub(crate) fn take_route(&mut self, now: Instant, key: SessionKey, route: Route) {
        if let Some(contender) = self.routes.contender(route).filter(|contender| *contender != key) {
            self.lose_route(now, contender, route);
        }
        if let Some(before) = self.routes.settle(route, key) {
            self.lose_route(now, before, route);
        }
    }

    /// Nothing is sent there any more for this session; checks of its own bring it back.
    fn lose_route(&mut self, now: Instant, key: SessionKey, route: Route) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.transport.handle_route_closed(now, route);
        session.routes.retain(|known| *known != route);
        session.outlet.route = session.transport.route();
        self.drain_transport(now, key);
    }

    /// The TCP connection of a route is gone.
    pub(crate) fn forget_connection(&mut self, now: Instant, route: Route) {
        for key in [self.routes.owner(route), self.routes.contender(route)].into_iter().flatten() {
            self.containment.note(AtWork::Session(key));
            self.routes.leave(route, key);
            self.lose_route(now, key, route);
        }
    }
}

/// Addresses of one client that lead to its session.
const ROUTES_PER_SESSION_MAX: usize = crate::transport::ice::PAIRS_MAX;
/// How long a session that was last heard at an address is taken to be alive: twice the interval at which libwebrtc
/// checks.
const ROUTE_HELD: Duration = Duration::from_secs(5);

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
