//! Owns the certificates that are shown to an authority which looks whether a domain is served here (RFC 8737), and to
//! nobody else.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::server::ClientHello;
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::error::TlsError;
use crate::requested::challenge_certificate;

/// What an authority asks for above TLS (ALPN). Nothing is said then.
pub const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// One set, of however many copies.
#[derive(Debug, Clone, Default)]
pub struct Challenges(Arc<RwLock<HashMap<String, Arc<CertifiedKey>>>>);

impl Challenges {
    /// `digest` is that of the key authorization. Whoever asks for the domain is shown it from now on.
    pub fn expect(&self, domain: &str, digest: &[u8]) -> Result<(), TlsError> {
        let certificate = challenge_certificate(domain, digest)?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(domain.to_owned(), certificate);
        Ok(())
    }

    pub fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// None: the client wants to speak something else.
    pub(crate) fn asked(&self, hello: &ClientHello<'_>) -> Option<Challenge> {
        let mut offered = hello.alpn()?;
        if offered.next() != Some(ACME_PROTOCOL) || offered.next().is_some() {
            return None;
        }
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Challenge(hello.server_name().and_then(|name| all.get(&name.to_ascii_lowercase()).cloned())))
    }
}

/// None: nobody is expected to ask for this domain.
pub(crate) struct Challenge(pub Option<Arc<CertifiedKey>>);
