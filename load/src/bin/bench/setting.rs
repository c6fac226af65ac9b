//! Owns what all measurements have in common: the pictures that are sent, and which core belongs to whom.

use std::time::Duration;

use chappe_load::offer::Kind;
use chappe_load::publisher::{Pacing, Shape};

pub const SHAPE: Shape = Shape {
    kind: Kind::Video,
    packets_per_frame: 8,
    packet_bytes: PACKET_BYTES,
    frame_period: FRAME_PERIOD,
    pacing: Pacing::Burst,
};
/// What a publisher that paces its packets sends: nothing is gained by waiting for the next one.
pub const EVEN: Shape = Shape {
    kind: Kind::Video,
    packets_per_frame: 5,
    packet_bytes: PACKET_BYTES,
    frame_period: FRAME_PERIOD,
    pacing: Pacing::Even,
};
pub const PACKET_BYTES: usize = 1200;
const FRAMES_PER_SECOND: u64 = 30;
pub const FRAME_PERIOD: Duration = Duration::from_nanos(1_000_000_000 / FRAMES_PER_SECOND);
pub const WARM_UP: Duration = Duration::from_secs(2);
pub const WORKER_CORE: usize = 0;
pub const CLIENT_CORE: usize = 1;
