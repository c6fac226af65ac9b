//! Owns where a collector is, what it is shown, and one request to it.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Request, StatusCode, Uri};

use crate::outgoing::exchange;

/// Of OTLP over HTTP.
#[derive(Debug, Clone)]
pub struct Collector {
    url: Uri,
    /// May hold a key, and so is in no log.
    headers: HeaderMap,
}

/// What the collector made of a request.
#[derive(Debug)]
pub enum CollectorAnswer {
    Taken,
    /// Again with the same it would say the same.
    Refused(String),
    Later(String),
}

/// Whether a collector's address can be used, and the address of its traces; what to write if not.
pub fn check_collector(text: &str) -> Result<String, String> {
    let wrong =
        || "wants the address of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318".to_owned();
    let url: Uri = text.parse().map_err(|_| wrong())?;
    let has_scheme = matches!(url.scheme_str(), Some("http" | "https"));
    if !has_scheme || url.host().is_none_or(str::is_empty) || url.query().is_some() {
        return Err(wrong());
    }
    let base = text.trim_end_matches('/');
    Ok(if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") })
}

impl Collector {
    /// `headers` as `OTEL_EXPORTER_OTLP_HEADERS` has them: `name=value,…`, values may be percent-encoded.
    pub fn new(url: &str, headers: &str) -> Result<Collector, String> {
        let url = url.parse().map_err(|_| format!("{url} is no address"))?;
        let pairs = key_values(headers).map(|(name, value)| {
            let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
            header.ok_or_else(|| format!("the header {name} can't be sent"))
        });
        Ok(Collector { url, headers: pairs.collect::<Result<_, _>>()? })
    }

    /// Without what may be a password.
    pub fn shown(&self) -> &str {
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    }

    pub async fn tell(&self, body: &[u8]) -> CollectorAnswer {
        match tokio::time::timeout(ANSWER_WITHIN, self.post(body)).await {
            Ok(Ok(status)) if status.is_success() => CollectorAnswer::Taken,
            // As the protocol has it: these may be tried again, others not.
            Ok(Ok(status)) if matches!(status.as_u16(), 429 | 502 | 503 | 504) => {
                CollectorAnswer::Later(status.to_string())
            }
            Ok(Ok(status)) => CollectorAnswer::Refused(status.to_string()),
            Ok(Err(why)) => CollectorAnswer::Later(why),
            Err(_) => CollectorAnswer::Later(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
        }
    }

    async fn post(&self, body: &[u8]) -> Result<StatusCode, String> {
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::post(path)
            .header(HOST, self.shown())
            .header(USER_AGENT, concat!("chappe/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::copy_from_slice(body)))
            .map_err(|error| error.to_string())?;
        request.headers_mut().extend(self.headers.clone());
        Ok(exchange(&self.url, request, None).await?.status)
    }
}

/// `key=value,…` of the variables of OpenTelemetry. What is no pair is passed over.
pub fn key_values(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(key, value)| (key.trim().to_owned(), percent_decoded(value.trim())));
    pairs.filter(|(key, _)| !key.is_empty())
}

fn percent_decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const PATH: &str = "/v1/traces";
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_collector_is_that_of_its_traces_in_the_end() {
        for text in ["http://127.0.0.1:4318", "http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"] {
            assert_eq!(check_collector(text).unwrap(), "http://127.0.0.1:4318/v1/traces");
        }
        assert_eq!(check_collector("https://example.org/otlp").unwrap(), "https://example.org/otlp/v1/traces");
        for text in ["", "127.0.0.1:4318", "grpc://127.0.0.1:4317", "http://", "http://x?y"] {
            assert!(check_collector(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_are_read_as_opentelemetry_writes_them() {
        let collector =
            Collector::new("http://user:pw@h:1/v1/traces", "authorization=Bearer%20abc, x-team = a").unwrap();
        assert_eq!(collector.headers.get("authorization").unwrap(), "Bearer abc");
        assert_eq!(collector.headers.get("x-team").unwrap(), "a");
        assert_eq!(collector.shown(), "h:1");
        assert!(Collector::new("http://h:1/v1/traces", "bad name=1").is_err());
        assert_eq!(
            key_values("a=1,,b,=2,c=%zz").collect::<Vec<_>>(),
            [("a".into(), "1".into()), ("c".into(), "%zz".to_string())]
        );
    }
}
