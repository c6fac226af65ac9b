//! Owns reading the URL of a TURN server (RFC 7065). It is put into a header, so it has nothing that could end it.

use std::fmt;

/// `turn:HOST[:PORT][?transport=udp|tcp]`, or `turns:` for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnUrl(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "wants the URL of a TURN server such as turn:turn.example.org:3478?transport=udp or turns:turn.example.org:443"
)]
pub struct BadTurnUrl;

impl TurnUrl {
    pub fn parse(text: &str) -> Result<TurnUrl, BadTurnUrl> {
        let (scheme, rest) = text.split_once(':').ok_or(BadTurnUrl)?;
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((ip, port)) => (ip.parse::<std::net::Ipv6Addr>().is_ok(), port.strip_prefix(':').or(none(port))),
            None => {
                let (host, port) =
                    authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
                (is_host(host), port.or(Some("3478")))
            }
        };
        let port = port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let transport = query.is_none_or(|query| matches!(query, "transport=udp" | "transport=tcp"));
        let is_one = matches!(scheme, "turn" | "turns") && host && port && transport;
        if is_one { Ok(TurnUrl(text.to_owned())) } else { Err(BadTurnUrl) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TurnUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The default port, where none stands behind an address in brackets.
fn none(port: &str) -> Option<&'static str> {
    port.is_empty().then_some("3478")
}

fn is_host(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    (1..=HOST_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// RFC 1035 section 2.3.4.
const HOST_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_turn_servers_are_taken() {
        for text in [
            "turn:turn.example.org",
            "turn:192.0.2.1:3478?transport=udp",
            "turns:turn.example.org:443?transport=tcp",
            "turn:[2001:db8::1]:3478",
            "turn:[2001:db8::1]",
        ] {
            assert_eq!(TurnUrl::parse(text).map(|url| url.to_string()).as_deref(), Ok(text));
        }
        for text in [
            "",
            "turn:",
            "stun:turn.example.org",
            "turn://turn.example.org",
            "turn:turn.example.org:0",
            "turn:turn.example.org:3478?transport=sctp",
            "turn:turn.example.org>; rel=\"x\"",
            "turn:a b",
            "turn:[::1",
            "turn:[::1]x",
            "https://turn.example.org",
        ] {
            assert_eq!(TurnUrl::parse(text), Err(BadTurnUrl), "{text}");
        }
    }
}
