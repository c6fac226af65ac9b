//! Owns what surrounds every request: how long it may take, headers that all responses have, errors of the
//! framework in our words, and counting. A line each, where tower-http has a layer and a feature for each of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::error::HttpError;

/// Responses by route and status. Routes are templates and statuses are ours, so it is bounded.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Mutex<BTreeMap<(String, u16), u64>>,
}

impl Tally {
    fn count(&self, route: String, status: StatusCode) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((route, status.as_u16())).or_default() += 1;
    }

    pub fn counts(&self) -> Vec<((String, u16), u64)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(key, count)| (key.clone(), *count)).collect()
    }
}

pub async fn guard(State(tally): State<Arc<Tally>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", |path| path.as_str()).to_owned();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    tally.count(route, response.status());
    response
}

/// Ends what takes too long. Apart from [`guard`], so that CORS can lie between the two: a page of another
/// origin must be able to read these errors too. The timeout of tower-http would answer without a body.
pub async fn bound(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_WITHIN, next.run(request)).await {
        Ok(response) => in_our_words(response),
        Err(_) => {
            let message = format!("the request was not done within {} s", REQUEST_WITHIN.as_secs());
            HttpError::new(StatusCode::REQUEST_TIMEOUT, "timeout", message).into_response()
        }
    }
}

/// The framework's own errors are plain text; clients get JSON from us always.
fn in_our_words(response: Response) -> Response {
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // The other kind of ours is the page that tells a person so.
    let is_ours = content_type.is_some_and(|kind| kind == "application/json" || kind.starts_with("text/html"));
    if is_ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (code, message) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "this address does not take that method"),
        StatusCode::UPGRADE_REQUIRED => ("upgrade_required", "this address takes only WebSocket connections"),
        StatusCode::BAD_REQUEST => ("bad_request", "the address or the headers can't be understood"),
        _ => ("bad_request", "the request can't be served"),
    };
    let mut ours = HttpError::new(status, code, message).into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        ours.headers_mut().insert(header::ALLOW, allow.clone());
    }
    ours
}

/// Longest a request may take, with reading its body and waiting for the worker.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);
