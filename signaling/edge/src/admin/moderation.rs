//! Owns what operators say of a publisher's tracks: muted, for everybody and whatever it sends, and that taken back.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chappe_sfu_api::{MediaKind, SessionId};
use chappe_signaling_rooms::ChosenTracks;
use chappe_signaling_service::Service;
use serde::Deserialize;
use serde_json::json;

use crate::error::{HttpError, missing};
use crate::refusal::code;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MuteOrder {
    muted: bool,
    /// Of the publisher's m-line; all where it is left out.
    mid: Option<String>,
    /// Both kinds where it is left out.
    kind: Option<MediaKind>,
}

/// `POST /api/v1/sessions/{id}/mute`, of any node.
pub async fn mute(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, HttpError> {
    let MuteOrder { muted, mid, kind } = order(&body)?;
    let id: SessionId = id.parse().map_err(|_| missing("session"))?;
    let moderated = service.moderate(id, ChosenTracks { mid, kind }, muted).await;
    let tracks = moderated.map_err(|refusal| match code(&refusal) {
        "no_such_session" => missing("session"),
        _ => HttpError::from(refusal),
    })?;
    Ok(Json(json!({ "id": id, "tracks": tracks })).into_response())
}

fn order(body: &Bytes) -> Result<MuteOrder, HttpError> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!(
            "the body is not {{\"muted\": true or false, \"mid\": of one track, \"kind\": \"audio\" or \"video\"}}, the last \
             two of which may be left out: {error}"
        );
        HttpError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    })
}
