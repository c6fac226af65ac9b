//! A publisher with a camera and a microphone, and one viewer, for tests of what is known of the viewer's line.

use chappe_sfu_core::{DropReason, LineStats};

use super::lines::*;
use super::{Harness, Who};

pub struct Scene {
    pub harness: Harness,
    pub publisher: Who,
    pub viewer: Who,
    /// Its packets have a thousand bytes.
    pub camera: Camera,
}

impl Scene {
    /// `join` lets the viewer in.
    pub fn new(join: impl FnOnce(&mut Harness) -> Who) -> Scene {
        let mut harness = Harness::new();
        let publisher = harness.join(publishes(vec![camera_line(CAMERA), microphone_line(MICROPHONE)]));
        let viewer = join(&mut harness);
        let mut camera = Camera::new(VIDEO_SSRC);
        camera.extensions = vec![(MID, b"0".to_vec())];
        camera.bytes = 1_000;
        Scene { harness, publisher, viewer, camera }
    }

    /// Frames of so many packets, the first one a key frame. With four packets they take 1 Mbit/s.
    pub fn frames(&mut self, count: usize, packets: usize) {
        for at in 0..count {
            self.harness.frame(self.publisher, &mut self.camera, packets, at == 0);
        }
    }

    /// What is known of the viewer's line.
    pub fn line(&self) -> LineStats {
        self.harness.line(self.viewer)
    }

    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.harness.sfu.counters().dropped(reason)
    }
}
