//! To send to viewers that report by stream (RFC 8888), and to read what they report, allocates nothing once it runs.

use std::sync::atomic::Ordering;

use crate::harness::stream_reports::{RECEIVED, Told, packet};
use crate::harness::*;
use crate::{COUNT, film, play};

const SEEN: u32 = 0x9000;
/// Of eight packets each, one each 5 ms.
const FRAMES: usize = 500;
/// Frames between two reports.
const REPORT: usize = 20;
const PACKETS: usize = 8 * REPORT;

pub fn reports_by_stream_allocate_nothing() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = harness.join(watches_and_reports(vec![video_out(Some(CAMERA), SEEN)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.extensions = vec![(MID, b"0".to_vec())];
    harness.frame(publisher, &mut camera, 1, true);
    let first = harness.clients[viewer].indices(SEEN)[0] as u16;
    // Until what is remembered of what was sent is as much as it gets.
    run(&mut harness, (publisher, viewer), &mut camera, (first, 0));
    let (left, allocations) = run(&mut harness, (publisher, viewer), &mut camera, (first, FRAMES));
    assert!(left >= FRAMES * 8, "{left} datagrams left");
    assert_eq!(allocations, 0, "in {left} packets that were reported on");
    let line = harness.sfu.session_stats(session(viewer)).expect("open").line.expect("an estimate");
    assert_eq!(line.basis, chappe_sfu_core::LineBasis::Feedback);
}

/// Plays frames, of which so many were played before, and says what left and how often it allocated meanwhile.
fn run(
    harness: &mut Harness,
    (publisher, viewer): (Who, Who),
    camera: &mut Camera,
    (first, before): (u16, usize),
) -> (usize, u64) {
    let mut frames = film(harness, publisher, camera, FRAMES);
    // Each frame came when it left.
    let metrics: Vec<u16> = (0..PACKETS).map(|at| RECEIVED | ((PACKETS - 1 - at) / 8 * 5) as u16).collect();
    let report = |at: usize| {
        let begin = first.wrapping_add((8 * (before + at * REPORT)) as u16);
        let time = (before + (at + 1) * REPORT) * 328;
        packet(time as u32, &[Told { ssrc: SEEN, begin, metrics: metrics.clone() }])
    };
    let plain: Vec<Vec<u8>> = (0..FRAMES / REPORT).map(report).collect();
    let mut reports: Vec<Vec<u8>> = plain.iter().map(|plain| harness.clients[viewer].seal_rtcp(plain)).collect();
    let route = harness.clients[viewer].route;
    let allocated = COUNT.load(Ordering::Relaxed);
    let mut left = 0;
    for (frames, report) in frames.chunks_mut(REPORT).zip(&mut reports) {
        left += play(harness, publisher, frames);
        harness.sfu.handle_datagram(harness.now, route, report);
    }
    (left, COUNT.load(Ordering::Relaxed) - allocated)
}
