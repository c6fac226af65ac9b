//! Owns what a client is told that speaks plain HTTP to a listener of TLS.

use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::access::site::Site;
use crate::error::HttpError;

/// Who only reads, as a person who left out the `s`, is sent to where it is. A change may carry a token, which has been
/// seen on the way already and must not be asked for again so.
pub fn told_to_use_https<B>(request: &Request<B>) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| Site::parse(host).is_some());
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let place = host.and_then(|host| HeaderValue::from_str(&format!("https://{host}{target}")).ok());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match place.filter(|_| reads && target.starts_with('/')) {
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

    fn told(method: &str, target: &str, host: &str) -> (u16, Option<String>) {
        let request = Request::builder().method(method).uri(target).header("host", host).body(()).unwrap();
        let response = told_to_use_https(&request);
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
    }
}
