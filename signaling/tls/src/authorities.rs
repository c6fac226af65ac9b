//! Owns whom this machine trusts to vouch for others: its certificate authorities, or those that SSL_CERT_FILE and
//! SSL_CERT_DIR name. Never judges a certificate.

use rustls_native_certs::load_native_certs;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// Those that can be read now. Reading them takes a while.
pub fn machine_authorities() -> Vec<CertificateDer<'static>> {
    load_native_certs().certs
}

/// Those of them that rustls understands; with none of them this machine trusts nobody.
pub fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(machine_authorities());
    roots
}
