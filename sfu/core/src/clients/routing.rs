//! Owns which of two sessions that claim an address gets a datagram from there, and when one of them loses it. Never
//! opens a packet, and never sends: whoever loses an address is returned.
//!
//! A client can sign checks for its own session and forge their source, so a check alone takes no address from a
//! session that is alive there. But a client that uses its socket for a new session comes from the address of its old
//! one, which nobody has seen die. So both have the address until one proves to be there: media is of the one whose
//! keys open it, and a DTLS handshake whose every flight went to the address can only have been finished from there.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::blame::AtWork;
use crate::clients::{Claim, Clients};
use crate::keys::SessionKey;
use crate::net::{ConnectionId, Route};
use crate::outputs::Outputs;
use crate::stats::DropReason;

impl Clients {
    /// The session that an address leads to.
    #[inline]
    pub(super) fn find_at(&mut self, route: Route, out: &mut Outputs) -> Result<SessionKey, DropReason> {
        let key = self.routes.owner(route).ok_or(DropReason::RouteUnknown)?;
        out.note(AtWork::Session(key));
        Ok(key)
    }

    /// SRTP and SRTCP of an address that two sessions claim is of the one whose keys open it.
    #[inline]
    pub(super) fn of_whose_keys_open_it(
        &mut self,
        route: Route,
        packet: &mut [u8],
        out: &mut Outputs,
        mut handle: impl FnMut(&mut Clients, SessionKey, &mut [u8], &mut Outputs) -> Result<(), DropReason>,
    ) -> Result<(), DropReason> {
        let owner = self.find_at(route, out)?;
        let Some(contender) = self.routes.contender(route) else { return handle(self, owner, packet, out) };
        // What does not open is spoilt.
        let mut copy = packet.to_vec();
        let result = handle(self, owner, packet, out);
        if result.is_ok() {
            return result;
        }
        out.note(AtWork::Session(contender));
        handle(self, contender, &mut copy, out).or(result)
    }

    /// An authentic check came from this route: it leads to the session, unless another one is alive there.
    pub(super) fn learn_route(&mut self, now: Instant, key: SessionKey, route: Route) -> Losers {
        let losers = match self.routes.owner(route) {
            Some(owner) if owner == key => return Losers::new(),
            Some(owner) if self.is_alive(now, owner) => {
                let before = self.routes.contend(route, key);
                self.lose_route(now, before, route)
            }
            _ => self.take_route(now, key, route),
        };
        let Some(session) = self.sessions.get_mut(key) else { return losers };
        if session.routes.contains(&route) {
            return losers;
        }
        session.routes.push(route);
        if session.routes.len() > ROUTES_PER_SESSION_MAX {
            let spare =
                session.routes.iter().position(|known| Some(*known) != session.delivery.path.route).unwrap_or(0);
            let oldest = session.routes.remove(spare);
            session.transport.handle_route_closed(now, oldest);
            self.routes.shed(oldest, key);
        }
        losers
    }

    /// Whether a session has the address for its own: what else comes from there is nobody's.
    pub fn is_known(&mut self, route: Route) -> bool {
        self.routes.owner(route).is_some()
    }

    /// What became of TCP connections since this was asked last.
    pub fn take_claims(&mut self) -> Vec<(ConnectionId, Claim)> {
        self.routes.take_claims()
    }

    /// A NAT that gives an address to another client does so long after the one before fell silent.
    fn is_alive(&self, now: Instant, key: SessionKey) -> bool {
        let heard = self.sessions.get(key).and_then(|session| session.transport.heard());
        heard.is_some_and(|heard| now.saturating_duration_since(heard) < ROUTE_HELD)
    }

    /// The address is this session's: whoever else was there is there no more.
    pub(super) fn take_route(&mut self, now: Instant, key: SessionKey, route: Route) -> Losers {
        let contender = self.routes.contender(route).filter(|contender| *contender != key);
        let before = self.routes.settle(route, key);
        self.lose_route(now, contender.into_iter().chain(before), route)
    }

    /// The session leaves the address to whoever else is there.
    pub(super) fn leave_route(&mut self, now: Instant, key: SessionKey, route: Route) -> Losers {
        self.routes.leave(route, key);
        self.lose_route(now, [key], route)
    }

    /// Nothing is sent there any more for these sessions; checks of their own bring it back.
    fn lose_route(&mut self, now: Instant, losers: impl IntoIterator<Item = SessionKey>, route: Route) -> Losers {
        let losers: Losers = losers.into_iter().collect();
        for key in &losers {
            let Some(session) = self.sessions.get_mut(*key) else { continue };
            session.transport.handle_route_closed(now, route);
            session.routes.retain(|known| *known != route);
            session.delivery.path.route = session.transport.route();
        }
        losers
    }
}

/// Who had an address until now: its owner and its contender at most. What their transports have to say to that waits to
/// be drained.
pub(super) type Losers = ArrayVec<SessionKey, 2>;

/// Addresses of one client that lead to its session.
const ROUTES_PER_SESSION_MAX: usize = crate::transport::ice::PAIRS_MAX;
/// How long a session that was last heard at an address is taken to be alive: twice the interval at which libwebrtc
/// checks.
const ROUTE_HELD: Duration = Duration::from_secs(5);
