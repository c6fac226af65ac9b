//! Owns the choices of who may use the public listener of a node. Never judges a request.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::ParseError;

/// Who may publish and watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// No tokens, and only this machine can reach the listener.
    Open,
    /// No tokens; whoever reaches the listener may.
    Public,
    /// Whoever shows a token that permits it.
    Jwt,
}

impl Auth {
    pub const NAMES: [&str; 3] = ["open", "public", "jwt"];

    /// Without tokens, everyone who reaches the listener may publish and watch. That is only the default as long as
    /// nobody else can reach it.
    pub fn may_listen_at(self, listener: SocketAddr) -> bool {
        let is_loopback = match listener.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
        };
        self != Auth::Open || is_loopback
    }
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::Open => "open",
            Auth::Public => "public",
            Auth::Jwt => "jwt",
        })
    }
}

impl FromStr for Auth {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Auth, ParseError> {
        match text {
            "open" => Ok(Auth::Open),
            "public" => Ok(Auth::Public),
            "jwt" => Ok(Auth::Jwt),
            _ => Err(ParseError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_is_refused_where_others_can_reach_it() {
        for reachable in ["0.0.0.0:8080", "192.0.2.1:80", "[::]:8080", "[2001:db8::1]:80"] {
            let listener = reachable.parse().unwrap();
            assert!(!Auth::Open.may_listen_at(listener), "{reachable}");
            assert!(Auth::Public.may_listen_at(listener) && Auth::Jwt.may_listen_at(listener), "{reachable}");
        }
        for local in ["127.0.0.1:8080", "127.1.2.3:80", "[::1]:8080", "[::ffff:127.0.0.1]:80"] {
            assert!(Auth::Open.may_listen_at(local.parse().unwrap()), "{local}");
        }
    }

    #[test]
    fn its_names_are_read_again() {
        for name in Auth::NAMES {
            assert_eq!(name.parse::<Auth>().unwrap().to_string(), name);
        }
        assert!("JWT".parse::<Auth>().is_err());
    }
}
