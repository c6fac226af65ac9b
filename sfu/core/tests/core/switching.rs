//! A viewer whose m-line gets another source: what flows goes on until the new one can begin.

use crate::harness::cameras::*;
use crate::harness::client::Received;
use crate::harness::*;
use chappe_sfu_core::TrackId;
use chappe_sfu_core::rtp::{Seq, Ssrc};

struct Stage {
    harness: Harness,
    publishers: [Who; 3],
    cameras: [Camera; 3],
    viewer: Who,
}

/// Three cameras; the viewer sees the first, which is `frames` behind its key frame.
fn stage(frames: usize) -> Stage {
    let mut harness = Harness::new();
    let publishers = [CAMERA, SECOND, THIRD].map(|track| harness.join(publishes(vec![camera_line(track)])));
    let viewer = harness.join(sees(Some(CAMERA)));
    let mut stage = Stage { harness, publishers, cameras: [1, 2, 3].map(camera), viewer };
    for at in 0..=frames {
        stage.frames(&[(0, at == 0)]);
    }
    stage
}

impl Stage {
    /// A frame of two packets of each of these cameras, and 33 ms.
    fn frames(&mut self, of: &[(usize, bool)]) {
        for (camera, keyframe) in of {
            for packet in self.cameras[*camera].frame(2, *keyframe) {
                self.harness.clients[self.publishers[*camera]].send(&packet);
            }
            self.harness.exchange();
        }
        self.harness.run(ms(33));
    }

    fn point(&mut self, track: Option<TrackId>) {
        self.harness.set_media(self.viewer, sees(track));
    }

    fn client(&self) -> &Client {
        &self.harness.clients[self.viewer]
    }

    fn names(&self) -> Vec<usize> {
        names(&self.client().received)
    }

    fn source(&self) -> Option<TrackId> {
        self.harness.sfu.session_stats(session(self.viewer)).expect("open").sent[0].track
    }
}

#[test]
fn what_flows_goes_on_until_the_new_source_has_a_key_frame() {
    let mut stage = stage(5);
    stage.frames(&[(0, false), (1, false)]);
    stage.point(Some(SECOND));
    let asked = stage.harness.clients[stage.publishers[1]].plis();
    assert!(asked > 0, "the new one is asked for a key frame at once");
    for _ in 0..10 {
        stage.frames(&[(0, false), (1, false)]);
    }
    assert_eq!(stage.names(), [1; 17 * 2]);
    assert_eq!(stage.source(), Some(CAMERA), "statistics say what is sent");
    stage.frames(&[(1, true), (0, false)]);
    stage.frames(&[(0, false), (1, false)]);
    let client = stage.client();
    assert_eq!(stage.names(), [&[1; 34][..], &[2; 4]].concat(), "in one step, and not back");
    assert!(is_continuous(client) && is_keyframe(&client.received[34]));
    let counters = counters(&client.received, 1);
    assert!(counters.windows(2).all(|pair| pair[1] == pair[0] + 1), "nothing of the old one is missing: {counters:?}");
    let step = client.received[34].timestamp.wrapping_sub(client.received[33].timestamp);
    assert!((2_900..3_100).contains(&step), "time goes on by the 33 ms that passed, {step} ticks");
    assert_eq!(stage.source(), Some(SECOND));
}

#[test]
fn a_picture_that_has_just_begun_is_begun_with_at_once() {
    let mut stage = stage(5);
    stage.frames(&[(0, false), (1, true)]);
    let asked = stage.harness.clients[stage.publishers[1]].plis();
    stage.frames(&[(0, false), (1, false)]);
    stage.point(Some(SECOND));
    stage.frames(&[(0, false), (1, false)]);
    assert_eq!(stage.names(), [&[1; 16][..], &[2; 6]].concat());
    assert!(is_continuous(stage.client()) && is_keyframe(&stage.client().received[16]));
    assert_eq!(stage.harness.clients[stage.publishers[1]].plis(), asked);
}

/// As a publisher sends whose bandwidth estimation has just begun.
#[test]
fn a_key_frame_that_comes_slowly_is_waited_for_to_its_end() {
    let mut stage = stage(5);
    stage.frames(&[(0, false), (1, false)]);
    stage.point(Some(SECOND));
    for packet in stage.cameras[1].frame(4, true) {
        stage.harness.clients[stage.publishers[1]].send(&packet);
        stage.frames(&[(0, false)]);
    }
    stage.frames(&[(1, false)]);
    assert_eq!(stage.names(), [&[1; (7 + 3) * 2][..], &[1, 1], &[2; 4 + 2]].concat());
    assert!(is_continuous(stage.client()) && is_keyframe(&stage.client().received[22]));
}

#[test]
fn a_picture_that_is_older_is_not_sent_in_a_burst_while_the_old_source_flows() {
    let mut stage = stage(5);
    for at in 0..10 {
        stage.frames(&[(0, false), (1, at == 0)]);
    }
    stage.point(Some(SECOND));
    stage.frames(&[(0, false), (1, false)]);
    assert_eq!(stage.names(), [1; 17 * 2]);
    stage.frames(&[(0, false), (1, true)]);
    assert_eq!(stage.names().split_off(17 * 2), [1, 1, 2, 2]);
}

#[test]
fn a_source_that_stands_still_is_left_at_once() {
    let mut stage = stage(5);
    for at in 0..10 {
        stage.frames(&[(1, at == 0)]);
    }
    stage.point(Some(SECOND));
    stage.harness.run(ms(10));
    assert_eq!(stage.names(), [&[1; 12][..], &[2; 20]].concat(), "with the picture that is there");
    assert!(is_continuous(stage.client()));
}

#[test]
fn a_source_that_falls_silent_while_another_is_awaited_is_left() {
    let mut stage = stage(5);
    for at in 0..10 {
        stage.frames(&[(0, false), (1, at == 0)]);
    }
    stage.point(Some(SECOND));
    for _ in 0..7 {
        stage.frames(&[(1, false)]);
    }
    assert_eq!(stage.names(), [1; 16 * 2], "not yet 250 ms after its last packet");
    stage.frames(&[(1, false)]);
    assert_eq!(stage.names(), [&[1; 32][..], &[2; 36]].concat());
    assert!(is_continuous(stage.client()));
}

#[test]
fn a_source_that_ends_while_another_is_awaited_is_left_at_once() {
    let mut stage = stage(5);
    for at in 0..10 {
        stage.frames(&[(0, false), (1, at == 0)]);
    }
    stage.point(Some(SECOND));
    let now = stage.harness.now;
    stage.harness.clients[stage.publishers[0]].close(now);
    stage.harness.exchange();
    stage.harness.run(ms(10));
    assert_eq!(stage.names(), [&[1; 32][..], &[2; 20]].concat());
    assert!(is_continuous(stage.client()));
}

#[test]
fn after_two_seconds_without_a_key_frame_the_new_source_is_followed_anyway() {
    let mut stage = stage(5);
    for _ in 0..60 {
        // To be told again does not prolong it.
        stage.point(Some(SECOND));
        stage.frames(&[(0, false)]);
    }
    assert_eq!(stage.names(), [1; 66 * 2]);
    (0..2).for_each(|_| stage.frames(&[(0, false)]));
    assert!(stage.source() == Some(SECOND) && stage.names().len() < 68 * 2);
    stage.frames(&[(0, true), (1, true)]);
    assert_eq!(stage.names().last(), Some(&2));
    assert!(is_continuous(stage.client()));
}

#[test]
fn to_be_pointed_at_nothing_ends_both() {
    let mut stage = stage(5);
    stage.point(Some(SECOND));
    stage.point(None);
    let before = stage.names().len();
    stage.frames(&[(0, true), (1, true)]);
    stage.harness.run(ms(2_500));
    stage.frames(&[(0, true), (1, true)]);
    assert_eq!(stage.names().len(), before);
    stage.point(Some(SECOND));
    stage.frames(&[(1, true)]);
    assert_eq!(stage.names().last(), Some(&2));
    assert!(is_continuous(stage.client()));
}

#[test]
fn a_third_source_takes_the_place_of_the_one_that_is_awaited() {
    let mut stage = stage(5);
    stage.point(Some(SECOND));
    stage.frames(&[(0, false)]);
    stage.point(Some(THIRD));
    stage.frames(&[(0, false), (1, true)]);
    stage.frames(&[(0, false), (2, true), (1, false)]);
    stage.frames(&[(0, false), (2, false), (1, true)]);
    assert_eq!(stage.names(), [&[1; 18][..], &[3; 4]].concat());
    assert!(is_continuous(stage.client()));
}

#[test]
fn to_be_pointed_back_ends_the_waiting() {
    let mut stage = stage(5);
    stage.point(Some(SECOND));
    stage.frames(&[(0, false)]);
    stage.point(Some(CAMERA));
    stage.frames(&[(0, false), (1, true)]);
    stage.harness.run(ms(2_500));
    stage.frames(&[(0, false), (1, true)]);
    assert_eq!(stage.names(), [1; 9 * 2], "without a key frame");
    assert!(is_continuous(stage.client()));
}

#[test]
fn payload_types_of_the_new_source_count_from_its_first_packet_on() {
    let mut stage = stage(5);
    let mut line = video_out(Some(SECOND), SEEN);
    line.payload_types[0].from = 102;
    line.payload_types[0].to = 124;
    stage.harness.set_media(stage.viewer, watches(vec![line]));
    stage.frames(&[(0, false)]);
    let client = stage.client();
    assert_eq!(client.received.len(), 14);
    assert!(client.received.iter().all(|packet| packet.payload_type == 120) && is_continuous(client));
}

#[test]
fn what_is_asked_for_again_after_the_change_is_of_the_new_source_or_nothing() {
    let mut stage = stage(5);
    stage.point(Some(SECOND));
    stage.frames(&[(0, false), (1, true)]);
    stage.frames(&[(0, false), (1, false)]);
    let sent = stage.client().received.clone();
    let seqs: Vec<Seq> = sent.iter().map(|packet| Seq(packet.index as u16)).collect();
    let viewer = stage.viewer;
    stage.harness.clients[viewer].send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &seqs));
    stage.harness.exchange();
    let repairs = &stage.client().received[sent.len()..];
    let news: Vec<&Received> = sent.iter().filter(|packet| packet.payload.len() / 100 == 2).collect();
    assert_eq!(repairs.len(), news.len());
    for (repair, original) in repairs.iter().zip(news) {
        assert_eq!(
            (&repair.payload[..2], &repair.payload[2..]),
            (&(original.index as u16).to_be_bytes()[..], &original.payload[..])
        );
    }
    assert_eq!(stage.client().faults, 0);
}

#[test]
fn audio_changes_with_the_first_packet_of_the_new_source() {
    let mut harness = Harness::new();
    let [first, second] = [MICROPHONE, SECOND].map(|track| harness.join(publishes(vec![microphone_line(track)])));
    let hears = |track| watches(vec![audio_out(Some(track), SEEN)]);
    let viewer = harness.join(hears(MICROPHONE));
    let speak = |harness: &mut Harness, who: Who, seq: u16, len: usize| {
        let mut packet = opus(seq, u32::from(seq) * 960);
        packet.payload.resize(len, 0);
        harness.send(who, &packet);
        harness.run(ms(10));
    };
    for at in 0..5 {
        speak(&mut harness, first, at, 100);
    }
    harness.set_media(viewer, hears(SECOND));
    for at in 5..10 {
        speak(&mut harness, first, at, 100);
    }
    for at in 0..3 {
        speak(&mut harness, second, at + 700, 200);
        speak(&mut harness, first, at + 10, 100);
    }
    assert_eq!(names(&harness.clients[viewer].received), [&[1; 10][..], &[2; 3]].concat());
    assert!(is_continuous(&harness.clients[viewer]));
}
