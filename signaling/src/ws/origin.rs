//! Owns which pages may open a WebSocket: browsers let every site try (RFC 6455 section 10.2).

use axum::http::{HeaderMap, Uri, header};

use crate::config::AuthMode;

/// In open mode the loopback listener is the only guard, and a browser carries any website's script past it. So
/// only pages from here may connect: served by this host, or by another server on this machine. Programs
/// that are no browser send no origin. Whoever runs the node public lets everyone in anyway.
pub fn may_connect(auth: AuthMode, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    match auth {
        AuthMode::Public => true,
        AuthMode::Open => origin.to_str().is_ok_and(|origin| is_from_here(origin, headers)),
    }
}

/// `null` (a sandboxed frame, a file) is nobody we know.
fn is_from_here(origin: &str, headers: &HeaderMap) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else {
        return false;
    };
    let (Some(_), Some(authority)) = (origin.scheme(), origin.authority()) else {
        return false;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(|host| host.eq_ignore_ascii_case(authority.as_str())) || is_loopback(authority.host())
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ip = bare.parse::<std::net::IpAddr>();
    // RFC 6761 section 6.3: names below `localhost` never leave the machine.
    let name = bare.to_ascii_lowercase();
    ip.is_ok_and(|ip| ip.is_loopback()) || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(auth: AuthMode, origin: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "chappe.test:8080".parse().unwrap());
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        may_connect(auth, &headers)
    }

    #[test]
    fn in_open_mode_only_pages_of_this_host_or_machine_connect() {
        let here = [
            "http://chappe.test:8080",
            "https://Chappe.test:8080",
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://[::1]:5173",
            "http://app.localhost",
        ];
        for origin in here {
            assert!(may(AuthMode::Open, origin), "{origin}");
        }
        let elsewhere = [
            "https://evil.example",
            "http://chappe.test:81",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://192.0.2.1:8080",
            "http://localhost@evil.example",
            "null",
            "",
            "file://",
            "localhost",
        ];
        for origin in elsewhere {
            assert!(!may(AuthMode::Open, origin), "{origin}");
            assert!(may(AuthMode::Public, origin), "{origin}");
        }
    }

    #[test]
    fn programs_without_an_origin_connect() {
        assert!(may_connect(AuthMode::Open, &HeaderMap::new()));
    }
}
