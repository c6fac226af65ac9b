//! Owns which proxies are believed, and what they say: who their client is and below which path they show us. What
//! anybody else says in the same headers is not looked at.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, StatusCode};

use crate::access::base_path::BasePath;
use crate::access::network::Network;
use crate::error::HttpError;

/// This machine's own, and those in the networks named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    networks: Vec<Network>,
}

impl Proxies {
    pub fn new(networks: Vec<Network>) -> Proxies {
        Proxies { networks }
    }

    pub fn trusts(&self, ip: IpAddr) -> bool {
        ip.to_canonical().is_loopback() || self.networks.iter().any(|network| network.contains(ip))
    }

    /// Whom a connection from `remote` speaks for: in `X-Forwarded-For`, which each proxy appends to, the last that is
    /// no proxy of ours. What stands before that could be anybody's invention.
    pub fn client(&self, remote: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = remote;
        let lines = headers.get_all(FORWARDED_FOR).iter().collect::<Vec<_>>().into_iter().rev();
        let named = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        for text in named.take(HOPS_MAX) {
            if !self.trusts(client) {
                break;
            }
            let Some(ip) = address_in(text.trim()) else { break };
            client = ip;
        }
        client
    }

    /// `X-Forwarded-Prefix`; none if no trusted proxy says it.
    pub fn prefix(&self, remote: IpAddr, headers: &HeaderMap) -> Result<Option<BasePath>, HttpError> {
        let mut values = headers.get_all(FORWARDED_PREFIX).iter();
        let Some(value) = values.next().filter(|_| self.trusts(remote)) else { return Ok(None) };
        let path = value.to_str().ok().filter(|_| values.next().is_none()).and_then(|text| BasePath::parse(text).ok());
        path.map(Some).ok_or_else(|| {
            let message = "the proxy's X-Forwarded-Prefix is no path such as /live (segments of A-Z a-z 0-9 . _ ~ -)";
            HttpError::new(StatusCode::BAD_REQUEST, "bad_request", message)
        })
    }
}

/// Some proxies write the port, too.
fn address_in(text: &str) -> Option<IpAddr> {
    let bare = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse().ok();
    text.parse::<std::net::SocketAddr>().map(|address| address.ip()).ok().or_else(|| bare(text))
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Proxies in a row.
const HOPS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        Proxies::new(vec![Network::parse("10.0.0.0/8").unwrap()])
    }

    fn headers(name: HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect()
    }

    fn client(remote: &str, lines: &[&str]) -> String {
        proxies().client(remote.parse().unwrap(), &headers(FORWARDED_FOR, lines)).to_string()
    }

    #[test]
    fn a_proxy_names_its_client_and_a_client_names_nobody() {
        assert_eq!(client("10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(client("127.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client("192.0.2.1", &["203.0.113.7"]), "192.0.2.1", "no proxy of ours");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_a_client_says_of_itself_through_a_proxy_is_not_believed() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(client("10.0.0.1", &["198.51.100.1", "203.0.113.7, 10.0.0.2"]), "203.0.113.7");
        assert_eq!(client("10.0.0.1", &["203.0.113.7, nonsense"]), "10.0.0.1");
    }

    #[test]
    fn a_prefix_is_that_of_a_trusted_proxy_and_has_nothing_that_ends_a_header_or_page() {
        let prefix = |remote: &str, lines: &[&str]| {
            let said = proxies().prefix(remote.parse().unwrap(), &headers(FORWARDED_PREFIX, lines));
            said.map(|path| path.map(|path| path.to_string())).map_err(|error| error.status.as_u16())
        };
        assert_eq!(prefix("10.0.0.1", &["/live/"]), Ok(Some("/live".to_owned())));
        assert_eq!(prefix("10.0.0.1", &[]), Ok(None));
        assert_eq!(prefix("192.0.2.1", &["/live"]), Ok(None));
        assert_eq!(prefix("192.0.2.1", &["//evil.example"]), Ok(None));
        for lines in [&["//evil.example"][..], &["/a\"><script>"], &["/live", "/other"], &["/a, /b"]] {
            assert_eq!(prefix("10.0.0.1", lines), Err(400), "{lines:?}");
        }
    }
}
