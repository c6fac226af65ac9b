//! Owns which encodings of one m-line a client can send at a time: `a=simulcast` with its rids, or a group of SSRCs.
//! Never decides which of them anybody gets.

use chappe_sfu_api::SsrcPair;
use rtc_sdp::MediaDescription;

use super::attribute::{value, values};
use super::limits::{ENCODINGS_MAX, RID_BYTES_MAX};

/// The rids that the client offers to send (RFC 8853 section 5.1), in its order; none where it has not several. Of
/// alternatives the first counts, and one that begins paused is taken like the others.
pub(super) fn parse_rids(media: &MediaDescription) -> Vec<String> {
    let mut rids: Vec<String> = Vec::new();
    for stream in sent_streams(value(media, "simulcast").unwrap_or_default()) {
        let rid = stream.split(',').next().unwrap_or_default().trim_start_matches('~');
        let fits = (1..=RID_BYTES_MAX).contains(&rid.len()) && rid.bytes().all(is_rid_char);
        if fits && is_described(media, rid) && !rids.iter().any(|known| known == rid) {
            rids.push(rid.to_owned());
        }
    }
    rids.truncate(ENCODINGS_MAX);
    if rids.len() < 2 { Vec::new() } else { rids }
}

/// `send 1;2,3;~4 recv 5`, in either order.
fn sent_streams(simulcast: &str) -> impl Iterator<Item = &str> {
    let mut words = simulcast.split_whitespace();
    let list = words.by_ref().find(|word| *word == "send").and_then(|_| words.next());
    list.unwrap_or_default().split(';')
}

/// RFC 8851 section 10: a rid is described for the direction in which it is used.
fn is_described(media: &MediaDescription, rid: &str) -> bool {
    values(media, "rid").any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(rid) && words.next() == Some("send")
    })
}

/// RFC 8851 section 10, and what libwebrtc takes besides.
fn is_rid_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Numbers the SSRCs of `a=ssrc-group:SIM`, which lists the encodings of clients without rids. What is beyond the limit
/// is left out.
pub(super) fn place_encodings(media: &MediaDescription, pairs: &mut Vec<SsrcPair>) {
    let Some(group) = values(media, "ssrc-group").find_map(|group| group.strip_prefix("SIM ")) else { return };
    let group: Vec<u32> = group.split_whitespace().filter_map(|ssrc| ssrc.parse().ok()).collect();
    pairs.retain_mut(|pair| match group.iter().position(|ssrc| *ssrc == pair.ssrc) {
        Some(place) if place >= ENCODINGS_MAX => false,
        Some(place) => {
            pair.encoding = place as u8;
            true
        }
        None => true,
    });
}
