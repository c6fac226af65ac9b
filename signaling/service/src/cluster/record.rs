//! Owns this node's record in the store: by it, nodes that start find this one.

use bytes::Bytes;
use chappe_cluster::{NodeName, NodeState};
use chappe_engine::{EngineError, Key};

use crate::service::Service;

/// Of a node, in the store.
pub fn record_key(node: &NodeName) -> Option<Key> {
    Key::parse(&format!("nodes/{node}")).ok()
}

impl Service {
    /// Other nodes find this one in the store when they start.
    pub async fn store_own_state(&self, state: &NodeState) {
        let (Some(key), Ok(value)) = (record_key(&state.node), serde_json::to_vec(state)) else { return };
        let (engine, value) = (&self.cluster.engine, Bytes::from(value));
        for _ in 0..STORE_TRIES {
            let stored = match engine.get(&key).await {
                Ok(Some(entry)) => engine.update(&key, value.clone(), entry.revision).await,
                Ok(None) => engine.create(&key, value.clone()).await,
                Err(error) => Err(error),
            };
            match stored {
                Ok(_) => return,
                // Another node has just deleted what an earlier process of ours left.
                Err(EngineError::Conflict | EngineError::Exists | EngineError::Unknown) => {}
                Err(error) => return tracing::debug!(%error, "the record of this node is not stored"),
            }
        }
    }

    /// A node of the same name that was started meanwhile keeps its record.
    pub async fn remove_own_state(&self) {
        let (own, instance) = (self.cluster.own(), self.cluster.identity.instance);
        let Some(key) = record_key(own) else { return };
        let Ok(Some(entry)) = self.cluster.engine.get(&key).await else { return };
        if serde_json::from_slice::<NodeState>(&entry.value).is_ok_and(|state| state.instance == instance) {
            let _ = self.cluster.engine.delete(&key, Some(entry.revision)).await;
        }
    }
}

/// Each is lost to somebody who writes the same record in the same moment.
const STORE_TRIES: u32 = 3;
