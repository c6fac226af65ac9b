//! What a viewer misses on a line that loses at random, in virtual time. This viewer never sends a NACK unless a test does.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::harness::scene::Scene;
use crate::harness::*;
use chappe_sfu_core::rtp::{Seq, Ssrc};

const SEEN: u32 = 0x9000;
const REPEATS: u32 = SEEN + 1;
const ROUND_TRIP: Duration = Duration::from_millis(80);

/// A camera of 1 Mbit/s and a viewer that tells when each packet came, on a line that loses one in so many.
fn scene(loses_one_in: usize) -> Scene {
    let lines = vec![video_out(Some(CAMERA), SEEN)];
    let mut scene = Scene::new(|harness| harness.join_over(10_000, watches_and_tells(lines)));
    let line = scene.harness.slow_line(scene.viewer);
    (line.round_trip, line.loses_one_in) = (ROUND_TRIP, loses_one_in);
    scene
}

/// When each packet of the picture first came, by its sequence number: itself or a repeat of it.
fn came(scene: &Scene) -> Vec<(u16, Instant, bool)> {
    let client = &scene.harness.clients[scene.viewer];
    let mut known = HashSet::new();
    let of = client.received.iter().zip(&client.arrivals).filter_map(|(packet, at)| match packet.ssrc {
        SEEN => Some((packet.index as u16, *at, false)),
        REPEATS => Some((u16::from_be_bytes([packet.payload[0], packet.payload[1]]), *at, true)),
        _ => None,
    });
    of.filter(|(seq, ..)| known.insert(*seq)).collect()
}

fn repeats_of(scene: &Scene, seq: u16) -> usize {
    let received = &scene.harness.clients[scene.viewer].received;
    let of = received.iter().filter(|packet| packet.ssrc == REPEATS && packet.payload[..2] == seq.to_be_bytes());
    of.count()
}

#[test]
fn what_feedback_says_did_not_arrive_is_repeated_without_being_asked_for() {
    let mut scene = scene(20);
    scene.frames(300, 4);
    let came = came(&scene);
    let first = came[0].0;
    let highest = came.iter().map(|(seq, ..)| seq.wrapping_sub(first)).max().expect("packets");
    assert!(highest > 1_100, "{highest}");
    // What was lost last is still on its way.
    let settled = highest - 40;
    let known: HashSet<u16> = came.iter().map(|(seq, ..)| seq.wrapping_sub(first)).collect();
    let missing: Vec<u16> = (0..settled).filter(|seq| !known.contains(seq)).collect();
    assert_eq!(missing, [0; 0], "never repeated");
    let repeated: Vec<_> = came.iter().filter(|(_, _, is_repeat)| *is_repeat).collect();
    assert!(repeated.len() >= 40, "{} of some 55 that were lost", repeated.len());
    for (seq, at, _) in &repeated {
        let next = came.iter().find(|(other, _, is_repeat)| *other > *seq && !is_repeat).expect("later packets");
        let after = at.saturating_duration_since(next.1);
        // The client tells each 100 ms.
        assert!(after <= ROUND_TRIP + Duration::from_millis(140), "{seq} after {after:?}");
    }
    assert_eq!(scene.harness.clients[scene.viewer].faults, 0);
}

#[test]
fn a_repeat_is_sent_twice_only_where_the_line_loses_at_random() {
    for (loses_one_in, copies) in [(0, 1), (20, 2)] {
        let mut scene = scene(loses_one_in);
        scene.frames(150, 4);
        // Not lost, and not known as such: it is the NACK that is answered.
        let seq = came(&scene).iter().rev().find(|(_, _, is_repeat)| !is_repeat).expect("packets").0;
        let viewer = scene.viewer;
        scene.harness.slow_line(viewer).loses_one_in = 0;
        scene.harness.clients[viewer].send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &[Seq(seq)]));
        scene.harness.exchange();
        scene.harness.run(2 * ROUND_TRIP);
        assert_eq!(repeats_of(&scene, seq), copies, "one in {loses_one_in} lost");
        assert_eq!(scene.harness.clients[viewer].faults, 0);
    }
}
