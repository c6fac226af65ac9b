//! Owns the targets that call one parser each, with no state behind it.

use chappe_sfu_core::Codec;
use chappe_sfu_core::codec::{find_start, read_allocation, read_descriptors};
use chappe_sfu_core::rtcp::{Compound, Packet};
use chappe_sfu_core::rtp::{ExtensionKind, ExtensionMap, Header, write_extensions};
use chappe_sfu_core::stun::{self, Message};

use crate::input::Script;

pub(crate) fn stun(bytes: &[u8]) {
    let _ = stun::username(bytes);
    if let Ok(message) = Message::parse(bytes) {
        assert!(!message.is_authentic("no password of anybody's"));
    }
}

pub(crate) fn rtp(bytes: &[u8]) {
    let _ = chappe_sfu_core::classify(bytes);
    let ids = ExtensionKind::ALL.into_iter().zip(1..);
    let map = ids.fold(ExtensionMap::empty(), |map, (kind, id)| map.with(kind, Some(id)));
    if let Ok(header) = Header::parse(bytes) {
        assert!(header.header_len <= bytes.len());
        let values = map.find(header.extensions(bytes));
        let _ = values.transport_seq();
        let elements: Vec<(u8, &[u8])> =
            values.iter().filter_map(|(kind, value)| Some((map.id(kind)?, value))).collect();
        let _ = write_extensions(&elements, &mut [0; 400]);
        if let Some(payload) = header.payload(bytes) {
            find_starts(bytes.get(payload.range()).expect("a payload lies in its packet"));
        }
    }
    find_starts(bytes);
}

fn find_starts(payload: &[u8]) {
    for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1, Codec::Opus] {
        let _ = find_start(codec, payload);
    }
}

pub(crate) fn rtcp(bytes: &[u8]) {
    for part in Compound::new(bytes) {
        match part {
            Ok(Packet::SenderReport(_, blocks)) => drop(blocks.count()),
            Ok(Packet::ReceiverReport { blocks, .. }) => drop(blocks.count()),
            Ok(Packet::Nack { lost, .. }) => drop(lost.count()),
            Ok(Packet::Fir { requests, .. }) => drop(requests.count()),
            Ok(Packet::Bye { sources }) => drop(sources.count()),
            Ok(Packet::TransportFeedback { feedback, .. }) => drop(feedback.arrivals().count()),
            Ok(Packet::CongestionFeedback { feedback, .. }) => {
                for report in feedback.streams() {
                    let newest = report.newest_received();
                    assert!(
                        newest.is_none_or(|seq| report.metric(seq).is_some()),
                        "it says something of what it names"
                    );
                }
            }
            Ok(Packet::Pli { .. } | Packet::Remb { .. }) => {}
            Err(_) => return,
        }
    }
}

/// Dependency descriptors of the packets of one stream.
pub(crate) fn layers(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    read_descriptors(std::iter::from_fn(|| (!script.is_over()).then(|| script.bytes())));
}

/// Rates that a publisher announces for the layers of its streams.
pub(crate) fn allocation(bytes: &[u8]) {
    read_allocation(bytes);
}
