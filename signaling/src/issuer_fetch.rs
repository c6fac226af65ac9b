//! Owns following the public keys of a foreign issuer that tells them over HTTP: what was read stays until something newer
//! was, however long that takes. Never judges a token.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chappe_signaling_access::Issuer;
use chappe_signaling_service::Service;
use http_body_util::Full;
use hyper::header::{ACCEPT, CACHE_CONTROL, HOST, USER_AGENT};
use hyper::{HeaderMap, Request, Uri};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::outgoing::exchange;

/// For as long as the process lives. Tells the keys whenever others come.
pub async fn follow_issuer(service: Arc<Service>, name: String, at: Uri, keys: mpsc::Sender<Issuer>) {
    let (mut before, mut failures) = (None, 0);
    loop {
        let fetched = match timeout(ANSWER_WITHIN, fetch(&at)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
        };
        let parsed = fetched.and_then(|Fetched { text, good_for }| match before.as_ref() == Some(&text) {
            true => Ok((None, text, good_for)),
            false => {
                Issuer::parse(&name, &text).map(|issuer| (Some(issuer), text, good_for)).map_err(|e| e.to_string())
            }
        });
        service.issuer_fetches.count(&name, parsed.is_ok());
        let pause = match parsed {
            Ok((others, text, good_for)) => {
                if others.is_some() || failures > 0 {
                    info!(issuer = name, %at, "the public keys of an issuer are read");
                }
                if let Some(issuer) = others
                    && keys.send(issuer).await.is_err()
                {
                    return;
                }
                (before, failures) = (Some(text), 0);
                good_for
            }
            Err(why) => {
                failures += 1;
                let pause = pause_after(failures);
                let kept = if before.is_some() { "those of before stay" } else { "its tokens are refused until then" };
                let retry_s = pause.as_secs();
                warn!(issuer = name, %at, why, retry_s, "the public keys of an issuer can't be read: {kept}");
                pause
            }
        };
        sleep(pause).await;
    }
}

struct Fetched {
    text: String,
    good_for: Duration,
}

async fn fetch(at: &Uri) -> Result<Fetched, String> {
    let path = at.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, at.authority().map_or("", |authority| authority.as_str()))
        .header(USER_AGENT, concat!("chappe/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/json, application/jwk-set+json")
        .body(Full::new(Bytes::new()))
        .map_err(|error| error.to_string())?;
    let answer = exchange(at, request, Some(JWKS_BYTES_MAX)).await?;
    if !answer.status.is_success() {
        return Err(format!("it answered {}", answer.status));
    }
    let text = String::from_utf8(answer.body.to_vec()).map_err(|_| "it is no text".to_owned())?;
    Ok(Fetched { text, good_for: good_for(&answer.headers) })
}

/// As the issuer says (RFC 9111 section 5.2.2.1), within bounds: a key that is withdrawn is not believed for long.
fn good_for(headers: &HeaderMap) -> Duration {
    let said = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let max_age = said.flat_map(|value| value.split(',')).find_map(|word| word.trim().strip_prefix("max-age="));
    let max_age = max_age.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    max_age.unwrap_or(GOOD_FOR_DEFAULT).clamp(GOOD_FOR_MIN, GOOD_FOR_MAX)
}

/// 5 s, then twice as long each time, to 5 minutes.
fn pause_after(failures: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(PAUSE_MAX)
}

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Those of large providers have some kilobytes.
const JWKS_BYTES_MAX: usize = 256 << 10;
const GOOD_FOR_DEFAULT: Duration = Duration::from_secs(300);
const GOOD_FOR_MIN: Duration = Duration::from_secs(30);
const GOOD_FOR_MAX: Duration = Duration::from_secs(3_600);
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
