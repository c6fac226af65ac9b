//! Relaying allocates nothing once it runs, on neither side, losses and repeats included.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chappe_sfu_core::{MediaKind, Now, Route};

use crate::COUNT;
use crate::harness::mesh::route;
use crate::harness::*;

/// Datagrams on their way between the two, in memory that is there already.
struct Wire {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    carried: usize,
}

impl Wire {
    fn new() -> Wire {
        Wire { bytes: Vec::with_capacity(1 << 20), ends: Vec::with_capacity(4_096), carried: 0 }
    }

    /// Takes what one worker sends to the other; counts what goes to viewers.
    fn collect(&mut self, harness: &mut Harness) -> usize {
        let mut viewers = 0;
        loop {
            let more = harness.sfu.flush(harness.now);
            for run in harness.sfu.egress().runs() {
                for segment in run.segments() {
                    match run.route {
                        Route::Udp { .. } => {
                            self.bytes.extend_from_slice(segment);
                            self.ends.push(self.bytes.len());
                        }
                        Route::Tcp { .. } => viewers += 1,
                    }
                }
            }
            harness.sfu.egress().clear();
            if !more {
                return viewers;
            }
        }
    }

    /// Loses every 40th.
    fn deliver(&mut self, harness: &mut Harness, from: Route) {
        let mut start = 0;
        for end in self.ends.drain(..) {
            self.carried += 1;
            if !self.carried.is_multiple_of(40) {
                harness.sfu.handle_datagram(harness.now, from, &mut self.bytes[start..end]);
            }
            start = end;
        }
        self.bytes.clear();
    }
}

/// Plays sealed frames, one each 5 ms, in steps of a millisecond; returns what left for viewers of the edge.
fn play(mesh: &mut Mesh, publisher: Who, film: &mut [Vec<Vec<u8>>], wires: &mut [Wire; 2]) -> usize {
    let (origin, edge) = mesh.workers.split_at_mut(1);
    let (origin, edge) = (&mut origin[0], &mut edge[0]);
    let from = origin.clients[publisher].route;
    let mut left = 0;
    for frame in film {
        for datagram in frame {
            origin.sfu.handle_datagram(origin.now, from, datagram);
        }
        for _ in 0..5 {
            let now: Now = origin.now.after(Duration::from_millis(1));
            (origin.now, edge.now) = (now, Now { unix: edge.now.unix, ..now });
            for harness in [&mut *origin, &mut *edge] {
                harness.sfu.handle_timeout(harness.now);
            }
            wires[0].collect(origin);
            wires[0].deliver(edge, route(0, 1));
            left += wires[1].collect(edge);
            wires[1].deliver(origin, route(1, 0));
        }
    }
    left
}

fn film(mesh: &mut Mesh, publisher: Who, camera: &mut Camera, frames: usize) -> Vec<Vec<Vec<u8>>> {
    let client = &mut mesh.workers[0].clients[publisher];
    let mut film = Vec::new();
    for at in 0..frames {
        film.push(camera.frame(8, at % 30 == 0).iter().map(|packet| client.seal(packet)).collect());
    }
    film
}

pub fn relaying_allocates_nothing() {
    let mut mesh = Mesh::new(2, 1);
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    mesh.set_origin(1, CAMERA, MediaKind::Video, 0);
    for _ in 0..20 {
        mesh.join(1, watches(vec![video_out(Some(CAMERA), 0x9000)]));
    }
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.bytes = 1_100;
    camera.extensions = vec![(MID, b"0".to_vec()), (ORIENTATION, vec![1])];
    let mut wires = [Wire::new(), Wire::new()];
    let mut warm_up = film(&mut mesh, publisher, &mut camera, 500);
    play(&mut mesh, publisher, &mut warm_up, &mut wires);
    let repaired = |mesh: &Mesh| mesh.workers[1].sfu.relays()[0].repaired;
    let mut measured = film(&mut mesh, publisher, &mut camera, 500);
    let repaired_before = repaired(&mesh);
    let before = COUNT.load(Ordering::Relaxed);
    let left = play(&mut mesh, publisher, &mut measured, &mut wires);
    let allocations = COUNT.load(Ordering::Relaxed) - before;
    let repaired = repaired(&mesh) - repaired_before;
    assert!(left >= 500 * 8 * 20 - 200, "{left} datagrams left");
    assert!(repaired > 50, "{repaired} repaired");
    assert_eq!(allocations, 0, "in {left} relayed and forwarded packets");
}
