//! What a viewer says of its line, and what follows from it, in virtual time.

use std::time::Duration;

use crate::harness::scene::Scene;
use crate::harness::*;
use chappe_sfu_core::rtcp::ReportBlock;
use chappe_sfu_core::rtp::{Seq, Ssrc};
use chappe_sfu_core::twcc::ArrivalLog;
use chappe_sfu_core::{DropReason, Epoch, ExtensionKind, LineBasis, Shown};

const SEEN: u32 = 0x9000;
const SECOND: Duration = Duration::from_secs(1);

/// A camera and a viewer of it that tells when each packet came.
fn scene() -> Scene {
    let lines = vec![video_out(Some(CAMERA), SEEN), audio_out(Some(MICROPHONE), 0x9100)];
    let mut scene = Scene::new(|harness| harness.join(watches_and_tells(lines)));
    scene.harness.clients[scene.viewer].tells_arrivals(scene.harness.now, NUMBER);
    scene.camera.extensions.push((ORIENTATION, vec![1]));
    scene
}

fn numbers(scene: &Scene) -> Vec<u16> {
    let values = scene.harness.clients[scene.viewer].values(NUMBER);
    values.into_iter().map(|value| u16::from_be_bytes(value.try_into().expect("two bytes"))).collect()
}

/// Feedback on the given numbers, all of which came now.
fn tell(scene: &mut Scene, numbers: impl IntoIterator<Item = u16>, media: u32) {
    let now = scene.harness.now.mono;
    let mut log = ArrivalLog::new(now - SECOND);
    numbers.into_iter().for_each(|number| log.record(now, Seq(number)));
    scene.harness.clients[scene.viewer]
        .send_rtcp(|writer| log.poll_feedback(now + SECOND, Ssrc(1), Ssrc(media), writer).then_some(()));
    scene.harness.exchange();
}

#[test]
fn each_packet_to_a_viewer_that_tells_arrivals_has_the_next_number_repairs_too() {
    let mut scene = scene();
    scene.frames(2, 5);
    for seq in 0..3 {
        scene.harness.send(scene.publisher, &opus(seq, 960 * u32::from(seq)));
    }
    let lost = scene.harness.clients[scene.viewer].received[3].index as u16;
    scene.harness.clients[scene.viewer].send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &[Seq(lost)]));
    scene.harness.exchange();
    let client = &scene.harness.clients[scene.viewer];
    assert!(client.received.iter().any(|packet| packet.ssrc == SEEN + 1), "it was repeated by RTX");
    let first = numbers(&scene)[0];
    let expected: Vec<u16> = (first..).take(client.received.len()).collect();
    assert_eq!(numbers(&scene), expected);
    assert!(client.received[0].extensions.contains(&(7, vec![1])), "what else the packet carries is there, too");
    assert_eq!(client.faults, 0);
}

#[test]
fn numbers_stand_in_headers_of_both_forms() {
    let mut scene = scene();
    // A mid of more than 16 bytes is not allowed, an id above 14 is: it takes the two-byte form.
    let media = watches_and_tells(vec![video_out(Some(CAMERA), SEEN)]);
    let extensions = media.extensions.with(ExtensionKind::VideoOrientation, Some(20));
    scene.harness.set_media(scene.viewer, chappe_sfu_core::Media { extensions, ..media });
    scene.frames(2, 3);
    let client = &scene.harness.clients[scene.viewer];
    assert!(client.received[0].extensions.contains(&(20, vec![1])));
    let first = numbers(&scene)[0];
    assert_eq!(numbers(&scene), (first..).take(client.received.len()).collect::<Vec<_>>());
}

#[test]
fn a_viewer_that_did_not_ask_for_numbers_gets_none_and_nothing_is_estimated() {
    let mut scene = scene();
    let plain = scene.harness.join(watches(vec![video_out(Some(CAMERA), 0xa000)]));
    scene.frames(30, 5);
    assert!(scene.harness.clients[plain].received.len() >= 150);
    assert!(scene.harness.clients[plain].values(NUMBER).is_empty());
    let stats = scene.harness.sfu.session_stats(session(plain)).expect("open");
    assert_eq!(stats.line, None);
}

#[test]
fn a_packet_that_may_be_repeated_as_it_was_has_no_number() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let mut line = video_out(Some(CAMERA), SEEN);
    (line.rtx_ssrc, line.payload_types[0].rtx) = (None, None);
    let viewer = harness.join(watches_and_tells(vec![line]));
    let mut camera = Camera::new(VIDEO_SSRC);
    harness.frame(publisher, &mut camera, 5, true);
    let lost = harness.clients[viewer].received[2].clone();
    harness.clients[viewer].send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &[Seq(lost.index as u16)]));
    harness.exchange();
    assert_eq!(harness.clients[viewer].received[5], lost);
    assert!(harness.clients[viewer].values(NUMBER).is_empty());
    assert_eq!(harness.clients[viewer].faults, 0, "one index, one packet");
}

#[test]
fn feedback_leads_to_an_estimate_near_what_the_line_carries() {
    let mut scene = scene();
    let mut line = SlowLine::new(1_000);
    line.queue_bytes = 60_000;
    scene.harness.slow_lines.insert(scene.viewer, line);
    // 1.5 Mbit/s of packets of a thousand bytes.
    scene.frames(300, 6);
    let line = scene.line();
    assert_eq!(line.basis, LineBasis::Feedback);
    assert!((400_000..1_100_000).contains(&line.estimate), "{line:?}");
}

#[test]
fn feedback_of_what_was_not_sent_has_no_effect_and_is_counted() {
    let mut scene = scene();
    scene.harness.clients[scene.viewer].feedback = None;
    scene.frames(2, 5);
    let before = scene.line();
    let newest = *numbers(&scene).last().expect("numbers");
    tell(&mut scene, newest.wrapping_add(1)..newest.wrapping_add(40), SEEN);
    assert_eq!((scene.dropped(DropReason::FeedbackUnsent), scene.line()), (1, before));
}

#[test]
fn feedback_that_is_told_again_or_is_of_another_session_has_no_effect_and_is_counted() {
    let mut scene = scene();
    scene.harness.clients[scene.viewer].feedback = None;
    scene.frames(2, 5);
    let numbers = numbers(&scene);
    tell(&mut scene, numbers.clone(), 0xdead);
    assert_eq!((scene.dropped(DropReason::FeedbackForeign), scene.line().basis), (1, LineBasis::Start));
    tell(&mut scene, numbers.clone(), SEEN);
    assert_eq!(scene.line().basis, LineBasis::Feedback);
    tell(&mut scene, numbers, SEEN);
    assert_eq!(scene.dropped(DropReason::FeedbackRepeated), 1);
    // A publisher is sent nothing, so it has nothing to tell.
    scene.viewer = scene.publisher;
    tell(&mut scene, [1, 2, 3], 0);
    assert_eq!(scene.dropped(DropReason::FeedbackForeign), 2);
}

#[test]
fn the_estimate_of_a_viewer_with_reports_alone_begins_with_the_first_loss() {
    let mut scene = scene();
    let plain = scene.harness.join(watches(vec![video_out(Some(CAMERA), 0xa000)]));
    scene.viewer = plain;
    let stats = |scene: &Scene| scene.harness.sfu.session_stats(session(plain)).expect("open").line;
    let mut highest = 0;
    let mut report = |scene: &mut Scene, fraction_lost| {
        highest += 100;
        let block = ReportBlock { fraction_lost, highest_seq: highest, ..report_of(0xa000) };
        scene.harness.clients[plain].send_rtcp(|writer| writer.receiver_report(Ssrc(1), &[block]));
        scene.harness.exchange();
    };
    scene.frames(90, 5);
    report(&mut scene, 0);
    assert_eq!(stats(&scene), None);
    scene.frames(60, 5);
    report(&mut scene, 128);
    let first = stats(&scene).expect("an estimate");
    assert_eq!(first.basis, LineBasis::Reports);
    assert!(first.estimate < 1_200_000, "half is lost of 1.2 Mbit/s: {first:?}");
    scene.frames(60, 5);
    report(&mut scene, 0);
    assert!(stats(&scene).expect("an estimate").estimate > first.estimate, "nothing is lost any more");
}

#[test]
fn a_viewers_own_estimate_is_believed_where_there_is_nothing_better() {
    let mut scene = scene();
    let plain = scene.harness.join(watches(vec![video_out(Some(CAMERA), 0xa000)]));
    scene.frames(30, 5);
    scene.harness.clients[plain].send_rtcp(|writer| writer.remb(Ssrc(1), 640_000, &[Ssrc(0xa000)]));
    scene.harness.exchange();
    let line = scene.harness.sfu.session_stats(session(plain)).expect("open").line.expect("an estimate");
    assert_eq!((line.estimate, line.basis), (640_000, LineBasis::Reports));
}

#[test]
fn what_a_page_does_not_show_is_not_sent_and_comes_back_with_a_picture() {
    let mut scene = scene();
    scene.frames(10, 5);
    let hidden = Shown { is_visible: false, ..Shown::default() };
    let view = |scene: &mut Scene, tiles: &[(&str, Shown)]| {
        let tiles = tiles.iter().copied();
        scene.harness.sfu.set_view(scene.harness.now, session(scene.viewer), Epoch(1), tiles).expect("a view");
        scene.harness.exchange();
    };
    view(&mut scene, &[("v", hidden), ("a", hidden)]);
    let before = scene.harness.clients[scene.viewer].payloads(SEEN).len();
    // Signaling says the same again, which shows nothing of it.
    let lines = vec![video_out(Some(CAMERA), SEEN), audio_out(Some(MICROPHONE), 0x9100)];
    scene.harness.set_media(scene.viewer, watches_and_tells(lines));
    scene.frames(10, 5);
    scene.harness.send(scene.publisher, &opus(1, 960));
    let client = &scene.harness.clients[scene.viewer];
    assert_eq!(client.payloads(SEEN).len(), before);
    assert_eq!(client.payloads(0x9100).len(), 1, "sound comes whatever is shown");
    view(&mut scene, &[]);
    scene.harness.run(Duration::from_millis(50));
    let client = &scene.harness.clients[scene.viewer];
    // The picture of ten frames ago and all since then.
    assert_eq!(client.payloads(SEEN).len(), before + 50);
    assert_eq!(client.payloads(SEEN)[before][1], 0, "it begins with a key frame");
    assert_eq!(client.faults, 0);
}
