//! Owns the certificate with which the listeners speak TLS: reads and checks its files, follows their renewal, and
//! makes one for development. Never opens a socket.

#![forbid(unsafe_code)]

mod development;
mod error;
mod facts;
mod files;
mod served;

pub use development::{Development, make_development_certificate};
pub use error::TlsError;
pub use facts::Facts;
pub use files::{PemFiles, provider as crypto_provider};
pub use served::{Renewal, ServedCertificate};
