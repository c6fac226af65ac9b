//! Owns one request to a receiver, and its signature.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chappe_signaling_events::Secrets;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use tracing::warn;

use super::receivers::read_secrets;
use crate::outgoing::exchange;

#[derive(Debug)]
pub struct Poster {
    receiver: Uri,
    secret_file: PathBuf,
    /// Those read last, for as long as the file can't be.
    secrets: Mutex<Option<Secrets>>,
}

/// What is signed, and with what.
#[derive(Debug)]
pub struct Signed<'a> {
    pub id: &'a str,
    pub unix_seconds: u64,
    pub body: String,
}

impl Poster {
    pub fn new(receiver: Uri, secret_file: PathBuf) -> Poster {
        Poster { receiver, secret_file, secrets: Mutex::default() }
    }

    /// Without what may be a secret in its query.
    pub fn receiver(&self) -> &str {
        self.receiver.authority().map_or("", |authority| authority.as_str())
    }

    /// Done when the receiver has answered with a status of the class 2xx.
    pub async fn post(&self, signed: Signed<'_>) -> Result<(), String> {
        match tokio::time::timeout(ANSWER_WITHIN, self.try_post(signed)).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
        }
    }

    async fn try_post(&self, signed: Signed<'_>) -> Result<(), String> {
        let signature = self.secrets()?.sign(signed.id, signed.unix_seconds, &signed.body);
        let path = self.receiver.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::post(path)
            .header(HOST, self.receiver())
            .header(USER_AGENT, concat!("chappe/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", signed.id)
            .header("webhook-timestamp", signed.unix_seconds)
            .header("webhook-signature", signature)
            .body(Full::new(Bytes::from(signed.body)))
            .map_err(|error| error.to_string())?;
        let answer = exchange(&self.receiver, request, None).await?;
        if answer.status.is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status)) }
    }

    fn secrets(&self) -> Result<Secrets, String> {
        let mut kept = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        match read_secrets(&self.secret_file) {
            Ok(secrets) => *kept = Some(secrets),
            Err(why) if kept.is_none() => return Err(format!("{}: {why}", self.secret_file.display())),
            Err(why) => {
                warn!(file = %self.secret_file.display(), why, "events are signed with the secrets read before")
            }
        }
        kept.clone().ok_or_else(|| "there is no secret".to_owned())
    }
}

/// A receiver should take an event and think about it later.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
