//! What waited too long on its way over workers is not sent as if it were new, wherever it waited.

use std::time::Duration;

use chappe_sfu_core::DropReason;

use crate::harness::cameras::{SEEN, ms};
use crate::harness::mesh::Path;
use crate::harness::relays::{is_continuous, origin_and_edges, streaming, watch};
use crate::harness::*;

struct Stage {
    mesh: Mesh,
    publisher: Who,
    viewer: Who,
    camera: Camera,
}

impl Stage {
    /// Published at 0, watched at 1: one key frame of three packets so far.
    fn new() -> Stage {
        let (mut mesh, publisher, viewer, camera) = streaming();
        mesh.run(ms(1_000));
        Stage { mesh, publisher, viewer, camera }
    }

    /// From now on each datagram lies with the edge's kernel for so long.
    fn hold(&mut self, held_ms: u64) {
        self.mesh.set_path(0, 1, Path { held_ms, ..Path::default() });
    }

    /// A frame that has lain with the origin's kernel for so long.
    fn frame(&mut self, count: usize, keyframe: bool, waited: Duration) {
        late_frame(&mut self.mesh, self.publisher, &mut self.camera, (count, keyframe), waited);
    }

    fn seen(&self) -> usize {
        let client = &self.mesh.workers[1].clients[self.viewer];
        assert!(client.faults == 0 && is_continuous(&client.indices(SEEN)), "{:?}", client.indices(SEEN));
        client.received.len()
    }

    fn stale(&self) -> u64 {
        self.mesh.workers[1].sfu.counters().dropped(DropReason::MediaStale)
    }

    fn plis(&self) -> usize {
        self.mesh.workers[0].clients[self.publisher].plis()
    }
}

fn late_frame(
    mesh: &mut Mesh,
    publisher: Who,
    camera: &mut Camera,
    (count, keyframe): (usize, bool),
    waited: Duration,
) {
    let harness = &mut mesh.workers[0];
    for packet in camera.frame(count, keyframe) {
        harness.clients[publisher].send(&packet);
    }
    while let Some((route, mut datagram)) = harness.clients[publisher].take_outgoing() {
        harness.sfu.handle_late_datagram(harness.now, waited, route, &mut datagram);
    }
    harness.exchange();
    mesh.carry();
    mesh.run(ms(33));
}

#[test]
fn what_the_edges_kernel_had_for_too_long_is_not_sent_and_a_key_frame_is_asked_for() {
    let mut stage = Stage::new();
    let asked = stage.plis();
    stage.hold(400);
    for _ in 0..3 {
        stage.frame(2, false, Duration::ZERO);
    }
    assert_eq!((stage.seen(), stage.stale(), stage.plis()), (3, 6, asked + 1));
    stage.hold(0);
    stage.frame(2, false, Duration::ZERO);
    assert_eq!(stage.seen(), 3, "a picture can't begin there");
    stage.frame(2, true, Duration::ZERO);
    stage.frame(1, false, Duration::ZERO);
    assert_eq!((stage.seen(), stage.stale()), (6, 6));
}

#[test]
fn what_the_origins_kernel_had_for_too_long_is_not_sent_at_an_edge_either() {
    let mut stage = Stage::new();
    // More than a relay takes at once.
    stage.frame(100, false, ms(300));
    assert_eq!((stage.seen(), stage.stale()), (3, 100));
    stage.frame(2, true, Duration::ZERO);
    assert_eq!((stage.seen(), stage.stale()), (5, 100));
}

#[test]
fn what_waited_at_several_workers_adds_up() {
    let mut stage = Stage::new();
    stage.hold(90);
    stage.frame(2, false, ms(90));
    assert_eq!((stage.seen(), stage.stale()), (5, 0));
    stage.mesh.run(ms(500));
    stage.hold(120);
    stage.frame(2, false, ms(120));
    assert_eq!((stage.seen(), stage.stale()), (5, 2));
}

#[test]
fn what_was_there_before_it_was_asked_for_is_the_past_and_not_late() {
    let (mut mesh, publisher, mut camera) = origin_and_edges(2);
    late_frame(&mut mesh, publisher, &mut camera, (3, true), ms(300));
    for _ in 0..20 {
        mesh.frame(0, publisher, &mut camera, 3, false);
    }
    let viewer = watch(&mut mesh, 1);
    mesh.run(ms(300));
    mesh.frame(0, publisher, &mut camera, 3, false);
    assert_eq!(mesh.workers[1].clients[viewer].received.len(), 66);
    assert_eq!(mesh.workers[1].sfu.counters().dropped(DropReason::MediaStale), 0);
}
