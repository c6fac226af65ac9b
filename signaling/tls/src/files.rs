//! Owns reading a certificate with its chain and its key from PEM files, and the check that they go together.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};

use crate::error::TlsError;
use crate::facts::Facts;

/// Where a certificate, followed by those that lead to its root, and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl PemFiles {
    /// What the certificate says, if the two files can be served.
    pub fn check(&self) -> Result<Facts, TlsError> {
        self.read().map(|(_, facts)| facts)
    }

    pub(crate) fn read(&self) -> Result<(Arc<CertifiedKey>, Facts), TlsError> {
        let chain = chain(&self.certificate)?;
        let bad = |why: String| TlsError::BadCertificate { file: self.certificate.clone(), why };
        let first = chain.first().ok_or_else(|| TlsError::NoCertificate(self.certificate.clone()))?;
        let facts = Facts::of(first).map_err(|why| bad(why.to_string()))?;
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key = key.map_err(|error| TlsError::of_pem(&self.key, error, TlsError::NoKey))?;
        let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::OtherKey { certificate: self.certificate.clone(), key: self.key.clone() }
            }
            Error::InvalidCertificate(why) => bad(format!("{why:?}")),
            why => TlsError::BadKey { file: self.key.clone(), why: why.to_string() },
        })?;
        Ok((Arc::new(certified), facts))
    }
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let of_pem = |error| TlsError::of_pem(file, error, TlsError::NoCertificate);
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(file).map_err(of_pem)?.collect::<Result<_, _>>().map_err(of_pem)?;
    if chain.is_empty() { Err(TlsError::NoCertificate(file.to_owned())) } else { Ok(chain) }
}

/// The same library that media is encrypted with.
pub fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}
