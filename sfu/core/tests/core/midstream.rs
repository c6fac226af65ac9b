//! What changes while a stream runs: its codec, whether a viewer can follow, and how its packets are paced.

mod parameter_sets;
mod renegotiation;

use std::time::Duration;

use crate::harness::*;
use chappe_sfu_core::codec::Codec;
use chappe_sfu_core::{PayloadMap, ReceiveCodec, ReceiveTrack, SendTrack};

const SEEN: u32 = 0x9000;
/// The publisher's payload type for H264.
const H264: u8 = 102;

fn two_codecs() -> ReceiveTrack {
    let mut line = camera_line(CAMERA);
    let h264 = ReceiveCodec { codec: Codec::H264, payload_type: H264, rtx: Some(103), ..line.codecs[0] };
    line.codecs.push(h264);
    line
}

fn sees(codecs: &[Codec]) -> SendTrack {
    let mut line = video_out(Some(CAMERA), SEEN);
    let vp8 = line.payload_types[0];
    let h264 = PayloadMap { codec: Codec::H264, from: H264, to: 122, rtx: Some(123), ..vp8 };
    line.payload_types = [vp8, h264].into_iter().filter(|map| codecs.contains(&map.codec)).collect();
    line
}

/// A frame of two packets in H264, with the numbers of the camera.
fn h264_frame(harness: &mut Harness, publisher: Who, camera: &mut Camera, keyframe: bool) {
    let mut packets = camera.frame(2, keyframe);
    for (at, packet) in packets.iter_mut().enumerate() {
        packet.payload_type = H264;
        // FU-A, start and end, of an IDR or another slice.
        packet.payload[0] = 0x7c;
        packet.payload[1] = if at == 0 { 0x80 } else { 0x40 } | if keyframe { 5 } else { 1 };
        packet.payload[2] = 0x88;
    }
    for packet in &packets {
        harness.send(publisher, packet);
    }
    harness.run(Duration::from_millis(33));
}

#[test]
fn a_codec_that_changes_is_followed_without_a_gap_or_left_out_without_one() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![two_codecs()]));
    let both = harness.join(watches(vec![sees(&[Codec::Vp8, Codec::H264])]));
    let one = harness.join(watches(vec![sees(&[Codec::Vp8])]));
    let mut camera = Camera::new(VIDEO_SSRC);
    harness.frame(publisher, &mut camera, 2, true);
    h264_frame(&mut harness, publisher, &mut camera, true);
    h264_frame(&mut harness, publisher, &mut camera, false);
    harness.frame(publisher, &mut camera, 2, true);
    let types = |who: Who| harness.clients[who].received.iter().map(|packet| packet.payload_type).collect::<Vec<_>>();
    assert_eq!(types(both), [120, 120, 122, 122, 122, 122, 120, 120]);
    assert_eq!(types(one), [120, 120, 120, 120]);
    for who in [both, one] {
        let indices = harness.clients[who].indices(SEEN);
        assert!(indices.windows(2).all(|pair| pair[1] == pair[0] + 1), "{indices:?}");
        assert_eq!(harness.clients[who].faults, 0);
    }
}

#[test]
fn a_viewer_who_cannot_decode_the_codec_costs_the_others_no_key_frames() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![two_codecs()]));
    let blind = harness.join(watches(vec![sees(&[Codec::Vp8])]));
    let mut camera = Camera::new(VIDEO_SSRC);
    for at in 0..120 {
        h264_frame(&mut harness, publisher, &mut camera, at % 30 == 0);
    }
    assert!(harness.clients[blind].received.is_empty());
    assert!(harness.clients[publisher].plis() <= 1, "{} requests in 4 s", harness.clients[publisher].plis());
    // Once it can, the picture is asked for.
    let before = harness.clients[publisher].plis();
    harness.frame(publisher, &mut camera, 2, false);
    assert!(harness.clients[publisher].plis() > before);
}

#[test]
fn a_key_frame_is_asked_for_also_if_the_arena_fills_up_behind_the_viewer_who_needs_it() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![two_codecs()]));
    harness.join(watches(vec![sees(&[Codec::H264])]));
    for _ in 0..20 {
        harness.join(watches(vec![sees(&[Codec::Vp8, Codec::H264])]));
    }
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.bytes = 1_100;
    harness.frame(publisher, &mut camera, 2, true);
    harness.run(Duration::from_millis(1_000));
    let before = harness.clients[publisher].plis();
    // The first viewer can decode these, but not begin with them. They wait for each other, and are too many for
    // one round of sending to all.
    let mut packets = camera.frame(40, false);
    packets.iter_mut().for_each(|packet| packet.payload_type = H264);
    let route = harness.clients[publisher].route;
    for packet in &packets {
        let mut datagram = harness.clients[publisher].seal(packet);
        harness.sfu.handle_datagram(harness.now, route, &mut datagram);
    }
    assert!(harness.sfu.flush(harness.now), "the arena is full");
    harness.deliver();
    harness.exchange();
    assert_eq!(harness.clients[publisher].plis(), before + 1);
}

/// A publisher with eight viewers who have its picture, and the time from one of its packets to the next.
struct Paced {
    harness: Harness,
    publisher: Who,
    camera: Camera,
    gap: Duration,
}

impl Paced {
    fn new(gap: Duration) -> Paced {
        let mut harness = Harness::new();
        let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
        for _ in 0..8 {
            harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
        }
        let mut camera = Camera::new(VIDEO_SSRC);
        camera.extensions = vec![(MID, b"0".to_vec())];
        harness.frame(publisher, &mut camera, 1, true);
        Paced { harness, publisher, camera, gap }
    }

    /// A frame of five packets; how many of them its first viewer had before any time passed.
    fn frame(&mut self) -> usize {
        let received = |harness: &Harness| harness.clients[1].received.len();
        let mut at_once = 0;
        for packet in self.camera.frame(5, false) {
            let before = received(&self.harness);
            self.harness.send(self.publisher, &packet);
            at_once += usize::from(received(&self.harness) > before);
            self.harness.now = self.harness.now.after(self.gap);
            if self.harness.sfu.poll_timeout().is_some_and(|at| at <= self.harness.now.mono) {
                self.harness.sfu.handle_timeout(self.harness.now);
            }
            self.harness.exchange();
        }
        at_once
    }
}

#[test]
fn packets_that_come_singly_leave_at_once() {
    let mut paced = Paced::new(Duration::from_micros(6_700));
    for _ in 0..10 {
        assert_eq!(paced.frame(), 5);
    }
}

#[test]
fn packets_that_came_while_the_worker_was_sending_were_in_company() {
    let mut paced = Paced::new(Duration::from_micros(100));
    for _ in 0..10 {
        let frame = paced.camera.frame(5, false);
        paced.harness.send(paced.publisher, &frame[0]);
        let (began, busy) = (paced.harness.now, Duration::from_millis(6));
        paced.harness.now = began.after(busy);
        paced.harness.sfu.note_turn(began, paced.harness.now);
        frame[1..].iter().for_each(|packet| paced.harness.clients[paced.publisher].send(packet));
        paced.harness.exchange();
        paced.harness.run(Duration::from_millis(27));
    }
    assert_eq!(paced.frame(), 1, "the last packet of the frame takes the others along");
}

#[test]
fn packets_that_come_in_company_wait_for_it_until_that_ends() {
    let mut paced = Paced::new(Duration::from_micros(100));
    for _ in 0..3 {
        paced.frame();
        paced.harness.run(Duration::from_millis(33));
    }
    assert_eq!(paced.frame(), 1, "the last packet of the frame takes the others along");
    paced.gap = Duration::from_micros(6_700);
    for _ in 0..3 {
        paced.frame();
    }
    assert_eq!(paced.frame(), 5, "the publisher paces its packets now");
}
