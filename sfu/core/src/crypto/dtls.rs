//! Owns DTLS-SRTP of one session: handshake, the check of the peer's certificate, the SRTP keys. The only
//! code that names the DTLS engine (`dimpl`), which draws its own random numbers. Never knows an address.

mod certificate;
mod fingerprint;
mod gate;
mod role;

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use dimpl::{CloseNotifyReader, Output, SecurityError, SrtpProfile};

use crate::crypto::srtp::{MasterKey, MasterKeys, Profile};
pub use certificate::{Certificate, CertificateError};
pub(crate) use fingerprint::CertificateId;
pub use fingerprint::{Fingerprint, FingerprintHash, ParseFingerprintError};
pub(crate) use gate::{ClientHello, is_plaintext};
pub use role::DtlsRole;

/// What a handshake yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    pub profile: Profile,
    /// Protects what we send.
    pub seal: MasterKey,
    /// Opens what we receive.
    pub open: MasterKey,
}

/// Why a handshake ended. None of it can be mended: the session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    #[error("the certificate of the peer matches none of its fingerprints")]
    FingerprintMismatch,
    #[error("the peer offers no SRTP profile of ours")]
    NoSrtpProfile,
    #[error("the DTLS handshake failed")]
    Handshake,
    #[error("the DTLS engine panicked")]
    EnginePanicked,
}

/// What came of one call.
#[derive(Debug, Default)]
pub struct Progress {
    pub keys: Option<SrtpKeys>,
    /// The peer said goodbye with close_notify.
    pub peer_closed: bool,
    /// Nothing of the datagram could be used.
    pub refused: bool,
}

pub struct Dtls {
    role: DtlsRole,
    certificate: Certificate,
    fingerprints: Vec<Fingerprint>,
    stage: Stage,
    /// The certificate that the peer has shown, once it is one of the fingerprints.
    peer: Option<CertificateId>,
    /// Something was sent by the engine at work: the peer may build on it.
    answered: bool,
    /// What began the handshake of a server.
    hello: Option<ClientHello>,
    timeout: Option<Instant>,
}

enum Stage {
    /// A client that was not started, or a server that nobody has spoken to.
    Idle,
    Handshake(Box<dimpl::Dtls>),
    /// Repeats the last flight to a peer that missed it, until the instant given.
    Connected(Box<dimpl::Dtls>, Instant),
    /// Keys are out and the peer has its last flight. The engine would hold on to 15 kB per viewer, half of what a
    /// session may have, for the sake of two goodbyes: so ours is written beforehand, and the peer's needs one key.
    Released {
        goodbye: Vec<u8>,
        reader: Option<Box<CloseNotifyReader>>,
    },
    /// Closed, or failed.
    Ended,
}

impl Dtls {
    pub fn new(role: DtlsRole, certificate: Certificate, fingerprints: Vec<Fingerprint>) -> Dtls {
        let stage = Stage::Idle;
        Dtls { role, certificate, fingerprints, stage, peer: None, answered: false, hello: None, timeout: None }
    }

    /// A client sends its ClientHello; nothing otherwise.
    pub fn start(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) -> Result<Progress, DtlsError> {
        self.contained(|dtls| dtls.start_engine(now, send))
    }

    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
        send: &mut dyn FnMut(&[u8]),
    ) -> Result<Progress, DtlsError> {
        self.contained(|dtls| dtls.take_datagram(now, datagram, send))
    }

    pub fn handle_timeout(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) -> Result<Progress, DtlsError> {
        if self.timeout.is_none_or(|at| now < at) {
            return Ok(Progress::default());
        }
        self.contained(|dtls| dtls.take_timeout(now, send))
    }

    /// The engine is a library that reads what strangers write: a panic in it costs the session that it belongs to,
    /// and nobody else's. What it left half done is never looked at again.
    fn contained(
        &mut self,
        step: impl FnOnce(&mut Dtls) -> Result<Progress, DtlsError>,
    ) -> Result<Progress, DtlsError> {
        catch_unwind(AssertUnwindSafe(|| step(self))).unwrap_or_else(|_| {
            self.end();
            Err(DtlsError::EnginePanicked)
        })
    }

    fn start_engine(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) -> Result<Progress, DtlsError> {
        if !matches!((&self.stage, self.role), (Stage::Idle, DtlsRole::Client)) {
            return Ok(Progress::default());
        }
        let mut engine = self.engine(now);
        engine.set_active(true);
        engine.handle_timeout(now).map_err(|_| DtlsError::Handshake)?;
        self.stage = Stage::Handshake(Box::new(engine));
        self.drain(now, send)
    }

    fn take_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
        send: &mut dyn FnMut(&[u8]),
    ) -> Result<Progress, DtlsError> {
        if matches!((&self.stage, self.role), (Stage::Idle, DtlsRole::Server)) {
            self.stage = Stage::Handshake(Box::new(self.engine(now)));
        }
        if !self.answered {
            self.hello = ClientHello::begun_by(datagram).or(self.hello);
        }
        let refused = match &mut self.stage {
            Stage::Idle | Stage::Ended => return Ok(Progress::default()),
            Stage::Released { reader, .. } => {
                let peer_closed = reader.as_mut().is_some_and(|reader| reader.is_close_notify(datagram));
                if peer_closed {
                    self.end();
                }
                return Ok(Progress { peer_closed, ..Progress::default() });
            }
            Stage::Handshake(engine) | Stage::Connected(engine, _) => {
                let admitted = gate::admit(self.role, datagram);
                if admitted.is_empty() {
                    return Ok(Progress { refused: true, ..Progress::default() });
                }
                feed(engine, now, &admitted)? == Fed::Refused
            }
        };
        let answered = self.answered;
        let progress = Progress { refused, ..self.drain(now, send)? };
        // A ClientHello that came to nothing, and all that belonged to it, is forgotten: the next one may do better.
        if refused && !answered && matches!((&self.stage, self.role), (Stage::Handshake(_), DtlsRole::Server)) {
            self.stage = Stage::Idle;
            (self.hello, self.timeout) = (None, None);
        }
        Ok(progress)
    }

    fn take_timeout(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) -> Result<Progress, DtlsError> {
        if let Stage::Connected(_, until) = self.stage
            && now >= until
        {
            self.release(now);
            return Ok(Progress::default());
        }
        if let Some(engine) = self.stage.engine() {
            engine.handle_timeout(now).map_err(|_| DtlsError::Handshake)?;
        }
        self.drain(now, send)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    pub(crate) fn client_hello(&self) -> Option<ClientHello> {
        self.hello
    }

    /// The peer's certificate. That it holds the key of it is proven once the handshake is complete.
    pub(crate) fn peer(&self) -> Option<CertificateId> {
        self.peer
    }

    /// Says goodbye with close_notify, if there is anyone to understand it.
    pub fn close(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) {
        if catch_unwind(AssertUnwindSafe(|| self.release(now))).is_err() {
            self.end();
        }
        if let Stage::Released { goodbye, .. } = &self.stage
            && !goodbye.is_empty()
        {
            send(goodbye);
        }
        self.end();
    }

    /// Lets the engine of a finished handshake go and keeps its close_notify. It stays good for as long as
    /// the association: its sequence number is the next, and no other record takes it.
    fn release(&mut self, now: Instant) {
        let Stage::Connected(engine, _) = &mut self.stage else { return };
        let mut goodbye = Vec::new();
        let mut buffer = [0; POLL_BUFFER_BYTES];
        if engine.handle_timeout(now).is_ok() && engine.close().is_ok() {
            loop {
                match engine.poll_output(&mut buffer) {
                    // The alert is the last; what may come before it is of no use any more.
                    Output::Packet(packet) => goodbye = packet.to_vec(),
                    Output::Timeout(_) | Output::BufferTooSmall { .. } => break,
                    _ => {}
                }
            }
        }
        goodbye.shrink_to_fit();
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        let Stage::Connected(engine, _) = stage else { return };
        self.stage = Stage::Released { goodbye, reader: engine.into_close_notify_reader().map(Box::new) };
        self.timeout = None;
    }

    /// Speaks 1.2 and 1.3: as a client, by one ClientHello that servers of both understand; as a server, it
    /// decides once the ClientHello is whole (with a post-quantum key share it spans two datagrams).
    fn engine(&self, now: Instant) -> dimpl::Dtls {
        self.certificate.engine(now)
    }

    fn drain(&mut self, now: Instant, send: &mut dyn FnMut(&[u8])) -> Result<Progress, DtlsError> {
        let mut progress = Progress::default();
        let mut small = [0; POLL_BUFFER_BYTES];
        let mut large = Vec::new();
        let mut connected = false;
        loop {
            let Some(engine) = self.stage.engine() else { return Ok(progress) };
            let buffer = if large.is_empty() { &mut small[..] } else { &mut large[..] };
            match engine.poll_output(buffer) {
                Output::Packet(packet) => {
                    self.answered = true;
                    send(packet);
                }
                Output::BufferTooSmall { needed } => large.resize(needed, 0),
                Output::PeerCert(der) => {
                    if !self.fingerprints.iter().any(|fingerprint| fingerprint.matches(der)) {
                        self.end();
                        return Err(DtlsError::FingerprintMismatch);
                    }
                    self.peer = Some(CertificateId::of(der));
                }
                Output::Connected => connected = true,
                Output::KeyingMaterial(material, profile) => {
                    // No key leaves this file before its owner has shown the certificate of the offer.
                    if self.peer.is_none() {
                        self.end();
                        return Err(DtlsError::FingerprintMismatch);
                    }
                    progress.keys = Some(self.keys(&material, profile)?);
                }
                Output::CloseNotify => progress.peer_closed = true,
                Output::Timeout(at) => {
                    // An engine that is stuck wants to be woken at once, for ever.
                    let at = at.max(now + WAKE_INTERVAL_MIN);
                    self.timeout = Some(match self.stage {
                        Stage::Connected(_, until) => at.min(until),
                        _ => at,
                    });
                    break;
                }
                // Application data is SCTP: there are no data channels on a worker.
                _ => {}
            }
        }
        if connected {
            if progress.keys.is_none() {
                self.end();
                return Err(DtlsError::NoSrtpProfile);
            }
            self.stage = match std::mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Handshake(engine) => Stage::Connected(engine, now + LINGER),
                other => other,
            };
            self.timeout = self.timeout.map(|at| at.min(now + LINGER));
        }
        if progress.peer_closed {
            self.end();
        }
        Ok(progress)
    }

    fn keys(&self, material: &[u8], profile: SrtpProfile) -> Result<SrtpKeys, DtlsError> {
        let profile = match profile {
            SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
            SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
            _ => return Err(DtlsError::NoSrtpProfile),
        };
        let MasterKeys { client, server } =
            MasterKeys::from_exporter(profile, material).map_err(|_| DtlsError::NoSrtpProfile)?;
        Ok(match self.role {
            DtlsRole::Client => SrtpKeys { profile, seal: client, open: server },
            DtlsRole::Server => SrtpKeys { profile, seal: server, open: client },
        })
    }

    fn end(&mut self) {
        self.stage = Stage::Ended;
        self.timeout = None;
    }
}

impl Stage {
    fn engine(&mut self) -> Option<&mut dimpl::Dtls> {
        match self {
            Stage::Handshake(engine) | Stage::Connected(engine, _) => Some(engine),
            Stage::Idle | Stage::Released { .. } | Stage::Ended => None,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Fed {
    Taken,
    /// The engine could do nothing with it.
    Refused,
}

/// Nobody vouches for a datagram before the handshake is complete, and the gate lets only protected alerts pass: so an
/// error ends nothing but a fatal alert does. A peer that can't go on is given up when its time to connect is over.
fn feed(engine: &mut dimpl::Dtls, now: Instant, datagram: &[u8]) -> Result<Fed, DtlsError> {
    engine.handle_timeout(now).map_err(|_| DtlsError::Handshake)?;
    match engine.handle_packet(datagram) {
        Ok(()) => Ok(Fed::Taken),
        Err(dimpl::Error::SecurityError(SecurityError::FatalAlert { .. })) => Err(DtlsError::Handshake),
        // What is queued up will not be looked at later, but what we have may still complete the flight.
        Err(dimpl::Error::ReceiveQueueFull) => Ok(Fed::Taken),
        Err(_) => Ok(Fed::Refused),
    }
}

/// How long the last flight can be repeated: three tries of a client that starts with 1 s (RFC 6347).
const LINGER: Duration = Duration::from_secs(10);
/// Shortest wait for the engine's next deadline: what it had to do now is done.
const WAKE_INTERVAL_MIN: Duration = Duration::from_millis(5);
const POLL_BUFFER_BYTES: usize = 2_048;
