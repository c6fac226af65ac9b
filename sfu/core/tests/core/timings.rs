//! What a worker's histograms say of clients that join, of a viewer's first picture and of what waits.

use crate::harness::cameras::ms;
use crate::harness::*;

#[test]
fn each_join_and_each_first_picture_is_counted_once() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    harness.frame(publisher, &mut camera, 3, false);
    harness.join(watches(vec![video_out(Some(CAMERA), 0x9000)]));
    let counted = |harness: &Harness| {
        let counters = harness.sfu.counters();
        (counters.joins.count(), counters.first_keyframes.count())
    };
    assert_eq!(counted(&harness), (2, 0));
    harness.run(ms(300));
    for at in 0..10 {
        harness.frame(publisher, &mut camera, 3, at == 0);
    }
    assert_eq!(counted(&harness), (2, 1));
    let waited_us = harness.sfu.counters().first_keyframes.sum_us();
    assert!((300_000..400_000).contains(&waited_us), "{waited_us}");
    harness.join(watches(vec![video_out(Some(CAMERA), 0x9100)]));
    harness.run(ms(20));
    assert_eq!(counted(&harness), (3, 2), "also with the key frame that is cached");
}

#[test]
fn what_leaves_with_its_pass_has_waited_for_a_tick_at_most() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    harness.join(watches(vec![video_out(Some(CAMERA), 0x9000)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    for at in 0..30 {
        harness.frame(publisher, &mut camera, 3, at == 0);
    }
    let waits = harness.sfu.counters().egress_waits;
    // Up to a millisecond.
    assert!(waits.count() >= 30 && waits.counts()[..5].iter().sum::<u64>() == waits.count(), "{waits:?}");
}
