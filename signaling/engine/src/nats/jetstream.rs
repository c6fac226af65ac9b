//! Owns the few calls of the JetStream API that the store is made of. Never retries, and never takes longer than its
//! time limit.
//!
//! They are made here and not by the client library's own layer for two reasons: that one keeps something of each
//! request whose reply never comes (nats-io/nats.rs, issue 1617, open), and it shows the server's error codes only in
//! part.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Request, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::EngineError;

#[derive(Clone, Debug)]
pub(super) struct JetStream {
    client: Client,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody listens to that subject: the stream is not there, or its servers are not.
    NobodyThere,
    /// Sent, or perhaps sent, and no reply came.
    NoReply,
    Refused {
        code: u64,
        description: String,
    },
}

impl JetStream {
    pub(super) fn new(client: Client) -> JetStream {
        JetStream { client }
    }

    /// Whether the server in use is one of several.
    pub(super) fn is_clustered(&self) -> bool {
        self.client.try_server_info().is_some_and(|server| server.cluster.is_some())
    }

    /// Calls the API under `$JS.API.`.
    pub(super) async fn call<T: DeserializeOwned>(&self, method: &str, body: &serde_json::Value) -> Result<T, Failure> {
        let reply = self.ask(format!("$JS.API.{method}"), None, body.to_string().into()).await?;
        parse_reply(&reply)
    }

    /// Appends a message to the stream that collects `subject`, and returns its sequence number in it.
    pub(super) async fn append(&self, subject: String, headers: HeaderMap, payload: Bytes) -> Result<u64, Failure> {
        let reply = self.ask(subject, Some(headers), payload).await?;
        parse_reply(&reply).map(|ack: Ack| ack.seq)
    }

    async fn ask(&self, subject: String, headers: Option<HeaderMap>, payload: Bytes) -> Result<Bytes, Failure> {
        // An inbox of its own: it is forgotten with the request, whether a reply comes or not.
        let mut request = Request::new().payload(payload).inbox(self.client.new_inbox()).timeout(None);
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let asked = tokio::time::timeout(REPLY_TIMEOUT, self.client.send_request(subject, request));
        match asked.await {
            Ok(Ok(reply)) if reply.status == Some(StatusCode::NO_RESPONDERS) => Err(Failure::NobodyThere),
            Ok(Ok(reply)) => Ok(reply.payload),
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => Err(Failure::NobodyThere),
            Ok(Err(_)) | Err(_) => Err(Failure::NoReply),
        }
    }
}

impl Failure {
    pub(super) fn code(&self) -> Option<u64> {
        match self {
            Failure::Refused { code, .. } => Some(*code),
            Failure::NobodyThere | Failure::NoReply => None,
        }
    }

    /// For calls that change nothing, or that may be repeated.
    pub(super) fn as_unavailable(&self) -> EngineError {
        EngineError::Unavailable(match self {
            Failure::NobodyThere => "JetStream does not answer; start nats-server with -js".to_owned(),
            Failure::NoReply => "JetStream did not answer in time".to_owned(),
            Failure::Refused { code, description } => format!("JetStream says: {description} ({code})"),
        })
    }
}

/// Error codes of the API, as the server's own list names them.
pub(super) mod codes {
    /// `JSStreamNotFoundErr`
    pub(in crate::nats) const STREAM_NOT_FOUND: u64 = 10059;
    /// `JSStreamNameExistErr`: with another configuration, of which the first sequence number is part.
    pub(in crate::nats) const STREAM_NAME_EXISTS: u64 = 10058;
    /// `JSStreamReplicasNotSupportedErr`: the server is alone.
    pub(in crate::nats) const REPLICAS_NOT_SUPPORTED: u64 = 10074;
    /// `JSClusterNoPeersErrF`: there are fewer servers than replicas.
    pub(in crate::nats) const NO_PEERS: u64 = 10005;
    /// `JSInsufficientResourcesErr`: said for the same reason.
    pub(in crate::nats) const INSUFFICIENT_RESOURCES: u64 = 10023;
    /// `JSNoMessageFoundErr`
    pub(in crate::nats) const NO_MESSAGE_FOUND: u64 = 10037;
    /// `JSStreamWrongLastSequenceErrF`
    pub(in crate::nats) const WRONG_LAST_SEQUENCE: u64 = 10071;
    /// `JSStreamExpectedLastSeqPerSubjectNotReady`: another write to the key is under way.
    pub(in crate::nats) const LAST_SEQUENCE_NOT_READY: u64 = 10163;
    /// `JSStreamWrongLastSequenceConstantErr`
    pub(in crate::nats) const WRONG_LAST_SEQUENCE_CONSTANT: u64 = 10164;
}

/// After this a write is [`EngineError::Unknown`]. A healthy server takes less than a millisecond.
pub(super) const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Ack {
    seq: u64,
}

#[derive(Deserialize)]
struct ErrorReply {
    error: ApiError,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

fn parse_reply<T: DeserializeOwned>(reply: &[u8]) -> Result<T, Failure> {
    if let Ok(ErrorReply { error }) = serde_json::from_slice(reply) {
        return Err(Failure::Refused { code: error.err_code, description: error.description });
    }
    // A reply that is none, from whoever it came, says nothing about what has happened.
    serde_json::from_slice(reply).map_err(|_| Failure::NoReply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_a_result_or_an_error_or_nothing() {
        let ack = |reply: &str| parse_reply::<Ack>(reply.as_bytes()).map(|ack| ack.seq);
        assert_eq!(ack(r#"{"stream":"KV_chappe","seq":7,"more":{}}"#), Ok(7));
        let refused = Failure::Refused { code: 10071, description: "wrong".to_owned() };
        assert_eq!(ack(r#"{"error":{"code":400,"err_code":10071,"description":"wrong"},"seq":0}"#), Err(refused));
        assert_eq!(ack("{}"), Err(Failure::NoReply));
        assert_eq!(ack("\u{0}"), Err(Failure::NoReply));
    }
}
