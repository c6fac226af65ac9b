//! Owns the certificate that is served now, and exchanges it for another one when its files have changed and are good.
//! Connections that stand keep theirs.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, ServerConfig};

use crate::challenges::{Challenge, Challenges};
use crate::error::TlsError;
use crate::facts::Facts;
use crate::files::{PemFiles, provider};

#[derive(Debug)]
pub struct ServedCertificate {
    files: PemFiles,
    now: Arc<Now>,
    /// Of the files that were read last, whether they were good or not.
    read: [Option<Stamp>; 2],
    /// Of the files at the last look: one that changes between two looks is not read while it is being written.
    seen: [Option<Stamp>; 2],
}

/// What a look at the files has led to.
#[derive(Debug)]
pub enum Renewal {
    Unchanged,
    Renewed(Facts),
    /// The one of before is served on.
    Refused(TlsError),
}

#[derive(Debug)]
struct Now {
    certificate: RwLock<Arc<CertifiedKey>>,
    challenges: Challenges,
}

/// Tells whether a file is another one than it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl ServedCertificate {
    pub fn load(files: PemFiles) -> Result<(ServedCertificate, Facts), TlsError> {
        // Before they are read: what changes meanwhile is read again.
        let stamps = stamps(&files);
        let (certified, facts) = files.read()?;
        let now = Arc::new(Now { certificate: RwLock::new(certified), challenges: Challenges::default() });
        Ok((ServedCertificate { files, now, read: stamps, seen: stamps }, facts))
    }

    /// For a listener: TLS 1.2 and 1.3, and these protocols above it (ALPN), the best first.
    pub fn server_config(&self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, Error> {
        let builder =
            ServerConfig::builder_with_provider(Arc::new(provider())).with_safe_default_protocol_versions()?;
        let now: Arc<dyn ResolvesServerCert> = Arc::clone(&self.now) as _;
        let mut config = builder.with_no_client_auth().with_cert_resolver(now);
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// What is shown to an authority instead. A listener that it can reach speaks `acme-tls/1`.
    pub fn challenges(&self) -> Challenges {
        self.now.challenges.clone()
    }

    /// Reads files that have changed, once they have been the same for two looks in a row.
    pub fn look_again(&mut self) -> Renewal {
        let stamps = stamps(&self.files);
        let settled = std::mem::replace(&mut self.seen, stamps) == stamps;
        if settled && self.read != stamps { self.read_again() } else { Renewal::Unchanged }
    }

    /// Reads them whether they have changed or not.
    pub fn read_again(&mut self) -> Renewal {
        self.read = stamps(&self.files);
        match self.files.read() {
            Ok((certified, facts)) => {
                *self.now.certificate.write().unwrap_or_else(PoisonError::into_inner) = certified;
                Renewal::Renewed(facts)
            }
            Err(error) => Renewal::Refused(error),
        }
    }
}

impl ResolvesServerCert for Now {
    /// One for all names: a browser says better than an aborted handshake what a wrong name means.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.challenges.asked(&hello) {
            Some(Challenge(certificate)) => certificate,
            None => Some(Arc::clone(&self.certificate.read().unwrap_or_else(PoisonError::into_inner))),
        }
    }
}

fn stamps(files: &PemFiles) -> [Option<Stamp>; 2] {
    [stamp(&files.certificate), stamp(&files.key)]
}

/// None: it is not there.
fn stamp(file: &Path) -> Option<Stamp> {
    let file = fs::metadata(file).ok()?;
    Some(Stamp { inode: file.ino(), bytes: file.len(), changed: (file.mtime(), file.mtime_nsec()) })
}

#[cfg(test)]
mod tests;
