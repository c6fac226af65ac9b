//! Owns sending the web pages and their files.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chappe_web::Asset;

use super::HttpError;
use crate::room::{RoomName, StreamName};

pub async fn index(headers: HeaderMap) -> Response {
    page("index", &headers)
}

pub async fn publish(headers: HeaderMap) -> Response {
    page("publish", &headers)
}

pub async fn watch(Path(names): Path<Vec<String>>, headers: HeaderMap) -> Response {
    named_page("watch", &names, &headers)
}

pub async fn room(Path(names): Path<Vec<String>>, headers: HeaderMap) -> Response {
    named_page("room", &names, &headers)
}

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
fn named_page(name: &str, names: &[String], headers: &HeaderMap) -> Response {
    let room = names.first().is_some_and(|room| RoomName::parse(room).is_ok());
    let stream = names.get(1).is_none_or(|stream| StreamName::parse(stream).is_ok());
    if room && stream { page(name, headers) } else { missing() }
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
