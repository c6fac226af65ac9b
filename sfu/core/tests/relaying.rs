//! A track on its way from the worker it is published on to viewers on others.

mod bed;

use std::time::Duration;

use bed::*;
use chappe_sfu_core::{MediaKind, RelayDirection};

const SEEN: u32 = 0x9000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Published at 0, to be watched at 1.
fn origin_and_edge(workers: usize) -> (Mesh, Who, Camera) {
    let mut mesh = Mesh::new(workers, 1);
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    for at in 1..workers {
        mesh.set_origin(at, CAMERA, MediaKind::Video, 0);
    }
    mesh.run(ms(200));
    (mesh, publisher, Camera::new(VIDEO_SSRC))
}

#[test]
fn a_viewer_on_another_worker_sees_the_stream() {
    let (mut mesh, publisher, mut camera) = origin_and_edge(2);
    let viewer = mesh.join(1, watches(vec![video_out(Some(CAMERA), SEEN)]));
    mesh.frame(0, publisher, &mut camera, 3, true);
    mesh.frame(0, publisher, &mut camera, 3, false);
    let client = &mesh.beds[1].clients[viewer];
    assert_eq!(client.received.len(), 6, "{:?}", mesh.beds[1].sfu.counters());
    assert_eq!(client.faults, 0);
    assert!(client.indices(SEEN).windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn a_stream_crosses_a_link_once_however_many_watch() {
    let (mut mesh, publisher, mut camera) = origin_and_edge(2);
    let viewers: Vec<Who> = (0..20).map(|_| mesh.join(1, watches(vec![video_out(Some(CAMERA), SEEN)]))).collect();
    mesh.frame(0, publisher, &mut camera, 10, true);
    for viewer in viewers {
        assert_eq!(mesh.beds[1].clients[viewer].received.len(), 10);
    }
    let relays = mesh.beds[0].sfu.relays();
    let out = relays.iter().find(|relay| relay.direction == RelayDirection::Out).expect("a relay");
    assert_eq!((relays.len(), out.packets), (1, 10));
}
