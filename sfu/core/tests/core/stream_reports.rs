//! Viewers that report on packets by SSRC and sequence number (RFC 8888), in virtual time.

use std::collections::BTreeSet;

use crate::harness::adapting::*;
use crate::harness::cameras::ms;
use crate::harness::scene::Scene;
use crate::harness::stream_reports::{RECEIVED, StreamReports, Told, packet};
use crate::harness::*;
use chappe_sfu_core::rtp::{Seq, Ssrc};
use chappe_sfu_core::twcc::ArrivalLog;
use chappe_sfu_core::{DropReason, LineBasis, SendTrack};

const THREE: u64 = 3_000;

/// A camera of 1 Mbit/s and a viewer of it on a line that loses one in so many.
fn scene(loses_one_in: usize, line: SendTrack) -> Scene {
    let lines = vec![line, audio_out(Some(MICROPHONE), HEARD)];
    let mut scene = Scene::new(|harness| harness.join_over(10_000, watches_and_reports(lines)));
    scene.harness.slow_line(scene.viewer).loses_one_in = loses_one_in;
    scene
}

/// Feedback of what is said here alone.
fn tell(scene: &mut Scene, told: &[Told]) {
    scene.harness.clients[scene.viewer].send_rtcp_bytes(&packet(1_000, told));
    scene.harness.exchange();
}

/// That so many packets of a stream came just now.
fn came(ssrc: u32, begin: u16, count: usize) -> Told {
    Told { ssrc, begin, metrics: vec![RECEIVED; count] }
}

/// One whose own reports never leave: it says what the test says.
fn silent_scene() -> (Scene, u16) {
    let mut scene = scene(0, video_out(Some(CAMERA), SEEN));
    scene.harness.clients[scene.viewer].stream_reports = None;
    scene.frames(4, 4);
    let first = scene.harness.clients[scene.viewer].indices(SEEN)[0] as u16;
    (scene, first)
}

#[test]
fn packets_carry_no_numbers_and_what_is_said_of_them_is_what_the_estimate_stands_on() {
    let mut scene = scene(0, video_out(Some(CAMERA), SEEN));
    scene.frames(60, 4);
    for seq in 0..30 {
        scene.harness.send(scene.publisher, &opus(seq, 960 * u32::from(seq)));
    }
    scene.frames(60, 4);
    let client = &scene.harness.clients[scene.viewer];
    assert!(client.received.iter().any(|packet| packet.ssrc == SEEN + 1), "it was probed with repeats");
    assert!(client.values(NUMBER).is_empty());
    assert_eq!(client.faults, 0);
    let line = scene.line();
    assert_eq!((line.basis, line.loss), (LineBasis::Feedback, 0.0), "{line:?}");
    assert!(line.acknowledged.is_some_and(|bps| bps > 800_000), "{line:?}");
    let counters = scene.harness.sfu.counters();
    assert_eq!(counters.drops().collect::<Vec<_>>(), [], "nothing it says is strange");
}

#[test]
fn a_line_that_drops_and_rises_has_the_layer_that_fits_soon() {
    let mut theatre = Theatre::new(1);
    theatre.play(5 * SECOND);
    let viewer = theatre.add_viewer(THREE, |media| media.reports_streams = true);
    theatre.play(10 * SECOND);
    assert_eq!(theatre.lines(viewer, 0), 720, "{:?}", theatre.harness.line(viewer));
    let dropped = theatre.now();
    theatre.harness.slow_line(viewer).kbps = 700;
    theatre.play(15 * SECOND);
    let settled = theatre.settled(viewer, 360, dropped);
    assert!(settled.is_some_and(|after| after <= ms(2_000)), "{settled:?} {:?}", theatre.harness.line(viewer));
    let gap = theatre.harness.longest_gap(viewer, SEEN, dropped);
    assert!(gap <= ms(500), "the picture stood still for {gap:?}");
    let queue = theatre.harness.slow_line(viewer).queue_p95(dropped + SECOND);
    assert!(queue <= ms(120), "{queue:?}");
    let raised = theatre.now();
    theatre.harness.slow_line(viewer).kbps = THREE;
    theatre.play(15 * SECOND);
    let settled = theatre.settled(viewer, 720, raised);
    assert!(settled.is_some_and(|after| after <= 3 * SECOND), "{settled:?} {:?}", theatre.harness.line(viewer));
    let client = &theatre.harness.clients[viewer];
    assert_eq!((client.faults, client.values(NUMBER).len()), (0, 0));
}

/// The moment of the rise falls anywhere between two probes, and arrivals are told in milliseconds.
#[test]
fn a_line_that_rises_has_the_top_layer_soon_in_each_phase() {
    let mut late = Vec::new();
    for phase in 0..12 {
        let mut theatre = Theatre::new(1);
        theatre.play(5 * SECOND);
        let viewer = theatre.add_viewer(THREE, |media| media.reports_streams = true);
        theatre.play(10 * SECOND);
        theatre.harness.slow_line(viewer).kbps = 700;
        theatre.play(ms(10_000 + 370 * phase));
        let raised = theatre.now();
        theatre.harness.slow_line(viewer).kbps = THREE;
        theatre.play(15 * SECOND);
        let settled = theatre.settled(viewer, 720, raised);
        if settled.is_none_or(|after| after > 4 * SECOND) {
            late.push((phase, settled, theatre.harness.line(viewer)));
        }
    }
    assert!(late.is_empty(), "{late:?}");
}

#[test]
fn what_was_lost_is_repeated_without_being_asked_for_and_counts_as_lost() {
    let mut scene = scene(20, video_out(Some(CAMERA), SEEN));
    scene.frames(300, 4);
    let client = &scene.harness.clients[scene.viewer];
    let own = client.received.iter().filter(|packet| packet.ssrc == SEEN).map(|packet| packet.index as u16);
    let repeats = client.received.iter().filter(|packet| packet.ssrc == SEEN + 1);
    let repeats: BTreeSet<u16> =
        repeats.map(|packet| u16::from_be_bytes([packet.payload[0], packet.payload[1]])).collect();
    let known: BTreeSet<u16> = own.chain(repeats.iter().copied()).collect();
    let (first, last) = (*known.first().expect("packets"), *known.last().expect("packets"));
    // What was lost last is still on its way.
    let missing: Vec<u16> = (first..last - 40).filter(|seq| !known.contains(seq)).collect();
    assert_eq!(missing, [0; 0], "never repeated");
    let loss = scene.line().loss;
    assert!((0.02..0.09).contains(&loss), "{loss}");
    assert_eq!(client.faults, 0);
}

/// Nobody knows which of the two it received.
#[test]
fn a_packet_that_was_repeated_as_it_was_counts_as_lost_whatever_is_said_of_it() {
    let mut line = video_out(Some(CAMERA), SEEN);
    (line.rtx_ssrc, line.payload_types[0].rtx) = (None, None);
    let mut scene = scene(0, line);
    scene.harness.clients[scene.viewer].stream_reports = None;
    scene.frames(4, 4);
    let viewer = scene.viewer;
    let first = scene.harness.clients[viewer].indices(SEEN)[0] as u16;
    scene.harness.clients[viewer].send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &[Seq(first + 2)]));
    scene.harness.exchange();
    scene.harness.run(ms(100));
    assert_eq!(scene.harness.clients[viewer].payloads(SEEN).len(), 17, "one of them twice");
    tell(&mut scene, &[came(SEEN, first, 16)]);
    let line = scene.line();
    assert_eq!(line.basis, LineBasis::Feedback);
    assert_eq!(scene.dropped(DropReason::FeedbackRepeated), 0);
    assert_eq!(scene.harness.clients[viewer].faults, 0);
}

#[test]
fn what_is_said_of_packets_that_were_not_sent_has_no_effect_and_is_counted() {
    let (mut scene, first) = silent_scene();
    let before = scene.line();
    tell(&mut scene, &[came(SEEN, first + 16, 40)]);
    assert_eq!((scene.dropped(DropReason::FeedbackUnsent), scene.line()), (1, before));
    // Long ago, as far as numbers tell: the numbers before the first were never sent either.
    tell(&mut scene, &[came(SEEN, first.wrapping_sub(50), 40)]);
    assert_eq!((scene.dropped(DropReason::FeedbackRepeated), scene.line()), (1, before));
    tell(&mut scene, &[came(SEEN + 1, 0, 200), came(HEARD, 0, 200)]);
    assert_eq!(scene.line(), before);
}

#[test]
fn feedback_that_comes_far_too_often_is_not_read() {
    let (mut scene, first) = silent_scene();
    let told = packet(1_000, &[came(SEEN, first, 16)]);
    for _ in 0..100 {
        scene.harness.clients[scene.viewer].send_rtcp_bytes(&told);
    }
    scene.harness.exchange();
    let dropped = [DropReason::FeedbackRepeated, DropReason::FeedbackTooOften].map(|reason| scene.dropped(reason));
    assert_eq!((dropped, scene.line().basis), ([31, 68], LineBasis::Feedback));
}

#[test]
fn feedback_of_other_streams_or_in_another_form_or_told_again_has_no_effect_and_is_counted() {
    let (mut scene, first) = silent_scene();
    let before = scene.line();
    tell(&mut scene, &[came(0xdead, first, 16)]);
    assert_eq!((scene.dropped(DropReason::FeedbackForeign), scene.line()), (1, before));
    // Of transport-wide numbers it was told none.
    let now = scene.harness.now.mono;
    let mut log = ArrivalLog::new(now - SECOND);
    (0..16).for_each(|number| log.record(now, Seq(number)));
    let viewer = scene.viewer;
    scene.harness.clients[viewer]
        .send_rtcp(|writer| log.poll_feedback(now + SECOND, Ssrc(1), Ssrc(SEEN), writer).then_some(()));
    scene.harness.exchange();
    assert_eq!((scene.dropped(DropReason::FeedbackForeign), scene.line()), (2, before));
    // What is ours is believed beside what is not, once.
    let foreign = || (1..=100).map(|ssrc| came(ssrc, first, 1));
    tell(&mut scene, &foreign().chain([came(SEEN, first, 16)]).collect::<Vec<_>>());
    assert_eq!((scene.dropped(DropReason::FeedbackForeign), scene.line().basis), (3, LineBasis::Feedback));
    tell(&mut scene, &[came(SEEN, first, 16)]);
    assert_eq!(scene.dropped(DropReason::FeedbackRepeated), 1);
    // A report that promises more than it has.
    let mut cut = packet(1_000, &[came(SEEN, first, 16)]);
    cut[15] = 90;
    scene.harness.clients[viewer].send_rtcp_bytes(&cut);
    scene.harness.exchange();
    assert_eq!(scene.dropped(DropReason::RtcpMalformed), 1);
    // Who did not negotiate it is not believed, nor is a publisher.
    for who in [scene.harness.join(watches_and_tells(vec![video_out(Some(CAMERA), 0xa000)])), scene.publisher] {
        scene.viewer = who;
        let before = scene.dropped(DropReason::FeedbackForeign);
        tell(&mut scene, &[came(0xa000, first, 16)]);
        assert_eq!(scene.dropped(DropReason::FeedbackForeign), before + 1);
    }
}

#[test]
fn a_viewer_that_negotiates_it_later_or_no_more_is_estimated_afresh() {
    let mut scene = scene(0, video_out(Some(CAMERA), SEEN));
    scene.frames(30, 4);
    assert_eq!(scene.line().basis, LineBasis::Feedback);
    let lines = || vec![video_out(Some(CAMERA), SEEN), audio_out(Some(MICROPHONE), HEARD)];
    let viewer = scene.viewer;
    scene.harness.set_media(viewer, watches_and_tells(lines()));
    assert_eq!(scene.line().basis, LineBasis::Start);
    scene.harness.clients[viewer].stream_reports = None;
    scene.frames(10, 4);
    assert!(!scene.harness.clients[viewer].values(NUMBER).is_empty());
    scene.harness.set_media(viewer, watches_and_reports(lines()));
    let now = scene.harness.now.mono;
    scene.harness.clients[viewer].stream_reports = Some(StreamReports::new(now));
    scene.frames(30, 4);
    assert_eq!(scene.line().basis, LineBasis::Feedback);
    assert_eq!(scene.harness.clients[viewer].faults, 0);
}
