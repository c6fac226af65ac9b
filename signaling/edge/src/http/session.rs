//! Owns the resource of one WHIP or WHEP session: PATCH for trickle and ICE restart, DELETE
//! (RFC 9725 sections 4.2 and 4.3).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chappe_sfu_api::SessionId;
use chappe_signaling_rooms::RoomError;
use chappe_signaling_service::{Caller, PatchOutcome, Precondition, Refusal, Service};
use tracing::{Instrument as _, info_span};

use crate::access::base_path::BasePath;
use crate::content_type::FRAGMENT;
use crate::error::HttpError;
use crate::http::body::sdp_text;

/// The value of `Location`.
pub fn path(base: &BasePath, session: SessionId) -> String {
    format!("{base}/session/{session}")
}

/// The session that a URL, or the end of one, names.
pub fn named_by(url: &str) -> Result<SessionId, HttpError> {
    let path = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let id = path.rsplit('/').next().unwrap_or_default();
    id.parse().map_err(|_| {
        let message = "instead_of wants the URL of a session, as an earlier answer had it in Location";
        HttpError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    })
}

pub async fn resource(
    State(service): State<Arc<Service>>,
    method: Method,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let session = id.parse::<SessionId>().map_err(|_| Refusal::from(RoomError::NoSuchSession));
    match method {
        Method::PATCH => patch(service, session?, &caller, &headers, body).await,
        // Idempotent: a client that repeats it after a lost response must not see an error, and whether a
        // session ever existed is nobody's business. Who knows the URL of one that lives and is not its client, is.
        Method::DELETE => {
            service.close_own(session?, &caller).await?;
            Ok(StatusCode::OK.into_response())
        }
        Method::OPTIONS => {
            let headers = [(header::HeaderName::from_static("accept-patch"), FRAGMENT), (header::ALLOW, METHODS)];
            Ok((StatusCode::NO_CONTENT, headers).into_response())
        }
        _ => Err(HttpError::method_not_allowed(METHODS)),
    }
}

async fn patch(
    service: Arc<Service>,
    session: SessionId,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let text = sdp_text(headers, body, FRAGMENT).await?;
    let patching = service.patch(session, precondition(headers)?, &text, caller);
    match patching.instrument(info_span!("session", %session)).await? {
        PatchOutcome::Trickled => Ok(StatusCode::NO_CONTENT.into_response()),
        PatchOutcome::Restarted { etag, fragment } => {
            let headers = [(header::CONTENT_TYPE, FRAGMENT.to_owned()), (header::ETAG, etag)];
            Ok((StatusCode::OK, headers, fragment).into_response())
        }
        PatchOutcome::Stale => {
            let message = "the ICE session was restarted since: use the latest ETag, or `*` to restart it again";
            Err(HttpError::new(StatusCode::PRECONDITION_FAILED, "stale_etag", message))
        }
        PatchOutcome::PreconditionRequired => {
            let message = "send If-Match with the ETag of the session, or `*` to restart ICE (RFC 9725 section 4.3)";
            Err(HttpError::new(StatusCode::PRECONDITION_REQUIRED, "if_match_required", message))
        }
    }
}

/// RFC 9110 section 13.1.1. The tags are opaque, so splitting at commas is enough: ours have none. The typed header of
/// axum-extra judges tags and does not list them, and the node that has the session must be told all.
fn precondition(headers: &HeaderMap) -> Result<Precondition, HttpError> {
    let mut etags = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let bad = |_| HttpError::new(StatusCode::BAD_REQUEST, "bad_request", "If-Match is not text");
        for tag in value.to_str().map_err(bad)?.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if tag == "*" {
                return Ok(Precondition::Any);
            }
            etags.push(tag.to_owned());
        }
    }
    Ok(if headers.contains_key(header::IF_MATCH) { Precondition::OneOf(etags) } else { Precondition::None })
}

const METHODS: &str = "PATCH, DELETE, OPTIONS";
