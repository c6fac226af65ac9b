//! Owns errors as HTTP tells them: a status, `{"error", "message"}`, and when to try again.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chappe_signaling_service::{Counted, Refusal};
use serde_json::json;

use crate::refusal::{code, counted, retry_after, status};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    pub retry_after_s: Option<u64>,
    /// Value of `Allow`, with status 405.
    pub allow: Option<&'static str>,
    /// As what the listener counts it.
    pub counted: Option<Counted>,
}

impl HttpError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> HttpError {
        HttpError { status, code, message: message.into(), retry_after_s: None, allow: None, counted: None }
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
        let retry_after_s = retry_after(&refusal).map(|wait| wait.as_secs().max(1));
        let counted = counted(&refusal);
        HttpError { retry_after_s, counted, ..HttpError::new(status(&refusal), code(&refusal), refusal.to_string()) }
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
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750 section 3.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(counted) = self.counted {
            response.extensions_mut().insert(counted);
        }
        response
    }
}

/// What is asked for is not there, or not any more.
pub fn missing(what: &str) -> HttpError {
    HttpError::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what} now"))
}

pub async fn not_found(uri: Uri) -> HttpError {
    let path: String = uri.path().chars().take(PATH_CHARS_MAX).collect();
    HttpError::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at {path}"))
}

/// Of an address that is repeated in a message.
const PATH_CHARS_MAX: usize = 100;
