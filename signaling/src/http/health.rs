//! Owns what load balancers ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chappe_cluster::WorkerPhase;
use serde_json::{Value, json};

use super::HttpError;
use crate::app::App;
use crate::workers::WorkerState;

/// The process lives.
pub async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// New sessions are taken.
pub async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Value>, HttpError> {
    let (serving, elsewhere, nodes, drains, down) = {
        let hub = app.hub();
        let serving = hub.workers.iter().filter(|view| view.state == WorkerState::Serving).count();
        let others = hub.replica.nodes().flat_map(|node| &node.workers);
        let elsewhere = others.filter(|worker| worker.phase == WorkerPhase::Serving).count();
        (serving, elsewhere, hub.replica.nodes().count() + 1, hub.drain.is_some(), hub.engine_down.clone())
    };
    if app.is_settled() && !drains && serving + elsewhere > 0 {
        let cluster = match (app.cluster.alone, down) {
            (true, _) => json!({ "state": "alone" }),
            (false, None) => json!({ "state": "up", "nodes": nodes }),
            (false, Some(why)) => json!({ "state": "down", "nodes": nodes, "message": why }),
        };
        return Ok(Json(json!({ "status": "ready", "workers": serving, "cluster": cluster })));
    }
    let message = match (app.is_settled(), drains) {
        (_, true) => "this node drains and takes no new sessions",
        (true, false) => "no worker takes sessions now",
        (false, false) => "waiting for the workers to report",
    };
    let error = HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
    Err(HttpError { retry_after_s: Some(1), ..error })
}
