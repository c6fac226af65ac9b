//! Fixtures: recorded offers, the worker's side, and a checker that holds any answer against its offer.

mod bundle;
mod fragment;
mod mutated;
mod publish;
mod recorded;
mod refused;
mod renegotiation;
mod watch;

use std::collections::BTreeMap;
use std::io::Cursor;

use chappe_sfu_api::{Fingerprint, IceCredentials, TrackId};
use rtc_sdp::{MediaDescription, SessionDescription};

use super::attribute::{value, values};
use super::direction::Direction;
use super::*;

macro_rules! recorded {
    ($name:literal) => {
        ($name, include_str!(concat!("../tests/data/", $name, ".sdp")))
    };
}

pub(super) const PUBLISHERS: [(&str, &str); 7] = [
    recorded!("chromium-whip"),
    recorded!("ffmpeg8-whip"),
    recorded!("ffmpeg9-whip"),
    recorded!("firefox-whip"),
    recorded!("gstreamer-whip"),
    recorded!("libwebrtc-whip"),
    recorded!("pion-whip"),
];

pub(super) const VIEWERS: [(&str, &str); 4] =
    [recorded!("chromium-whep"), recorded!("firefox-whep"), recorded!("libdatachannel-whep"), recorded!("pion-whep")];

pub(super) fn recorded(name: &str) -> &'static str {
    PUBLISHERS.iter().chain(&VIEWERS).find(|(n, _)| *n == name).expect("recorded").1
}

pub(super) fn offer(name: &str) -> Offer {
    Offer::parse(recorded(name)).expect("a recorded offer")
}

/// A worker with one IPv4, one IPv6 and one TCP address.
pub(super) fn local() -> Local {
    let candidate = |ip: &str, transport| LocalCandidate { ip: ip.parse().expect("an address"), port: 7000, transport };
    Local {
        ice: IceCredentials { ufrag: "chap".to_owned(), pwd: "0123456789abcdefghijkl".to_owned() },
        fingerprint: Fingerprint { hash: "sha-256".to_owned(), value: vec!["A5"; 32].join(":") },
        candidates: vec![
            candidate("192.0.2.1", CandidateTransport::Udp),
            candidate("192.0.2.1", CandidateTransport::TcpPassive),
            candidate("2001:db8::1", CandidateTransport::Udp),
        ],
        proven: None,
        trickle: true,
        origin: 7,
    }
}

/// Track ids 1, 2, 3 …
pub(super) fn counter() -> impl FnMut() -> TrackId {
    let mut next = 0;
    move || {
        next += 1;
        TrackId(next)
    }
}

/// SSRCs 1001, 1002, 1003 …
pub(super) fn ssrcs() -> impl FnMut() -> u32 {
    let mut next = 1000;
    move || {
        next += 1;
        next
    }
}

pub(super) fn published(offer: &Offer) -> PublishAnswer {
    answer_publish(offer, &local(), None, &mut counter()).expect("a publisher that is answered")
}

/// Every m-line shows the track of its kind, or waits for one.
pub(super) fn slots(offer: &Offer, sources: &[SourceTrack]) -> Vec<SlotSource> {
    let slot = |section: &section::Section| SlotSource {
        mid: section.mid.clone(),
        stream: "camera".to_owned(),
        source: sources.iter().find(|s| Some(s.kind) == section.kind).cloned(),
        height_max: None,
    };
    offer.sections.iter().filter(|s| !s.removed).map(slot).collect()
}

pub(super) fn sources(answer: &PublishAnswer) -> Vec<SourceTrack> {
    answer.note.tracks().map(|(_, track)| track).collect()
}

pub(super) fn watched(offer: &Offer, slots: &[SlotSource]) -> WatchAnswer {
    answer_watch(offer, &local(), slots, None, &mut ssrcs()).expect("a viewer that is answered")
}

pub(super) fn parse(sdp: &str) -> SessionDescription {
    SessionDescription::unmarshal(&mut Cursor::new(sdp.as_bytes())).expect("SDP that rtc-sdp parses")
}

/// Values of the attribute, sorted and split into words, by payload type or other first word.
fn keyed(media: &MediaDescription, key: &str) -> BTreeMap<String, Vec<String>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for value in values(media, key) {
        let (first, rest) = value.split_once(' ').unwrap_or((value, ""));
        map.entry(first.to_owned()).or_default().push(rest.trim().to_lowercase());
    }
    map
}

/// RFC 8853 section 5.3.2: what is taken was offered, in the other direction, and each of its rids is described.
fn check_simulcast(offered: &MediaDescription, answered: &MediaDescription) {
    let Some(taken) = value(answered, "simulcast") else {
        return assert!(!answered.has_attribute("rid"), "no rid without simulcast");
    };
    let rids: Vec<&str> = taken.strip_prefix("recv ").expect("received").split(';').collect();
    let described = |media: &MediaDescription, line: String| {
        media.attributes.iter().any(|a| a.key == "rid" && a.value.as_deref().is_some_and(|v| v.starts_with(&line)))
    };
    assert!(rids.len() > 1);
    for rid in rids {
        assert!(described(offered, format!("{rid} send")) && described(answered, format!("{rid} recv")), "{rid}");
    }
}

/// Holds an answer against RFC 3264, 8829, 8285, 9143 and 8842, property by property.
pub(super) fn check_answer(offer: &str, answer: &str) {
    let (offer, answer) = (parse(offer), parse(answer));
    assert!(answer.has_attribute("ice-lite"), "ice-lite is a session-level attribute");
    assert_eq!(offer.media_descriptions.len(), answer.media_descriptions.len(), "one answer per m-line");
    let group = |d: &SessionDescription| {
        let groups = d.attributes.iter().filter(|a| a.key == "group").filter_map(|a| a.value.clone());
        groups.filter(|v| v.starts_with("BUNDLE")).collect::<Vec<_>>()
    };
    let mut accepted = Vec::new();
    let tag = group(&answer).first().and_then(|group| group.split_whitespace().nth(1)).map(str::to_owned);
    for (offered, answered) in offer.media_descriptions.iter().zip(&answer.media_descriptions) {
        assert_eq!(offered.media_name.media, answered.media_name.media, "same media in the same place");
        assert_eq!(offered.media_name.protos, answered.media_name.protos, "same protocol");
        assert_eq!(value(offered, "mid"), value(answered, "mid"), "same mid");
        check_simulcast(offered, answered);
        if answered.media_name.port.value == 0 {
            assert!(answered.has_attribute("inactive"));
            continue;
        }
        check_accepted(offered, answered);
        if tag.is_none() || value(answered, "mid") == tag.as_deref() {
            check_candidates(answered);
        } else {
            assert!(!answered.has_attribute("candidate"), "candidates are only in the tagged m-line");
        }
        accepted.extend(value(answered, "mid").map(str::to_owned));
    }
    if group(&offer).is_empty() {
        assert!(group(&answer).is_empty(), "no group that was not offered");
    } else {
        let stays = |mid: &&str| accepted.iter().any(|other| other == mid);
        let staying = group(&offer)
            .into_iter()
            .map(|group| group.split_whitespace().skip(1).filter(stays).map(str::to_owned).collect::<Vec<_>>());
        let wanted = staying.into_iter().find(|mids| mids.len() == accepted.len()).expect("one group");
        assert_eq!(group(&answer), [format!("BUNDLE {}", wanted.join(" "))], "in the order of the offer's group");
    }
    assert!(!answer.has_attribute("extmap-allow-mixed") || offer.has_attribute("extmap-allow-mixed"));
}

fn direction(media: &MediaDescription) -> Direction {
    Direction::of(&media.attributes).unwrap_or(Direction::SendRecv)
}

fn check_accepted(offered: &MediaDescription, answered: &MediaDescription) {
    for key in ["ice-ufrag", "ice-pwd", "fingerprint", "setup"] {
        assert!(value(answered, key).is_some(), "{key} is missing");
    }
    let setup = (value(offered, "setup"), value(answered, "setup"));
    assert!(
        matches!(setup, (Some("actpass" | "active") | None, Some("passive")) | (Some("passive"), Some("active"))),
        "{setup:?}"
    );
    assert!(answered.has_attribute("rtcp-mux"));
    assert!(!answered.has_attribute("rtcp-rsize") || offered.has_attribute("rtcp-rsize"));

    let (from, to) = (direction(offered), direction(answered));
    assert!(!to.sends() || from.receives(), "{from:?} answered with {to:?}");
    assert!(!to.receives() || from.sends(), "{from:?} answered with {to:?}");

    let formats = &answered.media_name.formats;
    assert!(!formats.is_empty(), "an accepted m-line has formats");
    let (offered_maps, maps) = (keyed(offered, "rtpmap"), keyed(answered, "rtpmap"));
    let (offered_feedback, mut feedback) = (keyed(offered, "rtcp-fb"), keyed(answered, "rtcp-fb"));
    // RFC 8888 section 6: for all payload types.
    let is_offered = |all: &Vec<String>| *all == ["ack ccfb"] && offered_feedback.values().any(|f| f.contains(&all[0]));
    assert!(feedback.remove("*").as_ref().is_none_or(is_offered), "feedback of all payload types was not offered");
    for format in formats {
        assert!(offered.media_name.formats.contains(format), "payload type {format} was not offered");
        assert_eq!(maps.get(format), offered_maps.get(format), "payload type {format} means something else");
        for value in feedback.get(format).into_iter().flatten() {
            assert!(
                offered_feedback.get(format).is_some_and(|f| f.contains(value)),
                "{format} {value} was not offered"
            );
        }
    }
    assert!(
        maps.keys().chain(feedback.keys()).all(|f| formats.contains(f)),
        "attributes of formats that are not listed"
    );
    for (format, fmtp) in keyed(answered, "fmtp") {
        assert!(formats.contains(&format));
        for apt in fmtp.iter().filter_map(|f| f.strip_prefix("apt=")) {
            assert!(formats.iter().any(|f| f == apt), "RTX of {apt}, which is not listed");
        }
    }
    let bare = |key: &str| key.split('/').next().unwrap_or_default().to_owned();
    let offered_ids: Vec<(String, Vec<String>)> =
        keyed(offered, "extmap").into_iter().map(|(k, v)| (bare(&k), v)).collect();
    for (id, uri) in keyed(answered, "extmap") {
        assert!(offered_ids.contains(&(bare(&id), uri.clone())), "extension {id} {uri:?} was not offered");
    }
    let sends = value(answered, "ssrc").is_some();
    assert_eq!(sends, to.sends(), "SSRCs are told exactly for what we send");
    assert_eq!(value(answered, "msid").is_some(), to.sends());
}

fn check_candidates(media: &MediaDescription) {
    let candidates: Vec<&str> = values(media, "candidate").collect();
    assert_eq!(
        candidates,
        [
            "1 1 udp 2130706175 192.0.2.1 7000 typ host",
            "2 1 udp 2130706431 2001:db8::1 7000 typ host",
            "3 1 tcp 1520434943 192.0.2.1 7000 typ host tcptype passive",
        ],
        "FFmpeg reads only the first, so that one is UDP over IPv4"
    );
    assert!(media.has_attribute("end-of-candidates"));
}
