//! RTCP in both directions and repairs, in virtual time.

mod signs_of_life;

use std::time::Duration;

use crate::harness::client::ReceivedRtcp;
use crate::harness::*;
use chappe_sfu_core::rtcp::{ReportBlock, SenderReport};
use chappe_sfu_core::rtp::{Seq, Ssrc};

const SEEN: u32 = 0x9000;

fn camera_and_viewer() -> (Harness, Who, Who, Camera) {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.extensions = vec![(MID, b"0".to_vec())];
    (harness, publisher, viewer, camera)
}

fn nack(harness: &mut Harness, viewer: Who, lost: &[u64]) {
    let lost: Vec<Seq> = lost.iter().map(|index| Seq(*index as u16)).collect();
    harness.clients[viewer].send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &lost));
    harness.exchange();
}

#[test]
fn a_nack_is_answered_with_rtx_that_names_and_holds_the_original() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 5, true);
    let originals = harness.clients[viewer].received.clone();
    nack(&mut harness, viewer, &[originals[1].index, originals[3].index]);
    let repairs = &harness.clients[viewer].received[5..];
    assert_eq!(repairs.len(), 2);
    for (repair, original) in repairs.iter().zip([&originals[1], &originals[3]]) {
        assert_eq!((repair.ssrc, repair.payload_type), (SEEN + 1, 121));
        assert_eq!((repair.timestamp, repair.marker), (original.timestamp, original.marker));
        assert_eq!(repair.payload[..2], (original.index as u16).to_be_bytes());
        assert_eq!(repair.payload[2..], original.payload);
    }
    assert_eq!(repairs[1].index, repairs[0].index + 1);
    assert_eq!(harness.clients[viewer].faults, 0);
}

#[test]
fn a_packet_is_repeated_once_per_round_trip() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 3, true);
    let lost = harness.clients[viewer].received[1].index;
    nack(&mut harness, viewer, &[lost]);
    nack(&mut harness, viewer, &[lost]);
    assert_eq!(harness.clients[viewer].received.len(), 4);
    harness.run(Duration::from_millis(60));
    nack(&mut harness, viewer, &[lost]);
    assert_eq!(harness.clients[viewer].received.len(), 5);
}

#[test]
fn without_rtx_the_same_bytes_are_repeated() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let mut line = video_out(Some(CAMERA), SEEN);
    (line.rtx_ssrc, line.payload_types[0].rtx) = (None, None);
    let viewer = harness.join(watches(vec![line]));
    let mut camera = Camera::new(VIDEO_SSRC);
    harness.frame(publisher, &mut camera, 5, true);
    let originals = harness.clients[viewer].received.clone();
    harness.clients[viewer].send_rtcp(|writer| writer.receiver_report(Ssrc(1), &[block(SEEN, 0, 0)]));
    nack(&mut harness, viewer, &[originals[2].index]);
    assert_eq!(harness.clients[viewer].received[5], originals[2]);
    assert_eq!(harness.clients[viewer].faults, 0, "one index, one packet");
}

#[test]
fn what_was_sent_before_a_change_of_extensions_is_not_repeated_in_plain() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let mut line = video_out(Some(CAMERA), SEEN);
    (line.rtx_ssrc, line.payload_types[0].rtx) = (None, None);
    let viewer = harness.join(watches(vec![line.clone()]));
    let mut camera = Camera::new(VIDEO_SSRC);
    harness.frame(publisher, &mut camera, 5, true);
    let lost = harness.clients[viewer].received[2].index;
    let mut media = watches(vec![line]);
    media.extensions = media.extensions.with(chappe_sfu_core::ExtensionKind::Mid, Some(11));
    harness.set_media(viewer, media);
    nack(&mut harness, viewer, &[lost]);
    assert_eq!(harness.clients[viewer].received.len(), 5);
}

#[test]
fn repairs_have_a_budget() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    camera.bytes = 1_200;
    harness.frame(publisher, &mut camera, 100, true);
    let all = harness.clients[viewer].indices(SEEN);
    for _ in 0..10 {
        nack(&mut harness, viewer, &all);
        harness.run(Duration::from_millis(60));
    }
    let repairs = harness.clients[viewer].indices(SEEN + 1).len();
    assert!((50..90).contains(&repairs), "{repairs} repairs of 100 packets");
}

#[test]
fn a_media_packet_restored_by_rtx_is_forwarded_in_its_place() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    let packets = camera.frame(3, true);
    harness.send(publisher, &packets[0]);
    harness.send(publisher, &packets[2]);
    let mut rtx = packets[1].clone();
    (rtx.ssrc, rtx.payload_type, rtx.seq) = (VIDEO_RTX_SSRC, 97, 500);
    rtx.payload = [packets[1].seq.to_be_bytes().to_vec(), packets[1].payload.clone()].concat();
    harness.send(publisher, &rtx);
    harness.send(publisher, &packets[1]);
    let client = &harness.clients[viewer];
    let first = client.received[0].index;
    assert_eq!(client.indices(SEEN), [first, first + 2, first + 1], "once, though it came twice");
    assert_eq!(client.received[2].payload, packets[1].payload);
}

#[test]
fn key_frame_requests_of_many_viewers_are_one() {
    let (mut harness, publisher, _, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 1, true);
    let viewers: Vec<Who> = (0..10).map(|_| harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]))).collect();
    harness.run(Duration::from_millis(600));
    harness.frame(publisher, &mut camera, 1, true);
    harness.run(Duration::from_millis(600));
    let before = harness.clients[publisher].plis();
    for viewer in &viewers {
        harness.clients[*viewer].send_rtcp(|writer| writer.pli(Ssrc(1), Ssrc(SEEN)));
    }
    harness.exchange();
    assert_eq!(harness.clients[publisher].plis(), before + 1);
    harness.run(Duration::from_millis(1_100));
    assert_eq!(harness.clients[publisher].plis(), before + 3, "asked again each 500 ms until it comes");
    harness.frame(publisher, &mut camera, 1, true);
    harness.run(Duration::from_millis(1_100));
    assert_eq!(harness.clients[publisher].plis(), before + 3);
}

#[test]
fn a_publisher_that_knows_only_fir_gets_fir() {
    let mut harness = Harness::new();
    let mut line = camera_line(CAMERA);
    line.codecs[0].feedback.pli = false;
    let publisher = harness.join(publishes(vec![line]));
    harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    harness.frame(publisher, &mut Camera::new(VIDEO_SSRC), 1, false);
    assert!(harness.clients[publisher].received_rtcp.contains(&ReceivedRtcp::Fir(VIDEO_SSRC)));
    assert_eq!(harness.clients[publisher].plis(), 0);
}

#[test]
fn a_lost_packet_is_asked_for_only_where_nack_was_accepted() {
    for accepted in [true, false] {
        let mut harness = Harness::new();
        let mut line = camera_line(CAMERA);
        line.codecs[0].feedback.nack = accepted;
        let publisher = harness.join(publishes(vec![line]));
        let mut camera = Camera::new(VIDEO_SSRC);
        let packets = camera.frame(6, true);
        for packet in packets.iter().filter(|packet| packet.seq != packets[2].seq) {
            harness.send(publisher, packet);
        }
        harness.run(Duration::from_millis(30));
        let asked =
            harness.clients[publisher].received_rtcp.contains(&ReceivedRtcp::Nack(VIDEO_SSRC, vec![packets[2].seq]));
        assert_eq!(asked, accepted);
    }
}

#[test]
fn a_publisher_is_told_what_arrived() {
    let (mut harness, publisher, _, mut camera) = camera_and_viewer();
    for at in 0..40u16 {
        camera.extensions = vec![(MID, b"0".to_vec()), (TRANSPORT_CC, at.to_be_bytes().to_vec())];
        let packets = camera.frame(2, at == 0);
        harness.send(publisher, &packets[0]);
        harness.run(Duration::from_millis(33));
    }
    let told = &harness.clients[publisher].received_rtcp;
    let feedback = told.iter().filter(|packet| **packet == ReceivedRtcp::TransportFeedback).count();
    assert!((10..=30).contains(&feedback), "{feedback} in 1.3 s");
    let mut reports = told.iter().filter_map(|packet| match packet {
        ReceivedRtcp::ReceiverReport { ssrc: VIDEO_SSRC, cumulative_lost } => Some(*cumulative_lost),
        _ => None,
    });
    assert!(reports.next_back().is_some_and(|lost| (20..40).contains(&lost)), "every second packet was lost");
}

#[test]
fn sender_reports_keep_audio_and_video_in_sync() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA), microphone_line(MICROPHONE)]));
    let lines = vec![video_out(Some(CAMERA), SEEN), audio_out(Some(MICROPHONE), 0x9100)];
    let viewer = harness.join(watches(lines));
    let mut camera = Camera::new(VIDEO_SSRC);
    let (video, audio) = (camera.frame(1, true).remove(0), opus(1, 48_000));
    harness.send(publisher, &video);
    harness.send(publisher, &audio);
    // The publisher says: both were captured at 1000 s.
    let capture = 1_000u64 << 32;
    for (ssrc, rtp_timestamp) in [(VIDEO_SSRC, video.timestamp), (AUDIO_SSRC, audio.timestamp)] {
        let report = SenderReport { ssrc: Ssrc(ssrc), ntp: capture, rtp_timestamp, packets: 1, bytes: 1 };
        harness.clients[publisher].send_rtcp(|writer| writer.sender_report(&report, &[]));
    }
    harness.exchange();
    harness.run(Duration::from_millis(1_500));
    let client = &harness.clients[viewer];
    let arrived = (harness.now.ntp() - (1_500u64 << 32) / 1_000) as f64 / 4_294_967_296.0;
    for (ssrc, rate) in [(SEEN, 90_000.0), (0x9100, 48_000.0)] {
        let sent = client.received.iter().find(|packet| packet.ssrc == ssrc).expect("forwarded").timestamp;
        let reports: Vec<(u64, u32)> =
            client.received_rtcp.iter().filter_map(|packet| sender_report(packet, ssrc)).collect();
        assert!(!reports.is_empty(), "no report on {ssrc:x}");
        for (ntp, timestamp) in reports {
            // In the SFU's time, in which the publisher's report came when it was written.
            let wall = ntp as f64 / 4_294_967_296.0 - arrived;
            let media = f64::from(timestamp.wrapping_sub(sent)) / rate;
            assert!((wall - media).abs() < 0.001, "at {wall} s the media clock says {media} s");
        }
    }
}

#[test]
fn the_round_trip_to_a_viewer_is_measured() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 1, true);
    let report =
        SenderReport { ssrc: Ssrc(VIDEO_SSRC), ntp: 77 << 32, rtp_timestamp: camera.timestamp, packets: 1, bytes: 1 };
    harness.clients[publisher].send_rtcp(|writer| writer.sender_report(&report, &[]));
    harness.exchange();
    harness.run(Duration::from_millis(5));
    let told = harness.clients[viewer]
        .received_rtcp
        .iter()
        .rev()
        .find_map(|packet| sender_report(packet, SEEN))
        .expect("a report");
    harness.run(Duration::from_millis(120));
    let answer = block(SEEN, (told.0 >> 16) as u32, 65_536 / 10);
    harness.clients[viewer].send_rtcp(|writer| writer.receiver_report(Ssrc(1), &[answer]));
    harness.exchange();
    let stats = harness.sfu.session_stats(session(viewer)).expect("open");
    let millis = stats.round_trip.expect("measured").as_millis();
    assert!((20..=30).contains(&millis), "{millis} ms");
}

#[test]
fn the_end_of_an_m_line_is_a_goodbye_and_its_numbers_are_never_used_again() {
    let (mut harness, publisher, viewer, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 3, true);
    harness.set_media(viewer, no_media());
    assert!(harness.clients[viewer].received_rtcp.contains(&ReceivedRtcp::Bye(SEEN)));
    harness.set_media(viewer, watches(vec![video_out(Some(CAMERA), SEEN)]));
    harness.frame(publisher, &mut camera, 3, true);
    let indices = harness.clients[viewer].indices(SEEN);
    assert_eq!(indices.len(), 9, "the last key frame again, under new numbers, and the next");
    assert!(indices.is_sorted_by(|a, b| a < b), "{indices:?}");
    assert_eq!(harness.clients[viewer].faults, 0);
}

fn block(ssrc: u32, last_sr: u32, delay_since_last_sr: u32) -> ReportBlock {
    ReportBlock {
        ssrc: Ssrc(ssrc),
        fraction_lost: 0,
        cumulative_lost: 0,
        highest_seq: 0,
        jitter: 0,
        last_sr,
        delay_since_last_sr,
    }
}

fn sender_report(packet: &ReceivedRtcp, of: u32) -> Option<(u64, u32)> {
    match packet {
        ReceivedRtcp::SenderReport { ssrc, ntp, timestamp } if *ssrc == of => Some((*ntp, *timestamp)),
        _ => None,
    }
}

#[test]
fn a_viewer_who_joins_late_gets_a_sender_report_with_its_first_packets() {
    let (mut harness, publisher, _, mut camera) = camera_and_viewer();
    harness.frame(publisher, &mut camera, 1, true);
    let report =
        SenderReport { ssrc: Ssrc(VIDEO_SSRC), ntp: 77 << 32, rtp_timestamp: camera.timestamp, packets: 1, bytes: 1 };
    harness.clients[publisher].send_rtcp(|writer| writer.sender_report(&report, &[]));
    harness.run(Duration::from_millis(700));
    let late = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    harness.frame(publisher, &mut camera, 1, true);
    assert!(harness.clients[late].received_rtcp.iter().any(|packet| sender_report(packet, SEEN).is_some()));
}

#[test]
fn a_client_that_knows_only_remb_is_told_a_bitrate() {
    let mut harness = Harness::new();
    let mut line = camera_line(CAMERA);
    line.codecs[0].feedback.transport_cc = false;
    let publisher = harness.join(publishes(vec![line]));
    let mut camera = Camera::new(VIDEO_SSRC);
    for at in 0..40u16 {
        camera.extensions = vec![(TRANSPORT_CC, at.to_be_bytes().to_vec())];
        harness.frame(publisher, &mut camera, 1, at == 0);
    }
    let told = &harness.clients[publisher].received_rtcp;
    assert!(told.iter().any(|packet| matches!(packet, ReceivedRtcp::Remb(bps) if *bps > 1_000_000)));
    assert!(!told.contains(&ReceivedRtcp::TransportFeedback));
}

#[test]
fn a_nack_for_a_packet_of_a_publisher_who_left_is_not_answered_with_another_packet() {
    let (mut harness, first, viewer, mut camera) = camera_and_viewer();
    harness.frame(first, &mut camera, 5, true);
    let lost = harness.clients[viewer].received[1].index;
    let now = harness.now;
    harness.clients[first].close(now);
    harness.exchange();
    let second = harness.join(publishes(vec![camera_line(CAMERA)]));
    // Its first packets have the places in the track that those of the first publisher had.
    harness.frame(second, &mut Camera::new(VIDEO_SSRC), 5, false);
    nack(&mut harness, viewer, &[lost]);
    assert_eq!(harness.clients[viewer].received.len(), 5);
}

#[test]
fn a_viewer_that_asks_a_hundred_times_a_second_costs_the_others_no_key_frames() {
    let (mut harness, publisher, flooder, mut camera) = camera_and_viewer();
    let other = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    harness.frame(publisher, &mut camera, 3, true);
    harness.run(Duration::from_millis(1_000));
    let (asked, got) = (harness.clients[publisher].plis(), harness.clients[other].received.len());
    let mut answered = asked;
    for _ in 0..300 {
        for _ in 0..3 {
            harness.clients[flooder].send_rtcp(|writer| {
                writer.receiver_report(Ssrc(1), &[])?;
                writer.pli(Ssrc(1), Ssrc(SEEN))
            });
        }
        // A publisher that obeys.
        let plis = harness.clients[publisher].plis();
        harness.frame(publisher, &mut camera, 3, plis > answered);
        answered = plis;
    }
    let asked = harness.clients[publisher].plis() - asked;
    assert!(asked <= 3, "{asked} key frames in 10 s");
    assert_eq!(harness.clients[other].received.len() - got, 900, "the other one sees its stream and nothing else");
    for who in [flooder, other] {
        let client = &harness.clients[who];
        assert!(client.indices(SEEN).windows(2).all(|pair| pair[1] == pair[0] + 1) && client.faults == 0);
    }
    let frames = harness.clients[flooder].received.iter().filter(|packet| packet.payload[..2] == [0x10, 0]).count();
    assert!(frames >= 8, "{frames}: it is answered from what is there");
}
