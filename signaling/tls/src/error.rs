//! Owns why a certificate can't be served, in words that name the file.

use std::path::PathBuf;

use tokio_rustls::rustls::pki_types::pem;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{} can't be read: {why}", file.display())]
    Unreadable { file: PathBuf, why: String },
    #[error("{} has no certificate in PEM form (-----BEGIN CERTIFICATE-----)", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} has no private key in PEM form (-----BEGIN PRIVATE KEY-----)", .0.display())]
    NoKey(PathBuf),
    #[error("{} holds a certificate that can't be understood: {why}", file.display())]
    BadCertificate { file: PathBuf, why: String },
    #[error("{} holds a private key that can't be used: {why}", file.display())]
    BadKey { file: PathBuf, why: String },
    #[error("the key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    OtherKey { certificate: PathBuf, key: PathBuf },
    #[error("a certificate can't be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error("the certificate of a challenge can't be used: {0}")]
    Challenge(String),
    #[error("certificates can't be kept in {}: {why}", directory.display())]
    Keep { directory: PathBuf, why: std::io::Error },
}

impl TlsError {
    /// `none` is the error of a file without the wanted part.
    pub(crate) fn of_pem(file: &std::path::Path, error: pem::Error, none: fn(PathBuf) -> TlsError) -> TlsError {
        match error {
            pem::Error::NoItemsFound => none(file.to_owned()),
            pem::Error::Io(why) => TlsError::Unreadable { file: file.to_owned(), why: why.to_string() },
            other => TlsError::Unreadable { file: file.to_owned(), why: other.to_string() },
        }
    }
}
