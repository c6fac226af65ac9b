//! Owns who may use the public listener. Tokens come with access control; until then it is the listener's address that
//! decides.

use std::net::{IpAddr, SocketAddr};

/// Who may publish and watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// No tokens, and only this machine can reach the listener.
    Open,
    /// No tokens; whoever reaches the listener may.
    Public,
}

impl Auth {
    /// Without tokens, everyone who reaches the listener may publish and watch. That is only the default as long as
    /// nobody else can reach it.
    pub fn may_listen_at(self, listener: SocketAddr) -> bool {
        let is_loopback = match listener.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
        };
        self == Auth::Public || is_loopback
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
            assert!(Auth::Public.may_listen_at(listener), "{reachable}");
        }
        for local in ["127.0.0.1:8080", "127.1.2.3:80", "[::1]:8080", "[::ffff:127.0.0.1]:80"] {
            assert!(Auth::Open.may_listen_at(local.parse().unwrap()), "{local}");
        }
    }
}
