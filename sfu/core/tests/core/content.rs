//! What a publisher says with its packets that is not for the SFU to change, and that a screen is one.

use crate::harness::cameras::SEEN;
use crate::harness::encoders::*;
use crate::harness::*;
use chappe_sfu_core::{Epoch, ExtensionKind, ExtensionMap, MediaKind};

const CAPTURED: u8 = 12;
const DELAY: u8 = 13;
const CONTENT: u8 = 14;

/// What both sides negotiate, under other numbers each.
fn passing(map: ExtensionMap, first: u8) -> ExtensionMap {
    let kinds = [ExtensionKind::VideoOrientation, ExtensionKind::AbsCaptureTime, ExtensionKind::PlayoutDelay];
    let kinds = kinds.into_iter().chain([ExtensionKind::VideoContentType]);
    kinds
        .zip([ORIENTATION, CAPTURED, DELAY, CONTENT])
        .fold(map, |map, (kind, id)| map.with(kind, Some(if first == 0 { id } else { id - ORIENTATION + first })))
}

#[test]
fn orientation_capture_time_and_playout_delay_pass_unchanged_here_and_at_another_worker() {
    let mut mesh = Mesh::new(2, 1);
    let mut media = publishes(vec![camera_line(CAMERA)]);
    media.extensions = passing(media.extensions, 0);
    let publisher = mesh.join(0, media);
    mesh.set_origin(1, CAMERA, MediaKind::Video, 0);
    let mut watching = watches(vec![video_out(Some(CAMERA), SEEN)]);
    watching.extensions = passing(watching.extensions, 20);
    let viewers = [mesh.join(0, watching.clone()), mesh.join(1, watching)];
    mesh.run(std::time::Duration::from_millis(200));
    let mut camera = Camera::new(VIDEO_SSRC);
    let captured = [0xe5, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0x10, 0];
    camera.extensions = vec![
        (MID, b"0".to_vec()),
        (ORIENTATION, vec![0b1011]),
        (CAPTURED, captured.to_vec()),
        (DELAY, vec![0x00, 0xa0, 0x20]),
    ];
    for at in 0..10 {
        mesh.frame(0, publisher, &mut camera, 2, at == 0);
    }
    for (worker, viewer) in viewers.into_iter().enumerate() {
        let client = &mesh.workers[worker].clients[viewer];
        assert!(client.received.len() >= 16, "{} packets", client.received.len());
        for (id, value) in [(20, &[0b1011][..]), (23, &captured[..]), (24, &[0x00, 0xa0, 0x20][..])] {
            let values = client.values(id);
            assert_eq!(values.len(), client.received.len());
            assert!(values.iter().all(|other| *other == value), "{id}: {values:?}");
        }
    }
}

/// A page of 360 lines at 30 frames, and one of 480 lines at 4: which a viewer gets that could have either.
fn chosen(says_screen: bool) -> u16 {
    let mut harness = Harness::new();
    let mut media = publishes_simulcast(simulcast_line());
    media.extensions = media.extensions.with(ExtensionKind::VideoContentType, Some(CONTENT));
    let publisher = harness.join(media);
    let mut camera = Simulcast::new();
    camera.encoders[2].lines = 480;
    // The sharp one takes most.
    camera.encoders.iter_mut().zip([30, 40, 1_150]).for_each(|(encoder, bytes)| encoder.bytes = bytes);
    let viewer = harness.join(sees_lines(SEEN, None));
    for at in 0..200 {
        camera.encoders[2].is_on = at % 7 == 0;
        let keyframes: &[usize] = if at % 28 == 0 { &[0, 1, 2] } else { &[] };
        for mut packet in camera.frame(2, keyframes) {
            if says_screen && packet.marker && !keyframes.is_empty() {
                packet.extensions.push((CONTENT, vec![1]));
            }
            harness.clients[publisher].send(&packet);
        }
        harness.exchange();
        harness.run(std::time::Duration::from_millis(33));
        if at == 100 {
            // The frame rates are measured by now.
            harness.sfu.set_view(harness.now, session(viewer), Epoch(1), std::iter::empty()).expect("a view");
        }
    }
    picture(harness.clients[viewer].received.last().expect("a picture")).expect("one of ours").lines
}

#[test]
fn of_a_screen_a_viewer_gets_the_sharp_picture_and_of_a_camera_the_one_that_moves() {
    assert_eq!(chosen(true), 480);
    assert_eq!(chosen(false), 360);
}
