//! Owns the certificate with which the listeners speak TLS: reads and checks its files, follows their renewal, makes
//! one for development, and keeps those that an authority gives by ACME; and reads which authorities this machine
//! trusts where it is a client. Never opens a socket.

#![forbid(unsafe_code)]

mod acme_directory;
mod authorities;
mod challenges;
mod development;
mod error;
mod facts;
mod files;
mod put;
mod requested;
mod served;

pub use acme_directory::AcmeDirectory;
pub use authorities::{machine_authorities, machine_roots};
pub use challenges::{ACME_PROTOCOL, Challenges};
pub use development::{Development, is_for_development, make_development_certificate};
pub use error::TlsError;
pub use facts::Facts;
pub use files::{PemFiles, provider as crypto_provider};
pub use requested::{Requested, request_certificate};
pub use served::{Renewal, ServedCertificate};
