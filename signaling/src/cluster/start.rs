//! Owns how a node enters the cluster: its name, and what the others have.

use std::sync::Arc;
use std::time::Duration;

use chappe_cluster::{NodeName, NodeState, may_share_cluster};
use chappe_engine::{Change, Embedded, Engine, EngineError, Health, Nats, NatsConfig, Revision};
use chappe_signaling_service::{AskError, NodeReply, NodeRequest, Service, VERSION, record_key};
use futures_util::future::join_all;
use tokio::time::timeout;
use tracing::warn;

use crate::config::SignalingError;

/// The engine of a node: NATS, or none other than itself.
pub async fn join(cluster: Option<&str>, node: &str) -> Result<Arc<dyn Engine>, SignalingError> {
    let Some(servers) = cluster else {
        return Ok(Embedded::new());
    };
    let mut config = NatsConfig::parse(servers).map_err(|error| SignalingError::Cluster(error.to_string()))?;
    config.client_name = format!("chappe {node}");
    let engine = Nats::connect(config).await.map_err(|error| SignalingError::Cluster(error.to_string()))?;
    let mut health = engine.health();
    // A node starts also when nobody answers; it only does not wait longer for it.
    let _ = timeout(UP_WITHIN, health.wait_for(|health| *health == Health::Up)).await;
    Ok(engine)
}

/// Refuses a name that a living node bears, and a cluster of nodes whose versions this one can't share it with.
pub async fn check_entry(service: &Service) -> Result<(), SignalingError> {
    if service.cluster.alone {
        return Ok(());
    }
    check_name(service).await?;
    // Where the store can't be asked, nodes pass over each other's presence later.
    match timeout(GATHER_WITHIN, stored_nodes(service)).await {
        Ok(Ok(nodes)) => check_versions(service, nodes.into_iter().map(|(state, _)| state)).await,
        Ok(Err(_)) | Err(_) => Ok(()),
    }
}

/// A record alone proves nothing: its node may be gone.
async fn check_versions(service: &Service, nodes: impl Iterator<Item = NodeState>) -> Result<(), SignalingError> {
    for state in nodes.filter(|state| !may_share_cluster(VERSION, &state.version)) {
        let answer = service.cluster.ask(&state.node, &NodeRequest::Ping, NAME_WITHIN).await;
        if !matches!(answer, Err(AskError::Unreachable | AskError::Silent)) && state.node != *service.cluster.own() {
            let (node, theirs) = (state.node.to_string(), state.version);
            return Err(SignalingError::OtherVersion { node, theirs, ours: VERSION });
        }
    }
    Ok(())
}

async fn check_name(service: &Service) -> Result<(), SignalingError> {
    match service.cluster.ask(service.cluster.own(), &NodeRequest::Ping, NAME_WITHIN).await {
        Ok(NodeReply::Pong { instance, .. }) if instance != service.cluster.identity.instance => {
            Err(SignalingError::NameTaken(service.cluster.own().to_string()))
        }
        _ => Ok(()),
    }
}

/// What other nodes publish, before the own workers are asked: viewers here may watch it. Nodes that do not
/// answer at once are heard of later.
pub async fn gather(service: &Arc<Service>) {
    if service.cluster.alone {
        return;
    }
    if let Some(why) = service.cluster.engine.health().borrow().outage() {
        // It was waited for already.
        warn!(why, "the cluster is out of reach: this node starts alone and hears of others later");
        return;
    }
    match timeout(GATHER_WITHIN, stored_nodes(service)).await {
        Ok(Ok(nodes)) => {
            let others = nodes.into_iter().filter(|(state, _)| state.node != *service.cluster.own());
            join_all(others.map(|(state, revision)| take_in(service, state, revision))).await;
        }
        Ok(Err(error)) => warn!(%error, "the nodes of the cluster can't be listed"),
        Err(_) => warn!("the nodes of the cluster are not known yet"),
    }
}

async fn take_in(service: &Arc<Service>, state: NodeState, revision: Revision) {
    let node = state.node.clone();
    let mut state = Some(state);
    let (mut part, mut parts) = (0, 1);
    while part < parts {
        match service.cluster.ask(&node, &NodeRequest::Streams { part }, GATHER_WITHIN).await {
            Ok(NodeReply::Streams { list }) => {
                state.take().into_iter().for_each(|state| service.handle_presence(state));
                (part, parts) = (part + 1, list.parts);
                service.handle_stream_list(list);
            }
            Err(AskError::Unreachable) => return forget_node(service, &node, revision).await,
            _ => return,
        }
    }
}

async fn stored_nodes(service: &Service) -> Result<Vec<(NodeState, Revision)>, EngineError> {
    let mut changes = service.cluster.engine.watch("nodes").await?;
    let mut nodes = Vec::new();
    while let Some(change) = changes.recv().await {
        match change {
            Change::Put(entry) => {
                nodes.extend(serde_json::from_slice(&entry.value).ok().map(|state| (state, entry.revision)));
            }
            Change::Synced => break,
            Change::Deleted { .. } | Change::Reset => {}
        }
    }
    Ok(nodes)
}

/// Deletes the record of a node that does not answer any more, unless it has come back and written another.
async fn forget_node(service: &Service, node: &NodeName, revision: Revision) {
    if let Some(key) = record_key(node) {
        let _ = service.cluster.engine.delete(&key, Some(revision)).await;
    }
}

/// How long a start waits for NATS before it goes on without.
const UP_WITHIN: Duration = Duration::from_millis(500);
const NAME_WITHIN: Duration = Duration::from_millis(500);
const GATHER_WITHIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use chappe_signaling_service::harness::node;

    async fn is_stored(engine: &Arc<Embedded>, service: &Service) -> bool {
        engine.get(&record_key(service.node()).unwrap()).await.unwrap().is_some()
    }

    async fn store(service: &Service) {
        let state = service.own_state(&service.state());
        service.store_own_state(&state).await;
    }

    #[tokio::test]
    async fn the_record_of_a_node_that_came_back_is_not_deleted_with_the_old_one() {
        let engine = Embedded::new();
        let (ours, theirs) = (node("n1", 1, &engine), node("n2", 2, &engine));
        store(&theirs).await;
        let (state, revision) = stored_nodes(&ours).await.unwrap().remove(0);
        store(&theirs).await;
        // Nobody serves its name yet.
        take_in(&ours, state, revision).await;
        assert!(is_stored(&engine, &theirs).await);
        let (state, revision) = stored_nodes(&ours).await.unwrap().remove(0);
        take_in(&ours, state, revision).await;
        assert!(!is_stored(&engine, &theirs).await, "it does not answer and has not come back");
    }

    #[tokio::test]
    async fn a_node_of_a_version_far_from_the_others_is_refused_while_one_of_them_lives() {
        let engine = Embedded::new();
        let (ours, theirs) = (node("n1", 1, &engine), node("n2", 2, &engine));
        let state = NodeState { version: "7.0.0".to_owned(), ..theirs.own_state(&theirs.state()) };
        theirs.store_own_state(&state).await;
        assert!(check_entry(&ours).await.is_ok(), "nobody answers for the record");
        let mut requests = engine.receive_requests("n2").await.unwrap();
        let answers = tokio::spawn(async move {
            while let Some(incoming) = requests.recv().await {
                let pong = NodeReply::Pong { instance: 2, started_ms: 2 };
                incoming.reply.send(serde_json::to_vec(&pong).unwrap().into());
            }
        });
        let refused = check_entry(&ours).await.unwrap_err();
        assert!(refused.is_final() && refused.to_string().starts_with("node n2 of the cluster runs version 7.0.0"));
        store(&theirs).await;
        assert!(check_entry(&ours).await.is_ok(), "the same version");
        ours.handle_presence(state);
        assert!(ours.state().replica.node(theirs.node()).is_none(), "one that is there is passed over");
        ours.handle_presence(theirs.own_state(&theirs.state()));
        assert!(ours.state().replica.node(theirs.node()).is_some());
        answers.abort();
    }

    #[tokio::test]
    async fn a_node_that_leaves_does_not_take_the_record_of_its_namesake_along() {
        let engine = Embedded::new();
        let (leaving, next) = (node("n1", 1, &engine), node("n1", 2, &engine));
        store(&leaving).await;
        store(&next).await;
        leaving.remove_own_state().await;
        assert!(is_stored(&engine, &next).await);
        next.remove_own_state().await;
        assert!(!is_stored(&engine, &next).await);
    }

    #[tokio::test]
    async fn a_node_that_started_without_nats_is_found_by_newcomers_once_it_is_there() {
        let engine = Embedded::new();
        let service = node("n1", 1, &engine);
        service.handle_engine_outage(Health::Connecting);
        service.handle_engine_up(std::time::Instant::now());
        while !is_stored(&engine, &service).await {
            tokio::task::yield_now().await;
        }
    }
}
