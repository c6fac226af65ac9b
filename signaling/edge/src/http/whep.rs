//! Owns the WHEP endpoint (draft-ietf-wish-whep): one POST makes a viewer.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use chappe_signaling_rooms::{RoomName, StreamName};
use chappe_signaling_sdp::Offer;
use chappe_signaling_service::{Answered, Caller, Refusal, Service, WatchRequest, Watched};
use serde::Deserialize;
use tracing::{Instrument as _, info_span};

use super::posting::{METHODS, alive_ms, created, is_set, preflight};
use crate::access::base_path::BasePath;
use crate::content_type::SDP;
use crate::error::HttpError;
use crate::http::body::sdp_text;
use crate::http::traced::traced;

#[derive(Debug, Deserialize)]
pub struct WhepOptions {
    /// `1`: a stream that is not there is waited for.
    wait: Option<String>,
    /// Of several encodings none with more lines than this, if there is another one.
    max: Option<String>,
    /// Signs of life of the worker, at least this often.
    alive_ms: Option<String>,
}

pub async fn endpoint(
    State(service): State<Arc<Service>>,
    method: Method,
    Path((room, stream)): Path<(String, String)>,
    Query(options): Query<WhepOptions>,
    (Extension(base), Extension(caller)): (Extension<BasePath>, Extension<Caller>),
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    match method {
        Method::POST => {
            let posting = post(Arc::clone(&service), (&room, &stream), options, caller, &headers, body);
            let route = ("POST /whep/{room}/{stream}", room.as_str(), stream.as_str());
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
    options: WhepOptions,
    caller: Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Answered, HttpError> {
    let room = RoomName::parse(room).map_err(Refusal::from)?;
    let stream = StreamName::parse(stream).map_err(Refusal::from)?;
    let text = sdp_text(headers, body, SDP).await?;
    let offer = Offer::parse(&text).map_err(Refusal::from)?;
    let alive_ms = alive_ms(options.alive_ms.as_deref())?;
    let height_max = height_max(options.max.as_deref())?;
    let span = info_span!("whep", %room, %stream);
    let slots = Watched::Player { stream, wait: is_set(options.wait.as_deref()), height_max };
    let watching = service.watch(WatchRequest {
        room,
        slots,
        offer,
        owner: None,
        instead_of: None,
        alive_ms,
        caller: Some(caller),
    });
    Ok(watching.instrument(span).await?)
}

fn height_max(option: Option<&str>) -> Result<Option<u16>, HttpError> {
    let parse = |text: &str| text.parse::<u16>().ok().filter(|lines| *lines > 0);
    let bad = || {
        let message =
            "`max` is the number of lines of the highest picture to be sent, 1 to 65535: correct it, or leave it out";
        HttpError::new(StatusCode::BAD_REQUEST, "bad_request", message.to_owned())
    };
    option.map(|text| parse(text).ok_or_else(bad)).transpose()
}
