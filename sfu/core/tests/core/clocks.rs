//! Whose clock is whose: sender reports from the first packet on, and round trips in both directions.

use std::time::Duration;

use crate::harness::client::ReceivedRtcp;
use crate::harness::*;
use chappe_sfu_core::rtcp::{ReportBlock, SenderReport};
use chappe_sfu_core::rtp::Ssrc;

const SEEN: u32 = 0x9000;
const HEARD: u32 = 0x9100;

/// Sender reports a viewer got on one SSRC: seconds of wall clock, and the media timestamp.
fn reports(harness: &Harness, viewer: Who, of: u32) -> Vec<(u64, u32)> {
    let told = harness.clients[viewer].received_rtcp.iter();
    told.filter_map(|packet| match packet {
        ReceivedRtcp::SenderReport { ssrc, ntp, timestamp } if *ssrc == of => Some((*ntp, *timestamp)),
        _ => None,
    })
    .collect()
}

/// When the first packet of a stream was captured by each report on it, in seconds of wall clock.
fn captured(harness: &Harness, viewer: Who, of: u32, rate: f64) -> Vec<f64> {
    let received = &harness.clients[viewer].received;
    let first = received.iter().find(|packet| packet.ssrc == of).expect("forwarded").timestamp;
    let media = |timestamp: u32| f64::from(timestamp.wrapping_sub(first) as i32) / rate;
    reports(harness, viewer, of)
        .iter()
        .map(|(ntp, timestamp)| *ntp as f64 / 2f64.powi(32) - media(*timestamp))
        .collect()
}

fn publisher_and_viewer() -> (Harness, Who, Who) {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA), microphone_line(MICROPHONE)]));
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN), audio_out(Some(MICROPHONE), HEARD)]));
    (harness, publisher, viewer)
}

fn say(harness: &mut Harness, publisher: Who, ssrc: u32, ntp: u64, rtp_timestamp: u32) {
    let report = SenderReport { ssrc: Ssrc(ssrc), ntp, rtp_timestamp, packets: 1, bytes: 1 };
    harness.clients[publisher].send_rtcp(|writer| writer.sender_report(&report, &[]));
    harness.exchange();
}

#[test]
fn viewers_get_sender_reports_of_a_publisher_that_sends_none() {
    let (mut harness, publisher, viewer) = publisher_and_viewer();
    let began = harness.now.ntp();
    harness.frame(publisher, &mut Camera::new(VIDEO_SSRC), 1, true);
    harness.send(publisher, &opus(1, 48_000));
    // At the longest there are 1.5 s between two reports on a picture.
    harness.run(Duration::from_millis(3_050));
    for (ssrc, rate, count) in [(SEEN, 90_000.0, 3), (HEARD, 48_000.0, 1)] {
        let captured = captured(&harness, viewer, ssrc, rate);
        assert!(captured.len() >= count, "{} reports on {ssrc:x}", captured.len());
        for at in captured {
            let late = at - began as f64 / 2f64.powi(32);
            assert!((-0.001..0.05).contains(&late), "captured {late} s after it arrived");
        }
    }
}

#[test]
fn the_publishers_first_report_is_no_jump_however_its_clock_differs() {
    let (mut harness, publisher, viewer) = publisher_and_viewer();
    let (mut camera, sound) = (Camera::new(VIDEO_SSRC), opus(1, 48_000));
    let picture = camera.frame(1, true).remove(0);
    harness.send(publisher, &picture);
    harness.send(publisher, &sound);
    harness.run(Duration::from_millis(1_200));
    // Captured together 30 ms before they came, by a clock that believes in 1903. Video reports at once,
    // audio 2 s later.
    let captured_at = 100_000_000u64 << 32;
    let after = |ms: u64| captured_at + (ms << 32) / 1_000;
    say(&mut harness, publisher, VIDEO_SSRC, after(1_230), picture.timestamp + 1_230 * 90);
    harness.run(Duration::from_millis(2_000));
    say(&mut harness, publisher, AUDIO_SSRC, after(3_230), sound.timestamp + 3_230 * 48);
    harness.run(Duration::from_millis(2_000));
    let (video, audio) = (captured(&harness, viewer, SEEN, 90_000.0), captured(&harness, viewer, HEARD, 48_000.0));
    for at in video.iter().chain(&audio) {
        let jump = (at - video[0]).abs();
        assert!(jump < 0.05, "the media moved by {jump} s");
    }
    let apart = (video[video.len() - 1] - audio[audio.len() - 1]).abs();
    assert!(apart < 0.001, "lips are off by {apart} s once both have reported");
}

#[test]
fn a_report_without_wall_clock_changes_nothing() {
    let (mut harness, publisher, viewer) = publisher_and_viewer();
    harness.frame(publisher, &mut Camera::new(VIDEO_SSRC), 1, true);
    for second in 0..3 {
        say(&mut harness, publisher, VIDEO_SSRC, 0, second * 90_000);
        harness.run(Duration::from_millis(1_000));
    }
    let captured = captured(&harness, viewer, SEEN, 90_000.0);
    assert!(captured.iter().all(|at| (at - captured[0]).abs() < 0.001), "{captured:?}");
}

#[test]
fn the_round_trip_to_a_viewer_is_known_without_reports_of_the_publisher() {
    let (mut harness, publisher, viewer) = publisher_and_viewer();
    harness.frame(publisher, &mut Camera::new(VIDEO_SSRC), 1, true);
    let (ntp, _) = *reports(&harness, viewer, SEEN).last().expect("a report with the first packet");
    harness.run(Duration::from_millis(80));
    let answer = ReportBlock { last_sr: (ntp >> 16) as u32, delay_since_last_sr: 65_536 / 20, ..report_of(SEEN) };
    harness.clients[viewer].send_rtcp(|writer| writer.receiver_report(Ssrc(1), &[answer]));
    harness.exchange();
    let round_trip = harness.sfu.session_stats(session(viewer)).expect("open").round_trip.expect("measured");
    assert!((60..=66).contains(&round_trip.as_millis()), "{round_trip:?}");
}

/// How often the publisher was asked for `seq`.
fn asked(harness: &Harness, publisher: Who, seq: u16) -> usize {
    let named = |packet: &&ReceivedRtcp| matches!(packet, ReceivedRtcp::Nack(VIDEO_SSRC, lost) if lost.contains(&seq));
    harness.clients[publisher].received_rtcp.iter().filter(named).count()
}

#[test]
fn a_publisher_is_asked_again_once_per_round_trip_to_it() {
    let (mut harness, publisher, _) = publisher_and_viewer();
    let mut camera = Camera::new(VIDEO_SSRC);
    let mut tries = Vec::new();
    // Each frame loses a packet, whose repeat takes 200 ms.
    for repeats in 0..3u16 {
        let packets = camera.frame(6, repeats == 0);
        for packet in packets.iter().filter(|packet| packet.seq != packets[2].seq) {
            harness.send(publisher, packet);
        }
        harness.run(Duration::from_millis(200));
        let mut rtx = packets[2].clone();
        (rtx.ssrc, rtx.payload_type, rtx.seq) = (VIDEO_RTX_SSRC, 97, 500 + repeats);
        rtx.payload = [packets[2].seq.to_be_bytes().to_vec(), packets[2].payload.clone()].concat();
        harness.send(publisher, &rtx);
        tries.push(asked(&harness, publisher, packets[2].seq));
    }
    assert!(tries[0] >= 3, "nothing was known at first: {tries:?}");
    assert_eq!(tries[1..], [1, 1], "{tries:?}");
    let round_trip = harness.sfu.session_stats(session(publisher)).expect("open").round_trip.expect("measured");
    assert!((195..=205).contains(&round_trip.as_millis()), "{round_trip:?}");
}
