//! Owns what is said of a foreign issuer on the command line: its name, and where its public keys are. Reads nothing.

use std::net::IpAddr;
use std::path::PathBuf;

use hyper::Uri;

/// Where the public keys of an issuer are (JWKS, RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerSource {
    File(PathBuf),
    /// Over TLS, or on this machine: whoever could change the keys on their way could sign tokens.
    Url(Uri),
}

impl IssuerSource {
    /// Of `ISSUER=FILE` or `ISSUER=URL`, with the name of the issuer; what to write if it is neither.
    pub fn parse(text: &str) -> Result<(String, IssuerSource), String> {
        let wrong = "wants an issuer and where its keys are, for example https://id.example=/etc/jwks.json or \
                     https://id.example=https://id.example/.well-known/jwks.json";
        let (issuer, place) = text.split_once('=').ok_or(wrong)?;
        if issuer.is_empty() || place.is_empty() {
            return Err(wrong.to_owned());
        }
        let source = match place.split_once("://") {
            None => IssuerSource::File(PathBuf::from(place)),
            Some(("https" | "http", _)) => IssuerSource::Url(parse_url(place)?),
            Some(_) => return Err(wrong.to_owned()),
        };
        Ok((issuer.to_owned(), source))
    }
}

fn parse_url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|_| format!("{text} is no URL"))?;
    let host = uri.host().unwrap_or_default();
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    let is_here = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        _ if host.is_empty() => Err(format!("{text} names no host")),
        Some("https") => Ok(uri),
        Some("http") if is_here => Ok(uri),
        _ => Err(format!("{text}: keys come over https:// only, or from this machine")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_a_file_or_at_an_address_that_nobody_comes_between() {
        let parsed = |text| IssuerSource::parse(text).map(|(_, source)| source);
        assert_eq!(parsed("https://id.example=/etc/a=b.json"), Ok(IssuerSource::File("/etc/a=b.json".into())));
        for url in
            ["https://id.example/keys?x=1", "http://127.0.0.1:9/jwks", "http://[::1]:9/jwks", "http://localhost/"]
        {
            let expected = Ok(("id".to_owned(), IssuerSource::Url(url.parse().unwrap())));
            assert_eq!(IssuerSource::parse(&format!("id={url}")), expected);
        }
        for text in ["", "id", "id=", "=/etc/jwks.json", "id=ftp://a/b", "id=http://id.example/jwks", "id=https:///x"] {
            assert!(IssuerSource::parse(text).is_err(), "{text}");
        }
    }
}
