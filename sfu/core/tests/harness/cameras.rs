//! Several cameras whose packets tell which of them they are from, and a viewer of one at a time.

use std::time::Duration;

use chappe_sfu_core::{Media, TrackId};

use super::client::{Client, Received};
use super::lines::*;

pub const SEEN: u32 = 0x9000;
pub const SECOND: TrackId = TrackId(0xcb);
pub const THIRD: TrackId = TrackId(0xcc);

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn sees(track: Option<TrackId>) -> Media {
    watches(vec![video_out(track, SEEN)])
}

/// A camera whose packets are as long as its name is high, so that they tell where they are from.
pub fn camera(name: u32) -> Camera {
    let mut camera = Camera::new(0x1000 * name);
    camera.bytes = 100 * name as usize;
    camera.extensions = vec![(MID, b"0".to_vec())];
    camera
}

/// Which camera each packet is from.
pub fn names(received: &[Received]) -> Vec<usize> {
    received.iter().map(|packet| packet.payload.len() / 100).collect()
}

pub fn is_keyframe(packet: &Received) -> bool {
    packet.payload[..2] == [0x10, 0]
}

/// The counters at the ends of the payloads of one camera.
pub fn counters(received: &[Received], name: usize) -> Vec<u32> {
    let of = received.iter().filter(|packet| packet.payload.len() / 100 == name);
    of.map(|packet| u32::from_be_bytes(*packet.payload.last_chunk().expect("a counter"))).collect()
}

pub fn is_continuous(client: &Client) -> bool {
    client.faults == 0 && client.indices(SEEN).windows(2).all(|pair| pair[1] == pair[0] + 1)
}
