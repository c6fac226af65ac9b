use super::keyframe_requests::KeyframeRequests;
use super::*;
use crate::keys::Key;
use crate::sim::start;
use crate::spec::{MediaKind, TrackId};
use crate::wire::rtcp::SenderReport;

fn source() -> Source {
    let spec = ReceiveTrack {
        track: TrackId(1),
        mid: "0".into(),
        kind: MediaKind::Video,
        codecs: Vec::new(),
        ssrcs: Vec::new(),
        rids: Vec::new(),
        parameter_sets: Vec::new(),
        muted: false,
    };
    Source::new(spec, TrackKey::new(0), &[LayerKey::new(0)])
}

fn reception(packets: &[(u64, u32, u32)]) -> Reception {
    let mut reception = Reception::default();
    for (index, timestamp, arrival) in packets {
        reception.record(*index, *timestamp, *arrival);
    }
    reception
}

#[test]
fn loss_is_counted_by_interval_and_in_total() {
    let mut reception = reception(&[(65_534, 0, 0), (65_535, 0, 0), (65_537, 0, 0)]);
    let first = reception.report(Ssrc(1), None, start());
    assert_eq!((first.cumulative_lost, first.fraction_lost, first.highest_seq), (1, 64, 65_537));
    for index in 65_538..65_542 {
        reception.record(index, 0, 0);
    }
    let second = reception.report(Ssrc(1), None, start());
    assert_eq!((second.cumulative_lost, second.fraction_lost), (1, 0));
    reception.record(65_536, 0, 0);
    assert_eq!(reception.report(Ssrc(1), None, start()).cumulative_lost, 0, "it was only late");
}

#[test]
fn duplicates_make_loss_negative_and_never_overflow() {
    let mut reception = reception(&[(1, 0, 0), (1, 0, 0), (1, 0, 0)]);
    let report = reception.report(Ssrc(1), None, start());
    assert_eq!((report.cumulative_lost, report.fraction_lost), (-2, 0));
}

#[test]
fn jitter_follows_rfc_3550_appendix_a_8() {
    // Each packet comes 160 ticks later than its timestamp says, then 160 earlier, and so on.
    let packets: Vec<_> =
        (0..400u64).map(|at| (at, at as u32 * 160, at as u32 * 160 + (at as u32 % 2) * 160)).collect();
    let report = reception(&packets).report(Ssrc(1), None, start());
    assert!((150..=161).contains(&report.jitter), "{}", report.jitter);
    let even: Vec<_> = (0..400u64).map(|at| (at, at as u32 * 160, at as u32 * 160 + 77)).collect();
    assert_eq!(reception(&even).report(Ssrc(1), None, start()).jitter, 0);
}

#[test]
fn a_report_names_the_last_sender_report_and_its_age() {
    let now = start();
    let sent = SenderReport { ssrc: Ssrc(1), ntp: 0x1234_5678_9abc_def0, rtp_timestamp: 0, packets: 0, bytes: 0 };
    let report = reception(&[(1, 0, 0)]).report(Ssrc(1), Some(&(sent, now)), now + Duration::from_millis(500));
    assert_eq!((report.last_sr, report.delay_since_last_sr), (0x5678_9abc, 32_768));
}

#[test]
fn a_key_frame_is_asked_for_at_most_once_in_its_pause_until_it_comes() {
    let now = start();
    let (after, pause) = (|ms| now + Duration::from_millis(ms), Duration::from_millis);
    let mut requests = KeyframeRequests::default();
    assert!(!requests.take_due(now) && requests.poll_timeout().is_none());
    requests.want(pause(500));
    assert!(requests.take_due(now) && !requests.take_due(after(499)) && requests.take_due(after(500)));
    requests.satisfy();
    assert!(requests.poll_timeout().is_none() && !requests.take_due(after(2_000)));
    requests.want(pause(500));
    assert!(requests.take_due(after(2_000)) && !requests.take_due(after(2_300)));
    // On a worker that is behind.
    requests.want(pause(300));
    assert!(requests.take_due(after(2_300)));
    assert_eq!(requests.sent, 4);
}

fn select(source: &mut Source, place: StreamKey, index: u64, now: Instant) -> Selection {
    let encoding = usize::from(source.stream(place).expect("a stream").encoding);
    source.encodings[encoding].select(&source.streams, place, index, now)
}

#[test]
fn a_silent_stream_is_superseded_and_encodings_do_not_supersede_each_other() {
    let (mut source, now) = (source(), start());
    source.add_encodings(&[LayerKey::new(0), LayerKey::new(1)]);
    let after = |ms| now + Duration::from_millis(ms);
    let heard = |source: &mut Source, place: StreamKey, at| {
        let stream = source.stream_mut(place).expect("a stream");
        stream.reception.received += 1;
        stream.heard = at;
    };
    let low = source.add(Ssrc(1), StreamRole::Media, 0, now, &mut RetiredStreams::default());
    let high = source.add(Ssrc(2), StreamRole::Media, 1, now, &mut RetiredStreams::default());
    let newer = source.add(Ssrc(3), StreamRole::Media, 1, now, &mut RetiredStreams::default());
    heard(&mut source, low, now);
    assert_eq!(select(&mut source, low, 10, now), Selection::Superseded);
    heard(&mut source, high, now);
    assert_eq!(select(&mut source, high, 500, now), Selection::Superseded);
    assert_eq!(select(&mut source, low, 11, now), Selection::Current);
    heard(&mut source, high, now);
    heard(&mut source, newer, now);
    assert_eq!(select(&mut source, newer, 7, now), Selection::Superseded, "the client started over");
    assert_eq!(select(&mut source, high, 501, now), Selection::Other);
    heard(&mut source, high, after(1_500));
    assert_eq!(select(&mut source, high, 502, after(1_500)), Selection::Superseded, "the newer one is silent");
    assert_eq!(select(&mut source, low, 12, after(1_500)), Selection::Current);
}

#[test]
fn sequences_of_a_track_only_grow_from_stream_to_stream() {
    let (mut source, now) = (source(), start());
    let mut last = 0;
    for ssrc in 0..40 {
        let place = source.add(
            Ssrc(ssrc),
            StreamRole::Media,
            0,
            now + Duration::from_millis(u64::from(ssrc)),
            &mut RetiredStreams::default(),
        );
        source.stream_mut(place).expect("a stream").reception.received = 1;
        assert_eq!(select(&mut source, place, u64::from(ssrc) * 1_000, now), Selection::Superseded);
        let sequence = source.encodings[0].sequence(u64::from(ssrc) * 1_000).expect("a place");
        assert!(sequence > last + 65_536);
        last = sequence;
    }
    assert_eq!(source.streams.len(), SSRCS_PER_TRACK_MAX, "a client cannot fill our memory with SSRCs");
}

#[test]
fn packets_of_ours_have_room_and_late_ones_keep_their_place() {
    let (mut source, now) = (source(), start());
    let place = source.add(Ssrc(1), StreamRole::Media, 0, now, &mut RetiredStreams::default());
    select(&mut source, place, 100, now);
    let source = &mut source.encodings[0];
    let before = source.sequence(100).expect("a place");
    assert_eq!(source.make_room(103, 2), before + 3);
    assert_eq!(source.sequence(103), Some(before + 5));
    assert_eq!(source.sequence(102), Some(before + 2), "it is only late");
    for at in 0..encoding::EARLIER_OFFSETS_MAX as u64 {
        source.make_room(104 + at, 1);
    }
    assert_eq!(source.sequence(102), None, "whose place it has is forgotten");
    assert_eq!(source.sequence(103), Some(before + 5));
}
