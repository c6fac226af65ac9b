//! A track on its way from the worker it is published on to viewers on others.

use crate::harness::cameras::{SEEN, ms};
use crate::harness::client::ReceivedRtcp;
use crate::harness::relays::{is_continuous, origin_and_edges, watch};
use crate::harness::*;
use chappe_sfu_core::{DropReason, Event, MediaKind, RelayDirection, TrackId};

#[test]
fn a_viewer_on_another_worker_sees_the_stream() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    camera.extensions = vec![(MID, b"0".to_vec()), (ORIENTATION, vec![2])];
    let viewer = watch(&mut mesh, 1);
    mesh.frame(0, publisher, &mut camera, 3, true);
    mesh.frame(0, publisher, &mut camera, 3, false);
    let client = &mesh.workers[1].clients[viewer];
    assert_eq!((client.received.len(), client.faults), (6, 0));
    assert!(is_continuous(&client.indices(SEEN)));
    assert!(client.received.iter().all(|packet| packet.extensions.contains(&(7, vec![2]))), "the viewer's ids");
    let told = mesh.workers[1].events.iter().filter(|event| matches!(event, Event::TrackActive { .. })).count();
    assert_eq!(told, 0, "whoever publishes tells");
}

#[test]
fn a_stream_crosses_a_link_once_however_many_watch() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    let viewers: Vec<Who> = (0..20).map(|_| watch(&mut mesh, 1)).collect();
    mesh.frame(0, publisher, &mut camera, 10, true);
    for viewer in viewers {
        assert_eq!(mesh.workers[1].clients[viewer].received.len(), 10);
    }
    let relays = mesh.workers[0].sfu.relays();
    let out = relays.iter().find(|relay| relay.direction == RelayDirection::Out).expect("a relay");
    assert_eq!((relays.len(), out.packets), (1, 10));
}

#[test]
fn nothing_crosses_a_link_that_nobody_watches() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    mesh.frame(0, publisher, &mut camera, 10, true);
    assert_eq!((mesh.workers[0].sfu.relays(), mesh.workers[1].sfu.relays()), (Vec::new(), Vec::new()));
}

#[test]
fn the_numbers_at_an_edge_are_those_of_the_origin() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(3);
    mesh.set_origin_of(
        2,
        chappe_sfu_core::OriginSpec {
            track: CAMERA,
            kind: MediaKind::Video,
            peer: mesh::peer(1),
            epoch: chappe_sfu_core::Epoch(1),
        },
    );
    let viewers: Vec<Who> = (0..3).map(|at| watch(&mut mesh, at)).collect();
    mesh.frame(0, publisher, &mut camera, 3, true);
    let packets = camera.frame(5, false);
    for at in [0, 2, 1, 4, 3] {
        mesh.send(0, publisher, &packets[at]);
    }
    // A jump starts another generation, which starts at a key frame.
    camera.seq = camera.seq.wrapping_add(20_000);
    mesh.frame(0, publisher, &mut camera, 3, false);
    mesh.frame(0, publisher, &mut camera, 3, true);
    let numbers = |at: usize| {
        let received = &mesh.workers[at].clients[viewers[at]].received;
        let first = &received[0];
        let of = |packet: &client::Received| {
            (packet.index - first.index, packet.timestamp.wrapping_sub(first.timestamp), packet.payload.clone())
        };
        received.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(numbers(0).len(), 11);
    assert_eq!(numbers(1), numbers(0));
    assert_eq!(numbers(2), numbers(0), "and so after two hops");
    assert_eq!(mesh.workers[2].sfu.relays()[0].depth, 2);
}

#[test]
fn a_relay_outlives_its_last_viewer_by_two_seconds() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    let viewer = watch(&mut mesh, 1);
    mesh.frame(0, publisher, &mut camera, 3, true);
    mesh.workers[1].set_media(viewer, watches(Vec::new()));
    mesh.run(ms(1_900));
    assert_eq!(mesh.workers[0].sfu.relays().len(), 1);
    mesh.run(ms(150));
    assert_eq!((mesh.workers[0].sfu.relays().len(), mesh.workers[1].sfu.relays().len()), (0, 0));
    mesh.workers[1].set_media(viewer, watches(vec![video_out(Some(CAMERA), SEEN)]));
    mesh.run(ms(200));
    mesh.frame(0, publisher, &mut camera, 3, true);
    assert_eq!(mesh.workers[1].clients[viewer].received.len(), 6 + 3, "the picture that is there, and the next");
}

#[test]
fn a_viewer_who_returns_in_time_finds_the_relay_open() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    let viewer = watch(&mut mesh, 1);
    mesh.frame(0, publisher, &mut camera, 3, true);
    mesh.workers[1].set_media(viewer, watches(Vec::new()));
    mesh.run(ms(1_500));
    mesh.workers[1].set_media(viewer, watches(vec![video_out(Some(CAMERA), SEEN)]));
    mesh.run(ms(3_000));
    let relays = mesh.workers[0].sfu.relays();
    assert_eq!((relays.len(), relays[0].packets), (1, 3), "what was there is not sent again");
}

#[test]
fn a_viewer_who_returns_in_the_last_moment_keeps_the_relay_and_two_seconds_begin_anew() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    let viewer = watch(&mut mesh, 1);
    mesh.frame(0, publisher, &mut camera, 3, true);
    mesh.frame(0, publisher, &mut camera, 3, true);
    mesh.workers[1].set_media(viewer, watches(Vec::new()));
    mesh.run(ms(1_999));
    // The command is taken, and the time is over, before what waits is sent.
    let harness = &mut mesh.workers[1];
    let media = watches(vec![video_out(Some(CAMERA), SEEN)]);
    harness.sfu.set_media(harness.now, session(viewer), chappe_sfu_core::Epoch(1), media).expect("accepted");
    mesh.run(ms(100));
    let relays = mesh.workers[0].sfu.relays();
    assert_eq!((relays.len(), relays[0].packets), (1, 6), "it was not opened once more");
    mesh.workers[1].set_media(viewer, watches(Vec::new()));
    mesh.run(ms(1_900));
    assert_eq!(mesh.workers[0].sfu.relays().len(), 1);
    mesh.run(ms(150));
    assert_eq!(mesh.workers[0].sfu.relays().len(), 0);
}

#[test]
fn when_the_publisher_leaves_viewers_wait_for_whoever_comes_next() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    let viewer = watch(&mut mesh, 1);
    mesh.frame(0, publisher, &mut camera, 3, true);
    let now = mesh.workers[0].now;
    mesh.workers[0].clients[publisher].close(now);
    mesh.workers[0].exchange();
    assert_eq!(mesh.workers[0].wire.len(), 2, "other workers are told at once, and twice");
    mesh.carry();
    assert_eq!(mesh.workers[0].sfu.relays(), Vec::new());
    mesh.run(ms(1_500));
    let refused = Event::RelayRefused { track: CAMERA, peer: mesh::peer(0) };
    assert_eq!(mesh.events(1), [refused]);
    let returned = TrackId(0xcb);
    let second = mesh.join(0, publishes(vec![camera_line(returned)]));
    mesh.set_origin(1, returned, MediaKind::Video, 0);
    mesh.workers[1].set_media(viewer, watches(vec![video_out(Some(returned), SEEN)]));
    mesh.run(ms(50));
    let mut camera = Camera::new(0x3333);
    mesh.frame(0, second, &mut camera, 3, true);
    let client = &mesh.workers[1].clients[viewer];
    assert_eq!((client.received.len(), client.faults), (6, 0));
    assert!(is_continuous(&client.indices(SEEN)));
}

#[test]
fn a_publisher_that_returns_under_its_track_is_followed_across_the_link() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    let viewer = watch(&mut mesh, 1);
    mesh.frame(0, publisher, &mut camera, 3, true);
    let now = mesh.workers[0].now;
    mesh.workers[0].clients[publisher].close(now);
    mesh.workers[0].exchange();
    mesh.carry();
    let second = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    mesh.run(ms(1_200));
    let mut camera = Camera::new(VIDEO_SSRC);
    mesh.frame(0, second, &mut camera, 3, true);
    let client = &mesh.workers[1].clients[viewer];
    assert_eq!((client.received.len(), client.faults), (6, 0));
    assert!(is_continuous(&client.indices(SEEN)));
}

#[test]
fn a_track_that_is_published_here_later_does_not_come_by_relay_any_more() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(3);
    mesh.set_origin_of(
        2,
        chappe_sfu_core::OriginSpec {
            track: CAMERA,
            kind: MediaKind::Video,
            peer: mesh::peer(1),
            epoch: chappe_sfu_core::Epoch(1),
        },
    );
    let (near, far) = (watch(&mut mesh, 1), watch(&mut mesh, 2));
    mesh.frame(0, publisher, &mut camera, 3, true);
    let moved = mesh.join(1, publishes(vec![camera_line(CAMERA)]));
    mesh.run(ms(50));
    let mut other = Camera::new(0x3333);
    mesh.frame(1, moved, &mut other, 3, true);
    // What the old one still sends goes nowhere.
    mesh.frame(0, publisher, &mut camera, 3, true);
    for (at, viewer) in [(1, near), (2, far)] {
        let client = &mesh.workers[at].clients[viewer];
        assert_eq!((client.received.len(), client.faults), (6, 0), "at {at}");
        assert!(is_continuous(&client.indices(SEEN)));
    }
    assert_eq!(mesh.workers[0].sfu.relays(), Vec::new());
    assert_eq!(mesh.workers[2].sfu.relays()[0].depth, 1);
    // It leaves again, and the other one is followed.
    let now = mesh.workers[1].now;
    mesh.workers[1].clients[moved].close(now);
    mesh.workers[1].exchange();
    mesh.run(ms(1_200));
    mesh.frame(0, publisher, &mut camera, 3, true);
    for (at, viewer) in [(1, near), (2, far)] {
        let client = &mesh.workers[at].clients[viewer];
        assert!(client.received.len() >= 9, "{} at {at}", client.received.len());
        assert!(is_continuous(&client.indices(SEEN)) && client.faults == 0);
    }
}

#[test]
fn an_origin_that_is_removed_ends_the_relay() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    let viewer = watch(&mut mesh, 1);
    mesh.frame(0, publisher, &mut camera, 3, true);
    let now = mesh.workers[1].now;
    mesh.workers[1].sfu.remove_origin(now, CAMERA);
    mesh.workers[1].exchange();
    mesh.carry();
    assert_eq!((mesh.workers[0].sfu.relays().len(), mesh.workers[1].sfu.relays().len()), (0, 0));
    mesh.set_origin(1, CAMERA, MediaKind::Video, 0);
    mesh.run(ms(20));
    mesh.frame(0, publisher, &mut camera, 3, true);
    let client = &mesh.workers[1].clients[viewer];
    assert!(client.received.len() >= 6 && client.faults == 0);
    assert!(is_continuous(&client.indices(SEEN)));
}

#[test]
fn what_a_parent_sends_for_nobody_is_dropped_and_the_parent_told() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    let viewer = watch(&mut mesh, 1);
    mesh.frame(0, publisher, &mut camera, 3, true);
    // The goodbye is lost.
    mesh.set_path(0, 1, mesh::Path { cut: true, ..mesh::Path::default() });
    mesh.workers[1].set_media(viewer, watches(Vec::new()));
    let now = mesh.workers[1].now;
    mesh.workers[1].sfu.remove_origin(now, CAMERA);
    mesh.workers[1].exchange();
    mesh.carry();
    mesh.set_path(0, 1, mesh::Path::default());
    assert_eq!(mesh.workers[0].sfu.relays().len(), 1);
    mesh.frame(0, publisher, &mut camera, 3, true);
    assert_eq!(mesh.workers[1].sfu.counters().dropped(DropReason::RelayStale), 3);
    assert_eq!(mesh.workers[0].sfu.relays(), Vec::new());
}

#[test]
fn the_packets_of_a_frame_leave_for_another_worker_at_once_and_as_one_run() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    watch(&mut mesh, 1);
    for _ in 0..20 {
        watch(&mut mesh, 0);
    }
    mesh.frame(0, publisher, &mut camera, 1, true);
    mesh.workers[0].frames_in_company(publisher, &mut camera);
    camera.bytes = 1_000;
    let mut packets = camera.frame(6, false);
    packets[4].payload.insert(3, 0);
    let harness = &mut mesh.workers[0];
    let route = harness.clients[publisher].route;
    // The last one, after which nothing would wait, is not there yet.
    for packet in &packets[..5] {
        let mut datagram = harness.clients[publisher].seal(packet);
        harness.sfu.handle_datagram(harness.now, route, &mut datagram);
    }
    harness.sfu.flush(harness.now);
    let runs: Vec<usize> = harness.sfu.egress().runs().map(|run| run.segments().count()).collect();
    assert_eq!(runs, [5], "viewers here wait for company, other workers do not");
}

#[test]
fn sound_needs_no_picture() {
    let mut mesh = Mesh::new(2, 1);
    let publisher = mesh.join(0, publishes(vec![microphone_line(MICROPHONE)]));
    mesh.set_origin(1, MICROPHONE, MediaKind::Audio, 0);
    for at in 0..5u16 {
        mesh.send(0, publisher, &opus(at, u32::from(at) * 960));
    }
    let viewer = mesh.join(1, watches(vec![audio_out(Some(MICROPHONE), SEEN)]));
    for at in 5..10u16 {
        mesh.send(0, publisher, &opus(at, u32::from(at) * 960));
    }
    assert_eq!(mesh.workers[1].clients[viewer].received.len(), 5, "what was said before is past");
}

#[test]
fn viewers_on_all_workers_read_one_clock() {
    let mut mesh = Mesh::new(3, 1);
    mesh.set_all(mesh::Path { delay_ms: 30, ..mesh::Path::default() });
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA), microphone_line(MICROPHONE)]));
    // Picture and sound take different ways.
    mesh.set_origin(1, CAMERA, MediaKind::Video, 0);
    mesh.set_origin(1, MICROPHONE, MediaKind::Audio, 2);
    mesh.set_origin(2, MICROPHONE, MediaKind::Audio, 0);
    let both = watches(vec![video_out(Some(CAMERA), SEEN), audio_out(Some(MICROPHONE), SEEN + 0x100)]);
    let viewer = mesh.join(1, both);
    mesh.run(ms(300));
    let (mut camera, sound) = (Camera::new(VIDEO_SSRC), opus(1, 48_000));
    let picture = camera.frame(1, true).remove(0);
    mesh.send(0, publisher, &picture);
    mesh.send(0, publisher, &sound);
    mesh.run(ms(500));
    // Captured together, by a clock that believes in 1903.
    for (ssrc, timestamp) in [(VIDEO_SSRC, picture.timestamp + 45_000), (AUDIO_SSRC, sound.timestamp + 24_000)] {
        let ssrc = chappe_sfu_core::rtp::Ssrc(ssrc);
        let ntp = (100_000_000_u64 << 32) | (1 << 31);
        let report = chappe_sfu_core::rtcp::SenderReport { ssrc, ntp, rtp_timestamp: timestamp, packets: 1, bytes: 1 };
        mesh.workers[0].clients[publisher].send_rtcp(|writer| writer.sender_report(&report, &[]));
    }
    mesh.run(ms(8_000));
    let client = &mesh.workers[1].clients[viewer];
    let captured = |of: u32, rate: f64| {
        let first = client.received.iter().find(|packet| packet.ssrc == of).expect("forwarded").timestamp;
        let media = |timestamp: u32| f64::from(timestamp.wrapping_sub(first) as i32) / rate;
        let of_report = |packet: &ReceivedRtcp| match packet {
            ReceivedRtcp::SenderReport { ssrc, ntp, timestamp } if *ssrc == of => {
                Some(*ntp as f64 / 2f64.powi(32) - media(*timestamp))
            }
            _ => None,
        };
        client.received_rtcp.iter().filter_map(of_report).collect::<Vec<_>>()
    };
    let (video, audio) = (captured(SEEN, 90_000.0), captured(SEEN + 0x100, 48_000.0));
    assert!(video.len() > 4 && audio.len() > 1, "{} and {} reports", video.len(), audio.len());
    let apart = (video[video.len() - 1] - audio[audio.len() - 1]).abs();
    assert!(apart < 0.001, "lips are off by {apart} s");
    for at in video.iter().chain(&audio) {
        assert!((at - video[0]).abs() < 0.1, "{video:?} {audio:?}");
    }
}
