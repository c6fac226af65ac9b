//! Owns how the cluster's NATS servers are written down: the cluster URL and what follows from it. Never reads a file
//! and never shows a secret.

mod percent;

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use percent::decode;

/// Which servers to use, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsConfig {
    /// `nats://HOST:PORT` or `tls://HOST:PORT`, without user and password.
    pub servers: Vec<String>,
    pub credentials: Credentials,
    /// Where it is Some, or a server is `tls://`, nothing is sent in the clear.
    pub tls: Option<NatsTls>,
    /// What this node is called in the servers' own lists of connections.
    pub client_name: String,
    /// What this cluster's bucket and subjects begin with, so that several clusters can share servers.
    pub prefix: String,
    /// Copies of the store, if there are as many servers.
    pub replicas: u8,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    None,
    UserPassword {
        user: String,
        password: String,
    },
    Token(String),
    /// A `.creds` file as `nsc` writes it: a user's JWT and seed.
    CredentialsFile(PathBuf),
    /// A file with the seed of an nkey, `SU…`.
    NkeySeedFile(PathBuf),
}

/// Certificates, each a PEM file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatsTls {
    /// Whom to trust instead of the system's authorities.
    pub ca: Option<PathBuf>,
    /// This node's own certificate and its key, for servers that ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadClusterUrl {
    #[error("a cluster URL begins with nats:// or tls://; write for example nats://10.0.0.1:4222,10.0.0.2:4222")]
    Scheme,
    #[error("the cluster URL names no server; write for example nats://10.0.0.1:4222")]
    NoServer,
    #[error("server {number} of the cluster URL is not HOST or HOST:PORT; write for example 10.0.0.1:4222")]
    Server { number: usize },
    #[error("write user and password once, before the first server: nats://USER:PASSWORD@HOST1,HOST2")]
    UserTwice,
    #[error(
        "user and password of the cluster URL are not understood; in them write %40 for @, %3F for ?, %25 for %, \
         %3A for : and %2F for /"
    )]
    User,
    #[error("the cluster URL gives credentials twice; choose one of USER:PASSWORD@, token=, creds= and nkey=")]
    CredentialsTwice,
    #[error("the cluster URL has no option {name:?}; there are {OPTION_NAMES}")]
    Option { name: String },
    #[error("the option {name} of the cluster URL is not understood; write {expected}")]
    Value { name: &'static str, expected: &'static str },
    #[error("tls_cert and tls_key of the cluster URL belong together; write both or neither")]
    HalfCertificate,
}

impl NatsConfig {
    /// Takes `nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT][,HOST[:PORT]…][?OPTION=VALUE[&…]]`.
    pub fn parse(url: &str) -> Result<NatsConfig, BadClusterUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(BadClusterUrl::Scheme)?;
        if !matches!(scheme, "nats" | "tls") {
            return Err(BadClusterUrl::Scheme);
        }
        let (authority, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        let mut config = NatsConfig {
            servers: servers(scheme, hosts)?,
            credentials: user.map_or(Ok(Credentials::None), Credentials::of_user_info)?,
            tls: (scheme == "tls").then(NatsTls::default),
            client_name: "chappe".to_owned(),
            prefix: "chappe".to_owned(),
            replicas: REPLICAS_DEFAULT,
        };
        config.take_options(options)?;
        Ok(config)
    }

    /// Those that it names, each with its option.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let credentials = match &self.credentials {
            Credentials::CredentialsFile(file) => Some(("creds", file.as_path())),
            Credentials::NkeySeedFile(file) => Some(("nkey", file.as_path())),
            _ => None,
        };
        let tls = self.tls.iter().flat_map(|NatsTls { ca, certificate }| {
            let pair = certificate.iter().flat_map(|(certificate, key)| [("tls_cert", certificate), ("tls_key", key)]);
            ca.iter().map(|ca| ("tls_ca", ca)).chain(pair).map(|(option, file)| (option, file.as_path()))
        });
        credentials.into_iter().chain(tls)
    }

    fn take_options(&mut self, options: &str) -> Result<(), BadClusterUrl> {
        let (mut certificate, mut key) = (None, None);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let name = OPTIONS.iter().find(|known| **known == name);
            let Some(name) = name.copied() else { return Err(BadClusterUrl::option(option)) };
            let value = decode(value).filter(|value| !value.is_empty());
            let value = value.ok_or(BadClusterUrl::Value { name, expected: "a value after =" })?;
            match name {
                "creds" => self.set_credentials(Credentials::CredentialsFile(value.into()))?,
                "nkey" => self.set_credentials(Credentials::NkeySeedFile(value.into()))?,
                "token" => self.set_credentials(Credentials::Token(value))?,
                "tls_ca" => self.tls.get_or_insert_default().ca = Some(value.into()),
                "tls_cert" => certificate = Some(value.into()),
                "tls_key" => key = Some(value.into()),
                "replicas" => self.replicas = replicas(&value)?,
                "prefix" => self.prefix = prefix(value)?,
                _ => return Err(BadClusterUrl::option(option)),
            }
        }
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                self.tls.get_or_insert_default().certificate = Some((certificate, key));
                Ok(())
            }
            (None, None) => Ok(()),
            _ => Err(BadClusterUrl::HalfCertificate),
        }
    }

    fn set_credentials(&mut self, credentials: Credentials) -> Result<(), BadClusterUrl> {
        if self.credentials != Credentials::None {
            return Err(BadClusterUrl::CredentialsTwice);
        }
        self.credentials = credentials;
        Ok(())
    }
}

impl Credentials {
    /// What stands before the `@`: a user and a password, or, alone, a token.
    fn of_user_info(text: &str) -> Result<Credentials, BadClusterUrl> {
        if text.contains("://") {
            return Err(BadClusterUrl::UserTwice);
        }
        let part = |text: &str| decode(text).filter(|text| !text.is_empty()).ok_or(BadClusterUrl::User);
        match text.split_once(':') {
            Some((user, password)) => Ok(Credentials::UserPassword { user: part(user)?, password: part(password)? }),
            None => Ok(Credentials::Token(part(text)?)),
        }
    }
}

/// Without what is secret in it.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::None => f.write_str("None"),
            Credentials::UserPassword { user, .. } => write!(f, "UserPassword {{ user: {user:?}, .. }}"),
            Credentials::Token(_) => f.write_str("Token(..)"),
            Credentials::CredentialsFile(path) => f.debug_tuple("CredentialsFile").field(path).finish(),
            Credentials::NkeySeedFile(path) => f.debug_tuple("NkeySeedFile").field(path).finish(),
        }
    }
}

impl BadClusterUrl {
    /// Names the option, but not what may be the end of a password with a `?` in it.
    fn option(option: &str) -> BadClusterUrl {
        let name = option.split_once('=').map_or(option, |(name, _)| name);
        if option.contains('@') { BadClusterUrl::User } else { BadClusterUrl::Option { name: name.to_owned() } }
    }
}

const OPTIONS: [&str; 8] = ["creds", "nkey", "token", "tls_ca", "tls_cert", "tls_key", "replicas", "prefix"];
const OPTION_NAMES: &str = "creds, nkey, token, tls_ca, tls_cert, tls_key, replicas and prefix";
/// Survives the loss of one server.
const REPLICAS_DEFAULT: u8 = 3;
/// What NATS takes.
const REPLICAS_MAX: u8 = 5;
const PREFIX_LENGTH_MAX: usize = 64;
const PORT_DEFAULT: u16 = 4222;

fn servers(scheme: &str, hosts: &str) -> Result<Vec<String>, BadClusterUrl> {
    if hosts.is_empty() {
        return Err(BadClusterUrl::NoServer);
    }
    let written = hosts.split(',').enumerate();
    let read = written.map(|(index, text)| {
        let text = text.trim();
        // The scheme may be repeated, as NATS' own tools write it.
        let text = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")).unwrap_or(text);
        let (host, port) = host_and_port(text).ok_or(BadClusterUrl::Server { number: index + 1 })?;
        Ok(format!("{scheme}://{host}:{port}"))
    });
    read.collect()
}

fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (host, port) = match text.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address.
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok().filter(|port| *port > 0)?),
        _ => (text, PORT_DEFAULT),
    };
    let good = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
    };
    good.then_some((host, port))
}

fn replicas(value: &str) -> Result<u8, BadClusterUrl> {
    let number = value.parse().ok().filter(|number| (1..=REPLICAS_MAX).contains(number));
    number.ok_or(BadClusterUrl::Value { name: "replicas", expected: "1 to 5, better an odd number" })
}

/// What NATS takes as the name of a bucket.
fn prefix(value: String) -> Result<String, BadClusterUrl> {
    let good = value.len() <= PREFIX_LENGTH_MAX && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    let expected = "letters, digits, - and _, at most 64";
    if good { Ok(value) } else { Err(BadClusterUrl::Value { name: "prefix", expected }) }
}

#[cfg(test)]
mod tests;
