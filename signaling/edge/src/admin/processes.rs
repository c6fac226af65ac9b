//! Owns the words in which operators change the processes of a node and read its log.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chappe_signaling_service::{ProcessOrder, ProcessOutcome};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;

use super::actions::default_deadline_ms;
use super::context::Admin;
use crate::access::operator::{OperatorAccess, end_of};
use crate::error::HttpError;
use crate::processes::LogLines;

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
    State(Admin { processes, .. }): State<Admin>,
    Path(node): Path<String>,
    body: Bytes,
) -> Result<Response, HttpError> {
    let Scale { workers, deadline_ms } = parsed(&body, "{\"workers\": n, \"deadline_ms\": milliseconds}")?;
    let before = match processes.order(&node, ProcessOrder::Scale { workers, deadline_ms }).await? {
        ProcessOutcome::Scaled { before } => Some(before),
        _ => None,
    };
    let state = json!({ "node": node, "workers": workers, "before": before, "deadline_ms": deadline_ms });
    Ok((StatusCode::ACCEPTED, Json(state)).into_response())
}

/// `POST /api/v1/nodes/{node}/signaling/restart`: answered, and then that process ends.
pub async fn restart_signaling(
    State(Admin { processes, .. }): State<Admin>,
    Path(node): Path<String>,
) -> Result<Response, HttpError> {
    processes.order(&node, ProcessOrder::RestartSignaling).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "node": node, "state": "restarting" }))).into_response())
}

/// `POST /api/v1/nodes/{node}/settings`: the settings are read again. Those for signaling are taken up by its next process.
pub async fn read_settings(
    State(Admin { processes, .. }): State<Admin>,
    Path(node): Path<String>,
) -> Result<Response, HttpError> {
    let (changed, fixed) = match processes.order(&node, ProcessOrder::ReadSettings).await? {
        ProcessOutcome::SettingsRead { changed, fixed } => (changed, fixed),
        _ => (Vec::new(), Vec::new()),
    };
    Ok(Json(json!({ "node": node, "changed": changed, "fixed": fixed })).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOptions {
    /// The one that is asked where it is left out.
    node: Option<String>,
    /// `supervisor`, `signaling` or `worker-0`; all where it is left out.
    of: Option<String>,
    #[serde(default = "default_lines")]
    lines: usize,
    #[serde(default)]
    follow: bool,
}

/// `GET /api/v1/log`: lines of text, each with its source before it.
pub async fn log(
    State(Admin { processes, .. }): State<Admin>,
    Query(options): Query<LogOptions>,
    access: Option<Extension<OperatorAccess>>,
) -> Result<Response, HttpError> {
    let LogOptions { node, of, lines, follow } = options;
    let lines = processes.log(node.as_deref(), of, lines, follow).await?;
    let log = ReadLog { lines, access: access.map(|Extension(access)| access) };
    let body = Body::from_stream(stream::unfold(Some(log), next_line));
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

struct ReadLog {
    lines: LogLines,
    /// None where nobody is asked for a token.
    access: Option<OperatorAccess>,
}

/// None at the end of the log, and after the last words.
async fn next_line(log: Option<ReadLog>) -> Option<(Result<String, std::io::Error>, Option<ReadLog>)> {
    let mut log = log?;
    let line = tokio::select! {
        biased;
        end = end_of(&mut log.access) => return Some((Ok(format!("{ENDED} {end}\n")), None)),
        line = log.lines.next() => line.transpose()?,
    };
    Some((line, Some(log)))
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a Bytes, form: &str) -> Result<T, HttpError> {
    serde_json::from_slice(body).map_err(|error| {
        HttpError::new(StatusCode::BAD_REQUEST, "bad_request", format!("the body is not {form}: {error}"))
    })
}

fn default_lines() -> usize {
    100
}

/// Where each line has its source. No process is called so.
const ENDED: &str = "ended";
