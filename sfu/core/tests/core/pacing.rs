//! A viewer whose line is slower than what it watches, in virtual time: nothing is sent late, sound never waits, and
//! nobody else notices.

use std::time::Duration;

use crate::harness::adapting::Theatre;
use crate::harness::scene::Scene;
use crate::harness::viewers::Clocked;
use crate::harness::*;
use chappe_sfu_core::rtp::Ssrc;
use chappe_sfu_core::{LineStats, MediaKind};

const SEEN: u32 = 0x9000;
const HEARD: u32 = 0x9100;
const SECOND: Duration = Duration::from_secs(1);
const PLACES: u32 = 12;

struct Playing {
    harness: Harness,
    publisher: Who,
    viewer: Who,
    camera: Camera,
    packets: usize,
    sounds: u16,
}

/// A camera whose frames have so many packets of a thousand bytes, a microphone, and a viewer of both whose line carries
/// `kbps`.
fn scene(packets: usize, kbps: u64) -> Playing {
    let lines = vec![video_out(Some(CAMERA), SEEN), audio_out(Some(MICROPHONE), HEARD)];
    let joined = Scene::new(|harness| harness.join_over(kbps, watches_and_tells(lines)));
    let Scene { harness, publisher, viewer, camera } = joined;
    Playing { harness, publisher, viewer, camera, packets, sounds: 0 }
}

impl Playing {
    /// Frames for so long, 30 a second, sound each 20 ms; a key frame, five times as large, when one is asked for.
    fn play(&mut self, span: Duration) {
        let until = self.harness.now.mono + span;
        let mut asked = self.harness.clients[self.publisher].plis();
        let (mut frame_at, mut sound_at) = (self.harness.now.mono, self.harness.now.mono);
        let mut is_first = self.camera.is_new();
        while self.harness.now.mono < until {
            if self.harness.now.mono >= frame_at {
                let plis = self.harness.clients[self.publisher].plis();
                let is_key = is_first || plis > asked;
                (is_first, asked) = (false, plis);
                let count = if is_key { 5 * self.packets } else { self.packets };
                for packet in self.camera.frame(count, is_key) {
                    self.harness.clients[self.publisher].send(&packet);
                }
                frame_at += Duration::from_micros(33_333);
            }
            if self.harness.now.mono >= sound_at {
                let packet = opus(self.sounds, u32::from(self.sounds) * 960);
                self.harness.clients[self.publisher].send(&packet);
                self.sounds += 1;
                sound_at += Duration::from_millis(20);
            }
            self.harness.exchange();
            self.harness.run(Duration::from_millis(1));
        }
    }

    fn line(&self) -> LineStats {
        self.harness.line(self.viewer)
    }

    fn slow_line(&mut self) -> &mut SlowLine {
        self.harness.slow_line(self.viewer)
    }
}

#[test]
fn a_line_that_carries_the_picture_gets_all_of_it_and_its_queue_stays_short() {
    // 1.5 Mbit/s on 3 Mbit/s.
    let mut scene = scene(6, 3_000);
    scene.play(3 * SECOND);
    let since = scene.harness.now.mono;
    scene.play(10 * SECOND);
    let line = scene.line();
    assert!(line.estimate > 1_700_000, "{line:?}");
    assert_eq!(line.given_up, 0, "{line:?}");
    let gap = scene.harness.longest_gap(scene.viewer, SEEN, since);
    assert!(gap < Duration::from_millis(80), "the picture stood still for {gap:?}");
    let queue = scene.slow_line().queue_p95(since);
    assert!(queue < Duration::from_millis(60), "{queue:?}");
    assert_eq!(scene.harness.clients[scene.viewer].faults, 0);
}

#[test]
fn a_key_frame_is_spread_and_arrives_whole() {
    let mut scene = scene(6, 3_000);
    scene.play(6 * SECOND);
    scene.harness.run(Duration::from_millis(300));
    let (before, since) = (scene.slow_line().lost, scene.harness.now.mono);
    // 150 packets, 1.2 Mbit: four tenths of a second of the line.
    let keyframe = scene.camera.frame(150, true);
    for packet in &keyframe {
        scene.harness.clients[scene.publisher].send(packet);
    }
    scene.harness.exchange();
    let at_once = scene.slow_line().queued.iter().filter(|(at, _)| *at == since).count();
    assert!(at_once <= 16, "{at_once} packets left at once");
    scene.harness.run(SECOND);
    assert_eq!(scene.slow_line().lost, before);
    let client = &scene.harness.clients[scene.viewer];
    let came = client.received.iter().zip(&client.arrivals).filter(|(packet, at)| packet.ssrc == SEEN && **at > since);
    assert_eq!(came.count(), 150);
}

#[test]
fn sound_goes_on_and_nothing_is_sent_late_on_a_line_that_became_too_slow() {
    // 2.5 Mbit/s on 3 Mbit/s, then on 700 kbit/s: what the viewer sees stands still, what it hears does not. Much follows
    // from where in a group of pictures that happens, so it happens at many places.
    let mut queues = Vec::new();
    for place in 0..PLACES {
        let mut scene = scene(10, 3_000);
        scene.play(8 * SECOND + place * Duration::from_millis(7));
        assert_eq!(scene.line().given_up, 0, "{:?}", scene.line());
        scene.slow_line().kbps = 700;
        scene.play(3 * SECOND);
        let since = scene.harness.now.mono;
        scene.play(10 * SECOND);
        let line = scene.line();
        assert!(line.estimate < 900_000 && line.given_up > 0, "{line:?}");
        let gap = scene.harness.longest_gap(scene.viewer, HEARD, since);
        assert!(gap < Duration::from_millis(150), "silence for {gap:?}");
        queues.push(scene.slow_line().queue_p95(since));
        // And back.
        scene.slow_line().kbps = 4_000;
        scene.play(2 * SECOND);
        let since = scene.harness.now.mono;
        scene.play(8 * SECOND);
        let gap = scene.harness.longest_gap(scene.viewer, SEEN, since);
        assert!(gap < Duration::from_millis(100), "the picture stood still for {gap:?}: {:?}", scene.line());
        assert_eq!(scene.harness.clients[scene.viewer].faults, 0);
    }
    queues.sort();
    // Nearly all that is sent are key frames of 400 kbit, at up to 2.5 times the estimate.
    assert!(queues[queues.len() / 2] <= Duration::from_millis(250), "{queues:?}");
}

#[test]
fn a_viewer_on_a_slow_line_costs_the_others_few_key_frames_and_no_packet() {
    let mut scene = scene(10, 300);
    let other = scene.harness.join(watches(vec![video_out(Some(CAMERA), 0xa000)]));
    scene.play(20 * SECOND);
    let sent = scene.camera.sent();
    assert_eq!(scene.harness.clients[other].payloads(0xa000).len(), sent);
    let asked = scene.harness.clients[scene.publisher].plis();
    assert!(asked <= 10, "{asked} key frames were asked for");
}

#[test]
fn a_probe_is_filled_with_repeats_that_a_receiver_drops() {
    // 200 kbit/s of video: the first probes go to nine and eighteen times that.
    let mut scene = scene(1, 10_000);
    scene.play(2 * SECOND);
    let client = &scene.harness.clients[scene.viewer];
    let padding: Vec<_> = client.received.iter().filter(|packet| packet.ssrc == SEEN + 1).collect();
    assert!(padding.len() >= 3, "{} packets of padding", padding.len());
    let sent = client.indices(SEEN);
    for packet in padding {
        let original = u16::from_be_bytes([packet.payload[0], packet.payload[1]]);
        assert!(sent.iter().any(|index| *index as u16 == original), "it repeats what was sent");
    }
    assert!(scene.line().estimate > 700_000, "{:?}", scene.line());
    assert_eq!(client.faults, 0);
}

/// It hears sound alone, which has no repeats: the first probes end by themselves.
#[test]
fn a_worker_does_not_look_each_moment_for_padding_that_a_viewer_cannot_get() {
    let moment = Duration::from_millis(1);
    let mut theatre = Theatre::new(1);
    let wakes = |theatre: &mut Theatre| {
        let is_due = |_: &u32| {
            theatre.play(moment);
            theatre.harness.sfu.poll_timeout().is_some_and(|at| at <= theatre.now() + moment)
        };
        (0..700).filter(is_due).count()
    };
    theatre.play(3 * SECOND);
    let before = wakes(&mut theatre);
    let viewer = theatre.add_viewer(10_000, |media| media.send.retain(|line| line.kind == MediaKind::Audio));
    let after = wakes(&mut theatre);
    assert!(theatre.harness.clients[viewer].received.len() > 20, "it hears");
    assert!(after < before + 100, "{before} times in 700 ms without it, {after} with it");
}

#[test]
fn a_viewer_on_a_slow_line_that_asks_for_a_key_frame_is_not_flooded_with_the_cached_one() {
    let mut scene = scene(10, 3_000);
    scene.play(6 * SECOND);
    scene.slow_line().kbps = 700;
    scene.play(3 * SECOND);
    let (lost, since) = (scene.slow_line().lost, scene.harness.now.mono);
    for _ in 0..20 {
        scene.harness.clients[scene.viewer].send_rtcp(|writer| writer.pli(Ssrc(1), Ssrc(SEEN)));
        scene.play(Duration::from_millis(250));
    }
    let offered = scene.slow_line().queued.iter().filter(|(at, _)| *at >= since).count();
    let lost = scene.slow_line().lost - lost;
    assert!(lost * 20 <= offered, "{lost} packets were lost, {offered} came through");
}
