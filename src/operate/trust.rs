//! Owns whom a command trusts to vouch for a listener that it asks: an authority that its flag names, or those of the
//! machine.

use std::path::Path;
use std::sync::Arc;

use chappe_signaling_tls::{crypto_provider, machine_authorities};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::failure::{Failure, usage};

pub fn tls_config(flag: &str, authority: Option<&Path>) -> Result<TlsConfig, Failure> {
    let roots = match authority {
        Some(file) => read(flag, file)?,
        None => machine_authorities().iter().map(|authority| Certificate::from_der(authority).to_owned()).collect(),
    };
    let config = TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(roots)));
    Ok(config.unversioned_rustls_crypto_provider(Arc::new(crypto_provider())).build())
}

fn read(flag: &str, file: &Path) -> Result<Vec<Certificate<'static>>, Failure> {
    let name = file.display();
    let text = std::fs::read(file).map_err(|error| Failure::Usage(format!("{flag} {name} can't be read: {error}")))?;
    let certificates = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    match certificates.collect::<Vec<_>>() {
        none if none.is_empty() => usage(format!("{flag} {name} has no certificate in PEM form")),
        found => Ok(found),
    }
}
