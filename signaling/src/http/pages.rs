//! Owns sending the web pages and their files.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chappe_web::Asset;

use super::{HttpError, not_found};
use crate::room::{RoomName, StreamName};

pub async fn index(headers: HeaderMap) -> Response {
    page("index", &headers)
}

pub async fn publish(headers: HeaderMap) -> Response {
    page("publish", &headers)
}

pub async fn watch(names: Names, headers: HeaderMap) -> Response {
    named_page("watch", names, &headers)
}

pub async fn room(names: Names, headers: HeaderMap) -> Response {
    named_page("room", names, &headers)
}

/// An address that leads nowhere: a page for who reads it in a browser, JSON for everyone else.
pub async fn unknown(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let reads = matches!(method, Method::GET | Method::HEAD);
    if reads && accepts_html(&headers) { missing_page(&headers) } else { not_found(uri).await.into_response() }
}

/// Room and maybe stream; refused where the address is not UTF-8.
type Names = Result<Path<Vec<String>>, PathRejection>;

pub async fn favicon(headers: HeaderMap) -> Response {
    let icon = chappe_web::asset("pages/favicon.ico").or_else(|| chappe_web::asset("pages/favicon.svg"));
    icon.map_or_else(missing, |icon| send(icon, &headers))
}

pub async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let mut response = chappe_web::asset(&path).map_or_else(missing, |asset| send(asset, &headers));
    // Pages of other origins may import the client library; nothing here is secret.
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// A page whose address holds a room and maybe a stream; with a name that can't exist there is no page.
fn named_page(name: &str, names: Names, headers: &HeaderMap) -> Response {
    let names = names.map(|Path(names)| names).unwrap_or_default();
    let room = names.first().is_some_and(|room| RoomName::parse(room).is_ok());
    let stream = names.get(1).is_none_or(|stream| StreamName::parse(stream).is_ok());
    match room && stream {
        true => page(name, headers),
        false if accepts_html(headers) => missing_page(headers),
        false => missing(),
    }
}

/// The page that says what an address looks like. Without its ETag: an error is not kept.
fn missing_page(headers: &HeaderMap) -> Response {
    let mut plain = headers.clone();
    plain.remove(header::IF_NONE_MATCH);
    let mut response = page("missing", &plain);
    response.headers_mut().remove(header::ETAG);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// Browsers name it when a person opens an address; programs say nothing or `*/*`.
fn accepts_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.to_ascii_lowercase().contains("text/html"))
}

fn page(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = chappe_web::page(name) else {
        return missing();
    };
    let mut response = send(asset, headers);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

fn send(asset: Asset, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    // A compressing proxy makes the tag weak (RFC 9110 section 8.8.3.2), which is as good for a 304.
    let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == asset.etag;
    let unchanged = known.is_some_and(|tags| tags.split(',').map(str::trim).any(same));
    let headers = [
        (header::ETAG, asset.etag.clone()),
        (header::CACHE_CONTROL, asset.cache_control.to_owned()),
        (header::CONTENT_TYPE, asset.content_type.to_owned()),
    ];
    if unchanged {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, asset.bytes.into_owned()).into_response()
}

fn missing() -> Response {
    HttpError::new(StatusCode::NOT_FOUND, "not_found", "there is no such page or file").into_response()
}

/// Only our own scripts and styles, connections only to us, media only from the browser itself.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob: mediastream:; \
     img-src 'self' data: blob:; style-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";
