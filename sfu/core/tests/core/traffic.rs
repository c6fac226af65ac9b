//! What is told of each track: what came in, and what viewers were sent of it.

use crate::harness::*;
use chappe_sfu_core::TrackTraffic;

#[test]
fn what_viewers_are_sent_of_a_track_is_counted_with_it() {
    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    let mut camera = Camera::new(VIDEO_SSRC);
    harness.frame(publisher, &mut camera, 3, true);
    let told = |harness: &Harness| harness.sfu.track_traffic().collect::<Vec<TrackTraffic>>();
    let [TrackTraffic { track: CAMERA, packets: 3, bytes_sent: 0, .. }] = told(&harness)[..] else {
        panic!("{:?}", told(&harness))
    };
    // They begin with the past and go on live.
    harness.join(watches(vec![video_out(Some(CAMERA), 0x9000)]));
    harness.join(watches(vec![video_out(Some(CAMERA), 0x9100)]));
    for _ in 0..10 {
        harness.frame(publisher, &mut camera, 3, false);
    }
    let counters = harness.sfu.counters();
    assert!(counters.packets_out >= 2 * 33, "{counters:?}");
    assert_eq!(told(&harness)[0].bytes_sent, counters.bytes_out);
}
