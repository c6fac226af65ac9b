//! Media from publishers to viewers, in virtual time.

mod bed;

use std::time::Duration;

use bed::*;
use chappe_sfu_core::{DropReason, Event, ExtensionMap, Media, SsrcPair, TrackId};

const SEEN: u32 = 0x9000;

fn camera_and_viewer() -> (Bed, Who, Who, Camera) {
    let mut bed = Bed::new();
    let publisher = bed.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = bed.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.extensions = vec![(MID, b"0".to_vec())];
    (bed, publisher, viewer, camera)
}

fn is_continuous(indices: &[u64]) -> bool {
    indices.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

#[test]
fn a_viewer_starts_at_a_key_frame() {
    let (mut bed, publisher, viewer, mut camera) = camera_and_viewer();
    bed.frame(publisher, &mut camera, 3, false);
    bed.frame(publisher, &mut camera, 3, false);
    assert!(bed.clients[viewer].received.is_empty());
    assert_eq!(bed.clients[publisher].plis(), 1);
    bed.frame(publisher, &mut camera, 3, true);
    bed.frame(publisher, &mut camera, 2, false);
    let client = &bed.clients[viewer];
    assert_eq!(client.received.len(), 5);
    assert_eq!(client.received[0].payload[..2], [0x10, 0]);
    assert!(client.received.iter().all(|packet| (packet.ssrc, packet.payload_type) == (SEEN, 120)));
    assert!(is_continuous(&client.indices(SEEN)) && client.faults == 0);
}

#[test]
fn payloads_markers_and_negotiated_extensions_arrive_unchanged() {
    let (mut bed, publisher, viewer, mut camera) = camera_and_viewer();
    camera.extensions = vec![(MID, b"0".to_vec()), (ORIENTATION, vec![2]), (TRANSPORT_CC, vec![0, 1]), (12, vec![9])];
    let sent = camera.frame(3, true);
    for packet in &sent {
        bed.send(publisher, packet);
    }
    let received = &bed.clients[viewer].received;
    assert_eq!(received.len(), 3);
    for (received, sent) in received.iter().zip(&sent) {
        assert_eq!((&received.payload, received.marker), (&sent.payload, sent.marker));
        assert_eq!(received.extensions, [(2, b"v".to_vec()), (7, vec![2])], "the viewer's ids, its mid, no more");
    }
}

#[test]
fn the_mid_is_named_until_the_viewer_reports() {
    let (mut bed, publisher, viewer, mut camera) = camera_and_viewer();
    bed.frame(publisher, &mut camera, 1, true);
    assert_eq!(bed.clients[viewer].received[0].extensions, [(2, b"v".to_vec())]);
    bed.clients[viewer].send_rtcp(|writer| writer.receiver_report(chappe_sfu_core::rtp::Ssrc(1), &[report_of(SEEN)]));
    bed.exchange();
    bed.frame(publisher, &mut camera, 1, false);
    assert_eq!(bed.clients[viewer].received[1].extensions, []);
}

#[test]
fn audio_starts_at_once() {
    let mut bed = Bed::new();
    let publisher = bed.join(publishes(vec![microphone_line(MICROPHONE)]));
    let viewer = bed.join(watches(vec![audio_out(Some(MICROPHONE), SEEN)]));
    for at in 0..5u16 {
        bed.send(publisher, &opus(100 + at, u32::from(at) * 960));
    }
    assert_eq!(bed.clients[viewer].received.len(), 5);
    assert!(is_continuous(&bed.clients[viewer].indices(SEEN)));
}

#[test]
fn numbers_and_times_go_on_when_another_publisher_takes_over() {
    let (mut bed, first, viewer, mut camera) = camera_and_viewer();
    bed.frame(first, &mut camera, 3, true);
    bed.frame(first, &mut camera, 3, false);
    let other = TrackId(0xcb);
    let second = bed.join(publishes(vec![camera_line(other)]));
    // A source that still flows would go on until the other has a key frame.
    bed.run(Duration::from_millis(300));
    bed.set_media(viewer, watches(vec![video_out(Some(other), SEEN)]));
    let mut replacement = Camera::new(0x3333);
    replacement.extensions = vec![(MID, b"0".to_vec())];
    bed.frame(second, &mut replacement, 3, false);
    bed.frame(first, &mut camera, 3, true);
    assert_eq!(bed.clients[viewer].received.len(), 6, "the old one is not forwarded, the new one not yet");
    bed.run(Duration::from_millis(500));
    bed.frame(second, &mut replacement, 3, true);
    let client = &bed.clients[viewer];
    assert_eq!(client.received.len(), 9);
    assert!(is_continuous(&client.indices(SEEN)) && client.faults == 0);
    let (before, after) = (&client.received[5], &client.received[6]);
    let step = after.timestamp.wrapping_sub(before.timestamp);
    assert!((72_000..117_000).contains(&step), "about 0.9 s passed, {step} ticks did");
}

#[test]
fn a_publisher_that_returns_under_its_track_is_followed() {
    let (mut bed, first, viewer, mut camera) = camera_and_viewer();
    bed.frame(first, &mut camera, 3, true);
    let now = bed.now;
    bed.clients[first].close(now);
    bed.exchange();
    let closed = |event: &Event| matches!(event, Event::Closed { .. });
    assert!(bed.events.iter().any(closed), "{:?}", bed.events);
    let second = bed.join(publishes(vec![camera_line(CAMERA)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    bed.frame(second, &mut camera, 3, true);
    assert_eq!(bed.clients[viewer].received.len(), 6);
    assert!(is_continuous(&bed.clients[viewer].indices(SEEN)));
    assert_eq!(bed.clients[viewer].faults, 0);
}

#[test]
fn a_new_ssrc_of_the_same_publisher_supersedes_the_old() {
    let (mut bed, publisher, viewer, mut camera) = camera_and_viewer();
    bed.frame(publisher, &mut camera, 3, true);
    let mut restarted = Camera::new(0x7777);
    restarted.extensions.clone_from(&camera.extensions);
    bed.frame(publisher, &mut restarted, 3, true);
    bed.frame(publisher, &mut camera, 3, false);
    bed.frame(publisher, &mut restarted, 3, false);
    let client = &bed.clients[viewer];
    assert_eq!(client.received.len(), 9, "late packets of the old SSRC are not forwarded");
    assert!(is_continuous(&client.indices(SEEN)));
}

#[test]
fn reordered_packets_keep_their_order_in_numbers() {
    let (mut bed, publisher, viewer, mut camera) = camera_and_viewer();
    let packets = camera.frame(5, true);
    for at in [0, 2, 1, 4, 3] {
        bed.send(publisher, &packets[at]);
    }
    let client = &bed.clients[viewer];
    let first = client.received[0].index;
    assert_eq!(client.indices(SEEN), [0, 2, 1, 4, 3].map(|at| first + at));
    let mut by_index = client.received.clone();
    by_index.sort_by_key(|packet| packet.index);
    assert!(by_index.iter().zip(&packets).all(|(received, sent)| received.payload == sent.payload));
}

#[test]
fn duplicates_and_replays_are_dropped() {
    let (mut bed, publisher, viewer, mut camera) = camera_and_viewer();
    let packets = camera.frame(2, true);
    let copy = bed.clients[publisher].seal(&packets[0]);
    for _ in 0..3 {
        bed.clients[publisher].send_raw(copy.clone());
    }
    bed.exchange();
    assert_eq!(bed.clients[viewer].received.len(), 1);
    assert_eq!(bed.sfu.counters().dropped(DropReason::RtpReplayed), 2);
}

#[test]
fn padding_alone_is_not_forwarded_and_leaves_no_gap() {
    let (mut bed, publisher, viewer, mut camera) = camera_and_viewer();
    bed.frame(publisher, &mut camera, 2, true);
    let mut probe = camera.frame(1, false).remove(0);
    probe.payload.clear();
    probe.padding = 200;
    bed.send(publisher, &probe);
    bed.frame(publisher, &mut camera, 2, false);
    let client = &bed.clients[viewer];
    assert_eq!(client.received.len(), 4);
    assert!(is_continuous(&client.indices(SEEN)));
}

#[test]
fn a_client_without_extensions_is_told_apart_by_payload_type() {
    let mut bed = Bed::new();
    let lines = vec![camera_line(CAMERA), microphone_line(MICROPHONE)];
    let media = Media { extensions: ExtensionMap::empty(), receive: lines, send: Vec::new() };
    let publisher = bed.join(media);
    let viewer = bed.join(watches(vec![video_out(Some(CAMERA), SEEN), audio_out(Some(MICROPHONE), 0x9100)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    bed.frame(publisher, &mut camera, 2, true);
    bed.send(publisher, &opus(1, 0));
    assert_eq!(bed.clients[viewer].payloads(SEEN).len(), 2);
    assert_eq!(bed.clients[viewer].payloads(0x9100).len(), 1);
}

#[test]
fn ssrcs_of_the_offer_decide_where_nothing_else_does() {
    let mut bed = Bed::new();
    let line = |track, mid: &str, ssrc| {
        let mut line = camera_line(track);
        (line.mid, line.ssrcs) = (mid.into(), vec![SsrcPair { ssrc, rtx: None }]);
        line
    };
    let other = TrackId(0xcb);
    let publisher = bed.join(publishes(vec![line(CAMERA, "0", 10), line(other, "1", 20)]));
    let viewer = bed.join(watches(vec![video_out(Some(other), SEEN)]));
    bed.frame(publisher, &mut Camera::new(10), 1, true);
    bed.frame(publisher, &mut Camera::new(20), 2, true);
    bed.frame(publisher, &mut Camera::new(30), 1, true);
    assert_eq!(bed.clients[viewer].received.len(), 2);
    assert_eq!(bed.sfu.counters().dropped(DropReason::RtpUnknownSource), 1);
}

#[test]
fn a_silent_source_is_told_and_told_again_when_it_returns() {
    let (mut bed, publisher, _, mut camera) = camera_and_viewer();
    bed.frame(publisher, &mut camera, 1, true);
    bed.run(Duration::from_millis(2_100));
    bed.frame(publisher, &mut camera, 1, true);
    let told: Vec<bool> = bed
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
    let (mut bed, publisher, viewer, mut camera) = camera_and_viewer();
    bed.frame(publisher, &mut camera, 1, true);
    camera.bytes = 1_000;
    let mut packets = camera.frame(6, false);
    packets[5].payload.insert(3, 0);
    for packet in &packets {
        let mut datagram = bed.clients[publisher].seal(packet);
        let route = bed.clients[publisher].route;
        bed.sfu.handle_datagram(bed.now, route, &mut datagram);
    }
    bed.sfu.flush(bed.now);
    let runs: Vec<usize> = bed.sfu.egress().runs().map(|run| run.segments().count()).collect();
    assert_eq!(runs, [6]);
    bed.exchange();
    let client = &bed.clients[viewer];
    assert!(client.received[1..].iter().zip(&packets).all(|(received, sent)| received.payload == sent.payload));
    assert_eq!(client.faults, 0);
}

#[test]
fn a_full_arena_is_emptied_in_rounds_and_nothing_is_lost() {
    let mut bed = Bed::new();
    let publisher = bed.join(publishes(vec![camera_line(CAMERA)]));
    let viewers: Vec<Who> = (0..30).map(|_| bed.join(watches(vec![video_out(Some(CAMERA), SEEN)]))).collect();
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.bytes = 1_200;
    for packet in camera.frame(200, true) {
        let mut datagram = bed.clients[publisher].seal(&packet);
        let route = bed.clients[publisher].route;
        bed.sfu.handle_datagram(bed.now, route, &mut datagram);
    }
    bed.exchange();
    for viewer in viewers {
        assert_eq!(bed.clients[viewer].received.len(), 200);
        assert!(is_continuous(&bed.clients[viewer].indices(SEEN)));
    }
}

#[test]
fn a_jump_of_the_publishers_numbers_is_no_gap_for_viewers() {
    let (mut bed, publisher, viewer, mut camera) = camera_and_viewer();
    bed.frame(publisher, &mut camera, 3, true);
    camera.seq = camera.seq.wrapping_add(20_000);
    bed.frame(publisher, &mut camera, 3, false);
    assert_eq!(bed.clients[viewer].received.len(), 3, "half a stream is nothing to decode");
    bed.frame(publisher, &mut camera, 3, true);
    assert_eq!(bed.clients[viewer].received.len(), 6);
    assert!(is_continuous(&bed.clients[viewer].indices(SEEN)));
}

#[test]
fn one_bad_publisher_changes_nothing_for_others() {
    let (mut bed, publisher, viewer, mut camera) = camera_and_viewer();
    bed.frame(publisher, &mut camera, 3, true);
    let stranger = bed::client::tcp_route(77);
    let good = camera.frame(1, false).remove(0);
    let mut spoofed = bed.clients[publisher].seal(&good);
    bed.sfu.handle_datagram(bed.now, stranger, &mut spoofed);
    assert_eq!(bed.sfu.counters().dropped(DropReason::RouteUnknown), 1);
    let mut forged = bed.clients[publisher].seal(&good);
    *forged.last_mut().expect("not empty") ^= 1;
    let route = bed.clients[publisher].route;
    bed.sfu.handle_datagram(bed.now, route, &mut forged);
    assert_eq!(bed.sfu.counters().dropped(DropReason::RtpAuthentication), 1);
    bed.send(publisher, &good);
    assert_eq!(bed.clients[viewer].received.len(), 4, "the forgery did not take the number of the good one");
}

#[test]
fn a_frame_in_the_making_waits_a_millisecond_at_most() {
    let mut bed = Bed::new();
    let publisher = bed.join(publishes(vec![camera_line(CAMERA)]));
    for _ in 0..20 {
        bed.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    }
    let mut camera = Camera::new(VIDEO_SSRC);
    bed.frame(publisher, &mut camera, 1, true);
    bed.frames_in_company(publisher, &mut camera);
    let packets = camera.frame(3, true);
    let mut datagram = bed.clients[publisher].seal(&packets[0]);
    let route = bed.clients[publisher].route;
    bed.sfu.handle_datagram(bed.now, route, &mut datagram);
    bed.sfu.flush(bed.now);
    assert!(bed.sfu.egress().is_empty(), "more of the frame may come");
    let tick = bed.sfu.poll_timeout().expect("a tick");
    assert!(tick <= bed.now.mono + Duration::from_millis(1));
    bed.now = bed.now.after(Duration::from_millis(1));
    bed.sfu.flush(bed.now);
    assert_eq!(bed.sfu.egress().runs().count(), 20);
    bed.sfu.egress().clear();
    for packet in &packets[1..] {
        let mut datagram = bed.clients[publisher].seal(packet);
        bed.sfu.handle_datagram(bed.now, route, &mut datagram);
    }
    bed.sfu.flush(bed.now);
    assert_eq!(bed.sfu.egress().runs().count(), 20, "the frame is complete, and its packets leave together");
}

#[test]
fn of_simulcast_the_highest_layer_is_forwarded_and_repaired_by_its_own_rtx() {
    let mut bed = Bed::new();
    let mut line = camera_line(CAMERA);
    line.rids = vec!["l".into(), "h".into()];
    let mut media = publishes(vec![line]);
    media.extensions = media
        .extensions
        .with(chappe_sfu_core::ExtensionKind::Rid, Some(10))
        .with(chappe_sfu_core::ExtensionKind::RepairedRid, Some(11));
    let publisher = bed.join(media);
    let viewer = bed.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let layer = |ssrc, rid: &[u8]| {
        let mut camera = Camera::new(ssrc);
        camera.extensions = vec![(MID, b"0".to_vec()), (10, rid.to_vec())];
        camera
    };
    let (mut low, mut high) = (layer(1, b"l"), layer(2, b"h"));
    high.bytes = 200;
    bed.frame(publisher, &mut low, 1, true);
    bed.frame(publisher, &mut high, 1, true);
    bed.frame(publisher, &mut low, 2, false);
    let lost = high.frame(1, false).remove(0);
    bed.frame(publisher, &mut high, 1, false);
    let mut rtx = Packet { ssrc: 3, payload_type: 97, seq: 9, marker: true, ..lost.clone() };
    rtx.extensions = vec![(MID, b"0".to_vec()), (11, b"h".to_vec())];
    rtx.payload = [lost.seq.to_be_bytes().to_vec(), lost.payload.clone()].concat();
    bed.send(publisher, &rtx);
    let client = &bed.clients[viewer];
    let sizes: Vec<usize> = client.received.iter().map(|packet| packet.payload.len()).collect();
    assert_eq!(sizes, [100, 200, 200, 200]);
    assert_eq!(client.received[3].payload, lost.payload);
    assert_eq!(client.received[3].index + 1, client.received[2].index);
}
