//! Owns the store: a JetStream key-value bucket with one value per key, made when it is first needed and again when
//! its servers have lost it. Never decides between two writers; the expected revision does.

pub(super) mod copies;

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_TTL};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::config::NatsConfig;
use super::connection::Connection;
use super::jetstream::{Failure, JetStream, REPLY_TIMEOUT, codes};
use crate::engine::{KeyValue, Revision};
use crate::error::EngineError;
use crate::key::{Key, Prefix};

#[derive(Debug)]
pub(super) struct Bucket {
    jetstream: JetStream,
    stream: String,
    /// What the subject of each key begins with, with a `.` at the end.
    subjects: String,
    replicas: u8,
    /// Held while the bucket is made, so that many who miss it make it once.
    making: Mutex<()>,
}

/// What the stream has last for a key.
struct Stored {
    revision: u64,
    /// None where it was deleted.
    value: Option<Bytes>,
}

impl Bucket {
    pub(super) fn new(connection: &Connection, config: &NatsConfig) -> Bucket {
        Bucket {
            jetstream: JetStream::new(connection.client().clone()),
            stream: format!("KV_{}", config.prefix),
            subjects: format!("$KV.{}.", config.prefix),
            replicas: config.replicas.max(1),
            making: Mutex::new(()),
        }
    }

    pub(super) async fn entry(&self, key: &Key) -> Result<Option<KeyValue>, EngineError> {
        let stored = self.stored(key).await?;
        Ok(stored.and_then(|Stored { revision, value }| {
            Some(KeyValue { key: key.clone(), value: value?, revision: Revision(revision) })
        }))
    }

    pub(super) async fn create(&self, key: &Key, value: Bytes) -> Result<Revision, EngineError> {
        within_limit(async {
            match self.write(key, value.clone(), Some(0), Write::Put).await {
                Err(EngineError::Conflict) => {}
                done => return done,
            }
            // There is something. What is deleted has left a mark, which the first value takes the place of.
            match self.stored(key).await? {
                Some(Stored { value: Some(_), .. }) => Err(EngineError::Exists),
                mark => self.write(key, value, Some(mark.map_or(0, |mark| mark.revision)), Write::Put).await,
            }
        })
        .await
        .map_err(|error| if error == EngineError::Conflict { EngineError::Exists } else { error })
    }

    pub(super) async fn update(&self, key: &Key, value: Bytes, expected: Revision) -> Result<Revision, EngineError> {
        // To the server 0 means that there is nothing; no entry has it.
        if expected.0 == 0 {
            return Err(EngineError::Conflict);
        }
        within_limit(self.write(key, value, Some(expected.0), Write::Put)).await
    }

    pub(super) async fn delete(&self, key: &Key, expected: Option<Revision>) -> Result<(), EngineError> {
        within_limit(async {
            // Whether there is anything, because the mark of a deletion has a revision that could be expected, and
            // because each mark is told to everyone who watches.
            match (self.entry(key).await?, expected) {
                (None, None) => return Ok(()),
                (Some(entry), Some(expected)) if entry.revision == expected => {}
                (_, Some(_)) => return Err(EngineError::Conflict),
                (Some(_), None) => {}
            }
            self.write(key, Bytes::new(), expected.map(|expected| expected.0), Write::Delete).await.map(|_| ())
        })
        .await
    }

    async fn stored(&self, key: &Key) -> Result<Option<Stored>, EngineError> {
        let method = format!("STREAM.MSG.GET.{}", self.stream);
        let body = json!({ "last_by_subj": self.subject(key) });
        match self.jetstream.call::<MessageReply>(&method, &body).await {
            Ok(reply) => reply.message.decode().map(Some),
            Err(failure) => match failure.code() {
                // Where nothing was ever stored, or all is lost, there is nothing under this key.
                Some(codes::NO_MESSAGE_FOUND | codes::STREAM_NOT_FOUND) => Ok(None),
                _ => Err(failure.as_unavailable()),
            },
        }
    }

    async fn write(
        &self,
        key: &Key,
        value: Bytes,
        expected: Option<u64>,
        write: Write,
    ) -> Result<Revision, EngineError> {
        let mut headers = HeaderMap::new();
        if let Some(expected) = expected {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        }
        if let Write::Delete = write {
            headers.insert(OPERATION_HEADER, "DEL");
            headers.insert(NATS_MESSAGE_TTL, DELETION_KEPT.as_secs().to_string());
        }
        let written = self.jetstream.append(self.subject(key), headers.clone(), value.clone()).await;
        let written = match written {
            // Nothing was done, because there is no bucket.
            Err(Failure::NobodyThere) => {
                self.ensure().await?;
                self.jetstream.append(self.subject(key), headers, value).await
            }
            written => written,
        };
        written.map(Revision).map_err(|failure| match failure.code() {
            Some(codes::WRONG_LAST_SEQUENCE | codes::WRONG_LAST_SEQUENCE_CONSTANT | codes::LAST_SEQUENCE_NOT_READY) => {
                EngineError::Conflict
            }
            _ if failure == Failure::NoReply => EngineError::Unknown,
            _ => failure.as_unavailable(),
        })
    }

    pub(super) fn jetstream(&self) -> &JetStream {
        &self.jetstream
    }

    pub(super) fn stream(&self) -> &str {
        &self.stream
    }

    pub(super) fn filter(&self, prefix: &Prefix) -> String {
        format!("{}{}", self.subjects, prefix.to_filter())
    }

    fn subject(&self, key: &Key) -> String {
        format!("{}{}", self.subjects, key.to_tokens())
    }

    /// The key that a subject is of; None for one that nobody of ours has written.
    pub(super) fn key(&self, subject: &str) -> Option<Key> {
        Key::from_tokens(subject.strip_prefix(&self.subjects)?).ok()
    }
}

#[derive(Clone, Copy)]
enum Write {
    Put,
    Delete,
}

/// `KV-Operation` is how NATS' own tools mark deletions in a bucket.
pub(super) const OPERATION_HEADER: &str = "KV-Operation";
/// By which the server marks what it removes itself.
pub(super) const MARKER_HEADER: &str = "Nats-Marker-Reason";

/// How long the mark of a deletion is kept, for watchers that are behind. Each lost connection begins watches anew,
/// so none is behind by nearly as much; without a limit each stream there ever was would leave a mark.
const DELETION_KEPT: Duration = Duration::from_secs(3600);

/// Nothing takes longer, however many calls it is made of.
async fn within_limit<T>(write: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    tokio::time::timeout(REPLY_TIMEOUT, write).await.unwrap_or(Err(EngineError::Unknown))
}

#[derive(Deserialize)]
struct MessageReply {
    message: RawMessage,
}

#[derive(Deserialize)]
struct RawMessage {
    seq: u64,
    /// Base64, as is the payload.
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

impl RawMessage {
    fn decode(&self) -> Result<Stored, EngineError> {
        let garbled = |_| EngineError::Unavailable("JetStream returned a message that is none".to_owned());
        let headers = BASE64_STANDARD.decode(&self.hdrs).map_err(garbled)?;
        let headers = String::from_utf8_lossy(&headers);
        let deleted = headers.lines().any(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            is_deletion(name, value.trim())
        });
        let value = BASE64_STANDARD.decode(&self.data).map_err(garbled)?;
        Ok(Stored { revision: self.seq, value: (!deleted).then(|| value.into()) })
    }
}

/// Whether a header says that the message is the mark of a deletion.
pub(super) fn is_deletion(name: &str, value: &str) -> bool {
    name == MARKER_HEADER || (name == OPERATION_HEADER && matches!(value, "DEL" | "PURGE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(headers: &str, data: &[u8]) -> Option<Bytes> {
        let message = RawMessage { seq: 1, hdrs: BASE64_STANDARD.encode(headers), data: BASE64_STANDARD.encode(data) };
        message.decode().unwrap().value
    }

    #[test]
    fn the_mark_of_a_deletion_is_no_value() {
        assert_eq!(decoded("", b"v"), Some(Bytes::from_static(b"v")));
        assert_eq!(decoded("NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: 0\r\n\r\n", b""), Some(Bytes::new()));
        assert_eq!(decoded("NATS/1.0\r\nKV-Operation: DEL\r\nNats-TTL: 3600\r\n\r\n", b""), None);
        assert_eq!(decoded("NATS/1.0\r\nKV-Operation: PURGE\r\n\r\n", b""), None);
        assert_eq!(decoded("NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\n\r\n", b""), None);
    }
}
