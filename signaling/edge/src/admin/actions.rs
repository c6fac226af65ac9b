//! Owns what operators may do: drain a node or a worker, take that back, end a session. Never forces a client to
//! come back.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chappe_cluster::NodeName;
use chappe_sfu_api::{SessionId, WorkerIndex};
use chappe_signaling_service::{ANSWER_WITHIN, NodeRequest, ProcessOrder, Refusal, Service};
use serde::Deserialize;
use serde_json::json;

use super::context::Admin;
use crate::error::{HttpError, missing};
use crate::processes::other_node;

/// A change is told all in its body. What a query says would be passed over: `drain?cancel=true` would drain.
pub async fn without_query(request: Request, next: Next) -> Result<Response, HttpError> {
    let query = request.uri().query().filter(|query| !query.is_empty());
    if let (false, Some(query)) = (request.method().is_safe(), query) {
        let method = request.method();
        let message = format!("{method} of the admin API takes no query (`?{query}`): say it in the JSON of the body");
        return Err(HttpError::new(StatusCode::BAD_REQUEST, "bad_request", message));
    }
    Ok(next.run(request).await)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DrainOptions {
    /// How long clients that can't be moved are waited for.
    #[serde(default = "default_deadline_ms")]
    deadline_ms: u64,
}

/// `POST /api/v1/nodes/{node}/drain`
pub async fn drain_node(
    State(service): State<Arc<Service>>,
    Path(node): Path<String>,
    body: Bytes,
) -> Result<Response, HttpError> {
    let deadline_ms = options(&body)?.deadline_ms;
    match other_node(&service, &node)? {
        Some(other) => ask(&service, &other, NodeRequest::Drain { deadline_ms }).await?,
        None => service.start_drain(deadline_ms),
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "node": node, "state": "draining", "deadline_ms": deadline_ms })))
        .into_response())
}

/// `DELETE /api/v1/nodes/{node}/drain`
pub async fn cancel_node_drain(
    State(service): State<Arc<Service>>,
    Path(node): Path<String>,
) -> Result<Response, HttpError> {
    match other_node(&service, &node)? {
        Some(other) => ask(&service, &other, NodeRequest::CancelDrain).await?,
        None => drop(service.cancel_drain()),
    }
    Ok(Json(json!({ "node": node, "state": "serving" })).into_response())
}

/// `POST /api/v1/workers/{node}/{index}/drain`, and `…/restart`, which is the same: its successor takes its place.
pub async fn drain_worker(
    State(Admin { processes, .. }): State<Admin>,
    Path((node, index)): Path<(String, u16)>,
    body: Bytes,
) -> Result<Response, HttpError> {
    let deadline_ms = options(&body)?.deadline_ms;
    processes.order(&node, ProcessOrder::DrainWorker { worker: WorkerIndex(index), deadline_ms }).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "worker": format!("{node}/{index}"), "state": "draining" })))
        .into_response())
}

/// `DELETE /api/v1/workers/{node}/{index}/drain`
pub async fn cancel_worker_drain(
    State(Admin { processes, .. }): State<Admin>,
    Path((node, index)): Path<(String, u16)>,
) -> Result<Response, HttpError> {
    processes.order(&node, ProcessOrder::CancelWorkerDrain { worker: WorkerIndex(index) }).await?;
    Ok(Json(json!({ "worker": format!("{node}/{index}"), "state": "serving" })).into_response())
}

/// `DELETE /api/v1/sessions/{id}`, of any node.
pub async fn kick(State(service): State<Arc<Service>>, Path(id): Path<String>) -> Result<Response, HttpError> {
    let id: SessionId = id.parse().map_err(|_| missing("session"))?;
    if service.close(id).await { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(missing("session")) }
}

fn options(body: &Bytes) -> Result<DrainOptions, HttpError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(DrainOptions { deadline_ms: default_deadline_ms() });
    }
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body is not {{\"deadline_ms\": milliseconds}}: {error}");
        HttpError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    })
}

async fn ask(service: &Service, node: &NodeName, request: NodeRequest) -> Result<(), HttpError> {
    let reply = service.cluster.ask(node, &request, ANSWER_WITHIN).await;
    reply.map(drop).map_err(|error| HttpError::from(Refusal::from(error)))
}

/// A plain WHIP or WHEP client that stays longer is cut off.
pub(super) fn default_deadline_ms() -> u64 {
    60_000
}
