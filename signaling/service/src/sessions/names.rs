//! Owns the judgement of the store over names that two nodes give away in the same moment. It is a hint and an
//! arbiter: a publisher that comes back hardly waits for it, and without it nodes settle by epochs.

use std::sync::Arc;
use std::time::Duration;

use chappe_cluster::NodeName;
use chappe_engine::{EngineError, Key, Revision};
use chappe_signaling_rooms::{MemberId, Proof, RoomError, RoomName, StreamName};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tracing::debug;

use crate::clock::unix_ms;
use crate::refusal::Refusal;
use crate::service::Service;

/// Under `streams/{room}/{stream}`: who gave the name away last.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    node: NodeName,
    at_ms: u64,
    /// The page that it was given to; none for WHIP.
    member: Option<MemberId>,
}

/// A name that the store has as ours. When it is dropped, it is given back once all nodes know of the stream that
/// came of it, wherever that is; so nothing stays in the store of streams that were placed on other nodes, nor of
/// clients who left before they had an answer.
pub(crate) struct NameClaim {
    service: Arc<Service>,
    key: Key,
    revision: Revision,
    kept: Duration,
}

impl NameClaim {
    /// No stream came of it: whoever asks next may have the name.
    pub fn give_back(mut self) {
        self.kept = Duration::ZERO;
    }
}

impl Drop for NameClaim {
    fn drop(&mut self) {
        let (service, key, revision, kept) = (Arc::clone(&self.service), self.key.clone(), self.revision, self.kept);
        // A process that ends leaves it: it is stale soon.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if !kept.is_zero() {
                tokio::time::sleep(kept).await;
            }
            let _ = service.cluster.engine.delete(&key, Some(revision)).await;
        });
    }
}

impl Service {
    /// Refuses a name that another node has given away just now, before its stream could be heard of here. None: the
    /// store does not say.
    pub(crate) async fn claim_name(
        self: &Arc<Self>,
        room: &RoomName,
        stream: &StreamName,
        proof: &Proof,
    ) -> Result<Option<NameClaim>, Refusal> {
        let Some(key) = key_of(room, stream).filter(|_| !self.cluster.alone) else {
            return Ok(None);
        };
        // It goes on when it is not waited for any more: what it writes late is given back like the rest.
        let claiming = tokio::spawn(Arc::clone(self).try_claim(key, proof.member));
        let patience = if proof.session.is_some() { CLAIM_AGAIN_WITHIN } else { CLAIM_WITHIN };
        match timeout(patience, claiming).await {
            Ok(Ok(Ok(Some(claim)))) => Ok(Some(claim)),
            Ok(Ok(Ok(None))) => Err(RoomError::StreamExists(stream.clone()).into()),
            Ok(Ok(Err(error))) => {
                debug!(%error, %room, %stream, "the store does not say whether a name is free");
                Ok(None)
            }
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    /// None: another node has the name.
    async fn try_claim(self: Arc<Self>, key: Key, member: Option<MemberId>) -> Result<Option<NameClaim>, EngineError> {
        let revision = self.write_claim(&key, member).await?;
        let kept = Duration::from_millis(CLAIM_FRESH_MS);
        Ok(revision.map(|revision| NameClaim { service: self, key, revision, kept }))
    }

    async fn write_claim(&self, key: &Key, member: Option<MemberId>) -> Result<Option<Revision>, EngineError> {
        let claim = Claim { node: self.node().clone(), at_ms: unix_ms(), member };
        let value: bytes::Bytes = serde_json::to_vec(&claim).expect("a claim has only string keys").into();
        let engine = &self.cluster.engine;
        match engine.create(key, value.clone()).await {
            Ok(revision) => return Ok(Some(revision)),
            Err(EngineError::Exists | EngineError::Unknown) => {}
            Err(error) => return Err(error),
        }
        // Given back just now.
        let Some(entry) = engine.get(key).await? else { return engine.create(key, value).await.map(Some) };
        let held = serde_json::from_slice::<Claim>(&entry.value).ok();
        // Whoever had it before that was seen live here, or is not any more.
        let is_fresh = held.is_some_and(|held| {
            held.node != *self.node()
                && (member.is_none() || held.member != member)
                && unix_ms().saturating_sub(held.at_ms) < CLAIM_FRESH_MS
                && self.is_alive(&held.node)
        });
        if is_fresh {
            return Ok(None);
        }
        match engine.update(key, value, entry.revision).await {
            Ok(revision) => Ok(Some(revision)),
            Err(EngineError::Conflict) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_alive(&self, node: &NodeName) -> bool {
        self.state().replica.node(node).is_some()
    }

    /// A stream of ours is over. Nobody waits for that.
    pub(crate) fn release_name(self: &Arc<Self>, room: &RoomName, stream: &StreamName) {
        if self.cluster.alone {
            return;
        }
        let Some(key) = key_of(room, stream) else { return };
        let service = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(Some(entry)) = service.cluster.engine.get(&key).await else { return };
            let is_ours = serde_json::from_slice::<Claim>(&entry.value).is_ok_and(|held| held.node == *service.node());
            if is_ours {
                let _ = service.cluster.engine.delete(&key, Some(entry.revision)).await;
            }
        });
    }
}

fn key_of(room: &RoomName, stream: &StreamName) -> Option<Key> {
    Key::parse(&format!("streams/{room}/{stream}")).ok()
}

/// The store answers within a millisecond; when its leader dies it takes seconds, and nobody is made to wait so long.
const CLAIM_WITHIN: Duration = Duration::from_millis(300);
/// A publisher that comes back is not kept waiting by a store that died together with its node.
const CLAIM_AGAIN_WITHIN: Duration = Duration::from_millis(50);
/// A stream is told to all nodes long before.
const CLAIM_FRESH_MS: u64 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{node, publish_request};
    use chappe_engine::{Change, Embedded, Engine};

    fn names() -> (RoomName, StreamName) {
        (RoomName::parse("demo").unwrap(), StreamName::parse("cam").unwrap())
    }

    async fn until_deleted(engine: &Arc<Embedded>) {
        let mut changes = engine.watch("streams").await.unwrap();
        let mut is_there = false;
        while let Some(change) = changes.recv().await {
            match change {
                Change::Put(_) => is_there = true,
                Change::Synced if !is_there => return,
                Change::Deleted { .. } => return,
                Change::Synced | Change::Reset => {}
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_store_keeps_a_claim_until_the_stream_is_known_everywhere() {
        let engine = Embedded::new();
        let (ours, theirs) = (node("n1", 1, &engine), node("n2", 2, &engine));
        theirs.handle_presence(ours.own_state(&ours.state()));
        let (room, stream) = names();
        let claim = ours.claim_name(&room, &stream, &Proof::default()).await.unwrap().unwrap();
        assert_eq!(
            theirs.claim_name(&room, &stream, &Proof::default()).await.err(),
            Some(RoomError::StreamExists(stream.clone()).into())
        );
        // The stream lives on some node: it is told of by itself.
        drop(claim);
        until_deleted(&engine).await;
        assert!(theirs.claim_name(&room, &stream, &Proof::default()).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_name_of_a_stream_that_found_no_worker_is_free_at_once() {
        let engine = Embedded::new();
        let (ours, theirs) = (node("n1", 1, &engine), node("n2", 2, &engine));
        theirs.handle_presence(ours.own_state(&ours.state()));
        let (room, stream) = names();
        let before = tokio::time::Instant::now();
        assert_eq!(ours.publish(publish_request()).await.err(), Some(Refusal::NoWorker));
        until_deleted(&engine).await;
        assert!(before.elapsed() < Duration::from_secs(1), "nobody waits for a claim to be stale");
        assert!(theirs.claim_name(&room, &stream, &Proof::default()).await.unwrap().is_some());
    }
}
