//! Decides which certificate a node speaks TLS with, and makes that for development. Refuses files that can't be served
//! before anything is started.

use std::net::IpAddr;
use std::time::SystemTime;

use chappe_signaling_tls::{Development, PemFiles, make_development_certificate};
use chappe_supervisor::{DevelopmentPlan, Role, TlsPlan};

use super::acme;
use super::paths::{absolute, state_directory};
use crate::failure::{Failure, usage};
use crate::node::flags::{Flags, TlsMode};
use crate::output;

pub fn plan(role: Role, flags: &Flags) -> Result<Option<TlsPlan>, Failure> {
    match (flags.tls.unwrap_or(TlsMode::Off), &flags.tls_cert, &flags.tls_key) {
        (TlsMode::Off | TlsMode::Dev, ..) if flags.acme_domain.is_some() || flags.acme_terms.is_some() => {
            usage("--acme-domain and --acme-terms go with --tls acme: say that, or leave them out")
        }
        (TlsMode::Off, None, None) => Ok(None),
        _ if !role.has_http() && flags.admin.is_none() => {
            usage("`chappe sfu` has no pages: leave --tls, --tls-cert and --tls-key out")
        }
        (TlsMode::Acme, None, None) => acme::plan(flags).map(Some),
        (TlsMode::Acme, ..) => usage("--tls acme gets a certificate: leave --tls-cert and --tls-key out"),
        (TlsMode::Dev, None, None) => development(flags).map(Some),
        (TlsMode::Dev, ..) => usage("--tls dev makes a certificate: leave --tls-cert and --tls-key out"),
        (TlsMode::Off, Some(certificate), Some(key)) => {
            let files = PemFiles { certificate: absolute(certificate), key: absolute(key) };
            let facts = files.check().map_err(|problem| Failure::Usage(format!("--tls-cert, --tls-key: {problem}")))?;
            let now = SystemTime::now();
            if facts.good_for(now).is_none() || facts.is_not_yet_good(now) {
                let file = certificate.display();
                output::note(format_args!("chappe: the certificate in {file} is not good now: too old, or not yet"));
            }
            Ok(Some(TlsPlan { certificate: files.certificate, key: files.key, development: None, acme: None }))
        }
        (TlsMode::Off, Some(_), None) => usage("--tls-cert goes with --tls-key FILE, which has its private key"),
        (TlsMode::Off, None, Some(_)) => usage("--tls-key goes with --tls-cert FILE, which has the certificate"),
    }
}

fn development(flags: &Flags) -> Result<TlsPlan, Failure> {
    let Some(directory) = state_directory() else {
        return usage("--tls dev keeps its authority in $XDG_STATE_HOME or ~/.local/state: set XDG_STATE_HOME or HOME");
    };
    let (addresses, names) = (addresses(flags), names());
    let hosts: Vec<String> = names.into_iter().chain(addresses.iter().map(ToString::to_string)).collect();
    let made = make_development_certificate(&directory.join("chappe/tls"), &hosts, SystemTime::now());
    let Development { files, authority } = made.map_err(|problem| Failure::Start(format!("--tls dev: {problem}")))?;
    let addresses = addresses.into_iter().filter(|ip| !ip.is_loopback()).collect();
    let development = Some(DevelopmentPlan { authority, addresses });
    Ok(TlsPlan { certificate: files.certificate, key: files.key, development, acme: None })
}

/// Of the machine, also as its neighbours find it by multicast DNS (RFC 6762).
fn names() -> Vec<String> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy().to_ascii_lowercase();
    let is_name = chappe_signaling::Host::parse(&name).is_some() && name.parse::<IpAddr>().is_err();
    let mut names = vec!["localhost".to_owned()];
    if is_name && name != "localhost" {
        names.extend((!name.contains('.')).then(|| format!("{name}.local")));
        names.push(name);
    }
    names
}

/// At which others reach it first.
fn addresses(flags: &Flags) -> Vec<IpAddr> {
    let own = if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip());
    let mut addresses = flags.public_ip.clone().unwrap_or_default();
    for ip in own {
        let is_link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        if addresses.len() < ADDRESSES_MAX && !is_link_local && !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    addresses
}

/// Machines with many bridges have hundreds.
const ADDRESSES_MAX: usize = 32;
