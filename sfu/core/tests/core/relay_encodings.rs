//! Encodings of one track on their way to other workers: each goes only where it is watched.

use crate::harness::cameras::{SEEN, is_continuous, ms};
use crate::harness::client::ReceivedRtcp;
use crate::harness::encoders::*;
use crate::harness::*;
use chappe_sfu_core::{Event, MediaKind, RelayDirection};

struct Stage {
    mesh: Mesh,
    publisher: Who,
    camera: Simulcast,
}

/// A camera that is published at 0 and may be watched at 1.
fn stage() -> Stage {
    let mut mesh = Mesh::new(2, 1);
    let publisher = mesh.join(0, publishes_simulcast(simulcast_line()));
    mesh.set_origin(1, CAMERA, MediaKind::Video, 0);
    mesh.run(ms(200));
    let mut stage = Stage { mesh, publisher, camera: Simulcast::new() };
    stage.frame(&[0, 1, 2]);
    stage.frames(5);
    stage
}

impl Stage {
    fn frame(&mut self, keyframes: &[usize]) {
        for packet in self.camera.frame(2, keyframes) {
            self.mesh.workers[0].clients[self.publisher].send(&packet);
        }
        self.mesh.workers[0].exchange();
        self.mesh.carry();
        self.mesh.run(ms(33));
    }

    /// With key frames where they were asked for.
    fn frames(&mut self, count: usize) {
        for _ in 0..count {
            let told = std::mem::take(&mut self.mesh.workers[0].clients[self.publisher].received_rtcp);
            let is_asked = |at: &usize| told.contains(&ReceivedRtcp::Pli(self.camera.encoders[*at].ssrc));
            let asked: Vec<usize> = (0..3).filter(is_asked).collect();
            self.frame(&asked);
        }
    }

    fn lines(&self, viewer: Who) -> Option<u16> {
        Some(picture(self.mesh.workers[1].clients[viewer].received.last()?)?.lines)
    }

    /// How many encodings go over the link.
    fn relays(&self) -> usize {
        let outgoing = |relay: &chappe_sfu_core::RelaySummary| relay.direction == RelayDirection::Out;
        self.mesh.workers[0].sfu.relays().iter().filter(|relay| outgoing(relay)).count()
    }
}

#[test]
fn a_viewer_elsewhere_goes_up_to_the_highest_and_down_where_it_is_limited() {
    let mut stage = stage();
    let viewer = stage.mesh.join(1, sees_lines(SEEN, None));
    stage.frames(30);
    assert_eq!(stage.lines(viewer), Some(720));
    for (limit, lines) in [(Some(360), 360), (None, 720), (Some(180), 180)] {
        stage.mesh.workers[1].set_media(viewer, sees_lines(SEEN, limit));
        stage.frames(30);
        assert_eq!(stage.lines(viewer), Some(lines));
    }
    assert!(is_continuous(&stage.mesh.workers[1].clients[viewer]));
}

#[test]
fn only_what_is_watched_there_crosses_the_link() {
    let mut stage = stage();
    let viewer = stage.mesh.join(1, sees_lines(SEEN, Some(360)));
    stage.frames(100);
    assert_eq!((stage.lines(viewer), stage.relays()), (Some(360), 1));
    let second = stage.mesh.join(1, sees_lines(SEEN, None));
    stage.frames(100);
    assert_eq!((stage.lines(viewer), stage.lines(second), stage.relays()), (Some(360), Some(720), 2));
    stage.mesh.workers[1].set_media(second, sees_lines(SEEN, Some(360)));
    stage.frames(100);
    assert_eq!((stage.lines(second), stage.relays()), (Some(360), 1));
}

#[test]
fn an_encoding_that_stops_is_left_by_viewers_elsewhere_too() {
    let mut stage = stage();
    let viewer = stage.mesh.join(1, sees_lines(SEEN, None));
    stage.frames(40);
    assert_eq!(stage.lines(viewer), Some(720));
    stage.camera.encoders[2].is_on = false;
    stage.frames(40);
    assert_eq!(stage.lines(viewer), Some(360));
    stage.camera.encoders[2].is_on = true;
    stage.frames(40);
    assert_eq!(stage.lines(viewer), Some(720));
    assert!(is_continuous(&stage.mesh.workers[1].clients[viewer]));
}

#[test]
fn a_publisher_that_comes_back_with_one_encoding_is_seen() {
    let mut stage = stage();
    let viewer = stage.mesh.join(1, sees_lines(SEEN, None));
    stage.frames(40);
    stage.mesh.workers[0].set_media(stage.publisher, no_media());
    stage.mesh.run(ms(500));
    let before = stage.mesh.workers[1].clients[viewer].received.len();
    let other = stage.mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    for at in 0..60 {
        stage.mesh.frame(0, other, &mut camera, 2, at % 20 == 0);
    }
    let client = &stage.mesh.workers[1].clients[viewer];
    assert!(client.received.len() > before + 60, "{} packets", client.received.len() - before);
    assert!(is_continuous(client));
}

#[test]
fn a_viewer_elsewhere_keeps_what_it_watches_from_being_switched_off_and_brings_back_what_it_wants() {
    let mut stage = stage();
    let viewer = stage.mesh.join(1, sees_lines(SEEN, Some(360)));
    stage.frames(200);
    let unwatched = |stage: &Stage| {
        let of = |event: &Event| match event {
            Event::Unwatched { encodings, .. } => Some(*encodings),
            _ => None,
        };
        stage.mesh.workers[0].events.iter().filter_map(of).next_back()
    };
    assert_eq!((stage.lines(viewer), unwatched(&stage)), (Some(360), Some(0b100)));
    stage.camera.encoders[2].is_on = false;
    stage.frames(30);
    stage.mesh.workers[1].set_media(viewer, sees_lines(SEEN, None));
    stage.frames(8);
    assert_eq!((stage.lines(viewer), unwatched(&stage)), (Some(360), Some(0)), "asked for within 264 ms");
    stage.camera.encoders[2].is_on = true;
    stage.frames(20);
    assert_eq!(stage.lines(viewer), Some(720));
    assert!(is_continuous(&stage.mesh.workers[1].clients[viewer]));
}
