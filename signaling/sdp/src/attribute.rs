//! Owns the attributes of one m-line as text. Never knows what they mean.

use rtc_sdp::MediaDescription;

/// Values of all `a=<key>:` lines, trimmed.
pub(super) fn values<'a>(media: &'a MediaDescription, key: &'a str) -> impl Iterator<Item = &'a str> {
    media.attributes.iter().filter(move |a| a.key == key).filter_map(|a| a.value.as_deref()).map(str::trim)
}

pub(super) fn value<'a>(media: &'a MediaDescription, key: &'a str) -> Option<&'a str> {
    values(media, key).next()
}
