//! Owns what a person or another node wants to know of a certificate: until when it is good, and for which names.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Error};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub not_before: SystemTime,
    pub not_after: SystemTime,
    /// Host names, also such as `*.example.org`.
    pub names: Vec<String>,
    pub addresses: Vec<IpAddr>,
    /// Nobody vouches for it but itself.
    pub is_self_signed: bool,
}

impl Facts {
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Facts, Error> {
        let certificate = Certificate::from_der(certificate)?;
        let certificate = certificate.tbs_certificate();
        let validity = certificate.validity();
        let mut facts = Facts {
            not_before: validity.not_before.to_system_time(),
            not_after: validity.not_after.to_system_time(),
            names: Vec::new(),
            addresses: Vec::new(),
            is_self_signed: certificate.issuer() == certificate.subject(),
        };
        let names = certificate.get_extension::<SubjectAltName>()?.map(|(_, names)| names.0).unwrap_or_default();
        for name in names {
            match name {
                GeneralName::DnsName(name) => facts.names.push(name.to_string()),
                GeneralName::IpAddress(bytes) => facts.addresses.extend(address(bytes.as_bytes())),
                _ => {}
            }
        }
        Ok(facts)
    }

    /// None: it has expired.
    pub fn good_for(&self, now: SystemTime) -> Option<Duration> {
        self.not_after.duration_since(now).ok()
    }

    pub fn is_not_yet_good(&self, now: SystemTime) -> bool {
        now < self.not_before
    }

    /// When another one is wanted: with a third of its time left, or half of it where that is short.
    pub fn renew_at(&self) -> SystemTime {
        let lifetime = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.not_after - if lifetime <= SHORT_LIFETIME { lifetime / 2 } else { lifetime / 3 }
    }

    /// Whether it is for all of these names.
    pub fn covers(&self, domains: &[String]) -> bool {
        domains.iter().all(|domain| self.names.contains(domain))
    }

    /// Hosts that stand in URLs, as they stand there. A name with a star is no host, and `localhost` is everybody's own.
    pub fn hosts(&self) -> Vec<String> {
        let names = self.names.iter().filter(|name| !name.contains('*') && !is_loopback_name(name)).cloned();
        let addresses = self.addresses.iter().filter(|ip| !ip.is_loopback()).map(bracketed);
        names.chain(addresses).collect()
    }

    /// The same for a listener that only this machine reaches: its names for itself, and the address that is listened on.
    pub fn hosts_here(&self, listener: IpAddr) -> Vec<String> {
        let names = self.names.iter().filter(|name| is_loopback_name(name)).cloned();
        names.chain(self.addresses.iter().filter(|ip| **ip == listener).map(bracketed)).collect()
    }
}

/// As it stands in a URL.
fn bracketed(ip: &IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

fn is_loopback_name(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// RFC 5280 section 4.2.1.6: four or sixteen octets.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

const SHORT_LIFETIME: Duration = Duration::from_secs(10 * 86_400);
