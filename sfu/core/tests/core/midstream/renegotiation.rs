//! SRTP state belongs to the SSRC for the life of the session: whatever is negotiated, a roll-over counter goes on, and
//! what was received once is refused for good.

use chappe_sfu_core::{DropReason, Media, SsrcPair, TrackId};

use crate::harness::cameras::ms;
use crate::harness::*;

const SEEN: u32 = 0x9000;
const OTHER: TrackId = TrackId(0xcc);

/// A publisher and its viewer after more than 2^16 packets, and some that were on the wire before and after the wrap.
struct Wrapped {
    harness: Harness,
    publisher: Who,
    viewer: Who,
    camera: Camera,
    recorded: Vec<Vec<u8>>,
}

impl Wrapped {
    fn new() -> Wrapped {
        let mut harness = Harness::new();
        let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
        let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
        let mut camera = Camera::new(VIDEO_SSRC);
        camera.extensions = vec![(MID, b"0".to_vec())];
        let mut wrapped = Wrapped { harness, publisher, viewer, camera, recorded: Vec::new() };
        // Two wraps of the publisher's numbers and at least one of the viewer's.
        for at in 0..700 {
            wrapped.frame(100, at == 0);
        }
        wrapped
    }

    fn frame(&mut self, count: usize, keyframe: bool) {
        for (at, packet) in self.camera.frame(count, keyframe).into_iter().enumerate() {
            let datagram = self.harness.clients[self.publisher].seal(&packet);
            if at == 0 {
                self.recorded.push(datagram.clone());
            }
            self.harness.clients[self.publisher].send_raw(datagram);
        }
        self.harness.exchange();
        self.harness.run(ms(2));
    }

    /// The publisher goes on in numbers where it was; its viewer sees `track`.
    fn assert_goes_on(&mut self, track: TrackId, what: &str) {
        self.harness.set_media(self.viewer, watches(vec![video_out(Some(track), SEEN)]));
        let before = self.harness.clients[self.viewer].payloads(SEEN).len();
        self.frame(10, true);
        self.harness.run(ms(50));
        let client = &self.harness.clients[self.viewer];
        assert_eq!((client.payloads(SEEN).len() - before, client.faults), (10, 0), "{what}");
        let indices = client.indices(SEEN);
        assert!(indices.last() > Some(&(1 << 16)) && indices.windows(2).all(|pair| pair[0] < pair[1]), "{what}");
    }

    fn assert_nothing_is_taken_twice(&mut self, what: &str) {
        let refused = |harness: &Harness| {
            let reasons = [DropReason::RtpReplayed, DropReason::RtpAuthentication];
            reasons.map(|reason| harness.sfu.counters().dropped(reason)).iter().sum::<u64>()
        };
        let (before, seen) = (refused(&self.harness), self.harness.clients[self.viewer].payloads(SEEN).len());
        for datagram in self.recorded.clone() {
            self.harness.clients[self.publisher].send_raw(datagram);
        }
        self.harness.exchange();
        self.harness.run(ms(50));
        assert_eq!(refused(&self.harness) - before, self.recorded.len() as u64, "{what}");
        assert_eq!(self.harness.clients[self.viewer].payloads(SEEN).len(), seen, "{what}");
    }

    fn negotiate(&mut self, media: Media) {
        self.harness.set_media(self.publisher, media);
    }
}

#[test]
fn no_renegotiation_resets_a_roll_over_counter_or_a_replay_window() {
    let mut wrapped = Wrapped::new();
    let mut second_line = camera_line(OTHER);
    second_line.mid = "7".into();
    second_line.ssrcs = vec![SsrcPair { ssrc: VIDEO_SSRC, rtx: None, encoding: 0 }];
    // What is negotiated, one after the other, and the track that the publisher's packets are of then.
    let steps: [(&str, Vec<Media>, TrackId); 5] = [
        ("the same again", vec![publishes(vec![camera_line(CAMERA)])], CAMERA),
        ("inactive, and back", vec![no_media(), publishes(vec![camera_line(CAMERA)])], CAMERA),
        ("a new track on the m-line", vec![publishes(vec![camera_line(OTHER)])], OTHER),
        (
            "back after another m-line came",
            vec![publishes(vec![microphone_line(MICROPHONE)]), publishes(vec![camera_line(CAMERA)])],
            CAMERA,
        ),
        ("another m-line has the SSRC", vec![publishes(vec![camera_line(CAMERA), second_line])], OTHER),
    ];
    for (what, medias, track) in steps {
        for media in medias {
            wrapped.negotiate(media);
            wrapped.harness.run(ms(20));
            wrapped.assert_nothing_is_taken_twice(what);
        }
        wrapped.assert_goes_on(track, what);
        wrapped.assert_nothing_is_taken_twice(what);
    }
}

#[test]
fn numbers_that_wrap_while_no_m_line_takes_them_are_followed() {
    let mut wrapped = Wrapped::new();
    wrapped.negotiate(no_media());
    for _ in 0..500 {
        wrapped.frame(100, false);
    }
    wrapped.assert_nothing_is_taken_twice("while no m-line takes them");
    wrapped.negotiate(publishes(vec![camera_line(CAMERA)]));
    wrapped.assert_goes_on(CAMERA, "after 50,000 packets that nobody took");
}

#[test]
fn a_viewers_numbers_go_on_when_its_m_line_goes_and_comes_back() {
    let mut wrapped = Wrapped::new();
    for without_rtx in [false, true, false] {
        wrapped.harness.set_media(wrapped.viewer, watches(Vec::new()));
        wrapped.frame(10, true);
        let mut line = video_out(Some(CAMERA), SEEN);
        if without_rtx {
            line.rtx_ssrc = None;
        }
        wrapped.harness.set_media(wrapped.viewer, watches(vec![line]));
        let before = wrapped.harness.clients[wrapped.viewer].payloads(SEEN).len();
        wrapped.frame(10, true);
        wrapped.harness.run(ms(50));
        let client = &wrapped.harness.clients[wrapped.viewer];
        assert!(client.payloads(SEEN).len() >= before + 10, "its window at the viewer stands");
        assert_eq!(client.faults, 0, "no index is used twice, and all open");
    }
}
