//! What a client hears while nothing else is sent to it, in virtual time.

use super::*;

fn signs(harness: &Harness, who: Who) -> usize {
    harness.clients[who].received_rtcp.iter().filter(|packet| **packet == ReceivedRtcp::EmptyReport).count()
}

#[test]
fn who_did_not_ask_for_signs_of_life_is_sent_nothing_while_nothing_happens() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let told = |harness: &Harness| {
        harness.clients[publisher].received_rtcp.len() + harness.clients[viewer].received_rtcp.len()
    };
    let before = told(&harness);
    harness.run(Duration::from_secs(3));
    assert_eq!(told(&harness), before);
}

#[test]
fn signs_of_life_come_at_the_interval_that_was_asked_for() {
    let mut harness = Harness::new();
    let mut asked = Vec::new();
    for interval_ms in [50, 100, 130, 1_000] {
        harness.alive = Some(Duration::from_millis(interval_ms));
        asked.push((interval_ms, harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]))));
    }
    harness.run(Duration::from_secs(2));
    let before: Vec<_> = asked.iter().map(|(_, who)| signs(&harness, *who)).collect();
    harness.run(Duration::from_secs(4));
    for ((interval_ms, who), before) in asked.into_iter().zip(before) {
        let (got, least) = (signs(&harness, who) - before, 4_000 / interval_ms as usize);
        assert!((least - 1..=least + least / 8 + 1).contains(&got), "{got} each {interval_ms} ms in 4 s");
    }
}

#[test]
fn a_viewer_hears_of_its_worker_while_it_waits_for_a_key_frame_and_of_media_alone_after_it() {
    let (mut harness, publisher, _, mut camera) = camera_and_viewer();
    harness.alive = Some(Duration::from_millis(100));
    let viewer = harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    let signs = |harness: &Harness| signs(harness, viewer);
    let before = signs(&harness);
    for _ in 0..30 {
        harness.frame(publisher, &mut camera, 2, false);
    }
    assert!(harness.clients[viewer].received.is_empty(), "there is nothing to decode yet");
    let waiting = signs(&harness) - before;
    assert!((9..=10).contains(&waiting), "{waiting} in 990 ms, one is due each 100");
    harness.frame(publisher, &mut camera, 2, true);
    let before = signs(&harness);
    for _ in 0..30 {
        harness.frame(publisher, &mut camera, 2, false);
    }
    assert_eq!(signs(&harness), before, "media is a sign of life");
}
