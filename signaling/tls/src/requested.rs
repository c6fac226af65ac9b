//! Owns making what an authority wants to see before it gives a certificate by ACME (RFC 8555), and one of our own to
//! serve until then.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair};
use time::OffsetDateTime;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::error::TlsError;
use crate::files::provider;

/// A request for a certificate, and the key that it will be of.
#[derive(Debug)]
pub struct Requested {
    pub der: Vec<u8>,
    pub key_pem: String,
}

pub fn request_certificate(domains: &[String]) -> Result<Requested, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(domains)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key)?;
    Ok(Requested { der: request.der().to_vec(), key_pem: key.serialize_pem() })
}

/// Proves in a handshake that this domain is served here (RFC 8737 section 3). `digest` is that of the key authorization.
pub(crate) fn challenge_certificate(domain: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let signed = params.self_signed(&key)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|why| TlsError::Challenge(why.to_owned()))?;
    let key = provider().key_provider.load_private_key(key);
    let key = key.map_err(|why| TlsError::Challenge(why.to_string()))?;
    // Not looked into: the extension is critical, and unknown to whoever checks certificates of servers.
    Ok(Arc::new(CertifiedKey::new(vec![signed.der().clone()], key)))
}

/// A certificate that no browser trusts, with its key, in PEM form.
pub(crate) fn placeholder(domains: &[String], now: SystemTime) -> Result<String, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(domains)?;
    params.distinguished_name.push(DnType::CommonName, "Chappe, until there is a certificate");
    let now = OffsetDateTime::from(now);
    (params.not_before, params.not_after) = (now - DAY, now + PLACEHOLDER_DAYS * DAY);
    Ok(params.self_signed(&key)?.pem() + &key.serialize_pem())
}

const DAY: Duration = Duration::from_secs(86_400);
const PLACEHOLDER_DAYS: u32 = 30;
