//! Every message is read as it was written, and no bytes are more than a message or none.

use proptest::prelude::*;

use super::*;
use crate::codec::PictureSize;
use crate::tracks::Announced;
use crate::tracks::history::Arrived;

fn clock() -> Clock {
    Clock { origin: PeerId(9), ntp: 1 << 60, timestamp: 77, now_ntp: 3 << 60, age_us: 5, reported: true }
}

fn subscribe() -> Subscribe {
    Subscribe {
        channel: 4,
        track: TrackId(5),
        encoding: 3,
        epoch: Epoch(6),
        kind: MediaKind::Video,
        have: Some((1 << 50, 8)),
        leaves: None,
    }
}

fn announcement() -> Announcement {
    let size = Some(PictureSize { width: 640, height: 360 });
    let low = Announced { bits_per_second: 200_000, frames_per_second: 15, size, is_alive: true, is_off: true };
    Announcement::from_iter([
        low,
        Announced { bits_per_second: 1 << 40, size: None, is_alive: false, is_off: false, ..low },
    ])
}

fn messages() -> Vec<RelayMessage<'static>> {
    let accept = Accept { channel: 1, run: u64::MAX, depth: 3, from: 77, clock: Some(clock()) };
    let nack = Nack { channel: 2, run: 3, urgent: true, first: 1 << 40, offsets: &[0, 0, 0, 7, 1, 0] };
    vec![
        RelayMessage::Heartbeat(Heartbeat { sent_us: 1, echo_us: 2, held_us: 3 }),
        RelayMessage::Subscribe(subscribe()),
        RelayMessage::Subscribe(Subscribe {
            kind: MediaKind::Audio,
            have: None,
            leaves: Some(PeerId(3)),
            ..subscribe()
        }),
        RelayMessage::Accept(accept),
        RelayMessage::Accept(Accept { clock: None, ..accept }),
        RelayMessage::Refuse { channel: 1, reason: Refusal::Loop },
        RelayMessage::Redirect { channel: 1, to: PeerId(u64::MAX) },
        RelayMessage::Unsubscribe { channel: u32::MAX },
        RelayMessage::Nack(nack),
        RelayMessage::Keyframe { channel: 7 },
        RelayMessage::Clock { channel: 7, run: 8, clock: clock() },
        RelayMessage::Offer { channel: 7, run: 8, encodings: announcement() },
        RelayMessage::Tail { channel: 7, run: 8, sequence: 1 << 61 },
        RelayMessage::End { channel: 7, run: 8 },
    ]
}

#[test]
fn messages_are_read_as_they_were_written() {
    for message in messages() {
        assert_eq!(RelayMessage::parse(&message.frame()), Some(message));
    }
}

#[test]
fn a_request_names_all_that_is_lost() {
    let lost: Vec<u64> = (0..LOST_MAX as u64).map(|at| (1 << 40) + at * 500).collect();
    let frame = nack_frame(2, 3, false, &lost);
    let Some(RelayMessage::Nack(nack)) = RelayMessage::parse(&frame) else { panic!("a request") };
    assert_eq!(nack.lost().collect::<Vec<_>>(), lost);
}

#[test]
fn a_message_that_is_cut_or_longer_is_none() {
    for message in messages() {
        let frame = message.frame();
        // A request may be as long as it likes.
        let is_none =
            |bytes: &[u8]| RelayMessage::parse(bytes).is_none_or(|read| matches!(read, RelayMessage::Nack(_)));
        for from in 1..=frame.len() {
            assert!(is_none(&frame[from..]), "{message:?} from {from}");
        }
        assert_eq!(RelayMessage::parse(&[&[0], &frame[..]].concat()), None, "{message:?}");
    }
}

#[test]
fn media_is_read_as_it_was_written_whatever_its_padding() {
    let packet = Arrived {
        sequence: 1 << 40,
        timestamp: 3,
        generation: 4,
        payload_type: 96,
        marker: true,
        keyframe: false,
        sets_only: true,
        ends_burst: true,
        codec: crate::codec::Codec::Vp9,
        frame: crate::codec::frame::FrameNumbers::default(),
        layers: crate::codec::layers::FrameLayers::NONE,
        at_ms: 0,
    };
    let waits = [(0, 0), (15, 0), (16, 16), (100, 96), (239, 224), (240, 240), (255, 240)].into_iter().cycle();
    for (padding, (waited, waited_ms)) in (0..=MEDIA_PADDING_MAX as u8).zip(waits) {
        let tail = media_tail((9, 1), (&packet, waited), 2, padding);
        assert_eq!(tail.len(), MEDIA_FIXED_BYTES + usize::from(padding));
        let bytes = [b"xxpayload", &tail[..]].concat();
        let media = RelayedPacket { channel: 9, run: 1, packet, waited_ms, extensions: b"xx", payload: b"payload" };
        assert_eq!(RelayMessage::parse(&bytes), Some(RelayMessage::Media(media)));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0u8..15) {
        let _ = RelayMessage::parse(&[bytes, vec![kind]].concat());
    }
}
