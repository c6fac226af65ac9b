//! Owns cross-origin access to WHIP, WHEP and the client library: players on other sites use them, and no cookie is
//! ever involved. The list of rooms is for our own pages alone.
//!
//! The CORS layer of tower-http answers every OPTIONS itself; here the route must, because it says what POST takes
//! (RFC 9725 section 4.2).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::access::callers::Callers;

/// Around routes that pages of every admitted origin use.
pub async fn allow(State(callers): State<Arc<Callers>>, request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let readers = callers.readers(request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if readers.as_ref().is_none_or(|readers| readers != "*") {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    let Some(readers) = readers else { return response };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, readers);
    let mut set = |name: HeaderName, value| drop(headers.insert(name, HeaderValue::from_static(value)));
    set(header::ACCESS_CONTROL_EXPOSE_HEADERS, "Location, ETag, Link, Accept-Patch, Retry-After");
    if preflight {
        set(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PATCH, DELETE, OPTIONS");
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, If-Match");
        set(header::ACCESS_CONTROL_MAX_AGE, "86400");
    }
    response
}
