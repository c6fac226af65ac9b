//! Owns what the tests of both engines lean on: real servers, a link to them that can be broken, bounds on waiting.
//! Never a stand-in for a part that can be real.

pub mod proxy;
pub mod server;
pub mod turns;

use std::time::Duration;

use bytes::Bytes;
use chappe_engine::{Change, Engine, Health, Key, KeyValue, Nats, NatsConfig, Revision, Subject};
use std::sync::Arc;
use tokio::sync::mpsc;

pub fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

pub fn subject(text: &str) -> Subject {
    Subject::parse(text).unwrap()
}

pub fn bytes(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into())
}

/// What `future` comes to, or a failure that says what was waited for.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{PATIENCE:?} were not enough for: {what}"),
    }
}

/// Tries until it works; between attempts others get a turn.
pub async fn until<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    soon(what, async {
        loop {
            if let Some(done) = attempt().await {
                return done;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

pub async fn until_up(engine: &dyn Engine) {
    let mut health = engine.health();
    soon("health Up", health.wait_for(|health| *health == Health::Up)).await.unwrap();
}

/// The reason, once the engine is down.
pub async fn until_down(engine: &dyn Engine, reason_has: &str) -> String {
    let mut health = engine.health();
    let down = |health: &Health| matches!(health, Health::Down { why, .. } if why.contains(reason_has));
    let health = soon(&format!("health Down with {reason_has:?}"), health.wait_for(down)).await.unwrap().clone();
    match health {
        Health::Down { why, .. } => why,
        Health::Connecting | Health::Up => unreachable!(),
    }
}

pub async fn connected(url: &str) -> Arc<Nats> {
    let engine = Nats::connect(NatsConfig::parse(url).unwrap()).await.unwrap();
    until_up(&*engine).await;
    engine
}

pub async fn next<T>(what: &str, receiver: &mut mpsc::Receiver<T>) -> T {
    soon(what, receiver.recv()).await.unwrap_or_else(|| panic!("the receiver ended before: {what}"))
}

/// The values told up to [`Change::Synced`], which must come after nothing but values.
pub async fn until_synced(changes: &mut mpsc::Receiver<Change>) -> Vec<(String, Bytes)> {
    let mut values = Vec::new();
    loop {
        match next("Synced", changes).await {
            Change::Put(KeyValue { key, value, .. }) => values.push((key.to_string(), value)),
            Change::Synced => return values,
            other => panic!("{other:?} before Synced"),
        }
    }
}

/// Writes by the rules: what is unknown is looked up, and what was not done is tried again. The revision is the one
/// that the store has for `value`.
pub async fn write_surely(engine: &dyn Engine, key: &Key, value: &Bytes, expected: Option<Revision>) -> Revision {
    soon("a write", async {
        loop {
            if let Some(revision) = write_once(engine, key, value, expected).await {
                return revision;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

async fn write_once(engine: &dyn Engine, key: &Key, value: &Bytes, expected: Option<Revision>) -> Option<Revision> {
    use chappe_engine::EngineError::{Conflict, Exists, Timeout, Unavailable, Unknown};
    let written = match expected {
        None => engine.create(key, value.clone()).await,
        Some(expected) => engine.update(key, value.clone(), expected).await,
    };
    match written {
        Ok(revision) => return Some(revision),
        Err(Unavailable(_) | Timeout) => return None,
        Err(Unknown | Conflict | Exists) => {}
        Err(other) => panic!("{other}"),
    }
    match engine.get(key).await {
        Ok(Some(entry)) if entry.value == *value => Some(entry.revision),
        Ok(Some(entry)) => {
            assert_eq!(Some(entry.revision), expected, "somebody else's {entry:?} instead of {value:?}");
            None
        }
        Ok(None) => {
            assert_eq!(expected, None, "an acknowledged write of {key} is lost");
            None
        }
        Err(_) => None,
    }
}

/// Longer than any of this takes on a loaded machine, shorter than anybody likes to wait.
const PATIENCE: Duration = Duration::from_secs(20);
