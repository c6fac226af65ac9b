//! A publisher of three encodings and viewers that get one of them at a time.

use crate::harness::cameras::{SEEN, is_continuous, ms};
use crate::harness::client::ReceivedRtcp;
use crate::harness::encoders::*;
use crate::harness::*;
use chappe_sfu_core::rtp::Ssrc;
use chappe_sfu_core::{DropReason, Event, ReceiveTrack};

struct Stage {
    harness: Harness,
    publisher: Who,
    camera: Simulcast,
    viewer: Who,
}

/// A viewer that sees the highest encoding.
fn stage() -> Stage {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes_simulcast(simulcast_line()));
    let viewer = harness.join(sees_lines(SEEN, None));
    let mut stage = Stage { harness, publisher, camera: Simulcast::new(), viewer };
    stage.harness.simulcast(publisher, &mut stage.camera, &[0, 1, 2]);
    stage.frames(10);
    stage
}

impl Stage {
    /// Frames with key frames where they were asked for.
    fn frames(&mut self, count: usize) {
        for _ in 0..count {
            self.harness.simulcast_as_asked(self.publisher, &mut self.camera);
        }
    }

    fn limit(&mut self, height_max: Option<u16>) {
        self.harness.set_media(self.viewer, sees_lines(SEEN, height_max));
    }

    /// An encoding that is sent again begins with a key frame, as libwebrtc's does.
    fn resume(&mut self, encoding: usize) {
        self.camera.encoders[encoding].is_on = true;
        self.harness.simulcast(self.publisher, &mut self.camera, &[encoding]);
        self.frames(4);
    }

    fn client(&self) -> &Client {
        &self.harness.clients[self.viewer]
    }

    fn pictures(&self) -> Vec<Picture> {
        self.client().received.iter().map(|packet| picture(packet).expect("a picture of ours")).collect()
    }

    fn lines(&self) -> u16 {
        self.pictures().last().expect("something").lines
    }
}

/// What a decoder is owed: no gap in the sequence, time that only grows, a key frame wherever the encoding changes.
fn assert_seamless(client: &Client) {
    assert!(is_continuous(client));
    let pictures: Vec<Picture> = client.received.iter().map(|packet| picture(packet).expect("a picture")).collect();
    for (packets, pair) in client.received.windows(2).zip(pictures.windows(2)) {
        let passed = packets[1].timestamp.wrapping_sub(packets[0].timestamp) as i32;
        let is_same = pair[0].lines == pair[1].lines;
        assert!(if is_same { passed >= 0 } else { passed > 0 }, "time runs back: {pair:?}");
        assert!(passed <= 90 * 200, "time jumps by {passed} ticks: {pair:?}");
        assert!(is_same || pair[1].is_keyframe, "{pair:?}");
        let is_next = pair[0].frame != pair[1].frame || !is_same;
        let modulus = if pair[0].has_long_id && pair[1].has_long_id { 0x8000 } else { 0x80 };
        let ahead = pair[1].picture_id.wrapping_sub(pair[0].picture_id) % modulus;
        assert_eq!(ahead, u16::from(is_next), "picture ids have a gap: {pair:?}");
        let is_base = is_next && pair[1].temporal == 0;
        assert_eq!(pair[1].tl0, pair[0].tl0.wrapping_add(u8::from(is_base)), "TL0PICIDX has a gap: {pair:?}");
    }
}

#[test]
fn a_viewer_gets_the_highest_encoding_and_nothing_of_the_others() {
    let mut stage = stage();
    stage.frames(5);
    assert_eq!(stage.lines(), 720);
    assert_seamless(stage.client());
    let high = stage.pictures().iter().filter(|picture| picture.lines == 720).count();
    assert!(high >= 2 * 14, "{high} packets of the highest");
}

#[test]
fn a_viewer_that_is_limited_goes_down_and_up_at_key_frames_and_keeps_what_it_has_until_then() {
    let mut stage = stage();
    for (limit, lines) in [(Some(360), 360), (Some(200), 180), (None, 720), (Some(719), 360), (None, 720)] {
        stage.frames(16);
        let before = stage.lines();
        stage.limit(limit);
        stage.harness.simulcast(stage.publisher, &mut stage.camera, &[]);
        assert_eq!(stage.lines(), before, "there is no key frame to go over at yet");
        stage.frames(4);
        assert_eq!(stage.lines(), lines, "{limit:?}");
    }
    assert_seamless(stage.client());
    let mut frames: Vec<u32> = stage.pictures().iter().map(|picture| picture.frame).collect();
    frames.dedup();
    assert!(frames.windows(2).all(|pair| pair[1] - pair[0] <= 1), "no frame is missing: {frames:?}");
}

#[test]
fn key_frames_are_asked_for_of_the_encoding_that_needs_one() {
    let mut stage = stage();
    stage.frames(20);
    stage.limit(Some(360));
    stage.harness.simulcast(stage.publisher, &mut stage.camera, &[]);
    let asked = |stage: &Stage, at: usize| {
        let ssrc = stage.camera.encoders[at].ssrc;
        stage.harness.clients[stage.publisher]
            .received_rtcp
            .iter()
            .filter(|packet| **packet == ReceivedRtcp::Pli(ssrc))
            .count()
    };
    assert_eq!([0, 1, 2].map(|at| asked(&stage, at)), [0, 1, 0]);
    stage.frames(20);
    stage.harness.clients[stage.viewer].send_rtcp(|writer| writer.pli(Ssrc(1), Ssrc(SEEN)));
    stage.harness.exchange();
    assert_eq!([0, 1, 2].map(|at| asked(&stage, at)), [0, 1, 0], "what the viewer asks for is of what it gets");
}

#[test]
fn an_encoding_that_stops_is_left_for_the_next_one_and_taken_up_when_it_is_back() {
    let mut stage = stage();
    stage.camera.encoders[2].is_on = false;
    let before = stage.client().received.len();
    stage.frames(20);
    assert_eq!(stage.lines(), 360);
    let arrivals = &stage.client().arrivals[before - 1..];
    let longest = arrivals.windows(2).map(|pair| pair[1] - pair[0]).max().expect("arrivals");
    assert!(longest <= ms(550), "{longest:?} without a picture");
    stage.camera.encoders[2].is_on = true;
    let before = stage.client().received.len();
    stage.frames(8);
    assert_eq!(stage.lines(), 720);
    let arrivals = &stage.client().arrivals[before - 1..];
    assert!(arrivals.windows(2).all(|pair| pair[1] - pair[0] <= ms(40)), "up without a stop");
    assert!(is_continuous(stage.client()));
}

#[test]
fn encodings_are_told_by_the_ssrcs_of_the_description_where_there_are_no_rids() {
    let mut harness = Harness::new();
    let mut line = camera_line(CAMERA);
    let mut camera = Simulcast::new();
    let pair = |(at, encoder): (usize, &Encoder)| chappe_sfu_core::SsrcPair {
        ssrc: encoder.ssrc,
        rtx: None,
        encoding: at as u8,
    };
    line.ssrcs = camera.encoders.iter().enumerate().map(pair).collect();
    camera.encoders.iter_mut().for_each(|encoder| encoder.names_rid = false);
    let publisher = harness.join(publishes_simulcast(line));
    let viewer = harness.join(sees_lines(SEEN, Some(360)));
    let mut stage = Stage { harness, publisher, camera, viewer };
    stage.harness.simulcast(publisher, &mut stage.camera, &[0, 1, 2]);
    stage.frames(10);
    assert_eq!(stage.lines(), 360);
    assert_seamless(stage.client());
}

#[test]
fn a_rid_that_was_not_accepted_is_dropped_and_the_others_go_on() {
    let mut stage = stage();
    let before = stage.harness.sfu.counters().dropped(DropReason::RtpUnknownSource);
    let mut stranger = stage.camera.encoders[2].clone();
    (stranger.rid, stranger.ssrc) = ("x", 0x9999);
    let packets = stranger.frame(2, 1_000, true);
    for packet in &packets {
        stage.harness.send(stage.publisher, packet);
    }
    let mut nameless = packets[0].clone();
    (nameless.ssrc, nameless.extensions) = (0x9998, vec![(MID, b"0".to_vec())]);
    stage.harness.send(stage.publisher, &nameless);
    assert_eq!(stage.harness.sfu.counters().dropped(DropReason::RtpUnknownSource) - before, 3);
    stage.frames(5);
    assert_eq!(stage.lines(), 720);
    assert_seamless(stage.client());
}

#[test]
fn a_repeat_has_the_numbers_that_the_viewer_was_given() {
    let mut stage = stage();
    stage.limit(Some(360));
    stage.frames(20);
    let lost = stage.client().received.iter().rfind(|packet| packet.ssrc == SEEN).expect("packets").clone();
    let seq = chappe_sfu_core::rtp::Seq(lost.index as u16);
    stage.harness.clients[stage.viewer].send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &[seq]));
    stage.harness.exchange();
    let repeat = stage.client().received.last().expect("a repeat");
    assert_eq!((repeat.ssrc, &repeat.payload[..2]), (SEEN + 1, &seq.0.to_be_bytes()[..]));
    assert_eq!(repeat.payload[2..], lost.payload);
}

#[test]
fn each_encoding_is_repaired_by_its_own_rtx() {
    let mut stage = stage();
    stage.limit(Some(360));
    stage.frames(4);
    let before = stage.client().received.len();
    let packets = stage.camera.frame(2, &[]);
    // The second encoding's packets are at 2 and 3; the first of them comes by RTX.
    let mut repeat = packets[2].clone();
    repeat.payload = [&packets[2].seq.to_be_bytes()[..], &packets[2].payload].concat();
    (repeat.ssrc, repeat.payload_type, repeat.seq) = (0x6001, 97, 1);
    repeat.extensions = vec![(MID, b"0".to_vec()), (REPAIRED_RID, b"h".to_vec())];
    for packet in [&packets[0], &packets[1], &packets[3], &packets[4], &packets[5], &repeat] {
        stage.harness.send(stage.publisher, packet);
    }
    let frames: Vec<u32> = stage.pictures()[before..].iter().map(|picture| picture.frame).collect();
    assert_eq!(frames.len(), 2, "both packets of the frame");
    let mut indices = stage.client().indices(SEEN);
    indices.sort_unstable();
    assert!(indices.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

/// What the publisher was told, one after the other.
fn unwatched(harness: &Harness) -> Vec<u8> {
    let of = |event: &Event| match event {
        Event::Unwatched { encodings, .. } => Some(*encodings),
        _ => None,
    };
    harness.events.iter().filter_map(of).collect()
}

#[test]
fn what_nobody_watches_for_five_seconds_is_switched_off_and_comes_back_when_it_is_watched() {
    let mut stage = stage();
    stage.frames(130);
    assert_eq!(unwatched(&stage.harness), [], "not before");
    stage.frames(70);
    assert_eq!(unwatched(&stage.harness), [0b010], "the lowest stays: a viewer that joins has a picture at once");
    stage.camera.encoders[1].is_on = false;
    stage.frames(20);
    stage.limit(Some(360));
    stage.frames(4);
    assert_eq!(unwatched(&stage.harness), [0b010, 0], "within 100 ms");
    assert_eq!(stage.lines(), 720, "it keeps what it has until then");
    stage.resume(1);
    assert_eq!(stage.lines(), 360);
    assert_seamless(stage.client());
    stage.frames(180);
    assert_eq!(unwatched(&stage.harness).last(), Some(&0b100));
}

#[test]
fn a_stream_without_viewers_sends_its_lowest_alone_and_a_viewer_begins_with_that() {
    let mut stage = stage();
    stage.limit(Some(180));
    stage.frames(200);
    assert_eq!(unwatched(&stage.harness).last(), Some(&0b110));
    stage.camera.encoders[1].is_on = false;
    stage.camera.encoders[2].is_on = false;
    stage.frames(30);
    let second = stage.harness.join(sees_lines(SEEN, None));
    stage.frames(4);
    assert_eq!(unwatched(&stage.harness).last(), Some(&0b010));
    let lines =
        |stage: &Stage| picture(stage.harness.clients[second].received.last().expect("a picture")).map(|p| p.lines);
    assert_eq!(lines(&stage), Some(180), "at once, though it is to have the highest");
    stage.resume(2);
    assert_eq!(lines(&stage), Some(720));
    assert_seamless(&stage.harness.clients[second]);
}

#[test]
fn an_encoding_that_does_not_come_back_is_not_waited_for_for_ever() {
    let mut stage = stage();
    stage.limit(Some(180));
    stage.frames(200);
    stage.camera.encoders[1].is_on = false;
    stage.camera.encoders[2].is_on = false;
    stage.frames(20);
    stage.limit(Some(360));
    stage.frames(200);
    assert_eq!(stage.lines(), 180);
    assert!(is_continuous(stage.client()));
    assert_eq!(unwatched(&stage.harness).last(), Some(&0b100));
    stage.camera.encoders[1].is_on = true;
    stage.frames(20);
    assert_eq!(stage.lines(), 360, "it is taken when it comes after all");
}

#[test]
fn a_publisher_that_is_muted_is_told_to_send_all_encodings_so_that_viewers_can_choose_when_it_is_unmuted() {
    let mut stage = stage();
    stage.frames(200);
    assert_eq!(unwatched(&stage.harness), [0b010]);
    stage.camera.encoders[1].is_on = false;
    stage.frames(20);
    let muted = |muted| publishes_simulcast(ReceiveTrack { muted, ..simulcast_line() });
    stage.harness.set_media(stage.publisher, muted(true));
    stage.frames(10);
    assert_eq!(unwatched(&stage.harness), [0b010, 0]);
    stage.camera.encoders[1].is_on = true;
    stage.frames(30);
    stage.harness.set_media(stage.publisher, muted(false));
    stage.limit(Some(360));
    stage.frames(60);
    assert_eq!(stage.lines(), 360);
    assert!(is_continuous(stage.client()));
}
