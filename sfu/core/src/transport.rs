//! Owns the transport of one session as one state machine: ICE-lite below, DTLS above, consent around both.
//! Never touches media: it yields SRTP keys and a route, and is told when media has proven to be authentic.

#[cfg(any(test, feature = "client"))]
pub mod client;
pub mod ice;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::crypto::dtls::{
    Certificate, CertificateId, ClientHello, Dtls, DtlsError, DtlsRole, Fingerprint, Progress, SrtpKeys,
};
use crate::net::Route;
use crate::stats::DropReason;
use crate::transport::ice::{Checked, IceAgent, IceCredentials};

pub struct TransportConfig {
    /// Ours.
    pub role: DtlsRole,
    /// What the peer addresses its checks to.
    pub local: IceCredentials,
    pub remote: IceCredentials,
    /// The peer's certificate must match one of these.
    pub fingerprints: Vec<Fingerprint>,
    pub certificate: Certificate,
}

/// Only moves forward, but for `Connected` and `Disconnected`, which alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportState {
    /// Waits for the first authentic check.
    New,
    /// A path is proven, DTLS is under way.
    Connecting,
    /// Media may flow.
    Connected,
    /// Nothing was heard for a while; the next check brings it back.
    Disconnected,
    Closed(TransportCloseReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportCloseReason {
    /// [`Transport::close`] was called.
    Requested,
    /// close_notify came.
    ClientClosed,
    ConnectTimeout,
    ConsentExpired,
    FingerprintMismatch,
    DtlsFailed,
    /// The DTLS engine panicked.
    EngineFault,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportEvent {
    /// Where to send from now on. Comes again when the peer nominates another path.
    RouteSelected(Route),
    /// Once: the DTLS handshake is complete and the certificate is the right one.
    Keys(SrtpKeys),
    StateChanged(TransportState),
    /// After an ICE restart: this ufrag of ours answers no more.
    UfragRetired(String),
    /// The last event.
    Closed(TransportCloseReason),
}

pub struct Transport {
    ice: IceAgent,
    dtls: Dtls,
    state: TransportState,
    /// A peer must connect until then.
    connect_by: Instant,
    /// The last sign of life that is no check: the start of an ICE restart.
    restarted: Option<Instant>,
    /// What was last told of the selected route.
    announced: Option<Route>,
    flights: Flights,
    transmits: VecDeque<(Route, Vec<u8>)>,
    events: VecDeque<TransportEvent>,
}

/// Where the flights of our handshake were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flights {
    None,
    ToOne(Route),
    ToSeveral,
}

impl Transport {
    pub fn new(now: Instant, config: TransportConfig) -> Transport {
        Transport {
            ice: IceAgent::new(config.local, config.remote),
            dtls: Dtls::new(config.role, config.certificate, config.fingerprints),
            state: TransportState::New,
            connect_by: now + CONNECT_TIMEOUT,
            restarted: None,
            announced: None,
            flights: Flights::None,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A STUN message whose username names this session.
    pub fn handle_stun(&mut self, now: Instant, route: Route, message: &[u8]) -> Result<(), DropReason> {
        if self.is_closed() {
            return Err(DropReason::SessionNotReady);
        }
        let mut answer = Vec::with_capacity(STUN_ANSWER_BYTES);
        let checked = self.ice.handle_check(now, route, message, &mut answer);
        if !answer.is_empty() {
            self.transmit(route, answer);
        }
        if let Checked::Refused(reason) = checked {
            return Err(reason);
        }
        if self.state == TransportState::New {
            self.change_state(TransportState::Connecting);
        }
        self.revive();
        self.announce_route(now);
        if let Some(ufrag) = self.ice.retire_previous() {
            self.events.push_back(TransportEvent::UfragRetired(ufrag));
        }
        Ok(())
    }

    pub fn handle_dtls(&mut self, now: Instant, route: Route, datagram: &[u8]) -> Result<(), DropReason> {
        if self.is_closed() {
            return Err(DropReason::SessionNotReady);
        }
        if !self.ice.handle_data(route) {
            return Err(DropReason::RouteUnknown);
        }
        self.announce_route(now);
        let refused = self.run_dtls(|dtls, send| dtls.handle_datagram(now, datagram, send));
        if refused { Err(DropReason::DtlsInvalid) } else { Ok(()) }
    }

    /// SRTP or SRTCP of this session was authentic. It counts as a sign of life like a check does
    /// (RFC 7675 wants checks): FFmpeg's WHIP muxer checks only while it connects, and a peer that sends
    /// authentic media to us, over a path it has proven, is there and takes part. Cheap: for every packet.
    #[inline]
    pub fn note_activity(&mut self, now: Instant) {
        self.ice.note_heard(now);
        if self.state == TransportState::Disconnected {
            self.revive();
        }
    }

    /// When the peer last proved to be there.
    pub fn heard(&self) -> Option<Instant> {
        self.ice.heard()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        self.run_dtls(|dtls, send| dtls.handle_timeout(now, send));
        match self.state {
            TransportState::New | TransportState::Connecting if now >= self.connect_by => {
                self.end(TransportCloseReason::ConnectTimeout);
            }
            TransportState::Connected if now >= self.quiet_at(DISCONNECT_AFTER) => {
                self.change_state(TransportState::Disconnected);
            }
            _ => {}
        }
        if self.state == TransportState::Disconnected && now >= self.quiet_at(CONSENT_EXPIRES_AFTER) {
            self.end(TransportCloseReason::ConsentExpired);
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.state {
            TransportState::New | TransportState::Connecting => self.connect_by,
            TransportState::Connected => self.quiet_at(DISCONNECT_AFTER),
            TransportState::Disconnected => self.quiet_at(CONSENT_EXPIRES_AFTER),
            TransportState::Closed(_) => return None,
        };
        [Some(own), self.dtls.poll_timeout()].into_iter().flatten().min()
    }

    /// The next datagram to send, written over `buffer`.
    pub fn poll_transmit(&mut self, buffer: &mut Vec<u8>) -> Option<Route> {
        let (route, datagram) = self.transmits.pop_front()?;
        buffer.clear();
        buffer.extend_from_slice(&datagram);
        if self.transmits.is_empty() {
            // Flights come once in a session's life; thousands of sessions keep no room for the next.
            self.transmits = VecDeque::new();
        }
        Some(route)
    }

    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        let event = self.events.pop_front()?;
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
        Some(event)
    }

    /// New credentials from signaling (RFC 8445 section 9). DTLS and SRTP go on; so does the path in use,
    /// until the peer nominates one with the new credentials.
    pub fn restart_ice(&mut self, now: Instant, local: IceCredentials, remote: IceCredentials) {
        // The client has just asked for it over HTTP: it lives, and gets the time to check again.
        self.restarted = Some(now);
        if let Some(ufrag) = self.ice.restart(local, remote) {
            self.events.push_back(TransportEvent::UfragRetired(ufrag));
        }
    }

    /// The path is gone: its TCP connection was closed.
    pub fn handle_route_closed(&mut self, now: Instant, route: Route) {
        self.ice.forget(route);
        self.announce_route(now);
    }

    /// Says goodbye to the peer if it can be reached. Drain [`Self::poll_transmit`] once more.
    pub fn close(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        self.run_dtls(|dtls, send| {
            dtls.close(now, send);
            Ok(Progress::default())
        });
        self.end(TransportCloseReason::Requested);
    }

    pub fn state(&self) -> TransportState {
        self.state
    }

    pub fn route(&self) -> Option<Route> {
        self.ice.selected()
    }

    /// Whether a check has proven this path: media from it may be looked at.
    pub fn is_valid_route(&self, route: Route) -> bool {
        self.ice.is_valid(route)
    }

    /// When the last authentic check came from there.
    pub(crate) fn checked(&self, route: Route) -> Option<Instant> {
        self.ice.checked(route)
    }

    /// The one that began our handshake.
    pub(crate) fn client_hello(&self) -> Option<ClientHello> {
        self.dtls.client_hello()
    }

    /// Where the peer is, if it has finished a handshake of which everything was sent to that one address. A check
    /// proves less: its source can be forged.
    pub(crate) fn proven_route(&self) -> Option<Route> {
        match (self.state, self.flights) {
            (TransportState::Connected | TransportState::Disconnected, Flights::ToOne(route)) => Some(route),
            _ => None,
        }
    }

    /// The certificate that the peer has proven to hold the key of.
    pub(crate) fn peer(&self) -> Option<CertificateId> {
        let is_proven = matches!(self.state, TransportState::Connected | TransportState::Disconnected);
        self.dtls.peer().filter(|_| is_proven)
    }

    pub fn local_ufrag(&self) -> &str {
        self.ice.local_ufrag()
    }

    fn is_closed(&self) -> bool {
        matches!(self.state, TransportState::Closed(_))
    }

    /// Tells of a new selected route, and lets a DTLS client begin on the first.
    fn announce_route(&mut self, now: Instant) {
        let selected = self.ice.selected();
        if selected == self.announced {
            return;
        }
        self.announced = selected;
        if let Some(route) = selected {
            self.events.push_back(TransportEvent::RouteSelected(route));
            self.run_dtls(|dtls, send| dtls.start(now, send));
        }
    }

    /// True when the datagram that it was about could not be used.
    fn run_dtls(&mut self, step: impl FnOnce(&mut Dtls, &mut dyn FnMut(&[u8])) -> Result<Progress, DtlsError>) -> bool {
        let mut flight = Vec::new();
        let result = step(&mut self.dtls, &mut |packet| flight.push(packet.to_vec()));
        if let Some(route) = self.ice.selected().filter(|_| !flight.is_empty()) {
            self.flights = match self.flights {
                Flights::None => Flights::ToOne(route),
                Flights::ToOne(before) if before == route => self.flights,
                _ => Flights::ToSeveral,
            };
            for datagram in flight {
                self.transmit(route, datagram);
            }
        }
        match result {
            Ok(Progress { keys, peer_closed, refused }) => {
                if let Some(keys) = keys {
                    self.events.push_back(TransportEvent::Keys(keys));
                    self.change_state(TransportState::Connected);
                }
                if peer_closed {
                    self.end(TransportCloseReason::ClientClosed);
                }
                return refused;
            }
            Err(DtlsError::FingerprintMismatch) => self.end(TransportCloseReason::FingerprintMismatch),
            Err(DtlsError::NoSrtpProfile | DtlsError::Handshake) => self.end(TransportCloseReason::DtlsFailed),
            Err(DtlsError::EnginePanicked) => self.end(TransportCloseReason::EngineFault),
        }
        false
    }

    fn transmit(&mut self, route: Route, datagram: Vec<u8>) {
        // Whoever does not drain loses the newest: STUN and DTLS both repeat what was lost.
        if self.transmits.len() < TRANSMITS_MAX {
            self.transmits.push_back((route, datagram));
        }
    }

    fn revive(&mut self) {
        if self.state == TransportState::Disconnected {
            self.change_state(TransportState::Connected);
        }
    }

    /// When the peer will have been silent for `span`.
    fn quiet_at(&self, span: Duration) -> Instant {
        let heard = self.ice.heard().max(self.restarted);
        // Whoever is connected was heard; the connect deadline stands in for what cannot be.
        heard.map_or(self.connect_by, |heard| heard + span)
    }

    fn change_state(&mut self, state: TransportState) {
        if self.state != state {
            self.state = state;
            self.events.push_back(TransportEvent::StateChanged(state));
        }
    }

    fn end(&mut self, reason: TransportCloseReason) {
        if !self.is_closed() {
            self.state = TransportState::Closed(reason);
            self.events.push_back(TransportEvent::Closed(reason));
        }
    }
}

/// From the opening of a session to its keys.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Browsers check each 2.5 s at the least (libwebrtc's stable-writable interval), so two were missed.
const DISCONNECT_AFTER: Duration = Duration::from_secs(6);
/// RFC 7675 section 5.1.
const CONSENT_EXPIRES_AFTER: Duration = Duration::from_secs(30);
/// Datagrams that wait to be sent. A flight of DTLS has up to five.
const TRANSMITS_MAX: usize = 16;
const STUN_ANSWER_BYTES: usize = 96;
