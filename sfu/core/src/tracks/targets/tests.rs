use super::*;
use crate::codec::Codec;
use crate::codec::frame::FrameNumbers;
use crate::codec::layers::FrameLayers;

/// One stream whose two temporal layers are to take 60 and 100 kbit/s.
const ANNOUNCES: [u8; 4] = [0x01, 0x40, 60, 100];
/// With the headers of thirty packets a second.
const ANNOUNCED: u64 = 100_000 + 30 * 68 * 8;

fn packet(generation: u32, sequence: u64) -> Arrived {
    Arrived {
        sequence,
        timestamp: 0,
        generation,
        payload_type: 96,
        marker: true,
        keyframe: false,
        sets_only: false,
        ends_burst: true,
        codec: Codec::Vp8,
        frame: FrameNumbers::default(),
        layers: FrameLayers::NONE,
        at_ms: 0,
    }
}

fn targets() -> Targets {
    let mut targets = Targets::default();
    targets.note(&packet(0, 7), Some(&ANNOUNCES));
    targets
}

fn measured(bits_per_second: u64) -> MeasuredRate {
    MeasuredRate { bits_per_second, frames_per_second: 30 }
}

#[test]
fn what_is_announced_counts_of_a_screen_and_bounds_what_is_measured_of_a_camera() {
    let targets = targets();
    for (sent, of_camera) in [(0, ANNOUNCED), (40_000, 40_000), (900_000, ANNOUNCED)] {
        assert_eq!(targets.rate(None, measured(sent), true), ANNOUNCED);
        assert_eq!(targets.rate(None, measured(sent), false), of_camera);
    }
    let lower = targets.rate(Some(OperatingPoint::new(0, 0)), measured(900_000), true);
    assert_eq!(lower, 60_000 + 30 * 68 * 8, "a frame has one packet at least");
    assert_eq!(targets.rate(Some(OperatingPoint::new(0, 3)), measured(0), true), ANNOUNCED, "as its highest");
    assert_eq!(targets.rate(Some(OperatingPoint::new(1, 0)), measured(5), true), 5, "nothing is announced of it");
    assert_eq!(Targets::default().rate(None, measured(5), true), 5);
}

#[test]
fn a_large_rate_has_the_headers_of_its_packets() {
    let mut targets = targets();
    targets.note(&packet(0, 8), Some(&[0x01, 0, 0xe0, 0x5d]));
    assert_eq!(targets.announced(None, 30), Some(12_000_000 + 1_364 * 68 * 8));
}

#[test]
fn what_is_announced_holds_until_something_newer_is_and_ends_with_the_stream() {
    let mut targets = targets();
    for late in [(0, 6), (0, 7)].map(|(generation, sequence)| packet(generation, sequence)) {
        targets.note(&late, Some(&[0x01, 0, 5]));
    }
    targets.note(&packet(0, 8), None);
    targets.note(&packet(0, 9), Some(&[]));
    assert_eq!(targets.announced(None, 30), Some(ANNOUNCED));
    targets.note(&packet(0, 10), Some(&[0]));
    assert_eq!(targets.announced(None, 30), None, "it is not sent");
    let mut targets = self::targets();
    targets.note(&packet(1, 1 << 17), None);
    assert_eq!(targets.announced(None, 30), None, "another one");
    assert_eq!(targets.take_objection(), None);
}

#[test]
fn what_cannot_be_read_is_told_once_and_changes_nothing() {
    let mut targets = targets();
    targets.note(&packet(0, 8), Some(&[0x01]));
    assert_eq!(targets.announced(None, 30), Some(ANNOUNCED));
    assert_eq!(targets.take_objection(), Some(DropReason::TargetsUnread));
    assert_eq!(targets.take_objection(), None);
}

#[test]
fn what_is_exceeded_for_seconds_is_not_believed_until_it_is_kept_to() {
    let mut targets = targets();
    let mut rate_after = |seconds, sent| {
        (0..seconds).for_each(|_| targets.note_interval(measured(sent)));
        (targets.rate(None, measured(sent), true), targets.take_objection())
    };
    assert_eq!(rate_after(60, 140_000), (ANNOUNCED, None), "within what an encoder misses it by");
    assert_eq!(rate_after(4, 900_000), (ANNOUNCED, None), "a burst");
    assert_eq!(rate_after(8, 20_000), (ANNOUNCED, None));
    assert_eq!(rate_after(4, 900_000), (ANNOUNCED, None), "and another one");
    assert_eq!(rate_after(1, 900_000), (900_000, Some(DropReason::TargetsExceeded)));
    assert_eq!(rate_after(9, 90_000), (90_000, None));
    assert_eq!(rate_after(1, 90_000), (ANNOUNCED, None));
}
