//! Owns which of two sessions that claim an address a DTLS datagram from there is of. Never sets keys.

use std::time::Instant;

use crate::blame::AtWork;
use crate::clients::Clients;
use crate::crypto::dtls::{ClientHello, is_plaintext};
use crate::keys::SessionKey;
use crate::net::Route;
use crate::outputs::Outputs;
use crate::stats::DropReason;

impl Clients {
    /// DTLS of an address that two sessions claim. A ClientHello is of one of them; of the rest each takes what it can
    /// use, and nothing that it can't harms it.
    pub fn handle_dtls(
        &mut self,
        now: Instant,
        route: Route,
        datagram: &[u8],
        out: &mut Outputs,
    ) -> Result<(), DropReason> {
        let owner = self.find_at(route, out)?;
        let Some(contender) = self.routes.contender(route) else {
            return self.handle_dtls_of(now, owner, (route, datagram), out);
        };
        if let Some(hello) = ClientHello::begun_by(datagram) {
            let key = if self.is_of_owner(route, [owner, contender], hello) { owner } else { contender };
            if key == contender && !self.is_keyed(owner) {
                // Its flights would come between those of the new handshake.
                self.settle_route(now, contender, route, out);
            }
            return self.handle_dtls_of(now, key, (route, datagram), out);
        }
        // A handshake that is complete has no use for what another one begins with.
        let is_over = self.is_keyed(owner) && !self.is_keyed(contender) && is_plaintext(datagram);
        let result = self.handle_dtls_of(now, contender, (route, datagram), out);
        if is_over { result } else { self.handle_dtls_of(now, owner, (route, datagram), out).or(result) }
    }

    fn handle_dtls_of(
        &mut self,
        now: Instant,
        key: SessionKey,
        (route, datagram): (Route, &[u8]),
        out: &mut Outputs,
    ) -> Result<(), DropReason> {
        out.note(AtWork::Session(key));
        let session = self.sessions.get_mut(key).ok_or(DropReason::RouteUnknown)?;
        let result = session.transport.handle_dtls(now, route, datagram);
        self.drain_transport(now, key, out);
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
        self.sessions.get(key).is_some_and(|session| session.delivery.path.is_keyed())
    }
}
