//! Owns types of bodies: their names, and whether a request has one.

use axum::http::{HeaderMap, header};

/// Parameters (`; charset=…`) are allowed and the case does not matter (RFC 9110 section 8.3.1).
pub fn is_content_type(headers: &HeaderMap, wanted: &str) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let value = value.to_str().ok();
    value.and_then(|value| value.split(';').next()).is_some_and(|essence| essence.trim().eq_ignore_ascii_case(wanted))
}

pub const SDP: &str = "application/sdp";
pub const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
pub const JSON: &str = "application/json";
