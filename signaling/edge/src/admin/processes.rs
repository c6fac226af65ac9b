//! Owns what operators may do with the processes of this node: more or fewer workers, another program, their log. The
//! supervisor does it; this asks it in the name of those who reach this listener.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chappe_signaling_service::Service;
use chappe_supervisor_api::{LogSource, ProcessName, Reply, Request};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;

use super::actions::{default_deadline_ms, other_node};
use crate::error::HttpError;
use crate::supervisor::{Replies, Supervisor, SupervisorError};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scale {
    workers: u16,
    /// How long clients that can't be moved are waited for on workers that leave.
    #[serde(default = "default_deadline_ms")]
    deadline_ms: u64,
}

/// `POST /api/v1/nodes/{node}/scale`
pub async fn scale(
    State(service): State<Arc<Service>>,
    State(supervisor): State<Supervisor>,
    Path(node): Path<String>,
    body: Bytes,
) -> Result<Response, HttpError> {
    own_node(&service, &node)?;
    let Scale { workers, deadline_ms } = parsed(&body, "{\"workers\": n, \"deadline_ms\": milliseconds}")?;
    let before = super::scale::scale(&service, &supervisor, workers, deadline_ms).await?;
    let state = json!({ "node": node, "workers": workers, "before": before, "deadline_ms": deadline_ms });
    Ok((StatusCode::ACCEPTED, Json(state)).into_response())
}

/// `POST /api/v1/nodes/{node}/signaling/restart`: answered, and then this process ends.
pub async fn restart_signaling(
    State(service): State<Arc<Service>>,
    State(supervisor): State<Supervisor>,
    Path(node): Path<String>,
) -> Result<Response, HttpError> {
    own_node(&service, &node)?;
    supervisor.ask(&Request::Restart { name: ProcessName::Signaling }).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "node": node, "pid": std::process::id() }))).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOptions {
    /// `supervisor`, `signaling` or `worker-0`; all where it is left out.
    of: Option<String>,
    #[serde(default = "default_lines")]
    lines: usize,
    #[serde(default)]
    follow: bool,
}

/// `GET /api/v1/log`: lines of text, each with its source before it.
pub async fn log(
    State(supervisor): State<Supervisor>,
    Query(options): Query<LogOptions>,
) -> Result<Response, HttpError> {
    let of = options.of.as_deref().map(str::parse::<LogSource>).transpose();
    let of = of.map_err(|error| {
        let message = format!("of: {error}; there are supervisor, signaling and worker-0, worker-1, …");
        HttpError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    })?;
    let LogOptions { lines, follow, .. } = options;
    let replies = supervisor.begin(&Request::Log { of, lines: lines.min(LINES_MAX), follow }).await?;
    let body = Body::from_stream(stream::unfold(replies, move |replies| next_line(replies, follow)));
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// The end of the first answer is the end for who does not follow.
async fn next_line(mut replies: Replies, follow: bool) -> Option<(Result<String, std::io::Error>, Replies)> {
    loop {
        return match replies.next().await {
            Ok(Some(Reply::Log(source, line))) => Some((Ok(format!("{source} {line}\n")), replies)),
            Ok(Some(Reply::Ok)) if follow => continue,
            Ok(_) => None,
            Err(error) => Some((Err(error), replies)),
        };
    }
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a Bytes, form: &str) -> Result<T, HttpError> {
    serde_json::from_slice(body).map_err(|error| {
        HttpError::new(StatusCode::BAD_REQUEST, "bad_request", format!("the body is not {form}: {error}"))
    })
}

fn own_node(service: &Service, node: &str) -> Result<(), HttpError> {
    match other_node(service, node)? {
        None => Ok(()),
        Some(other) => {
            let message = format!("the processes of {other} are changed at the admin address of that node");
            Err(HttpError::new(StatusCode::NOT_FOUND, "not_found", message))
        }
    }
}

impl From<SupervisorError> for HttpError {
    fn from(error: SupervisorError) -> HttpError {
        let (status, code) = match &error {
            SupervisorError::Refused(_) => (StatusCode::CONFLICT, "refused"),
            SupervisorError::Absent | SupervisorError::Silent(_) => (StatusCode::SERVICE_UNAVAILABLE, "no_supervisor"),
        };
        HttpError::new(status, code, error.to_string())
    }
}

fn default_lines() -> usize {
    100
}

/// As many as the supervisor keeps.
const LINES_MAX: usize = 20_000;
