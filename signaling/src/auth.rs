//! Owns who may use the public listener. Tokens come with access control; until then it is the listener's
//! address that decides.

use std::net::{IpAddr, SocketAddr};

use crate::config::{AuthMode, SignalingError};

/// Without tokens, everyone who reaches the listener may publish and watch. That is only the default as
/// long as nobody else can reach it.
pub fn check_listener(mode: AuthMode, listener: SocketAddr) -> Result<(), SignalingError> {
    let loopback = match listener.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
    };
    match mode {
        AuthMode::Open if !loopback => Err(SignalingError::OpenButReachable(listener)),
        AuthMode::Open | AuthMode::Public => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_is_refused_where_others_can_reach_it() {
        for reachable in ["0.0.0.0:8080", "192.0.2.1:80", "[::]:8080", "[2001:db8::1]:80"] {
            let listener = reachable.parse().unwrap();
            assert!(
                matches!(check_listener(AuthMode::Open, listener), Err(SignalingError::OpenButReachable(_))),
                "{reachable}"
            );
            assert!(check_listener(AuthMode::Public, listener).is_ok(), "{reachable}");
        }
        for local in ["127.0.0.1:8080", "127.1.2.3:80", "[::1]:8080", "[::ffff:127.0.0.1]:80"] {
            assert!(check_listener(AuthMode::Open, local.parse().unwrap()).is_ok(), "{local}");
        }
    }
}
