//! Owns one synthetic client's transport: a UDP socket, ICE, DTLS and the SRTP contexts. Never decides what
//! to publish or to watch.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use chappe_sfu_core::client::{ClientConfig, ClientTransport};
use chappe_sfu_core::dtls::{Certificate, Fingerprint};
use chappe_sfu_core::ice::IceCredentials;
use chappe_sfu_core::srtp::{Opener, Sealer};
use chappe_sfu_core::transport::TransportEvent;
use chappe_sfu_core::{DatagramKind, Route, classify};
use rand::RngExt;

use crate::arrival;
use crate::http::Created;
use crate::offer::{Identity, SdpAnswer};

/// A client that has sent its offer and got its answer.
pub struct Client {
    socket: UdpSocket,
    transport: ClientTransport,
    pub created: Created,
    sealer: Option<Sealer>,
    opener: Option<Opener>,
    route: Route,
    last_heard: Instant,
    overflowed: u32,
    buffer: Vec<u8>,
}

/// A datagram of media or of its control, still sealed.
pub struct Arrival<'a> {
    pub kind: DatagramKind,
    pub bytes: &'a mut [u8],
    /// When the kernel got it.
    pub at: SystemTime,
}

/// Draws who this client is.
pub fn identity(certificate: &Certificate) -> Identity {
    let fingerprint = certificate.fingerprint();
    Identity {
        ufrag: random_text(8),
        pwd: random_text(24),
        fingerprint: format!("{} {fingerprint}", fingerprint.hash().name()),
    }
}

impl Client {
    pub fn new(identity: Identity, certificate: &Certificate, created: Created) -> Result<Client> {
        let answer = SdpAnswer::parse(&created.sdp)?;
        let any = if answer.remote.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).context("binding a client: is `ulimit -n` large enough?")?;
        socket.connect(answer.remote)?;
        arrival::prepare(&socket)?;
        let (hash, value) = answer.fingerprint.split_once(' ').context("the answer's fingerprint has no value")?;
        let route = Route::Udp { remote: answer.remote, local: None };
        let config = ClientConfig {
            route,
            role: answer.role,
            local: IceCredentials { ufrag: identity.ufrag, pwd: identity.pwd },
            remote: IceCredentials { ufrag: answer.ufrag, pwd: answer.pwd },
            fingerprints: vec![Fingerprint::parse(hash, value)?],
            certificate: certificate.clone(),
            seed: rand::rng().random(),
        };
        let now = Instant::now();
        let transport = ClientTransport::new(now, config);
        let buffer = Vec::with_capacity(2048);
        let (sealer, opener) = (None, None);
        Ok(Client { socket, transport, created, sealer, opener, route, last_heard: now, overflowed: 0, buffer })
    }

    pub fn is_connected(&self) -> bool {
        self.sealer.is_some()
    }

    /// Reads all that waits, hands media to `media`, answers the rest, and keeps consent alive.
    pub fn turn(&mut self, mut media: impl FnMut(&mut Opener, Arrival<'_>)) -> Result<()> {
        let mut bytes = [0u8; DATAGRAM_BYTES_MAX];
        while let Some(arrival::ReadDatagram { length, at, overflowed }) = arrival::receive(&self.socket, &mut bytes) {
            self.overflowed = self.overflowed.max(overflowed);
            let datagram = &mut bytes[..length];
            match classify(datagram) {
                Some(DatagramKind::Stun) => {
                    let now = Instant::now();
                    if self.transport.handle_stun(now, datagram) {
                        self.last_heard = now;
                    }
                }
                Some(DatagramKind::Dtls) => self.transport.handle_dtls(Instant::now(), datagram),
                Some(kind) => {
                    if let Some(opener) = &mut self.opener {
                        self.last_heard = Instant::now();
                        media(opener, Arrival { kind, bytes: datagram, at });
                    }
                }
                None => {}
            }
        }
        let now = Instant::now();
        if self.transport.poll_timeout().is_some_and(|timeout| timeout <= now) {
            self.transport.handle_timeout(now);
        }
        self.take_events()?;
        self.flush();
        Ok(())
    }

    /// When the server last answered a check or sent media; before that, when this client began.
    pub fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// Datagrams that the kernel threw away because this client did not read them in time.
    pub fn overflowed(&self) -> u32 {
        self.overflowed
    }

    /// Sends a check now, not when consent is next due: a server that lives answers it at once.
    pub fn probe(&mut self) {
        self.transport.move_to(Instant::now(), self.route);
    }

    /// Seals and sends one packet; what the socket does not take is lost, as on any network.
    pub fn send_rtp(&mut self, index: u64, header: &[u8], payload: &[u8]) {
        let Some(sealer) = &self.sealer else { return };
        let mut out = [0u8; DATAGRAM_BYTES_MAX];
        if let Some(length) = sealer.seal_rtp(index, header, payload, &mut out) {
            let _ = self.socket.send(&out[..length]);
        }
    }

    /// The same of what it says of what it gets.
    pub fn send_rtcp(&mut self, packet: &[u8]) {
        let Some(sealer) = &mut self.sealer else { return };
        let mut out = [0u8; DATAGRAM_BYTES_MAX];
        if let Some(length) = sealer.seal_rtcp(packet, &mut out) {
            let _ = self.socket.send(&out[..length]);
        }
    }

    pub fn close(&mut self) {
        self.transport.close(Instant::now());
        self.flush();
    }

    fn take_events(&mut self) -> Result<()> {
        while let Some(event) = self.transport.poll_event() {
            match event {
                TransportEvent::Keys(keys) => {
                    self.sealer = Some(Sealer::from_master(keys.seal)?);
                    self.opener = Some(Opener::from_master(keys.open)?);
                }
                TransportEvent::Closed(reason) => anyhow::bail!("the server ended a session: {reason:?}"),
                _ => {}
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
        while self.transport.poll_transmit(&mut self.buffer).is_some() {
            let _ = self.socket.send(&self.buffer);
        }
    }

    pub fn remote(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()
    }
}

/// ICE characters (RFC 8445 section 5.3), drawn anew for each client.
fn random_text(length: usize) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

const DATAGRAM_BYTES_MAX: usize = 2048;
