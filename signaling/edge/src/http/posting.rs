//! Owns what a POST of WHIP and one of WHEP have in common: the options that both take, and how a new session is told.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chappe_sfu_api::{AliveMs, AliveMsOutOfRange};
use chappe_signaling_service::{Answered, Service};
use chappe_signaling_turn::IceServer;

use super::session;
use crate::access::base_path::BasePath;
use crate::content_type::{FRAGMENT, SDP};
use crate::error::HttpError;

/// 201 with the answer and everything the client needs to go on (RFC 9725 sections 4.2 and 4.3).
pub fn created(service: &Service, base: &BasePath, answered: Answered) -> Response {
    let turn = service.turn_for_session(answered.session);
    let headers = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, session::path(base, answered.session)),
        (header::ETAG, answered.etag),
        (header::HeaderName::from_static("accept-patch"), FRAGMENT.to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let mut response = (StatusCode::CREATED, headers, answered.sdp).into_response();
    for line in turn.iter().flat_map(links) {
        response.headers_mut().append(header::LINK, line);
    }
    response
}

/// One line for each URL of a TURN server (RFC 9725 section 4.6).
fn links(server: &IceServer) -> impl Iterator<Item = HeaderValue> + '_ {
    let IceServer { urls, username, credential } = server;
    let line = move |url: &String| {
        format!(
            "<{url}>; rel=\"ice-server\"; username=\"{username}\"; credential=\"{credential}\"; \
             credential-type=\"password\""
        )
    };
    urls.iter().filter_map(move |url| HeaderValue::from_str(&line(url)).ok())
}

/// RFC 9725 section 4.2: OPTIONS tells what POST takes.
pub fn preflight() -> Response {
    let headers = [(header::HeaderName::from_static("accept-post"), SDP), (header::ALLOW, METHODS)];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// `?x`, `?x=1`, `?x=true`.
pub fn is_set(option: Option<&str>) -> bool {
    option.is_some_and(|value| matches!(value, "" | "1" | "true"))
}

/// `?alive_ms=100`.
pub fn alive_ms(option: Option<&str>) -> Result<Option<AliveMs>, HttpError> {
    let parse = |text: &str| text.parse::<u64>().map_err(|_| AliveMsOutOfRange).and_then(AliveMs::try_from);
    let bad = |error: AliveMsOutOfRange| {
        HttpError::new(StatusCode::BAD_REQUEST, "bad_request", format!("{error}: correct it, or leave it out"))
    };
    option.map(parse).transpose().map_err(bad)
}

pub const METHODS: &str = "POST, OPTIONS";
