//! What waited too long to be sent as if it were new, and what does not wait behind it, in virtual time.

use std::time::Duration;

use chappe_sfu_core::{DropReason, Relief};

use crate::harness::cameras::ms;
use crate::harness::*;

const SEEN: u32 = 0x9000;
const HEARD: u32 = 0xa000;

struct Stage {
    harness: Harness,
    publisher: Who,
    viewer: Who,
    camera: Camera,
    sounds: u16,
}

impl Stage {
    fn new() -> Stage {
        let mut harness = Harness::new();
        let publisher = harness.join(publishes(vec![camera_line(CAMERA), microphone_line(MICROPHONE)]));
        let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN), audio_out(Some(MICROPHONE), HEARD)]));
        harness.run(ms(1_000));
        let mut camera = Camera::new(VIDEO_SSRC);
        camera.extensions = vec![(MID, b"0".to_vec())];
        let mut stage = Stage { harness, publisher, viewer, camera, sounds: 0 };
        stage.sound(Duration::ZERO);
        stage.frame(2, true, Duration::ZERO);
        stage.flush();
        // Whatever waits from now on came after that.
        stage.harness.run(ms(1_000));
        stage
    }

    /// The worker takes what came so long ago. Nothing is sent on yet.
    fn take(&mut self, waited: Duration) {
        while let Some((route, mut datagram)) = self.harness.clients[self.publisher].take_outgoing() {
            self.harness.sfu.handle_late_datagram(self.harness.now, waited, route, &mut datagram);
        }
    }

    fn frame(&mut self, count: usize, keyframe: bool, waited: Duration) {
        for packet in self.camera.frame(count, keyframe) {
            self.harness.clients[self.publisher].send(&packet);
        }
        self.take(waited);
    }

    fn sound(&mut self, waited: Duration) {
        self.sounds += 1;
        self.harness.clients[self.publisher].send(&opus(self.sounds, u32::from(self.sounds) * 960));
        self.take(waited);
    }

    /// All that is due is sent, and the viewer's numbers have no gap.
    fn flush(&mut self) {
        self.harness.run(ms(5));
        let client = &self.harness.clients[self.viewer];
        assert_eq!(client.faults, 0);
        for ssrc in [SEEN, HEARD] {
            assert!(client.indices(ssrc).windows(2).all(|pair| pair[1] == pair[0] + 1), "{:?}", client.indices(ssrc));
        }
    }

    /// Which packets of the camera the viewer has, counted from 1.
    fn seen(&self) -> Vec<u32> {
        let received = self.harness.clients[self.viewer].received.iter().filter(|packet| packet.ssrc == SEEN);
        received.map(|packet| u32::from_be_bytes(*packet.payload.last_chunk().expect("a counter"))).collect()
    }

    fn heard(&self) -> usize {
        self.harness.clients[self.viewer].indices(HEARD).len()
    }

    fn plis(&self) -> usize {
        self.harness.clients[self.publisher].plis()
    }

    fn stale(&self) -> u64 {
        self.harness.sfu.counters().dropped(DropReason::MediaStale)
    }
}

#[test]
fn what_the_kernel_had_for_too_long_is_not_sent_and_a_key_frame_is_asked_for() {
    let mut stage = Stage::new();
    let asked = stage.plis();
    for waited in [400, 300, 250, 100, 10] {
        stage.frame(2, false, ms(waited));
    }
    stage.flush();
    assert_eq!((stage.seen(), stage.stale()), (vec![1, 2], 10));
    assert_eq!(stage.plis(), asked + 1);
    stage.frame(2, false, Duration::ZERO);
    stage.flush();
    assert_eq!(stage.seen(), [1, 2], "a picture can't begin there");
    stage.frame(2, true, Duration::ZERO);
    stage.frame(1, false, Duration::ZERO);
    stage.flush();
    assert_eq!(stage.seen(), [1, 2, 15, 16, 17]);
}

#[test]
fn viewers_go_on_with_a_key_frame_that_is_young_enough() {
    let mut stage = Stage::new();
    let asked = stage.plis();
    for (keyframe, waited) in [(false, 400), (true, 300), (false, 200), (true, 150), (false, 10)] {
        stage.frame(2, keyframe, ms(waited));
    }
    stage.flush();
    assert_eq!((stage.seen(), stage.plis()), (vec![1, 2, 9, 10, 11, 12], asked));
}

#[test]
fn sound_goes_on_with_what_is_young_enough() {
    let mut stage = Stage::new();
    for waited in (0..20).rev() {
        stage.sound(ms(20 * waited));
    }
    stage.flush();
    assert_eq!((stage.heard(), stage.stale()), (1 + 10, 10), "0 to 180 ms old");
}

#[test]
fn a_short_wait_costs_nobody_a_packet() {
    let mut stage = Stage::new();
    for waited in [195, 150, 10] {
        stage.frame(2, false, ms(waited));
        stage.sound(ms(waited));
    }
    stage.flush();
    assert_eq!((stage.seen().len(), stage.heard(), stage.stale()), (8, 4, 0));
}

#[test]
fn what_waited_longer_than_the_packet_before_it_came_after_it_all_the_same() {
    let mut stage = Stage::new();
    for waited in [0, 19, 0, 150, 0] {
        stage.frame(2, false, ms(waited));
        stage.sound(ms(waited));
    }
    stage.flush();
    assert_eq!((stage.seen().len(), stage.heard(), stage.stale()), (12, 6, 0));
    let waited_us = stage.harness.sfu.counters().egress_waits.sum_us();
    assert!(waited_us < 1_000_000, "{waited_us} us");
}

#[test]
fn a_worker_that_has_too_much_to_send_is_stricter_with_what_it_still_sends() {
    let mut stage = Stage::new();
    let now = stage.harness.now;
    stage.harness.sfu.relieve(now, Relief::NotTheTop);
    stage.frame(2, false, ms(100));
    stage.flush();
    assert_eq!((stage.seen(), stage.stale()), (vec![1, 2], 2));
}

#[test]
fn what_had_to_wait_for_the_viewers_before_is_passed_over_once_it_is_too_old() {
    let mut stage = Stage::new();
    for _ in 0..60 {
        stage.harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    }
    let now = stage.harness.now;
    stage.harness.sfu.relieve(now, Relief::NotTheTop);
    stage.flush();
    let seen = stage.seen().len();
    stage.camera.bytes = 1_100;
    for _ in 0..4 {
        stage.frame(16, false, Duration::ZERO);
    }
    assert!(stage.harness.sfu.flush(stage.harness.now), "it takes several turns");
    stage.harness.deliver();
    stage.harness.now = stage.harness.now.after(ms(300));
    stage.flush();
    // What was begun is sent to its end.
    assert_eq!((stage.seen().len() - seen, stage.stale()), (8, 56));
}

#[test]
fn a_key_frame_that_takes_long_to_send_is_sent_to_its_end_and_sound_does_not_wait_for_it() {
    let mut stage = Stage::new();
    let others: Vec<Who> = (0..60)
        .map(|_| stage.harness.join(watches(vec![video_out(Some(CAMERA), SEEN), audio_out(Some(MICROPHONE), HEARD)])))
        .collect();
    let now = stage.harness.now;
    stage.harness.sfu.relieve(now, Relief::NotTheTop);
    stage.camera.bytes = 1_100;
    stage.frame(40, true, Duration::ZERO);
    let mut turns = 0;
    while stage.harness.sfu.flush(stage.harness.now) {
        stage.harness.deliver();
        let heard = stage.heard();
        stage.sound(Duration::ZERO);
        stage.harness.now = stage.harness.now.after(ms(30));
        let more = stage.harness.sfu.flush(stage.harness.now);
        stage.harness.deliver();
        assert_eq!(stage.heard(), heard + 1, "it leaves with what is sent next");
        turns += 1;
        if !more {
            break;
        }
    }
    stage.harness.deliver();
    assert!(turns >= 3, "{turns}");
    for who in others {
        assert_eq!(stage.harness.clients[who].indices(SEEN).len(), 2 + 40, "after {turns} turns");
    }
    assert_eq!(stage.stale(), 0);
}
