//! What a worker's histograms say of clients that join, of a viewer's first picture, of what waits and of the way to
//! the next worker.

use crate::harness::cameras::ms;
use crate::harness::mesh::Path;
use crate::harness::relays::{origin_and_edges, watch};
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

#[test]
fn a_hop_takes_the_wait_and_half_of_the_round_trip_and_what_a_new_child_is_sent_of_the_past_is_none() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(3);
    mesh.set_all(Path { delay_ms: 20, ..Path::default() });
    // The round trip is a mean over some of its last readings.
    mesh.run(ms(5_000));
    let hops = |mesh: &Mesh, at: usize| mesh.workers[at].sfu.counters().relay_hops;
    watch(&mut mesh, 1);
    for at in 0..30 {
        mesh.frame(0, publisher, &mut camera, 3, at == 0);
    }
    let sent = hops(&mesh, 0);
    assert!((29..=31).contains(&sent.count()), "{sent:?}");
    let mean_us = sent.sum_us() / sent.count();
    assert!((19_000..=23_000).contains(&mean_us), "{mean_us}");
    watch(&mut mesh, 2);
    mesh.run(ms(500));
    let relayed = mesh.workers[0].sfu.relays();
    assert!(relayed.len() == 2 && relayed.iter().all(|relay| relay.packets >= 90), "{relayed:?}");
    assert_eq!(hops(&mesh, 0), sent, "what lay there for half a second");
    assert_eq!(hops(&mesh, 1).count(), 0, "it relays to nobody");
}
