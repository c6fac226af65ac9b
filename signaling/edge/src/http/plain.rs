//! Owns what a client is told that speaks plain HTTP to a listener of TLS. Whether it may call the listener under that name
//! is judged before, as for every request.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::access::site::Site;
use crate::error::HttpError;

/// Marks a request that came in plain HTTP where TLS is spoken, with its address as the client wrote it.
#[derive(Debug, Clone)]
pub struct PlainHttp(pub Uri);

/// Stands behind the check of who calls, and before every route.
pub async fn send_to_https(request: Request, next: Next) -> Response {
    match request.extensions().get::<PlainHttp>() {
        Some(PlainHttp(address)) => told_to_use_https(&request, address),
        None => next.run(request).await,
    }
}

/// Who only reads, as a person who left out the `s`, is sent to where it is. A change may carry a token, which has been
/// seen on the way already and must not be asked for again so.
fn told_to_use_https(request: &Request, address: &Uri) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| Site::parse(host).is_some());
    let target = address.path_and_query().map_or("/", |target| target.as_str());
    let place = host.and_then(|host| HeaderValue::from_str(&format!("https://{host}{target}")).ok());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    // A browser escapes what is not ASCII, and an address in a header has nothing else (RFC 3986 section 2).
    match place.filter(|_| reads && target.starts_with('/') && target.is_ascii()) {
        Some(place) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, place)]).into_response(),
        None => {
            let message = "this port speaks HTTPS: write https:// instead of http://";
            HttpError::new(StatusCode::BAD_REQUEST, "https_only", message).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn told(method: &str, target: &str, host: &str) -> (u16, Option<String>) {
        let request = Request::builder().method(method).uri(target).header("host", host).body(Body::empty()).unwrap();
        let response = told_to_use_https(&request, request.uri());
        let place = response.headers().get(header::LOCATION).map(|place| place.to_str().unwrap().to_owned());
        (response.status().as_u16(), place)
    }

    #[test]
    fn who_reads_is_sent_on_and_who_changes_is_told() {
        let place = Some("https://localhost:8443/watch/demo?a=1".to_owned());
        assert_eq!(told("GET", "/watch/demo?a=1", "localhost:8443"), (308, place));
        assert_eq!(told("POST", "/whip/demo/cam", "localhost:8443"), (400, None));
        assert_eq!(told("GET", "/", "evil.example/@localhost"), (400, None));
        assert_eq!(told("OPTIONS", "*", "localhost"), (400, None));
        assert_eq!(told("GET", "/watch/\u{e4}", "localhost"), (400, None));
    }
}
