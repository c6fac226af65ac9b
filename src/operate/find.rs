//! Finds the admin listener that is meant: by its URL, by a state file, or as the one node that runs on this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::commands::Target;
use crate::failure::Failure;

/// `http://host:port`, or `https://`.
pub fn admin_of(target: &Target) -> Result<String, Failure> {
    if let Some(admin) = &target.admin {
        return url(admin);
    }
    if let Some(file) = &target.state_file {
        let address = admin_in(file).map_err(|problem| {
            Failure::NotReached(format!(
                "{} names no node ({problem}): it is there while a node runs with --state-file",
                file.display()
            ))
        })?;
        return Ok(address);
    }
    let nodes = chappe_supervisor::running_nodes();
    let found: Vec<String> = nodes.iter().filter_map(|state| admin_in(state).ok()).collect();
    match &found[..] {
        // A node of another user, or in a container, is found at the usual place.
        [] => Ok(format!("http://{ADMIN_DEFAULT}")),
        [address] => Ok(address.clone()),
        _ => {
            let all = found.iter().map(|address| format!("--admin {address}")).collect::<Vec<_>>().join(" or ");
            Err(Failure::Usage(format!("several nodes run on this machine: choose one with {all}")))
        }
    }
}

/// The private directory of the node of this machine and user whose admin listener this is.
pub fn directory_of(admin: &str) -> Option<PathBuf> {
    let is_its = |state: &PathBuf| admin_in(state).is_ok_and(|address| address == admin);
    Some(chappe_supervisor::running_nodes().into_iter().find(is_its)?.parent()?.to_owned())
}

/// What a person writes: with or without `http://`, with or without a slash at the end.
fn url(text: &str) -> Result<String, Failure> {
    let (scheme, rest) = match text.strip_prefix("https://") {
        Some(rest) => ("https", rest),
        None => ("http", text.strip_prefix("http://").unwrap_or(text)),
    };
    let authority = rest.trim_end_matches('/');
    let (host, port) = authority.rsplit_once(':').unwrap_or_default();
    let is_host = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    let is_port = port.parse::<u16>().is_ok_and(|port| port != 0);
    if host.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) || !is_host || !is_port {
        return Err(Failure::Usage(format!("--admin {text}: wants a URL such as http://127.0.0.1:8081")));
    }
    Ok(format!("{scheme}://{authority}"))
}

/// The URL of the admin listener that a state file names.
fn admin_in(state_file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(state_file).map_err(|error| error.to_string())?;
    let state: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let admin = state.get("admin").and_then(Value::as_str).and_then(|admin| admin.parse().ok());
    let scheme = if state.get("admin_tls").and_then(Value::as_bool) == Some(true) { "https" } else { "http" };
    let url = admin.map(|admin| format!("{scheme}://{}", reachable(admin)));
    url.ok_or_else(|| "it has no admin address".to_owned())
}

/// A listener on all addresses is reached over this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let loopback = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(loopback, address.port())
}

const ADMIN_DEFAULT: &str = "127.0.0.1:8081";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_as_people_write_it_and_nothing_else_is() {
        for text in ["http://10.0.0.7:8081", "http://10.0.0.7:8081/", "10.0.0.7:8081"] {
            assert_eq!(url(text).unwrap(), "http://10.0.0.7:8081");
        }
        assert_eq!(url("[::1]:8081").unwrap(), "http://[::1]:8081");
        assert_eq!(url("https://ops.example:8081/").unwrap(), "https://ops.example:8081");
        for text in ["", "http://", "ops.example", "http://ops.example", "http://a:1/api", "ftp://a:1", "https://a"] {
            assert!(url(text).is_err(), "{text}");
        }
        for text in ["::1:8081", "http://::1:8081", "a:0", ":8081", "a:99999"] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_over_loopback() {
        let of = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!((of("0.0.0.0:1"), of("[::]:1")), ("127.0.0.1:1".to_owned(), "[::1]:1".to_owned()));
        assert_eq!(of("192.0.2.1:1"), "192.0.2.1:1");
    }
}
