//! Owns how a session begins, what its transport says of it, and how it ends in the tables. Never touches media.

use std::time::Instant;

use crate::blame::AtWork;
use crate::clients::returning::ProvenClient;
use crate::clients::{Alive, Clients, Session};
use crate::crypto::srtp::{Opener, Sealer};
use crate::keys::{Key, SendLine, SenderKey, SessionKey};
use crate::net::Route;
use crate::outputs::Outputs;
use crate::spec::{CloseReason, ControlError, Epoch, Event, SessionId, SessionState};
use crate::stats::DropReason;
use crate::transport::ice::IceCredentials;
use crate::transport::{TransportCloseReason, TransportEvent, TransportState};

impl Clients {
    // ── As signaling says ───────────────────────────────────────────────────────────────────────────────

    /// Whether another session has this id or ufrag.
    pub fn is_taken(&self, id: SessionId, ufrag: &str) -> bool {
        self.by_id.contains_key(&id) || self.by_ufrag.contains_key(ufrag)
    }

    pub fn insert(&mut self, mut session: Session, ufrag: String) -> SessionKey {
        let id = session.id;
        session.ufrags.push(ufrag.clone());
        let key = self.sessions.insert(Box::new(session));
        self.by_id.insert(id, key);
        self.by_ufrag.insert(ufrag, key);
        key
    }

    /// The session of a command, unless a higher epoch was seen.
    pub fn fenced(&mut self, id: SessionId, epoch: Epoch) -> Result<SessionKey, ControlError> {
        let key = self.find(id).ok_or(ControlError::NotFound)?;
        let session = self.sessions.get_mut(key).ok_or(ControlError::NotFound)?;
        if epoch < session.epoch {
            return Err(ControlError::StaleEpoch);
        }
        session.epoch = epoch;
        Ok(key)
    }

    /// The old credentials answer until a path of the new ones is nominated.
    pub fn restart_ice(
        &mut self,
        now: Instant,
        key: SessionKey,
        (local, remote): (IceCredentials, IceCredentials),
        out: &mut Outputs,
    ) -> Result<(), ControlError> {
        if self.by_ufrag.get(&local.ufrag).is_some_and(|other| *other != key) {
            return Err(ControlError::Exists);
        }
        let Some(session) = self.sessions.get_mut(key) else { return Ok(()) };
        if session.transport.local_ufrag() == local.ufrag {
            return Ok(());
        }
        self.by_ufrag.insert(local.ufrag.clone(), key);
        session.ufrags.push(local.ufrag.clone());
        session.transport.restart_ice(now, local, remote);
        self.drain_transport(now, key, out);
        Ok(())
    }

    pub fn state(&self, id: SessionId) -> Option<SessionState> {
        Some(self.get(self.find(id)?)?.state())
    }

    // ── As the transport says ───────────────────────────────────────────────────────────────────────────

    /// Passes on what a transport has to say and to send, and sets its session's next deadline.
    pub fn drain_transport(&mut self, now: Instant, key: SessionKey, out: &mut Outputs) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        while let Some(route) = session.transport.poll_transmit(&mut self.transmit) {
            let bytes = &self.transmit;
            out.egress.control().push(route, bytes.len(), |datagram| {
                datagram.copy_from_slice(bytes);
                Some(bytes.len())
            });
        }
        while let Some(event) = self.sessions.get_mut(key).and_then(|session| session.transport.poll_event()) {
            self.handle_transport_event(now, key, event, out);
        }
        self.rearm(key);
    }

    fn handle_transport_event(&mut self, now: Instant, key: SessionKey, event: TransportEvent, out: &mut Outputs) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        match event {
            TransportEvent::RouteSelected(route) => session.delivery.path.route = Some(route),
            TransportEvent::Keys(keys) => {
                // Keys come once; a second set would restart indices that are already used.
                if !session.delivery.path.is_keyed() {
                    session.delivery.path.sealer = Sealer::from_master(keys.seal).ok();
                    session.ingest.opener = Opener::from_master(keys.open).ok();
                    out.counters.joins.note(now.saturating_duration_since(session.ingest.opened));
                    let proven = session.transport.proven_route();
                    self.start_media(now, key);
                    if let Some(route) = proven.filter(|route| self.routes.contender(*route) == Some(key)) {
                        self.settle_route(now, key, route, out);
                    }
                }
            }
            TransportEvent::StateChanged(TransportState::Closed(_)) => {}
            TransportEvent::StateChanged(_) => {
                let (session, state) = (session.id, session.state());
                out.push_event(Event::StateChanged { session, state });
            }
            TransportEvent::UfragRetired(ufrag) => {
                session.ufrags.retain(|known| *known != ufrag);
                self.by_ufrag.remove(&ufrag);
            }
            TransportEvent::Closed(reason) => {
                if reason == TransportCloseReason::EngineFault {
                    out.counters.drop(DropReason::SessionFault);
                }
                self.closed.push((key, close_reason(reason)));
            }
        }
    }

    /// The address is this session's, and whoever loses it says what there is to say.
    pub(super) fn settle_route(&mut self, now: Instant, key: SessionKey, route: Route, out: &mut Outputs) {
        for loser in self.take_route(now, key, route) {
            self.drain_transport(now, loser, out);
        }
    }

    /// The TCP connection of a route is gone.
    pub fn forget_connection(&mut self, now: Instant, route: Route, out: &mut Outputs) {
        for key in [self.routes.owner(route), self.routes.contender(route)].into_iter().flatten() {
            out.note(AtWork::Session(key));
            for loser in self.leave_route(now, key, route) {
                self.drain_transport(now, loser, out);
            }
        }
    }

    /// The keys are there: reports start, and viewers want a picture at once.
    fn start_media(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if let Some(Alive { interval, tick }) = &mut session.alive {
            *tick = Some(self.alive.insert(now, key, now + *interval));
        }
        session.ingest.start_reports(now);
        session.client = ProvenClient::of(&session.transport);
        self.start_estimate(now, key);
        self.adapting.mark(key);
        let Some(session) = self.sessions.get(key) else { return };
        for (line, _) in session.delivery.lines().filter(|(_, sender)| sender.layer.is_some()) {
            self.reachable.mark(SenderKey::of(key, line));
        }
    }

    // ── The end ─────────────────────────────────────────────────────────────────────────────────────────

    /// Takes out a session that neither sends nor receives any more. What is left to send is the goodbye of its
    /// transport, whose events are void from here on.
    pub fn remove(&mut self, now: Instant, key: SessionKey, reason: CloseReason, out: &mut Outputs) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.transport.close(now);
            while session.transport.poll_event().is_some() {}
        }
        self.drain_transport(now, key, out);
        let Some(session) = self.sessions.remove(key) else { return };
        self.timers.set(key, None);
        self.by_id.remove(&session.id);
        for ufrag in &session.ufrags {
            self.by_ufrag.remove(ufrag);
        }
        for route in &session.routes {
            self.routes.leave(*route, key);
        }
        self.forget_marks(key, session.delivery.senders.len());
        if let Some((client, known)) = session.left_with() {
            self.returning.note(now, client, known);
        }
        out.push_event(Event::Closed { session: session.id, reason });
    }

    /// Takes a session out of the tables without a look at what is in it. False if it was not there.
    pub fn forget(&mut self, key: SessionKey, out: &mut Outputs) -> bool {
        let Some(session) = self.sessions.remove(key) else { return false };
        self.timers.set(key, None);
        self.by_id.remove(&session.id);
        self.by_ufrag.retain(|_, of| *of != key);
        self.routes.forget(key);
        self.forget_marks(key, session.delivery.senders.len());
        out.push_event(Event::Closed { session: session.id, reason: CloseReason::Fault });
        true
    }

    fn forget_marks(&mut self, key: SessionKey, senders: usize) {
        self.closed.retain(|(closed, _)| *closed != key);
        self.adapting.forget(key);
        self.neighbours.forget(key);
        for line in (0..senders).map(SendLine::new) {
            self.reachable.forget(SenderKey::of(key, line));
            self.repeating.forget(SenderKey::of(key, line));
        }
    }
}

fn close_reason(reason: TransportCloseReason) -> CloseReason {
    match reason {
        TransportCloseReason::Requested => CloseReason::Requested,
        TransportCloseReason::ClientClosed => CloseReason::ClientClosed,
        TransportCloseReason::ConnectTimeout => CloseReason::ConnectTimeout,
        TransportCloseReason::ConsentExpired => CloseReason::ConsentExpired,
        TransportCloseReason::FingerprintMismatch => CloseReason::FingerprintMismatch,
        TransportCloseReason::DtlsFailed => CloseReason::DtlsFailed,
        TransportCloseReason::EngineFault => CloseReason::Fault,
    }
}
