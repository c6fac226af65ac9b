//! Owns the WHIP endpoint (RFC 9725 section 4.2): one POST makes a publisher.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use chappe_signaling_rooms::{RoomName, StreamName};
use chappe_signaling_sdp::Offer;
use chappe_signaling_service::{Answered, Caller, PublishRequest, Refusal, Service};
use serde::Deserialize;
use tracing::{Instrument as _, info_span};

use super::posting::{METHODS, alive_ms, created, is_set, preflight};
use super::session;
use crate::access::base_path::BasePath;
use crate::content_type::SDP;
use crate::error::HttpError;
use crate::http::body::sdp_text;
use crate::http::traced::traced;

#[derive(Debug, Deserialize)]
pub struct WhipOptions {
    /// URL of the client's own earlier session under this name, whose place the new one takes: only its client knows it.
    instead_of: Option<String>,
    /// `1`: a name in use is taken over, if the token is of the same holder or permits it.
    takeover: Option<String>,
    /// `1`: it stands in the list of what is live.
    listed: Option<String>,
    /// Signs of life of the worker, at least this often.
    alive_ms: Option<String>,
}

pub async fn endpoint(
    State(service): State<Arc<Service>>,
    method: Method,
    Path((room, stream)): Path<(String, String)>,
    Query(options): Query<WhipOptions>,
    (Extension(base), Extension(caller)): (Extension<BasePath>, Extension<Caller>),
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    match method {
        Method::POST => {
            let posting = post(Arc::clone(&service), (&room, &stream), options, caller, &headers, body);
            let route = ("POST /whip/{room}/{stream}", room.as_str(), stream.as_str());
            let answered = traced(&service, route, &headers, posting).await?;
            Ok(created(&service, &base, answered))
        }
        Method::OPTIONS => Ok(preflight()),
        _ => Err(HttpError::method_not_allowed(METHODS)),
    }
}

async fn post(
    service: Arc<Service>,
    (room, stream): (&str, &str),
    options: WhipOptions,
    caller: Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Answered, HttpError> {
    let room = RoomName::parse(room).map_err(Refusal::from)?;
    let stream = StreamName::parse(stream).map_err(Refusal::from)?;
    let text = sdp_text(headers, body, SDP).await?;
    let offer = Offer::parse(&text).map_err(Refusal::from)?;
    let alive_ms = alive_ms(options.alive_ms.as_deref())?;
    let instead_of = options.instead_of.as_deref().map(session::named_by).transpose()?;
    let (listed, takes_over) = (is_set(options.listed.as_deref()), is_set(options.takeover.as_deref()));
    let span = info_span!("whip", %room, %stream);
    let publishing = service.publish(PublishRequest {
        room,
        stream,
        offer,
        owner: None,
        instead_of,
        listed,
        takes_over,
        alive_ms,
        caller: Some(caller),
    });
    Ok(publishing.instrument(span).await?)
}
