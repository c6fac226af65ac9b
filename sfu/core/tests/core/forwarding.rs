//! Media from publishers to viewers, in virtual time.

use std::time::Duration;

use crate::harness::*;
use chappe_sfu_core::{DropReason, Event, Media, SsrcPair, TrackId};

const SEEN: u32 = 0x9000;

fn camera_and_viewer() -> (Harness, Who, Who, Camera) {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.extensions = vec![(MID, b"0".to_vec())];
    (harness, publisher, viewer, camera)
}

fn is_continuous(indices: &[u64]) -> bool {
    indices.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

#[test]
fn a_viewer_starts_at_a_key_frame() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 3, false);
    harness.frame(publisher, &mut camera, 3, false);
    assert!(harness.clients[viewer].received.is_empty());
    assert_eq!(harness.clients[publisher].plis(), 1);
    harness.frame(publisher, &mut camera, 3, true);
    harness.frame(publisher, &mut camera, 2, false);
    let client = &harness.clients[viewer];
    assert_eq!(client.received.len(), 5);
    assert_eq!(client.received[0].payload[..2], [0x10, 0]);
    assert!(client.received.iter().all(|packet| (packet.ssrc, packet.payload_type) == (SEEN, 120)));
    assert!(is_continuous(&client.indices(SEEN)) && client.faults == 0);
}

#[test]
fn payloads_markers_and_negotiated_extensions_arrive_unchanged() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    camera.extensions = vec![(MID, b"0".to_vec()), (ORIENTATION, vec![2]), (TRANSPORT_CC, vec![0, 1]), (12, vec![9])];
    let sent = camera.frame(3, true);
    for packet in &sent {
        harness.send(publisher, packet);
    }
    let received = &harness.clients[viewer].received;
    assert_eq!(received.len(), 3);
    for (received, sent) in received.iter().zip(&sent) {
        assert_eq!((&received.payload, received.marker), (&sent.payload, sent.marker));
        assert_eq!(received.extensions, [(2, b"v".to_vec()), (7, vec![2])], "the viewer's ids, its mid, no more");
    }
}

#[test]
fn the_mid_is_named_until_the_viewer_reports() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 1, true);
    assert_eq!(harness.clients[viewer].received[0].extensions, [(2, b"v".to_vec())]);
    harness.clients[viewer]
        .send_rtcp(|writer| writer.receiver_report(chappe_sfu_core::rtp::Ssrc(1), &[report_of(SEEN)]));
    harness.exchange();
    harness.frame(publisher, &mut camera, 1, false);
    assert_eq!(harness.clients[viewer].received[1].extensions, []);
}

#[test]
fn audio_starts_at_once() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![microphone_line(MICROPHONE)]));
    let viewer = harness.join(watches(vec![audio_out(Some(MICROPHONE), SEEN)]));
    for at in 0..5u16 {
        harness.send(publisher, &opus(100 + at, u32::from(at) * 960));
    }
    assert_eq!(harness.clients[viewer].received.len(), 5);
    assert!(is_continuous(&harness.clients[viewer].indices(SEEN)));
}

#[test]
fn numbers_and_times_go_on_when_another_publisher_takes_over() {
    let (mut harness, first, viewer, mut camera) = camera_and_viewer();
    harness.frame(first, &mut camera, 3, true);
    harness.frame(first, &mut camera, 3, false);
    let other = TrackId(0xcb);
    let second = harness.join(publishes(vec![camera_line(other)]));
    // A source that still flows would go on until the other has a key frame.
    harness.run(Duration::from_millis(300));
    harness.set_media(viewer, watches(vec![video_out(Some(other), SEEN)]));
    let mut replacement = Camera::new(0x3333);
    replacement.extensions = vec![(MID, b"0".to_vec())];
    harness.frame(second, &mut replacement, 3, false);
    harness.frame(first, &mut camera, 3, true);
    assert_eq!(harness.clients[viewer].received.len(), 6, "the old one is not forwarded, the new one not yet");
    harness.run(Duration::from_millis(500));
    harness.frame(second, &mut replacement, 3, true);
    let client = &harness.clients[viewer];
    assert_eq!(client.received.len(), 9);
    assert!(is_continuous(&client.indices(SEEN)) && client.faults == 0);
    let (before, after) = (&client.received[5], &client.received[6]);
    let step = after.timestamp.wrapping_sub(before.timestamp);
    assert!((72_000..117_000).contains(&step), "about 0.9 s passed, {step} ticks did");
}

#[test]
fn a_publisher_that_returns_under_its_track_is_followed() {
    let (mut harness, first, viewer, mut camera) = camera_and_viewer();
    harness.frame(first, &mut camera, 3, true);
    let now = harness.now;
    harness.clients[first].close(now);
    harness.exchange();
    let closed = |event: &Event| matches!(event, Event::Closed { .. });
    assert!(harness.events.iter().any(closed), "{:?}", harness.events);
    let second = harness.join(publishes(vec![camera_line(CAMERA)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    harness.frame(second, &mut camera, 3, true);
    assert_eq!(harness.clients[viewer].received.len(), 6);
    assert!(is_continuous(&harness.clients[viewer].indices(SEEN)));
    assert_eq!(harness.clients[viewer].faults, 0);
}

#[test]
fn a_new_ssrc_of_the_same_publisher_supersedes_the_old() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 3, true);
    let mut restarted = Camera::new(0x7777);
    restarted.extensions.clone_from(&camera.extensions);
    harness.frame(publisher, &mut restarted, 3, true);
    harness.frame(publisher, &mut camera, 3, false);
    harness.frame(publisher, &mut restarted, 3, false);
    let client = &harness.clients[viewer];
    assert_eq!(client.received.len(), 9, "late packets of the old SSRC are not forwarded");
    assert!(is_continuous(&client.indices(SEEN)));
}

#[test]
fn reordered_packets_keep_their_order_in_numbers() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    let packets = camera.frame(5, true);
    for at in [0, 2, 1, 4, 3] {
        harness.send(publisher, &packets[at]);
    }
    let client = &harness.clients[viewer];
    let first = client.received[0].index;
    assert_eq!(client.indices(SEEN), [0, 2, 1, 4, 3].map(|at| first + at));
    let mut by_index = client.received.clone();
    by_index.sort_by_key(|packet| packet.index);
    assert!(by_index.iter().zip(&packets).all(|(received, sent)| received.payload == sent.payload));
}

#[test]
fn duplicates_and_replays_are_dropped() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    let packets = camera.frame(2, true);
    let copy = harness.clients[publisher].seal(&packets[0]);
    for _ in 0..3 {
        harness.clients[publisher].send_raw(copy.clone());
    }
    harness.exchange();
    assert_eq!(harness.clients[viewer].received.len(), 1);
    assert_eq!(harness.sfu.counters().dropped(DropReason::RtpReplayed), 2);
}

#[test]
fn padding_alone_is_not_forwarded_and_leaves_no_gap() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 2, true);
    let mut probe = camera.frame(1, false).remove(0);
    probe.payload.clear();
    probe.padding = 200;
    harness.send(publisher, &probe);
    harness.frame(publisher, &mut camera, 2, false);
    let client = &harness.clients[viewer];
    assert_eq!(client.received.len(), 4);
    assert!(is_continuous(&client.indices(SEEN)));
}

#[test]
fn a_client_without_extensions_is_told_apart_by_payload_type() {
    let mut harness = Harness::new();
    let lines = vec![camera_line(CAMERA), microphone_line(MICROPHONE)];
    let media = Media { receive: lines, ..no_media() };
    let publisher = harness.join(media);
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN), audio_out(Some(MICROPHONE), 0x9100)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    harness.frame(publisher, &mut camera, 2, true);
    harness.send(publisher, &opus(1, 0));
    assert_eq!(harness.clients[viewer].payloads(SEEN).len(), 2);
    assert_eq!(harness.clients[viewer].payloads(0x9100).len(), 1);
}

#[test]
fn ssrcs_of_the_offer_decide_where_nothing_else_does() {
    let mut harness = Harness::new();
    let line = |track, mid: &str, ssrc| {
        let mut line = camera_line(track);
        (line.mid, line.ssrcs) = (mid.into(), vec![SsrcPair { ssrc, rtx: None, encoding: 0 }]);
        line
    };
    let other = TrackId(0xcb);
    let publisher = harness.join(publishes(vec![line(CAMERA, "0", 10), line(other, "1", 20)]));
    let viewer = harness.join(watches(vec![video_out(Some(other), SEEN)]));
    harness.frame(publisher, &mut Camera::new(10), 1, true);
    harness.frame(publisher, &mut Camera::new(20), 2, true);
    harness.frame(publisher, &mut Camera::new(30), 1, true);
    assert_eq!(harness.clients[viewer].received.len(), 2);
    assert_eq!(harness.sfu.counters().dropped(DropReason::RtpUnknownSource), 1);
}

#[test]
fn a_silent_source_is_told_and_told_again_when_it_returns() {
    let (mut harness, publisher, _, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 1, true);
    harness.run(Duration::from_millis(2_100));
    harness.frame(publisher, &mut camera, 1, true);
    let told: Vec<bool> = harness
        .events
        .iter()
        .filter_map(|event| match event {
            Event::TrackActive { track: CAMERA, active, .. } => Some(*active),
            _ => None,
        })
        .collect();
    assert_eq!(told, [true, false, true]);
}

#[test]
fn packets_of_a_frame_that_differ_by_a_byte_leave_as_one_run() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 1, true);
    camera.bytes = 1_000;
    let mut packets = camera.frame(6, false);
    packets[5].payload.insert(3, 0);
    for packet in &packets {
        let mut datagram = harness.clients[publisher].seal(packet);
        let route = harness.clients[publisher].route;
        harness.sfu.handle_datagram(harness.now, route, &mut datagram);
    }
    harness.sfu.flush(harness.now);
    let runs: Vec<usize> = harness.sfu.egress().runs().map(|run| run.segments().count()).collect();
    assert_eq!(runs, [6]);
    harness.exchange();
    let client = &harness.clients[viewer];
    assert!(client.received[1..].iter().zip(&packets).all(|(received, sent)| received.payload == sent.payload));
    assert_eq!(client.faults, 0);
}

#[test]
fn a_full_arena_is_emptied_in_rounds_and_nothing_is_lost() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let viewers: Vec<Who> = (0..30).map(|_| harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]))).collect();
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.bytes = 1_200;
    for packet in camera.frame(200, true) {
        let mut datagram = harness.clients[publisher].seal(&packet);
        let route = harness.clients[publisher].route;
        harness.sfu.handle_datagram(harness.now, route, &mut datagram);
    }
    harness.exchange();
    for viewer in viewers {
        assert_eq!(harness.clients[viewer].received.len(), 200);
        assert!(is_continuous(&harness.clients[viewer].indices(SEEN)));
    }
}

#[test]
fn a_jump_of_the_publishers_numbers_is_no_gap_for_viewers() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 3, true);
    camera.seq = camera.seq.wrapping_add(20_000);
    harness.frame(publisher, &mut camera, 3, false);
    assert_eq!(harness.clients[viewer].received.len(), 3, "half a stream is nothing to decode");
    harness.frame(publisher, &mut camera, 3, true);
    assert_eq!(harness.clients[viewer].received.len(), 6);
    assert!(is_continuous(&harness.clients[viewer].indices(SEEN)));
}

#[test]
fn one_bad_publisher_changes_nothing_for_others() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 3, true);
    let stranger = crate::harness::client::tcp_route(77);
    let good = camera.frame(1, false).remove(0);
    let mut spoofed = harness.clients[publisher].seal(&good);
    harness.sfu.handle_datagram(harness.now, stranger, &mut spoofed);
    assert_eq!(harness.sfu.counters().dropped(DropReason::RouteUnknown), 1);
    let mut forged = harness.clients[publisher].seal(&good);
    *forged.last_mut().expect("not empty") ^= 1;
    let route = harness.clients[publisher].route;
    harness.sfu.handle_datagram(harness.now, route, &mut forged);
    assert_eq!(harness.sfu.counters().dropped(DropReason::RtpAuthentication), 1);
    harness.send(publisher, &good);
    assert_eq!(harness.clients[viewer].received.len(), 4, "the forgery did not take the number of the good one");
}

#[test]
fn a_frame_in_the_making_waits_a_millisecond_at_most() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    for _ in 0..20 {
        harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    }
    let mut camera = Camera::new(VIDEO_SSRC);
    harness.frame(publisher, &mut camera, 1, true);
    harness.frames_in_company(publisher, &mut camera);
    let packets = camera.frame(3, true);
    let mut datagram = harness.clients[publisher].seal(&packets[0]);
    let route = harness.clients[publisher].route;
    harness.sfu.handle_datagram(harness.now, route, &mut datagram);
    harness.sfu.flush(harness.now);
    assert!(harness.sfu.egress().is_empty(), "more of the frame may come");
    let tick = harness.sfu.poll_timeout().expect("a tick");
    assert!(tick <= harness.now.mono + Duration::from_millis(1));
    harness.now = harness.now.after(Duration::from_millis(1));
    harness.sfu.flush(harness.now);
    assert_eq!(harness.sfu.egress().runs().count(), 20);
    harness.sfu.egress().clear();
    for packet in &packets[1..] {
        let mut datagram = harness.clients[publisher].seal(packet);
        harness.sfu.handle_datagram(harness.now, route, &mut datagram);
    }
    harness.sfu.flush(harness.now);
    assert_eq!(harness.sfu.egress().runs().count(), 20, "the frame is complete, and its packets leave together");
}

#[test]
fn of_simulcast_the_highest_layer_is_forwarded_and_repaired_by_its_own_rtx() {
    let mut harness = Harness::new();
    let mut line = camera_line(CAMERA);
    line.rids = vec!["l".into(), "h".into()];
    let mut media = publishes(vec![line]);
    media.extensions = media
        .extensions
        .with(chappe_sfu_core::ExtensionKind::Rid, Some(10))
        .with(chappe_sfu_core::ExtensionKind::RepairedRid, Some(11));
    let publisher = harness.join(media);
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let layer = |ssrc, rid: &[u8]| {
        let mut camera = Camera::new(ssrc);
        camera.extensions = vec![(MID, b"0".to_vec()), (10, rid.to_vec())];
        camera
    };
    let (mut low, mut high) = (layer(1, b"l"), layer(2, b"h"));
    high.bytes = 200;
    harness.frame(publisher, &mut low, 1, true);
    harness.frame(publisher, &mut high, 1, true);
    harness.frame(publisher, &mut low, 2, false);
    let lost = high.frame(1, false).remove(0);
    harness.frame(publisher, &mut high, 1, false);
    let mut rtx = Packet { ssrc: 3, payload_type: 97, seq: 9, marker: true, ..lost.clone() };
    rtx.extensions = vec![(MID, b"0".to_vec()), (11, b"h".to_vec())];
    rtx.payload = [lost.seq.to_be_bytes().to_vec(), lost.payload.clone()].concat();
    harness.send(publisher, &rtx);
    let client = &harness.clients[viewer];
    let sizes: Vec<usize> = client.received.iter().map(|packet| packet.payload.len()).collect();
    assert_eq!(sizes, [100, 200, 200, 200]);
    assert_eq!(client.received[3].payload, lost.payload);
    assert_eq!(client.received[3].index + 1, client.received[2].index);
}
