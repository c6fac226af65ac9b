//! What publishers announce of the rates of their layers, and what viewers get by that.

use crate::harness::adapting::*;
use crate::harness::cameras::{SEEN as SEEN_CAMERA, ms};
use crate::harness::*;
use chappe_sfu_core::{DropReason, ExtensionKind, LayerReason, Media, MediaKind};

/// The encodings take as much as that, without headers.
const TRUE: [u32; 3] = [149, 432, 2_484];
const ALLOCATION: u8 = 13;
/// One stream, of 500 kbit/s.
const ANNOUNCES: [u8; 4] = [0x01, 0, 0xf4, 0x03];

/// A publisher that announces these rates, for five seconds.
fn announcing(kbps: [u32; 3], says_screen: bool) -> Theatre {
    let mut theatre = Theatre::new(1);
    (theatre.announces, theatre.says_screen) = (Some(kbps), says_screen);
    theatre.play(5 * SECOND);
    theatre
}

/// How many pictures lie between two that a viewer got one after the other, at most.
fn longest_step(theatre: &Theatre, viewer: Who, pictures: usize) -> u32 {
    let received = theatre.harness.clients[viewer].received.iter().rev();
    let ends = received.filter(|packet| packet.ssrc == SEEN && packet.marker).take(pictures);
    let frames: Vec<u32> = ends.filter_map(|packet| Some(encoders::picture(packet)?.frame)).collect();
    frames.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap_or(u32::MAX)
}

#[test]
fn one_that_comes_after_a_burst_of_a_screen_has_all_of_it_at_once() {
    let mut theatre = announcing(TRUE, true);
    theatre.burst = 2;
    theatre.play(ms(2_600));
    theatre.burst = 1;
    let viewer = theatre.add_viewer(3_500, |_| {});
    theatre.play(ms(1_500));
    assert_eq!(theatre.layer(viewer, 0).reason, LayerReason::Top, "{:?}", theatre.harness.line(viewer));
    assert_eq!((theatre.lines(viewer, 0), longest_step(&theatre, viewer, 15)), (720, 1));
    assert_eq!(theatre.harness.clients[viewer].faults, 0);
    assert_eq!(theatre.harness.sfu.counters().dropped(DropReason::TargetsExceeded), 0, "a burst is no lie");
}

/// A screen that stands still is to fit when it changes.
#[test]
fn what_is_sent_below_its_target_counts_of_a_camera_and_the_target_of_a_screen() {
    for (says_screen, reason) in [(true, LayerReason::Line), (false, LayerReason::Top)] {
        let mut theatre = announcing([150, 900, 5_000], says_screen);
        let viewer = theatre.add_viewer(3_500, |_| {});
        theatre.play(10 * SECOND);
        let layer = theatre.layer(viewer, 0);
        assert_eq!(layer.reason, reason, "{layer:?} {:?}", theatre.harness.line(viewer));
        assert!(layer.target_bits_per_second.is_some(), "{layer:?}");
    }
}

#[test]
fn a_publisher_that_sends_much_more_than_it_announces_is_measured() {
    let mut theatre = announcing(TRUE.map(|kbps| kbps / 10), true);
    theatre.play(5 * SECOND);
    let exceeded = theatre.harness.sfu.counters().dropped(DropReason::TargetsExceeded);
    assert_eq!(exceeded, 3, "once for each encoding");
    let viewer = theatre.add_viewer(700, |_| {});
    theatre.play(10 * SECOND);
    let settled = theatre.now();
    theatre.play(10 * SECOND);
    assert_eq!(theatre.lines(viewer, 0), 360, "{:?}", theatre.harness.line(viewer));
    assert_eq!(theatre.switches(viewer, settled), 0);
}

fn camera_that_announces() -> Media {
    let media = publishes(vec![camera_line(CAMERA)]);
    Media { extensions: media.extensions.with(ExtensionKind::LayersAllocation, Some(ALLOCATION)), ..media }
}

fn camera(value: &[u8]) -> Camera {
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.extensions = vec![(MID, b"0".to_vec()), (ALLOCATION, value.to_vec())];
    camera
}

#[test]
fn what_is_announced_is_known_at_another_worker_and_not_told_to_viewers() {
    let mut mesh = Mesh::new(2, 1);
    let publisher = mesh.join(0, camera_that_announces());
    mesh.set_origin(1, CAMERA, MediaKind::Video, 0);
    let viewers = [0, 1].map(|worker| mesh.join(worker, watches(vec![video_out(Some(CAMERA), SEEN_CAMERA)])));
    mesh.run(ms(200));
    let mut camera = camera(&ANNOUNCES);
    for at in 0..10 {
        mesh.frame(0, publisher, &mut camera, 2, at == 0);
    }
    for (worker, viewer) in mesh.workers.iter().zip(viewers) {
        let layer = worker.sfu.session_stats(session(viewer)).expect("open").sent[0].layer.expect("video");
        assert_eq!(layer.target_bits_per_second, Some(500_000 + 57 * 68 * 8), "the headers of 57 packets");
        let client = &worker.clients[viewer];
        assert!(client.received.len() >= 16, "{} packets", client.received.len());
        assert!(client.values(ALLOCATION).is_empty());
    }
}

#[test]
fn what_is_announced_malformed_is_counted_and_what_was_announced_before_holds() {
    let mut harness = Harness::new();
    let publisher = harness.join(camera_that_announces());
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN_CAMERA)]));
    let mut camera = camera(&ANNOUNCES);
    harness.frame(publisher, &mut camera, 2, true);
    camera.extensions[1].1 = vec![0x01, 0, 0x80];
    harness.frame(publisher, &mut camera, 3, false);
    assert_eq!(harness.sfu.counters().dropped(DropReason::TargetsUnread), 3);
    assert_eq!(harness.clients[viewer].received.len(), 5, "the packets go on");
    let layer = harness.sfu.session_stats(session(viewer)).expect("open").sent[0].layer.expect("video");
    assert_eq!(layer.target_bits_per_second, Some(500_000 + 57 * 68 * 8));
}
