//! Owns the connecting side of a session, for the load generator and for tests: a controlling ICE agent with
//! one path, and DTLS above it. Gathers no candidates and leaves media to its user.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::crypto::dtls::{Certificate, Dtls, DtlsError, DtlsRole, Fingerprint, Progress};
use crate::net::Route;
use crate::transport::ice::IceCredentials;
use crate::transport::{TransportCloseReason, TransportEvent};
use crate::wire::stun::{Class, IceRole, Message, StunWriter, TransactionId};

pub struct ClientConfig {
    /// Where the worker is reached; handed back by [`ClientTransport::poll_transmit`].
    pub route: Route,
    /// Ours: opposite to the one that the worker has.
    pub role: DtlsRole,
    pub local: IceCredentials,
    pub remote: IceCredentials,
    /// The worker's certificate must match one of these.
    pub fingerprints: Vec<Fingerprint>,
    pub certificate: Certificate,
    /// Of the tie-breaker and the transaction ids.
    pub seed: u64,
}

/// Checks its one path until the worker answers, then keeps consent alive, and yields SRTP keys.
pub struct ClientTransport {
    route: Route,
    local: IceCredentials,
    remote: IceCredentials,
    dtls: Dtls,
    seed: u64,
    checks: u64,
    next_check: Instant,
    /// Ids of the checks that may still be answered, the newest last.
    outstanding: VecDeque<TransactionId>,
    connected: bool,
    closed: bool,
    transmits: VecDeque<Vec<u8>>,
    events: VecDeque<TransportEvent>,
}

impl ClientTransport {
    pub fn new(now: Instant, config: ClientConfig) -> ClientTransport {
        ClientTransport {
            route: config.route,
            local: config.local,
            remote: config.remote,
            dtls: Dtls::new(config.role, config.certificate, config.fingerprints),
            seed: config.seed,
            checks: 0,
            next_check: now,
            outstanding: VecDeque::new(),
            connected: false,
            closed: false,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The answer to a check, true if it is authentic and one of ours; or a check of a server that is a full ICE agent.
    pub fn handle_stun(&mut self, now: Instant, message: &[u8]) -> bool {
        let Ok(answer) = Message::parse(message) else { return false };
        if answer.class == Class::Request {
            self.answer_check(&answer);
            return false;
        }
        let is_ours = answer.class == Class::Success
            && answer.is_authentic(&self.remote.pwd)
            && self.outstanding.contains(&answer.transaction);
        if is_ours && !self.connected && !self.closed {
            self.connected = true;
            self.next_check = now + CONSENT_INTERVAL;
            self.events.push_back(TransportEvent::RouteSelected(self.route));
            self.run_dtls(|dtls, send| dtls.start(now, send));
        }
        is_ours
    }

    pub fn handle_dtls(&mut self, now: Instant, datagram: &[u8]) {
        if !self.closed {
            self.run_dtls(|dtls, send| dtls.handle_datagram(now, datagram, send));
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        self.run_dtls(|dtls, send| dtls.handle_timeout(now, send));
        if now >= self.next_check {
            self.next_check = now + if self.connected { CONSENT_INTERVAL } else { CHECK_INTERVAL };
            self.check();
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let dtls = self.dtls.poll_timeout();
        (!self.closed).then(|| dtls.map_or(self.next_check, |dtls| dtls.min(self.next_check)))
    }

    /// The next datagram to send, written over `buffer`.
    pub fn poll_transmit(&mut self, buffer: &mut Vec<u8>) -> Option<Route> {
        *buffer = self.transmits.pop_front()?;
        Some(self.route)
    }

    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    /// New credentials after an ICE restart; checks start at once.
    pub fn restart_ice(&mut self, now: Instant, local: IceCredentials, remote: IceCredentials) {
        self.local = local;
        self.remote = remote;
        self.next_check = now;
    }

    /// The path changed, as when a phone leaves the Wi-Fi; checks start at once.
    pub fn move_to(&mut self, now: Instant, route: Route) {
        self.route = route;
        self.next_check = now;
    }

    /// Says goodbye. Drain [`Self::poll_transmit`] once more.
    pub fn close(&mut self, now: Instant) {
        self.run_dtls(|dtls, send| {
            dtls.close(now, send);
            Ok(Progress::default())
        });
        self.end(TransportCloseReason::Requested);
    }

    /// Such a server sends nothing before it has heard this (RFC 8445 section 7.3).
    fn answer_check(&mut self, check: &Message<'_>) {
        if self.closed || !check.is_authentic(&self.local.pwd) {
            return;
        }
        let mut message = Vec::with_capacity(CHECK_BYTES);
        StunWriter::new(&mut message, Class::Success, check.transaction)
            .xor_mapped_address(self.route.remote())
            .integrity(&self.local.pwd)
            .finish();
        self.transmits.push_back(message);
    }

    fn check(&mut self) {
        let transaction = self.next_transaction();
        if self.outstanding.len() >= OUTSTANDING_MAX {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back(transaction);
        let mut message = Vec::with_capacity(CHECK_BYTES);
        StunWriter::new(&mut message, Class::Request, transaction)
            .username(&format!("{}:{}", self.remote.ufrag, self.local.ufrag))
            .role(IceRole::Controlling(self.seed))
            .priority(PRIORITY_PEER_REFLEXIVE)
            .use_candidate()
            .integrity(&self.remote.pwd)
            .finish();
        self.transmits.push_back(message);
    }

    fn next_transaction(&mut self) -> TransactionId {
        self.checks += 1;
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.seed.to_be_bytes());
        bytes[8..].copy_from_slice(&(self.checks as u32).to_be_bytes());
        TransactionId(bytes)
    }

    fn run_dtls(&mut self, step: impl FnOnce(&mut Dtls, &mut dyn FnMut(&[u8])) -> Result<Progress, DtlsError>) {
        let transmits = &mut self.transmits;
        let result = step(&mut self.dtls, &mut |packet| transmits.push_back(packet.to_vec()));
        match result {
            Ok(progress) => {
                self.events.extend(progress.keys.map(TransportEvent::Keys));
                if progress.peer_closed {
                    self.end(TransportCloseReason::ClientClosed);
                }
            }
            Err(DtlsError::FingerprintMismatch) => self.end(TransportCloseReason::FingerprintMismatch),
            Err(_) => self.end(TransportCloseReason::DtlsFailed),
        }
    }

    fn end(&mut self, reason: TransportCloseReason) {
        if !self.closed {
            self.closed = true;
            self.events.push_back(TransportEvent::Closed(reason));
        }
    }
}

/// RFC 8445 section 14.2: the pace of checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// What libwebrtc uses on a path that works.
const CONSENT_INTERVAL: Duration = Duration::from_millis(2_500);
const OUTSTANDING_MAX: usize = 64;
const CHECK_BYTES: usize = 128;
/// RFC 8445 section 5.1.2: type preference 110, one interface, component 1.
const PRIORITY_PEER_REFLEXIVE: u32 = (110 << 24) | (65_535 << 8) | 255;
