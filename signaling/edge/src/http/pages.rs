//! Owns sending the web pages and their files.

use std::borrow::Cow;

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chappe_signaling_rooms::{RoomName, StreamName};
use chappe_web::Asset;

use crate::access::base_path::BasePath;
use crate::error::{HttpError, not_found};
use crate::http::below::below;

pub async fn index(base: Base, headers: HeaderMap) -> Response {
    page("index", &base, &headers)
}

pub async fn publish(base: Base, headers: HeaderMap) -> Response {
    page("publish", &base, &headers)
}

pub async fn watch(names: Names, base: Base, headers: HeaderMap) -> Response {
    named_page("watch", names, &base, &headers)
}

pub async fn room(names: Names, base: Base, headers: HeaderMap) -> Response {
    named_page("room", names, &base, &headers)
}

/// An address that leads nowhere: a page for who reads it in a browser, JSON for everyone else.
pub async fn unknown(method: Method, uri: Uri, base: Base, headers: HeaderMap) -> Response {
    let reads = matches!(method, Method::GET | Method::HEAD);
    if reads && accepts_html(&headers) { missing_page(&base, &headers) } else { not_found(uri).await.into_response() }
}

/// Below which path the pages are shown.
type Base = Extension<BasePath>;

/// Room and maybe stream; refused where the address is not UTF-8.
type Names = Result<Path<Vec<String>>, PathRejection>;

pub async fn favicon(headers: HeaderMap) -> Response {
    let icon = chappe_web::asset("pages/favicon.ico").or_else(|| chappe_web::asset("pages/favicon.svg"));
    icon.map_or_else(missing, |icon| send(icon, &headers))
}

pub async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    chappe_web::asset(&path).map_or_else(missing, |asset| send(asset, &headers))
}

/// A page whose address holds a room and maybe a stream; with a name that can't exist there is no page.
fn named_page(name: &str, names: Names, base: &BasePath, headers: &HeaderMap) -> Response {
    let names = names.map(|Path(names)| names).unwrap_or_default();
    let room = names.first().is_some_and(|room| RoomName::parse(room).is_ok());
    let stream = names.get(1).is_none_or(|stream| StreamName::parse(stream).is_ok());
    match room && stream {
        true => page(name, base, headers),
        false if accepts_html(headers) => missing_page(base, headers),
        false => missing(),
    }
}

/// The page that says what an address looks like. Without its ETag: an error is not kept.
fn missing_page(base: &BasePath, headers: &HeaderMap) -> Response {
    let mut plain = headers.clone();
    plain.remove(header::IF_NONE_MATCH);
    let mut response = page("missing", base, &plain);
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

fn page(name: &str, base: &BasePath, headers: &HeaderMap) -> Response {
    let Some(asset) = chappe_web::page(name) else {
        return missing();
    };
    let mut response = send(below(base, asset), headers);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

fn send(asset: Asset, headers: &HeaderMap) -> Response {
    let (encoding, bytes) = encoded(&asset, headers);
    // Each encoding is a representation of its own, with a tag of its own (RFC 9110 section 8.8.3.3).
    let etag = match encoding {
        Some(name) => format!("{}-{name}\"", asset.etag.trim_end_matches('"')),
        None => asset.etag.clone(),
    };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    // A compressing proxy makes the tag weak (RFC 9110 section 8.8.3.2), which is as good for a 304.
    let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    let unchanged = !asset.etag.is_empty() && known.is_some_and(|tags| tags.split(',').map(str::trim).any(same));
    let mut response = if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { bytes.into_response() };
    let answered = response.headers_mut();
    if let Ok(etag) = HeaderValue::from_str(&etag)
        && !asset.etag.is_empty()
    {
        answered.insert(header::ETAG, etag);
    }
    answered.insert(header::CACHE_CONTROL, HeaderValue::from_static(asset.cache_control));
    answered.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    answered.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(name) = encoding.filter(|_| !unchanged) {
        answered.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    response
}

/// The smallest form that the caller takes.
fn encoded(asset: &Asset, headers: &HeaderMap) -> (Option<&'static str>, Cow<'static, [u8]>) {
    let accepted: Vec<&str> = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok()).collect();
    let mut smaller = asset.compressed.iter().filter(|form| form.bytes.len() < asset.bytes.len());
    match smaller.find(|form| accepts(&accepted, form.encoding)) {
        Some(form) => (Some(form.encoding), form.bytes.clone()),
        None => (None, asset.bytes.clone()),
    }
}

/// RFC 9110 section 12.5.3: the entry of that name counts, else the one of all; a weight of zero refuses.
fn accepts(lines: &[&str], encoding: &str) -> bool {
    let entries = || lines.iter().flat_map(|line| line.split(','));
    let weight = |wanted: &str| {
        entries().find_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            parts.next().filter(|name| name.eq_ignore_ascii_case(wanted))?;
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            Some(weight.map_or(1.0, |weight| weight.parse::<f32>().unwrap_or(0.0)))
        })
    };
    weight(encoding).or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

fn missing() -> Response {
    HttpError::new(StatusCode::NOT_FOUND, "not_found", "there is no such page or file").into_response()
}

/// Only our own scripts and styles, connections only to us, media only from the browser itself.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob: mediastream:; \
     img-src 'self' data: blob:; style-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'";
