//! Owns the reading of `Host` and `Origin` as values that can be compared.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A name or an address of a machine. Names are in lower case and without the dot at the end that some write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Ip(IpAddr),
    Name(String),
}

/// A host and maybe a port, as the header `Host` has them (RFC 9110 section 7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub host: Host,
    port: Option<u16>,
}

/// Where a page comes from (RFC 6454). `null`, files and extensions are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub site: Site,
    default_port: u16,
}

impl Host {
    /// IPv6 addresses stand in brackets.
    pub fn parse(text: &str) -> Option<Host> {
        if let Some(inner) = text.strip_prefix('[') {
            let ip: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Host::Ip(IpAddr::V6(ip).to_canonical()));
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Some(Host::Ip(ip.into()));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let label = |label: &str| (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(allowed);
        let is_name = text.len() <= NAME_BYTES_MAX && text.split('.').all(label);
        is_name.then(|| Host::Name(text.to_ascii_lowercase()))
    }

    /// RFC 6761 section 6.3: `localhost` and the names below it never leave the machine.
    pub fn is_loopback(&self) -> bool {
        match self {
            Host::Ip(ip) => ip.is_loopback(),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

impl Site {
    pub fn parse(text: &str) -> Option<Site> {
        let (host, port) = match text.rfind(':').filter(|at| *at > text.rfind(']').unwrap_or(0)) {
            Some(at) => (&text[..at], text.get(at + 1..)?),
            None => (text, ""),
        };
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Site { host: Host::parse(host)?, port })
    }
}

impl Origin {
    pub fn parse(text: &str) -> Option<Origin> {
        let (scheme, rest) = text.split_once("://")?;
        let default_port = match scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        Some(Origin { site: Site::parse(rest)?, default_port })
    }

    /// Whether its page was served under this value of `Host`.
    pub fn is_of(&self, host: &Site) -> bool {
        let port = |site: &Site| site.port.unwrap_or(self.default_port);
        self.site.host == host.host && port(&self.site) == port(host)
    }
}

/// RFC 1035 section 2.3.4.
const LABEL_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_capitals_and_with_a_dot_at_its_end() {
        let name = Host::Name("media.example".into());
        for text in ["media.example", "MEDIA.Example", "media.example."] {
            assert_eq!(Host::parse(text), Some(name.clone()), "{text}");
        }
        for text in
            ["", ".", "a..b", "media.example..", "a b", "a/b", "user@host", "ä", "::1", "[::1", "[1.2.3.4]", "a:b"]
        {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_names_and_addresses_of_this_machine_are_loopback() {
        for text in
            ["localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.9.8.7", "[::1]", "[::ffff:127.0.0.1]"]
        {
            assert!(Host::parse(text).is_some_and(|host| host.is_loopback()), "{text}");
        }
        for text in [
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil-localhost",
            "0.0.0.0",
            "[::]",
            "2130706433",
            "0x7f.1",
        ] {
            assert!(Host::parse(text).is_some_and(|host| !host.is_loopback()), "{text}");
        }
    }

    #[test]
    fn a_port_is_told_from_an_address() {
        let site = |text| Site::parse(text).map(|site| site.port);
        assert_eq!(site("localhost:8080"), Some(Some(8080)));
        assert_eq!(site("[::1]:8080"), Some(Some(8080)));
        assert_eq!(site("[::1]"), Some(None));
        assert_eq!(site("localhost:"), Some(None));
        for text in ["::1:80", "localhost:+80", "localhost:99999", "localhost:80:80", "localhost:8a", ":80"] {
            assert_eq!(site(text), None, "{text}");
        }
    }

    #[test]
    fn an_origin_is_of_the_host_that_served_its_page() {
        let of = |origin, host| Origin::parse(origin).unwrap().is_of(&Site::parse(host).unwrap());
        assert!(of("http://media.example:8080", "media.example:8080"));
        assert!(of("https://Media.example", "media.example"));
        assert!(of("https://media.example", "media.example:443"));
        assert!(!of("http://media.example:81", "media.example:8080"));
        assert!(!of("http://media.example", "media.example:443"));
        for text in ["null", "", "file://", "localhost", "ftp://localhost", "http://", "http://a/", "http://a@b"] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }
}
