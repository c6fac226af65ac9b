//! Owns the judgement of the store over names that two nodes give away in the same moment. It is a hint and an
//! arbiter: a publisher that comes back never waits for it, and without it nodes settle by epochs.

use std::sync::Arc;
use std::time::Duration;

use chappe_cluster::NodeName;
use chappe_engine::{EngineError, Key};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tracing::debug;

use super::{App, unix_ms};
use crate::refusal::Refusal;
use crate::room::{RoomName, StreamName};

/// Under `streams/{room}/{stream}`: who gave the name away last.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    node: NodeName,
    at_ms: u64,
}

impl App {
    /// Refuses a name that another node has given away just now, before its stream could be heard of here.
    pub(super) async fn claim_name(&self, room: &RoomName, stream: &StreamName) -> Result<(), Refusal> {
        if self.cluster.alone {
            return Ok(());
        }
        match timeout(CLAIM_WITHIN, self.try_claim(room, stream)).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Refusal::StreamExists(stream.clone())),
            Ok(Err(error)) => {
                debug!(%error, %room, %stream, "the store does not say whether a name is free");
                Ok(())
            }
            Err(_) => Ok(()),
        }
    }

    async fn try_claim(&self, room: &RoomName, stream: &StreamName) -> Result<bool, EngineError> {
        let key = Key::parse(&format!("streams/{room}/{stream}"))?;
        let claim = Claim { node: self.node().clone(), at_ms: unix_ms() };
        let value: bytes::Bytes = serde_json::to_vec(&claim).expect("a claim has only string keys").into();
        let engine = &self.cluster.engine;
        match engine.create(&key, value.clone()).await {
            Ok(_) => return Ok(true),
            Err(EngineError::Exists | EngineError::Unknown) => {}
            Err(error) => return Err(error),
        }
        let Some(entry) = engine.get(&key).await? else { return Ok(true) };
        let held = serde_json::from_slice::<Claim>(&entry.value).ok();
        // Whoever had it before that was seen live here, or is not any more.
        let is_fresh = held.is_some_and(|held| {
            held.node != *self.node()
                && unix_ms().saturating_sub(held.at_ms) < CLAIM_FRESH_MS
                && self.is_alive(&held.node)
        });
        if is_fresh {
            return Ok(false);
        }
        match engine.update(&key, value, entry.revision).await {
            Ok(_) => Ok(true),
            Err(EngineError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_alive(&self, node: &NodeName) -> bool {
        self.hub().replica.node(node).is_some()
    }

    /// A stream of ours is over. Nobody waits for that.
    pub(super) fn release_name(self: &Arc<Self>, room: &RoomName, stream: &StreamName) {
        if self.cluster.alone {
            return;
        }
        let Ok(key) = Key::parse(&format!("streams/{room}/{stream}")) else { return };
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(Some(entry)) = app.cluster.engine.get(&key).await else { return };
            let is_ours = serde_json::from_slice::<Claim>(&entry.value).is_ok_and(|held| held.node == *app.node());
            if is_ours {
                let _ = app.cluster.engine.delete(&key, Some(entry.revision)).await;
            }
        });
    }
}

/// The store answers within a millisecond; when its leader dies it takes seconds, and nobody is made to wait so long.
const CLAIM_WITHIN: Duration = Duration::from_millis(300);
/// A stream is told to all nodes long before.
const CLAIM_FRESH_MS: u64 = 3_000;
