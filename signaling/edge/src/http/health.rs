//! Owns what load balancers ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chappe_cluster::WorkerPhase;
use chappe_engine::Health;
use chappe_signaling_service::{Service, WorkerState};
use serde_json::{Value, json};

use crate::error::HttpError;

/// The process lives.
pub async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// New sessions are taken.
pub async fn readyz(State(service): State<Arc<Service>>) -> Result<Json<Value>, HttpError> {
    let (serving, elsewhere, nodes, drains, engine) = {
        let state = service.state();
        let serving = state.workers.iter().filter(|view| view.state == WorkerState::Serving).count();
        let others = state.replica.nodes().flat_map(|node| &node.workers);
        let elsewhere = others.filter(|worker| worker.phase == WorkerPhase::Serving).count();
        (serving, elsewhere, state.replica.nodes().count() + 1, state.drain.is_some(), state.engine.clone())
    };
    if service.is_settled() && !drains && serving + elsewhere > 0 {
        let cluster = match &engine {
            _ if service.cluster.alone => json!({ "state": "alone" }),
            Health::Connecting => json!({ "state": "connecting", "nodes": nodes, "message": engine.outage() }),
            Health::Up => json!({ "state": "up", "nodes": nodes }),
            Health::Down { why, .. } => json!({ "state": "down", "nodes": nodes, "message": why }),
        };
        return Ok(Json(json!({ "status": "ready", "workers": serving, "cluster": cluster })));
    }
    let message = match (service.is_settled(), drains) {
        (_, true) => "this node drains and takes no new sessions",
        (true, false) => "no worker takes sessions now",
        (false, false) => "waiting for the workers to report",
    };
    let error = HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
    Err(HttpError { retry_after_s: Some(1), ..error })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use chappe_engine::Embedded;
    use chappe_sfu_api::Boot;

    use super::*;
    use chappe_signaling_service::harness::{W0, hello, node_with_workers};

    async fn cluster_of(service: &Arc<Service>) -> Value {
        let Ok(Json(ready)) = readyz(State(Arc::clone(service))).await else { panic!("it serves") };
        ready["cluster"]["state"].clone()
    }

    #[tokio::test]
    async fn a_cluster_is_connecting_until_it_was_reached_and_then_up_or_down() {
        let (service, _queues) = node_with_workers("n1", 1, 1, &Embedded::new());
        service.handle_worker_agreed(W0, hello(W0, Boot(7)), Vec::new());
        assert_eq!(cluster_of(&service).await, json!("connecting"));
        service.handle_engine_up(Instant::now());
        assert_eq!(cluster_of(&service).await, json!("up"));
        service.handle_engine_outage(Health::Down { since: Instant::now(), why: "the connection was lost".to_owned() });
        assert_eq!(cluster_of(&service).await, json!("down"));
    }
}
