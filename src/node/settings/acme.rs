//! Decides from which authority a node gets its certificate, and makes the folder that it is kept in. Refuses what the
//! authority would refuse before anything is started.

use std::time::SystemTime;

use chappe_signaling_tls::{AcmeDirectory, PemFiles};
use chappe_supervisor::{AcmePlan, TlsPlan};

use super::paths::{absolute, state_directory};
use crate::failure::{Failure, usage};
use crate::node::flags::Flags;

pub fn plan(flags: &Flags) -> Result<TlsPlan, Failure> {
    let Some(domains) = flags.acme_domain.clone() else {
        return usage("--tls acme needs the names that the certificate is for: --acme-domain live.example.org");
    };
    if flags.http.is_none_or(|http| http.ip().to_canonical().is_loopback()) && flags.acme_server.is_none() {
        return usage(
            "--tls acme proves to the authority that the domain leads here, and nobody else reaches --http: say --http \
             0.0.0.0:443",
        );
    }
    let server = flags.acme_server.clone().unwrap_or_else(|| LETS_ENCRYPT.to_owned());
    if flags.acme_terms.is_none() {
        return usage(format!(
            "--tls acme makes an account with {server}: read the terms of that authority (of Let's Encrypt: \
             https://letsencrypt.org/repository/) and say --acme-terms agreed"
        ));
    }
    let folder = flags.acme_state.as_deref().map(absolute);
    let Some(folder) = folder.or_else(|| state_directory().map(|state| state.join("chappe/acme"))) else {
        return usage("--tls acme keeps accounts and certificates: name a folder with --acme-state FOLDER");
    };
    let opened = AcmeDirectory::open(&folder, &name_of(&server), &domains, SystemTime::now());
    let directory = opened.map_err(|problem| Failure::Start(format!("--tls acme: {problem}")))?;
    let PemFiles { certificate, key } = directory.files();
    let acme = AcmePlan { server, domains, email: flags.acme_email.clone() };
    Ok(TlsPlan { certificate, key, development: None, acme: Some(acme) })
}

/// Of a folder: a certificate of a server for tries is not served as one of another server.
fn name_of(server: &str) -> String {
    let address = server.strip_prefix("https://").unwrap_or(server);
    address.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' }).collect()
}

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
