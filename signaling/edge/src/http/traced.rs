//! Owns the first step of a trace on this node: the request of a WHIP or WHEP client.

use axum::http::HeaderMap;
use chappe_signaling_service::{Answered, Service};
use chappe_signaling_traces::Span;

use crate::error::HttpError;

/// Header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

/// As the caller names its own step, if it does.
pub fn traceparent(headers: &HeaderMap) -> Option<&str> {
    headers.get(TRACEPARENT).and_then(|value| value.to_str().ok())
}

/// Carries out the request of a new session.
pub async fn traced(
    service: &Service,
    (route, room, stream): (&'static str, &str, &str),
    headers: &HeaderMap,
    request: impl Future<Output = Result<Answered, HttpError>>,
) -> Result<Answered, HttpError> {
    let mut span = service.tracer.request(route, traceparent(headers));
    let result = span.cover(request).await;
    if span.is_wanted() {
        note(&mut span, (route, room, stream), &result);
    }
    result
}

/// As the semantic conventions for HTTP servers have it: only what is this side's fault is a failure.
fn note(span: &mut Span, (route, room, stream): (&str, &str, &str), result: &Result<Answered, HttpError>) {
    let (method, path) = route.split_once(' ').unwrap_or(("POST", route));
    span.note("http.request.method", method);
    span.note("http.route", path);
    // Nobody has looked at them where the request was refused.
    let shown = |name: &str| name.chars().take(NAME_CHARS_MAX).collect::<String>();
    span.note("chappe.room", shown(room));
    span.note("chappe.stream", shown(stream));
    match result {
        Ok(answered) => {
            span.note_number("http.response.status_code", 201_u16);
            span.note("chappe.session", answered.session);
            span.note("chappe.outcome", "done");
        }
        Err(error) => {
            span.note_number("http.response.status_code", error.status.as_u16());
            span.note("error.type", error.code);
            span.note("chappe.outcome", "refused");
            if error.status.is_server_error() {
                span.fail(&error.message);
            }
        }
    }
}

const NAME_CHARS_MAX: usize = 64;
