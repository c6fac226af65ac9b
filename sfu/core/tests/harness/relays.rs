//! A camera at one worker that is watched at others.

use chappe_sfu_core::MediaKind;

use super::cameras::{SEEN, ms};
use super::lines::*;
use super::{Mesh, Who};

/// Published at 0, to be watched at the others.
pub fn origin_and_edges(workers: usize) -> (Mesh, Who, Camera) {
    let mut mesh = Mesh::new(workers, 1);
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    for at in 1..workers {
        mesh.set_origin(at, CAMERA, MediaKind::Video, 0);
    }
    mesh.run(ms(200));
    (mesh, publisher, Camera::new(VIDEO_SSRC))
}

/// Published at 0 and watched at 1.
pub fn streaming() -> (Mesh, Who, Who, Camera) {
    let mut mesh = Mesh::new(2, 1);
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    mesh.set_origin(1, CAMERA, MediaKind::Video, 0);
    let viewer = watch(&mut mesh, 1);
    let mut camera = Camera::new(VIDEO_SSRC);
    mesh.frame(0, publisher, &mut camera, 3, true);
    (mesh, publisher, viewer, camera)
}

pub fn watch(mesh: &mut Mesh, at: usize) -> Who {
    mesh.join(at, watches(vec![video_out(Some(CAMERA), SEEN)]))
}

pub fn is_continuous(indices: &[u64]) -> bool {
    indices.windows(2).all(|pair| pair[1] == pair[0] + 1)
}
