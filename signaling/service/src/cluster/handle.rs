//! Owns this node's part in the cluster: who it is, what it says to the others and hears of them. Never decides
//! what a client gets: the service does.
//!
//! The others stand behind the trait [`Engine`]; what is said over it is the same whatever joins the nodes.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chappe_cluster::{NodeName, node_tag, session_tag};
use chappe_engine::{Engine, EngineError};
use chappe_sfu_api::SessionId;
use chappe_signaling_traces::{Kind, step};
use tokio::sync::{Notify, mpsc};

use crate::cluster::message::{NodeReply, NodeRequest, to_payload};
use crate::cluster::outgoing::Outgoing;
use crate::refusal::{Refusal, RemoteRefusal};
use crate::relays::keys::RelaySecret;

/// What does not change while the process lives, and the way to the others.
#[derive(Debug)]
pub struct Cluster {
    pub engine: Arc<dyn Engine>,
    /// One node by itself: there are no others to ask.
    pub alone: bool,
    pub identity: Identity,
    /// Between workers of this node.
    pub node_secret: RelaySecret,
    /// Between workers of different nodes; none until the cluster was reached.
    cluster_secret: RwLock<Option<RelaySecret>>,
    outbox: mpsc::Sender<Outgoing>,
    /// Presence is to be told at once.
    pub tell_presence: Notify,
}

/// Who this node is to the others.
#[derive(Debug, Clone)]
pub struct Identity {
    pub node: NodeName,
    pub instance: u64,
    /// Unix time.
    pub started_ms: u64,
    pub region: Option<String>,
}

impl Cluster {
    pub fn new(
        engine: Arc<dyn Engine>,
        alone: bool,
        identity: Identity,
        node_secret: &[u8],
    ) -> (Cluster, mpsc::Receiver<Outgoing>) {
        let (outbox, outgoing) = mpsc::channel(OUTGOING_MAX);
        let cluster = Cluster {
            engine,
            alone,
            identity,
            node_secret: RelaySecret::new(node_secret),
            cluster_secret: RwLock::default(),
            outbox,
            tell_presence: Notify::new(),
        };
        (cluster, outgoing)
    }

    pub fn own(&self) -> &NodeName {
        &self.identity.node
    }

    pub fn set_secret(&self, secret: RelaySecret) {
        *self.cluster_secret.write().unwrap_or_else(PoisonError::into_inner) = Some(secret);
    }

    pub fn secret(&self) -> Option<RelaySecret> {
        self.cluster_secret.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a session's worker is one of this node, by its id.
    pub fn is_ours(&self, session: SessionId) -> bool {
        self.has_tag(session_tag(session))
    }

    /// Whether it is that of this node.
    pub fn has_tag(&self, tag: u32) -> bool {
        tag == node_tag(self.own())
    }

    /// Queued in order, and lost when the queue is full or the cluster can't be reached: what must arrive is asked
    /// for by whoever misses it.
    pub fn send(&self, outgoing: Outgoing) {
        if !self.alone && self.outbox.try_send(outgoing).is_err() {
            tracing::warn!("too much waits to be told to other nodes: something was left out");
        }
    }

    /// Asks another node and waits for its answer.
    pub async fn ask(&self, node: &NodeName, request: &NodeRequest, within: Duration) -> Result<NodeReply, AskError> {
        let mut asking = step("ask node", Kind::Client);
        asking.note("chappe.peer", node);
        asking.note("chappe.request", request.name());
        let answer = self.exchange(node, to_payload(request, asking.context()), within).await;
        asking.note_outcome(&answer);
        answer
    }

    async fn exchange(&self, node: &NodeName, payload: Vec<u8>, within: Duration) -> Result<NodeReply, AskError> {
        let reply = self.engine.request(node.as_str(), payload.into(), within).await.map_err(|error| {
            tracing::debug!(%node, %error, "a node does not answer");
            match error {
                EngineError::NobodyThere | EngineError::Unavailable(_) => AskError::Unreachable,
                _ => AskError::Silent,
            }
        })?;
        match serde_json::from_slice(&reply) {
            Ok(NodeReply::Refused { told }) => Err(AskError::Refused(told)),
            Ok(reply) => Ok(reply),
            Err(error) => {
                tracing::warn!(%node, %error, "a node answers in another version");
                Err(AskError::Unreachable)
            }
        }
    }
}

/// Why another node did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("it is out of reach: nothing was done")]
    Unreachable,
    #[error("it did not answer in time, and may have done it")]
    Silent,
    #[error("{}", .0.message)]
    Refused(RemoteRefusal),
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Refusal {
        match error {
            AskError::Unreachable | AskError::Silent => Refusal::NodeSilent,
            AskError::Refused(refusal) => Refusal::Elsewhere(refusal),
        }
    }
}

/// Longest that another node is waited for when a client waits.
pub const ANSWER_WITHIN: Duration = Duration::from_millis(1500);

/// Messages to other nodes that wait to be sent.
const OUTGOING_MAX: usize = 16_384;
