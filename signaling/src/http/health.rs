//! Owns what load balancers ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
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
    let serving = app.hub().workers.iter().filter(|view| view.state == WorkerState::Serving).count();
    if app.is_settled() && serving > 0 {
        return Ok(Json(json!({ "status": "ready", "workers": serving })));
    }
    let message = if app.is_settled() { "no worker takes sessions now" } else { "waiting for the workers to report" };
    let error = HttpError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
    Err(HttpError { retry_after_s: Some(1), ..error })
}
