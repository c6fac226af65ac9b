//! Owns the target of relay messages: two workers that relay a track to each other, and a third with the keys of a
//! peer that says anything.

use std::time::Duration;

use chappe_sfu_core::{DropReason, MediaKind, TrackId};

use crate::harness::*;
use crate::input::Script;

pub(crate) fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut mesh = Mesh::new(2, 1);
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    mesh.set_origin(1, CAMERA, MediaKind::Video, 0);
    // Its other half: what the edge publishes and the faulty peer may ask for.
    let own = mesh.join(1, publishes(vec![camera_line(OWN)]));
    let viewer = mesh.join(1, watches(vec![video_out(Some(CAMERA), SEEN), video_out(Some(OWN), SEEN_OWN)]));
    let mut cameras = [Camera::new(VIDEO_SSRC), Camera::new(VIDEO_SSRC)];
    mesh.frame(0, publisher, &mut cameras[0], 3, true);
    for at in 0..MESSAGES_MAX {
        if script.is_over() {
            break;
        }
        match script.u8() % 8 {
            0 => mesh.run(Duration::from_millis(u64::from(script.u8()))),
            1 => drop(mesh.frame(0, publisher, &mut cameras[0], 2, false)),
            _ => mesh.deliver(COUNTER + at as u64, script.bytes()),
        }
        mesh.workers[1].exchange();
    }
    mesh.frame(1, own, &mut cameras[1], 3, true);
    let harness = &mesh.workers[1];
    assert_eq!(harness.sfu.counters().dropped(DropReason::SessionFault), 0, "a panic was contained");
    assert_eq!(harness.clients[viewer].payloads(SEEN_OWN).len(), 3, "what is published here goes on");
    assert_eq!(harness.clients[viewer].faults, 0);
}

/// Above what the honest half of the peer counts.
const COUNTER: u64 = 1 << 20;
const MESSAGES_MAX: usize = 32;
const OWN: TrackId = TrackId(0xdd);
const SEEN: u32 = 0x9000;
const SEEN_OWN: u32 = 0x9200;
