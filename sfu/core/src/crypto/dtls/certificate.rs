//! Owns our certificate and the settings of the engine that go with it: what all sessions of a worker share.

// The engine's interface takes its configuration as `Arc`; no packet touches the count.
#[expect(clippy::disallowed_types)]
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fingerprint::{Fingerprint, FingerprintHash};

/// Our ECDSA P-256 certificate with its key: one per worker, cheap to clone.
#[derive(Clone)]
#[expect(clippy::disallowed_types)]
pub struct Certificate(Arc<Identity>);

#[expect(clippy::disallowed_types)]
struct Identity {
    certificate: dimpl::DtlsCertificate,
    config: Arc<dimpl::Config>,
    fingerprint: Fingerprint,
}

impl Certificate {
    /// A fresh key pair and self-signed certificate. Draws random numbers and reads the wall clock: for
    /// the start of a worker, not for the media plane.
    pub fn generate() -> Result<Certificate, CertificateError> {
        Certificate::with_config(dimpl::Config::builder())
    }

    /// One that somebody else made, with its key, both as DER: for clients that show a worker what it does not expect.
    #[cfg(any(test, feature = "client"))]
    pub fn provided(certificate: Vec<u8>, private_key: Vec<u8>) -> Result<Certificate, CertificateError> {
        Certificate::of(dimpl::DtlsCertificate { certificate, private_key }, dimpl::Config::builder())
    }

    pub(super) fn with_config(config: dimpl::ConfigBuilder) -> Result<Certificate, CertificateError> {
        let certificate = dimpl::certificate::generate_self_signed_certificate().map_err(|_| CertificateError)?;
        Certificate::of(certificate, config)
    }

    fn of(certificate: dimpl::DtlsCertificate, config: dimpl::ConfigBuilder) -> Result<Certificate, CertificateError> {
        let config = config
            .mtu(DATAGRAM_BYTES_MAX)
            // The cookie proves an address; ours was proven by ICE, so it would only cost a round trip.
            .use_server_cookie(false)
            .flight_start_rto(FLIGHT_TIMEOUT)
            .flight_retries(FLIGHT_RETRIES_MAX)
            .build()
            .map_err(|_| CertificateError)?;
        let fingerprint = Fingerprint::of(FingerprintHash::Sha256, &certificate.certificate);
        #[expect(clippy::disallowed_types)]
        Ok(Certificate(Arc::new(Identity { certificate, config: Arc::new(config), fingerprint })))
    }

    pub(super) fn engine(&self, now: Instant) -> dimpl::Dtls {
        let Identity { certificate, config, .. } = &*self.0;
        dimpl::Dtls::new_auto(config.clone(), certificate.clone(), now)
    }

    /// For `a=fingerprint`.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.0.fingerprint
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no DTLS certificate could be made")]
pub struct CertificateError;

/// Largest datagram of a flight: below any path MTU that WebRTC meets.
pub(super) const DATAGRAM_BYTES_MAX: usize = 1_200;
/// First wait for an answer to a flight; doubles with each repeat. RFC 6347 section 4.2.4.1 allows less
/// than 1 s where it is known to do no harm: a viewer waits for its picture, and seven tries of 250 ms to
/// 16 s fill the 30 s that a session has to connect.
const FLIGHT_TIMEOUT: Duration = Duration::from_millis(250);
const FLIGHT_RETRIES_MAX: usize = 6;
