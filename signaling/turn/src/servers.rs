//! Owns the TURN servers that clients are told, and makes credentials for them from the secret that is shared with
//! them (draft-uberti-behave-turn-rest-00 section 2.2; coturn calls it `use-auth-secret`).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::url::TurnUrl;

/// None, where media ports are reached directly.
#[derive(Debug, Clone, Default)]
pub struct TurnServers(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    address: ServerAddress,
    secret: TurnSecret,
}

#[derive(Debug)]
enum ServerAddress {
    /// Somewhere else.
    Urls(Vec<String>),
    /// This node, on one port for UDP, TCP and, under these hosts, TLS.
    Here { port: u16, certified: Vec<String> },
}

/// Known to us and to the TURN server.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnSecret(String);

/// As `RTCIceServer` of the WebRTC API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IceServer {
    pub urls: Vec<String>,
    pub username: String,
    pub credential: String,
}

impl TurnServers {
    pub fn new(urls: &[TurnUrl], secret: TurnSecret) -> TurnServers {
        let address = ServerAddress::Urls(urls.iter().map(ToString::to_string).collect());
        TurnServers(Some(Arc::new(Shared { address, secret })))
    }

    /// The one that this node runs. `certified`: hosts of its certificate, if it speaks TLS.
    pub fn here(port: u16, certified: Vec<String>, secret: TurnSecret) -> TurnServers {
        TurnServers(Some(Arc::new(Shared { address: ServerAddress::Here { port, certified }, secret })))
    }

    /// With credentials that are good for [`TurnServers::LIFETIME`], and whose name says whose they are. `addresses`: of
    /// this node, the best first.
    pub fn for_client(&self, client: &str, addresses: &[IpAddr], now: Duration) -> Option<IceServer> {
        let (shared, urls) = (self.0.as_ref()?, self.urls(addresses));
        let username = format!("{}:{client}", (now + TurnServers::LIFETIME).as_secs());
        let credential = shared.secret.credential(&username);
        Some(IceServer { urls, username, credential }).filter(|server| !server.urls.is_empty())
    }

    /// As clients are told them, of a node with these addresses.
    pub fn urls(&self, addresses: &[IpAddr]) -> Vec<String> {
        match self.0.as_ref().map(|shared| &shared.address) {
            None => Vec::new(),
            Some(ServerAddress::Urls(urls)) => urls.clone(),
            Some(ServerAddress::Here { port, certified }) => urls_here(*port, certified, addresses),
        }
    }

    /// Of a user name that was told to somebody within the last [`TurnServers::LIFETIME`].
    pub fn credential_of(&self, username: &str, now: Duration) -> Option<String> {
        let shared = self.0.as_ref()?;
        let expires: u64 = username.split_once(':')?.0.parse().ok()?;
        let left = expires.checked_sub(now.as_secs())?;
        (1..=TurnServers::LIFETIME.as_secs()).contains(&left).then(|| shared.secret.credential(username))
    }

    /// Who was told this user name: what [`TurnServers::for_client`] was given.
    pub fn client_of(username: &str) -> Option<&str> {
        username.split_once(':').map(|(_, client)| client)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// For making an allocation. One that was made is refreshed with the same credentials for as long as it is used.
    pub const LIFETIME: Duration = Duration::from_secs(300);
}

impl TurnSecret {
    /// Of a file's text: its first line.
    pub fn parse(text: &str) -> Option<TurnSecret> {
        let line = text.lines().next().unwrap_or_default().trim();
        (line.len() >= SECRET_BYTES_MIN).then(|| TurnSecret(line.to_owned()))
    }

    /// From bytes that nobody else knows.
    pub fn from_key(key: &[u8]) -> TurnSecret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        TurnSecret(STANDARD.encode(hmac::sign(&key, b"turn")))
    }

    fn credential(&self, username: &str) -> String {
        // What TURN servers expect; HMAC does not lean on the collision resistance that SHA-1 has lost (RFC 6194).
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.as_bytes());
        STANDARD.encode(hmac::sign(&key, username.as_bytes()))
    }
}

impl fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnSecret")
    }
}

/// Browsers are slow with more than a few.
fn urls_here(port: u16, certified: &[String], addresses: &[IpAddr]) -> Vec<String> {
    let host = |ip: &IpAddr| if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    let v4 = addresses.iter().find(|ip| ip.is_ipv4());
    let best = v4.or(addresses.first()).map(host);
    let plain = best.iter().flat_map(|host| ["udp", "tcp"].map(|kind| format!("turn:{host}:{port}?transport={kind}")));
    // A name may be any node's, and need not be known where the client is: the address, where the certificate has it.
    let over_tls = best.as_ref().filter(|host| certified.contains(host)).or(certified.first());
    let over_tls = over_tls.map(|host| format!("turns:{host}:{port}?transport=tcp"));
    plain.chain(over_tls).collect()
}

/// Whoever guesses it servers for nothing.
const SECRET_BYTES_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_that_coturn_makes_of_the_same_secret() {
        // printf 1700000300:cam | openssl dgst -sha1 -hmac north-wind-sun-16 -binary | base64
        let secret = TurnSecret::parse("north-wind-sun-16\n").unwrap();
        let url = TurnUrl::parse("turn:turn.example.org").unwrap();
        let server =
            TurnServers::new(&[url], secret).for_client("cam", &[], Duration::from_secs(1_700_000_000)).unwrap();
        assert_eq!(server.username, "1700000300:cam");
        assert_eq!(server.credential, "mgAPeZ6e1m+AY5PKB6d7gs8b0dU=");
        assert_eq!(TurnServers::default().for_client("cam", &[], Duration::ZERO), None);
    }

    #[test]
    fn credentials_are_good_for_their_time_and_for_their_name_only() {
        let servers = TurnServers::here(3478, vec!["a.example".to_owned()], TurnSecret::from_key(b"key"));
        let addresses: [IpAddr; 2] = ["2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap()];
        let now = Duration::from_secs(1_000);
        let told = servers.for_client("m1", &addresses, now).unwrap();
        let urls = ["turn:192.0.2.1:3478?transport=udp", "turn:192.0.2.1:3478?transport=tcp"];
        assert_eq!(told.urls, [&urls[..], &["turns:a.example:3478?transport=tcp"]].concat());
        let at = |username: &str, seconds| servers.credential_of(username, Duration::from_secs(seconds));
        assert_eq!(at(&told.username, 1_299), Some(told.credential.clone()));
        assert_eq!(at(&told.username, 1_300), None, "over");
        assert_eq!(TurnServers::client_of(&told.username), Some("m1"));
        assert_ne!(at("1300:m2", 1_000), Some(told.credential));
        for other in ["99999999:m1", "1300", ":m1", "-1:m1", "x:m1", ""] {
            assert_eq!(at(other, 1_000), None, "{other}");
        }
    }

    #[test]
    fn a_server_over_tls_is_told_by_its_address_where_the_certificate_has_that() {
        let told = |hosts: &[&str]| {
            let certified = hosts.iter().map(|host| (*host).to_owned()).collect();
            let servers = TurnServers::here(443, certified, TurnSecret::from_key(b"key"));
            servers.for_client("m1", &["192.0.2.1".parse().unwrap()], Duration::ZERO).unwrap().urls.pop().unwrap()
        };
        assert_eq!(told(&["a.local", "a", "192.0.2.1"]), "turns:192.0.2.1:443?transport=tcp");
        assert_eq!(told(&["a.example", "192.0.2.7"]), "turns:a.example:443?transport=tcp");
        assert_eq!(told(&[]), "turn:192.0.2.1:443?transport=tcp");
    }

    #[test]
    fn a_secret_is_long_enough_and_never_shown() {
        assert_eq!(TurnSecret::parse("short\n"), None);
        assert_eq!(TurnSecret::parse(""), None);
        assert_eq!(format!("{:?}", TurnSecret::parse("north-wind-sun-16").unwrap()), "TurnSecret");
    }
}
