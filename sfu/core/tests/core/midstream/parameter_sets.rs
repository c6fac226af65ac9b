//! Whoever comes to an H.264 or H.265 stream finds its parameter sets before the picture, however rarely and
//! wherever the publisher sends them.

use std::time::Duration;

use chappe_sfu_core::codec::Codec;
use chappe_sfu_core::rtp::{Seq, Ssrc};
use chappe_sfu_core::{Media, MediaKind, ParameterSetSpec, ReceiveTrack, TrackId};

use crate::harness::client::Received;
use crate::harness::mesh::Path;
use crate::harness::*;

const SEEN: u32 = 0x9000;
const SECOND: TrackId = TrackId(0xcb);
const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0xda];
const PPS: &[u8] = &[0x68, 0xce, 0x3c];
const NEW_PPS: &[u8] = &[0x68, 0xce, 0x3d, 0x80];
const VPS_265: &[u8] = &[0x40, 0x01, 0x0c, 0x01];
const SPS_265: &[u8] =
    &[0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x5d, 0xa0];
const PPS_265: &[u8] = &[0x44, 0x01, 0xc1, 0x73];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn line(track: TrackId, codec: Codec) -> ReceiveTrack {
    let mut line = camera_line(track);
    line.codecs[0].codec = codec;
    line
}

fn sees(track: TrackId, codec: Codec) -> Media {
    let mut line = video_out(Some(track), SEEN);
    line.payload_types[0].codec = codec;
    watches(vec![line])
}

/// An encoder whose slices end in a counter.
struct Encoder {
    camera: Camera,
    codec: Codec,
}

impl Encoder {
    fn new(ssrc: u32, codec: Codec) -> Encoder {
        let mut camera = Camera::new(ssrc);
        camera.extensions = vec![(MID, b"0".to_vec())];
        Encoder { camera, codec }
    }

    /// One packet for each of the units, and two for the slices; all of one timestamp.
    fn frame(&mut self, units: &[&[u8]], keyframe: bool) -> Vec<Packet> {
        let mut packets = self.camera.frame(units.len() + 2, keyframe);
        let slices = packets.split_off(units.len());
        for (packet, unit) in packets.iter_mut().zip(units) {
            packet.payload = unit.to_vec();
        }
        for (at, mut packet) in slices.into_iter().enumerate() {
            let mark = if at == 0 { 0x80 } else { 0x40 };
            let start = match self.codec {
                Codec::H265 => vec![0x62, 0x01, mark | if keyframe { 19 } else { 1 }, 0x88],
                _ => vec![0x7c, mark | if keyframe { 5 } else { 1 }, 0x88],
            };
            packet.payload.splice(..2, start);
            packets.push(packet);
        }
        packets
    }

    /// Sets with a timestamp of their own.
    fn sets(&mut self, units: &[&[u8]]) -> Vec<Packet> {
        let mut packets = self.camera.frame(units.len(), false);
        for (packet, unit) in packets.iter_mut().zip(units) {
            packet.payload = unit.to_vec();
        }
        packets
    }

    fn send(&mut self, harness: &mut Harness, who: Who, units: &[&[u8]], keyframe: bool) {
        for packet in self.frame(units, keyframe) {
            harness.send(who, &packet);
        }
        harness.run(ms(33));
    }

    fn send_inter(&mut self, harness: &mut Harness, who: Who, count: usize) {
        for _ in 0..count {
            self.send(harness, who, &[], false);
        }
    }
}

/// A publisher that has sent a key frame with its sets, and one without.
fn midway() -> (Harness, Who, Encoder) {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![line(CAMERA, Codec::H264)]));
    let mut encoder = Encoder::new(VIDEO_SSRC, Codec::H264);
    encoder.send(&mut harness, publisher, &[SPS, PPS], true);
    encoder.send_inter(&mut harness, publisher, 10);
    encoder.send(&mut harness, publisher, &[], true);
    encoder.send_inter(&mut harness, publisher, 10);
    (harness, publisher, encoder)
}

/// The viewer's first packets are these sets, then the picture, all with its timestamp and without a gap.
fn assert_begins_with(received: &[Received], sets: &[&[u8]]) {
    let begins: Vec<&[u8]> = received.iter().take(sets.len()).map(|packet| packet.payload.as_slice()).collect();
    assert_eq!(begins, sets);
    let (start, slices) = received.split_at(sets.len());
    assert!([0x7c, 0x62].contains(&slices[0].payload[0]), "a slice follows: {:x?}", &slices[0].payload[..4]);
    assert!(start.iter().all(|packet| packet.timestamp == slices[0].timestamp && !packet.marker));
    assert!(received.windows(2).all(|pair| pair[1].index == pair[0].index + 1));
}

#[test]
fn a_joiner_gets_the_sets_that_were_sent_once() {
    let (mut harness, publisher, mut encoder) = midway();
    let joiner = harness.join(sees(CAMERA, Codec::H264));
    harness.run(ms(20));
    assert_begins_with(&harness.clients[joiner].received, &[SPS, PPS]);
    // Live too: who waits for a key frame gets them with it.
    let late = harness.join(watches(vec![video_out(None, SEEN)]));
    encoder.send(&mut harness, publisher, &[], true);
    encoder.send_inter(&mut harness, publisher, 3);
    harness.set_media(late, sees(CAMERA, Codec::H264));
    harness.run(ms(20));
    assert_begins_with(&harness.clients[late].received, &[SPS, PPS]);
    let client = &harness.clients[joiner];
    assert!(client.indices(SEEN).windows(2).all(|pair| pair[1] == pair[0] + 1) && client.faults == 0);
}

#[test]
fn a_key_frame_that_has_its_sets_is_forwarded_as_it_is() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![line(CAMERA, Codec::H264)]));
    let viewer = harness.join(sees(CAMERA, Codec::H264));
    let mut encoder = Encoder::new(VIDEO_SSRC, Codec::H264);
    let mut sent = 0;
    for _ in 0..5 {
        encoder.send(&mut harness, publisher, &[SPS, PPS], true);
        encoder.send_inter(&mut harness, publisher, 2);
        sent += 4 + 2 * 2;
    }
    assert_eq!(harness.clients[viewer].received.len(), sent);
}

#[test]
fn sets_of_the_description_alone_are_enough() {
    let mut harness = Harness::new();
    let mut camera = line(CAMERA, Codec::H264);
    camera.parameter_sets = [SPS, PPS].map(|unit| ParameterSetSpec { payload_type: 96, unit: unit.to_vec() }).to_vec();
    let publisher = harness.join(publishes(vec![camera]));
    let mut encoder = Encoder::new(VIDEO_SSRC, Codec::H264);
    encoder.send(&mut harness, publisher, &[], true);
    encoder.send_inter(&mut harness, publisher, 3);
    let joiner = harness.join(sees(CAMERA, Codec::H264));
    harness.run(ms(20));
    assert_begins_with(&harness.clients[joiner].received, &[SPS, PPS]);
}

#[test]
fn sets_with_a_timestamp_of_their_own_belong_to_the_next_key_frame_and_start_none() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![line(CAMERA, Codec::H264)]));
    let mut encoder = Encoder::new(VIDEO_SSRC, Codec::H264);
    for packet in encoder.sets(&[SPS, PPS]) {
        harness.send(publisher, &packet);
    }
    encoder.send(&mut harness, publisher, &[], true);
    encoder.send_inter(&mut harness, publisher, 3);
    // Again between two key frames: nobody can begin with them.
    for packet in encoder.sets(&[SPS, NEW_PPS]) {
        harness.send(publisher, &packet);
    }
    encoder.send_inter(&mut harness, publisher, 3);
    let joiner = harness.join(sees(CAMERA, Codec::H264));
    harness.run(ms(20));
    assert_begins_with(&harness.clients[joiner].received, &[SPS, PPS]);
    // From the next key frame on the newest count.
    encoder.send(&mut harness, publisher, &[], true);
    let late = harness.join(sees(CAMERA, Codec::H264));
    harness.run(ms(20));
    assert_begins_with(&harness.clients[late].received, &[SPS, NEW_PPS]);
}

#[test]
fn h265_gets_its_three_kinds() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![line(CAMERA, Codec::H265)]));
    let mut encoder = Encoder::new(VIDEO_SSRC, Codec::H265);
    encoder.send(&mut harness, publisher, &[VPS_265, SPS_265, PPS_265], true);
    encoder.send_inter(&mut harness, publisher, 3);
    encoder.send(&mut harness, publisher, &[], true);
    let joiner = harness.join(sees(CAMERA, Codec::H265));
    harness.run(ms(20));
    assert_begins_with(&harness.clients[joiner].received, &[VPS_265, SPS_265, PPS_265]);
}

#[test]
fn inserted_sets_are_repeated_when_they_are_lost() {
    let (mut harness, _, _) = midway();
    let joiner = harness.join(sees(CAMERA, Codec::H264));
    harness.run(ms(20));
    let lost = harness.clients[joiner].received[0].clone();
    harness.clients[joiner].send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &[Seq(lost.index as u16)]));
    harness.exchange();
    let repair = harness.clients[joiner].received.last().expect("a repair");
    assert_eq!((repair.ssrc, repair.timestamp, &repair.payload[2..]), (SEEN + 1, lost.timestamp, SPS));
}

#[test]
fn a_start_that_was_overtaken_still_comes_behind_its_sets() {
    let (mut harness, publisher, mut encoder) = midway();
    let viewer = harness.join(sees(CAMERA, Codec::H264));
    harness.run(ms(20));
    let packets = encoder.frame(&[], true);
    for at in [1, 0] {
        harness.send(publisher, &packets[at]);
    }
    harness.run(ms(33));
    encoder.send_inter(&mut harness, publisher, 2);
    let joiner = harness.join(sees(CAMERA, Codec::H264));
    harness.run(ms(20));
    for who in [viewer, joiner] {
        let mut received = harness.clients[who].received.clone();
        received.sort_by_key(|packet| packet.index);
        let newest = received.len() - (2 + 2 + 2 * 2);
        assert_begins_with(&received[newest..], &[SPS, PPS]);
        assert!(received.windows(2).all(|pair| pair[1].index == pair[0].index + 1));
        assert_eq!(harness.clients[who].faults, 0);
    }
}

#[test]
fn viewers_of_another_worker_get_them_too() {
    let mut mesh = Mesh::new(2, 1);
    mesh.set_all(Path { delay_ms: 20, ..Path::default() });
    let publisher = mesh.join(0, publishes(vec![line(CAMERA, Codec::H264)]));
    mesh.set_origin(1, CAMERA, MediaKind::Video, 0);
    mesh.run(ms(200));
    let mut encoder = Encoder::new(VIDEO_SSRC, Codec::H264);
    for (units, keyframe) in [(&[SPS, PPS][..], true), (&[], false), (&[], true), (&[], false)] {
        for packet in encoder.frame(units, keyframe) {
            mesh.send(0, publisher, &packet);
        }
        mesh.run(ms(33));
    }
    let viewer = mesh.join(1, sees(CAMERA, Codec::H264));
    mesh.run(ms(200));
    assert_begins_with(&mesh.workers[1].clients[viewer].received, &[SPS, PPS]);
}

#[test]
fn a_viewer_that_changes_its_source_gets_those_of_the_new_one() {
    let (mut harness, first, mut encoder) = midway();
    let viewer = harness.join(sees(CAMERA, Codec::H264));
    let second = harness.join(publishes(vec![line(SECOND, Codec::H264)]));
    let mut other = Encoder::new(0x3333, Codec::H264);
    other.send(&mut harness, second, &[SPS, NEW_PPS], true);
    encoder.send_inter(&mut harness, first, 1);
    for _ in 0..40 {
        other.send_inter(&mut harness, second, 1);
        encoder.send_inter(&mut harness, first, 1);
    }
    harness.set_media(viewer, sees(SECOND, Codec::H264));
    let before = harness.clients[viewer].received.len();
    other.send(&mut harness, second, &[], true);
    harness.run(ms(20));
    assert_begins_with(&harness.clients[viewer].received[before..], &[SPS, NEW_PPS]);
    assert!(harness.clients[viewer].indices(SEEN).windows(2).all(|pair| pair[1] == pair[0] + 1));
}
