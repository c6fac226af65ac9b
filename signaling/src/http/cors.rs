//! Owns cross-origin access to WHIP and WHEP: players on other sites use them, and no cookie is ever
//! involved, so every origin may. The list of rooms is for our own pages alone.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

pub async fn allow(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let mut set = |name: HeaderName, value| drop(response.headers_mut().insert(name, HeaderValue::from_static(value)));
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(header::ACCESS_CONTROL_EXPOSE_HEADERS, "Location, ETag, Link, Accept-Patch, Retry-After");
    if preflight {
        set(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PATCH, DELETE, OPTIONS");
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type, If-Match");
        set(header::ACCESS_CONTROL_MAX_AGE, "86400");
    }
    response
}
