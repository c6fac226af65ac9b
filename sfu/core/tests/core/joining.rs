//! A viewer starts with what is there: the last key frame and all since then, without a gap, without a request to
//! the publisher, and without holding up anybody.

mod long_pictures;

use std::collections::BTreeMap;

use crate::harness::cameras::{SEEN, ms};
use crate::harness::client::{Received, ReceivedRtcp};
use crate::harness::mesh::Path;
use crate::harness::*;
use chappe_sfu_core::rtp::{Seq, Ssrc};
use chappe_sfu_core::{MediaKind, SendTrack, TrackId};

/// A publisher nobody watches, `frames` after its last key frame.
fn midway(frames: usize) -> (Harness, Who, Camera) {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    for at in 0..=frames {
        harness.frame(publisher, &mut camera, 3, at == 0);
    }
    (harness, publisher, camera)
}

fn watcher() -> chappe_sfu_core::Media {
    watches(vec![video_out(Some(CAMERA), SEEN)])
}

/// The counters at the ends of the payloads.
fn counters(received: &[Received]) -> Vec<u32> {
    let last = |packet: &Received| *packet.payload.last_chunk::<4>().expect("a counter");
    received.iter().map(|packet| u32::from_be_bytes(last(packet))).collect()
}

fn is_in_order(received: &[Received]) -> bool {
    let is_next = |pair: &[Received]| pair[1].index == pair[0].index + 1;
    received.windows(2).all(is_next) && counters(received).windows(2).all(|pair| pair[1] == pair[0] + 1)
}

#[test]
fn a_joiner_gets_the_last_key_frame_and_all_since_at_once_and_in_order() {
    let (mut harness, publisher, mut camera) = midway(20);
    // The next key frame outdates what was before it.
    for at in 0..10 {
        harness.frame(publisher, &mut camera, 3, at == 0);
    }
    let joiner = harness.join(watcher());
    harness.run(ms(5));
    let client = &harness.clients[joiner];
    assert_eq!(client.received.len(), 30);
    assert_eq!(client.received[0].payload[..2], [0x10, 0], "the start of a key frame");
    assert!(is_in_order(&client.received) && client.faults == 0);
}

#[test]
fn a_joiner_who_starts_from_what_is_there_asks_the_publisher_for_nothing() {
    let (mut harness, publisher, mut camera) = midway(20);
    let before = harness.clients[publisher].plis();
    for _ in 0..3 {
        harness.join(watcher());
        harness.frame(publisher, &mut camera, 3, false);
    }
    harness.run(ms(700));
    assert_eq!(harness.clients[publisher].plis(), before);
}

#[test]
fn what_is_live_follows_without_a_gap_or_a_repeat_while_it_keeps_coming() {
    let (mut harness, publisher, mut camera) = midway(110);
    let joiner = harness.join(watcher());
    for _ in 0..100 {
        for packet in camera.frame(2, false) {
            harness.clients[publisher].send(&packet);
        }
        harness.run(ms(1));
        if harness.clients[joiner].received.len() < 200 {
            assert!(harness.clients[joiner].received.len() % 8 == 0, "one slice after the other");
        }
    }
    harness.run(ms(5));
    let client = &harness.clients[joiner];
    assert_eq!(client.received.len(), 111 * 3 + 100 * 2);
    assert!(is_in_order(&client.received) && client.faults == 0);
}

#[test]
fn timestamps_grow_from_frame_to_frame_and_live_ones_are_those_of_everybody() {
    let (mut harness, publisher, mut camera) = {
        let mut harness = Harness::new();
        let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
        (harness, publisher, Camera::new(VIDEO_SSRC))
    };
    let early = harness.join(watcher());
    for at in 0..60 {
        harness.frame(publisher, &mut camera, 3, at == 0);
    }
    let joiner = harness.join(watcher());
    for _ in 0..10 {
        harness.frame(publisher, &mut camera, 3, false);
    }
    let received = &harness.clients[joiner].received;
    assert_eq!(received.len(), 70 * 3);
    let frames: Vec<u32> = received.chunks(3).map(|frame| frame[0].timestamp).collect();
    assert!(received.chunks(3).all(|frame| frame.iter().all(|packet| packet.timestamp == frame[0].timestamp)));
    let steps: Vec<u32> = frames.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    assert!(steps[..59].iter().all(|step| (1..90).contains(step)), "what is past is close together: {steps:?}");
    assert!(steps[59..].iter().all(|step| *step == 3_000), "what is live is as it was: {steps:?}");
    let live = |who: Who| harness.clients[who].received[59 * 3..].iter().map(|packet| packet.timestamp);
    let distances: Vec<u32> = live(early).zip(live(joiner)).map(|(a, b)| a.wrapping_sub(b)).collect();
    assert!(distances.windows(2).all(|pair| pair[0] == pair[1]), "{distances:?}");
}

#[test]
fn sender_reports_are_those_of_what_is_live() {
    let (mut harness, publisher, mut camera) = midway(40);
    let joiner = harness.join(watcher());
    harness.run(ms(10));
    let live = harness.now;
    harness.frame(publisher, &mut camera, 1, false);
    let client = &harness.clients[joiner];
    let newest = client.received.last().expect("live").timestamp;
    let report = client.received_rtcp.iter().find_map(|packet| match packet {
        ReceivedRtcp::SenderReport { ssrc: SEEN, ntp, timestamp } => Some((*ntp, *timestamp)),
        _ => None,
    });
    let (ntp, timestamp) = report.expect("with the first packets");
    let seconds = (live.ntp() as f64 - ntp as f64) / 2f64.powi(32);
    let media = f64::from(newest.wrapping_sub(timestamp) as i32) / 90_000.0;
    // The frames of the harness are 3,000 ticks apart and 33 ms, and the clock is laid through the first.
    assert!((seconds - media).abs() < 0.1, "{seconds} s of wall clock, {media} s of media");
}

fn without_rtx() -> SendTrack {
    let mut line = video_out(Some(CAMERA), SEEN);
    line.rtx_ssrc = None;
    line.payload_types[0].rtx = None;
    line
}

#[test]
fn a_lost_packet_of_the_past_is_repaired_with_the_same_bytes() {
    let (mut harness, publisher, mut camera) = midway(40);
    let joiner = harness.join(watches(vec![without_rtx()]));
    harness.run(ms(30));
    harness.frame(publisher, &mut camera, 3, false);
    let sent = harness.clients[joiner].received.clone();
    assert_eq!(sent.len(), 42 * 3);
    let lost: Vec<u64> = [0, 1, 50, 122, 125].map(|at| sent[at].index).to_vec();
    let seqs: Vec<Seq> = lost.iter().map(|index| Seq(*index as u16)).collect();
    harness.clients[joiner].send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &seqs));
    harness.exchange();
    let client = &harness.clients[joiner];
    let repairs = &client.received[sent.len()..];
    assert_eq!(repairs.iter().map(|packet| packet.index).collect::<Vec<_>>(), lost);
    assert!(repairs.iter().all(|repair| sent.contains(repair)));
    assert_eq!(client.faults, 0, "not one byte is another");
}

#[test]
fn rtx_names_and_holds_a_lost_packet_of_the_past() {
    let (mut harness, _, _) = midway(40);
    let joiner = harness.join(watcher());
    harness.run(ms(30));
    let original = harness.clients[joiner].received[30].clone();
    harness.clients[joiner].send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &[Seq(original.index as u16)]));
    harness.exchange();
    let repair = harness.clients[joiner].received.last().expect("a repair");
    assert_eq!((repair.ssrc, repair.timestamp), (SEEN + 1, original.timestamp));
    assert_eq!(repair.payload[2..], original.payload);
}

#[test]
fn with_a_hole_since_the_key_frame_a_new_one_is_asked_for() {
    let (mut harness, publisher, mut camera) = midway(5);
    let lost = camera.frame(1, false).remove(0);
    harness.frame(publisher, &mut camera, 3, false);
    let before = harness.clients[publisher].plis();
    let joiner = harness.join(watcher());
    harness.run(ms(20));
    assert!(harness.clients[joiner].received.is_empty());
    assert_eq!(harness.clients[publisher].plis(), before + 1);
    // The hole is filled: the next one finds all there.
    harness.send(publisher, &lost);
    let second = harness.join(watcher());
    harness.run(ms(20));
    assert_eq!(harness.clients[second].received.len(), 6 * 3 + 1 + 3);
    let mut received = harness.clients[second].received.clone();
    received.sort_by_key(|packet| packet.index);
    assert!(is_in_order(&received));
}

#[test]
fn a_key_frame_that_is_too_old_is_not_worth_its_packets() {
    let (mut harness, publisher, _) = midway(310);
    let before = harness.clients[publisher].plis();
    let joiner = harness.join(watcher());
    harness.run(ms(20));
    assert!(harness.clients[joiner].received.is_empty());
    assert!(harness.clients[publisher].plis() > before);
}

fn is_keyframe(packet: &Received) -> bool {
    packet.payload[..2] == [0x10, 0]
}

#[test]
fn a_start_that_was_overtaken_by_what_follows_it_is_found() {
    let (mut harness, publisher, mut camera) = midway(3);
    let packets = camera.frame(4, true);
    for at in [2, 1, 0, 3] {
        harness.send(publisher, &packets[at]);
    }
    let joiner = harness.join(watcher());
    harness.run(ms(5));
    let mut received = harness.clients[joiner].received.clone();
    assert_eq!(received.len(), 4);
    received.sort_by_key(|packet| packet.index);
    assert!(is_in_order(&received));
    assert_eq!(received[0].payload, packets[0].payload);
}

#[test]
fn two_hundred_joiners_at_once_do_not_hold_up_what_is_live() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let watcher = harness.join(watcher());
    let joiners: Vec<Who> = (0..200).map(|_| harness.join(watches(vec![video_out(None, SEEN)]))).collect();
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.bytes = 1_100;
    for at in 0..50 {
        harness.frame(publisher, &mut camera, 4, at == 0);
    }
    for joiner in &joiners {
        let media = watches(vec![video_out(Some(CAMERA), SEEN)]);
        harness.sfu.set_media(harness.now, session(*joiner), chappe_sfu_core::Epoch(1), media).expect("accepted");
    }
    let route = harness.clients[publisher].route;
    let mut turns = 0;
    while harness.clients[joiners[199]].received.len() < 200 {
        turns += 1;
        harness.now = harness.now.after(ms(1));
        harness.sfu.handle_timeout(harness.now);
        // A millisecond after the last one, by its timestamp too.
        camera.timestamp = camera.timestamp.wrapping_sub(3_000 - 90);
        let live = camera.frame(1, false).remove(0);
        let mut datagram = harness.clients[publisher].seal(&live);
        harness.sfu.handle_datagram(harness.now, route, &mut datagram);
        let mut rounds = 0;
        loop {
            let more = harness.sfu.flush(harness.now);
            let mut packets = BTreeMap::new();
            for run in harness.sfu.egress().runs().filter(|run| run.segment > 1_000) {
                *packets.entry(run.route == harness.clients[watcher].route).or_insert(0) += run.segments().count();
            }
            if rounds == 0 {
                assert_eq!(packets.get(&true), Some(&1), "what is live leaves first");
            }
            assert!(packets.get(&false).copied().unwrap_or(0) <= 256, "{packets:?} in one round");
            harness.deliver();
            rounds += 1;
            if !more {
                break;
            }
        }
        assert!(rounds <= 2, "one turn for those who join after what is live");
        assert!(turns < 400, "all get there");
    }
    for joiner in joiners {
        let client = &harness.clients[joiner];
        assert!(is_in_order(&client.received) && client.faults == 0);
        assert_eq!(client.received[0].payload[..2], [0x10, 0]);
    }
}

#[test]
fn a_sender_that_moves_to_another_track_starts_with_what_is_there() {
    let (mut harness, first, mut camera) = midway(10);
    let viewer = harness.join(watcher());
    harness.frame(first, &mut camera, 3, false);
    let other = TrackId(0xcb);
    let second = harness.join(publishes(vec![camera_line(other)]));
    let mut replacement = Camera::new(0x3333);
    replacement.extensions = vec![(MID, b"0".to_vec())];
    for at in 0..15 {
        harness.frame(second, &mut replacement, 2, at == 0);
    }
    harness.run(ms(1_000));
    let (before, asked) = (harness.clients[viewer].received.len(), harness.clients[second].plis());
    assert_eq!(before, 12 * 3);
    harness.set_media(viewer, watches(vec![video_out(Some(other), SEEN)]));
    harness.run(ms(20));
    harness.frame(second, &mut replacement, 2, false);
    let client = &harness.clients[viewer];
    assert_eq!(client.received.len(), before + 16 * 2);
    assert_eq!(harness.clients[second].plis(), asked);
    assert!(client.indices(SEEN).windows(2).all(|pair| pair[1] == pair[0] + 1) && client.faults == 0);
    let steps: Vec<u32> =
        client.received.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp)).collect();
    assert!(steps.iter().all(|step| *step < 1 << 31), "time never runs back: {steps:?}");
    let newest = |at: usize| client.received[at].timestamp;
    let passed = newest(before + 15 * 2 - 1).wrapping_sub(newest(before - 1));
    // 15 frames of 33 ms and 1 s have passed.
    assert!((125_000..150_000).contains(&passed), "{passed} ticks from the last of one to the newest of the other");
}

#[test]
fn the_past_of_a_publisher_who_left_or_started_over_is_nobodys() {
    let (mut harness, publisher, mut camera) = midway(10);
    let mut restarted = Camera::new(0x7777);
    restarted.extensions = vec![(MID, b"0".to_vec())];
    harness.frame(publisher, &mut restarted, 3, false);
    let joiner = harness.join(watcher());
    harness.run(ms(20));
    assert!(harness.clients[joiner].received.is_empty(), "another SSRC, and no key frame on it yet");
    harness.frame(publisher, &mut restarted, 3, true);
    assert_eq!(harness.clients[joiner].received.len(), 3);
    harness.frame(publisher, &mut camera, 3, true);
    let now = harness.now;
    harness.clients[publisher].close(now);
    harness.exchange();
    let late = harness.join(watcher());
    harness.run(ms(20));
    assert!(harness.clients[late].received.is_empty());
}

#[test]
fn a_track_that_ends_or_starts_over_in_the_middle_of_it_leaves_no_gap() {
    for ends in [false, true] {
        let (mut harness, publisher, _) = midway(110);
        let joiner = harness.join(watcher());
        harness.run(ms(3));
        let got = harness.clients[joiner].received.len();
        assert!((8..300).contains(&got), "{got}");
        let mut next = Camera::new(0x7777);
        next.extensions = vec![(MID, b"0".to_vec())];
        let mut who = publisher;
        if ends {
            let now = harness.now;
            harness.clients[publisher].close(now);
            harness.exchange();
            harness.run(ms(20));
            assert_eq!(harness.clients[joiner].received.len(), got, "what it sent is of no use any more");
            who = harness.join(publishes(vec![camera_line(CAMERA)]));
        }
        harness.frame(who, &mut next, 3, true);
        harness.run(ms(100));
        let client = &harness.clients[joiner];
        // A new picture spares the rest of the old one, but what left meanwhile.
        assert!((got + 3..got + 33 * 8).contains(&client.received.len()), "{got}, then {}", client.received.len());
        assert!(is_keyframe(&client.received[client.received.len() - 3]));
        assert!(client.indices(SEEN).windows(2).all(|pair| pair[1] == pair[0] + 1) && client.faults == 0);
    }
}

#[test]
fn a_viewer_who_cannot_decode_the_cached_codec_is_not_sent_it() {
    let (mut harness, publisher, _) = midway(10);
    let mut line = video_out(Some(CAMERA), SEEN);
    line.payload_types[0].from = 102;
    let joiner = harness.join(watches(vec![line]));
    harness.run(ms(20));
    assert!(harness.clients[joiner].received.is_empty());
    assert!(harness.clients[publisher].plis() <= 2);
}

#[test]
fn the_first_viewer_on_another_worker_starts_close_to_live_too() {
    let mut mesh = Mesh::new(2, 1);
    mesh.set_all(Path { delay_ms: 20, ..Path::default() });
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    mesh.set_origin(1, CAMERA, MediaKind::Video, 0);
    mesh.run(ms(200));
    let mut camera = Camera::new(VIDEO_SSRC);
    for at in 0..35 {
        mesh.frame(0, publisher, &mut camera, 3, at == 0);
    }
    let before = mesh.workers[0].clients[publisher].plis();
    let viewer = mesh.join(1, watcher());
    for _ in 0..10 {
        mesh.frame(0, publisher, &mut camera, 3, false);
    }
    let client = &mesh.workers[1].clients[viewer];
    assert_eq!(mesh.workers[0].clients[publisher].plis(), before);
    assert!(client.received.len() > 35 * 3 && is_in_order(&client.received) && client.faults == 0);
    assert_eq!(client.received[0].payload[..2], [0x10, 0]);
    let frames: Vec<u32> = client.received.chunks(3).map(|frame| frame[0].timestamp).collect();
    let close = frames.windows(2).filter(|pair| pair[1].wrapping_sub(pair[0]) < 90).count();
    assert!(close >= 34, "{close} of {} frames", frames.len());
}
