//! Owns reading a request's body: its type, its length, its text. `to_bytes` holds the limit, and not a layer of axum or
//! tower-http around the route: what is too long is to be refused in our words.

use std::error::Error as _;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode};
use chappe_signaling_sdp::SDP_BYTES_MAX;
use http_body_util::LengthLimitError;

use crate::content_type::is_content_type;
use crate::error::HttpError;

/// The text of an SDP or a fragment of one.
pub async fn sdp_text(headers: &HeaderMap, body: Body, content_type: &'static str) -> Result<String, HttpError> {
    if !is_content_type(headers, content_type) {
        let message = format!("the body must have Content-Type: {content_type}");
        return Err(HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
    }
    let bytes = to_bytes(body, SDP_BYTES_MAX).await.map_err(|error| {
        if error.source().is_some_and(|source| source.is::<LengthLimitError>()) {
            let message = format!("an SDP has at most {SDP_BYTES_MAX} bytes");
            return HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message);
        }
        tracing::debug!(%error, "a body was not read to its end");
        HttpError::new(StatusCode::BAD_REQUEST, "bad_request", "the body broke off or is not framed as HTTP says")
    })?;
    let text = String::from_utf8(bytes.into());
    text.map_err(|_| HttpError::new(StatusCode::BAD_REQUEST, "bad_sdp", "the body is not UTF-8 text"))
}
