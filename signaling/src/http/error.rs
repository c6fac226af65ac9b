//! Owns errors as HTTP tells them: a status, `{"error", "message"}`, and when to try again.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chappe_signaling_rooms::{RoomError, RoomLimit};
use chappe_signaling_sdp::SdpError;
use serde_json::json;

use crate::refusal::{Limit, Refusal};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    pub retry_after_s: Option<u64>,
    /// Value of `Allow`, with status 405.
    pub allow: Option<&'static str>,
}

impl HttpError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> HttpError {
        HttpError { status, code, message: message.into(), retry_after_s: None, allow: None }
    }

    pub fn method_not_allowed(allow: &'static str) -> HttpError {
        let message = format!("this address takes only {allow}");
        HttpError {
            allow: Some(allow),
            ..HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        }
    }
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> HttpError {
        let status = match (&refusal, refusal.code()) {
            (Refusal::Elsewhere(told), _) => {
                StatusCode::from_u16(told.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            (Refusal::Sdp(SdpError::TooLong), _) => StatusCode::PAYLOAD_TOO_LARGE,
            (Refusal::Sdp(error), _) => sdp_status(error),
            (_, "bad_name") => StatusCode::BAD_REQUEST,
            (_, "no_codec") => StatusCode::NOT_ACCEPTABLE,
            (_, "bad_sdp") => StatusCode::UNPROCESSABLE_ENTITY,
            (_, "stream_exists" | "conflict") => StatusCode::CONFLICT,
            (_, "no_such_stream" | "no_such_session") => StatusCode::NOT_FOUND,
            (Refusal::Rooms(RoomError::NoteTooLong), _) => StatusCode::UNPROCESSABLE_ENTITY,
            // It is this client who asks for too much, and not the server that is short of it.
            (Refusal::Rooms(RoomError::TooMany(RoomLimit::Connecting(_) | RoomLimit::MembersOfAddress(_))), _) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            (_, "too_many" | "unavailable") => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let retry_after_s = refusal.retry_after().map(|wait| wait.as_secs().max(1));
        HttpError { retry_after_s, ..HttpError::new(status, refusal.code(), refusal.to_string()) }
    }
}

/// 400 for what is not an offer, 406 for codecs that don't meet, 422 for an offer that makes sense to
/// others and can't be served here (RFC 9725 sections 4.2 and 4.4).
fn sdp_status(error: &SdpError) -> StatusCode {
    match error {
        SdpError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        SdpError::NoCommonCodec { .. } | SdpError::NotDecodable(_) => StatusCode::NOT_ACCEPTABLE,
        SdpError::Malformed(_)
        | SdpError::BadMid { .. }
        | SdpError::DuplicateMid { .. }
        | SdpError::BadIceCredentials
        | SdpError::BadFingerprint
        | SdpError::BadSetup(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.code, "message": self.message }));
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

pub async fn not_found(uri: Uri) -> HttpError {
    let path: String = uri.path().chars().take(PATH_CHARS_MAX).collect();
    HttpError::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at {path}"))
}

/// Of an address that is repeated in a message.
const PATH_CHARS_MAX: usize = 100;
