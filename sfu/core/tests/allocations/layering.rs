//! To leave layers of an encoding out for some viewers allocates nothing once it runs.

use std::sync::atomic::Ordering;

use chappe_sfu_core::ExtensionKind;

use crate::harness::scalable::MODES;
use crate::harness::studio::Studio;
use crate::harness::*;
use crate::{COUNT, play};

/// One each 5 ms, so that nobody is missed for too long.
const PICTURES: usize = 500;

pub fn leaving_layers_out_allocates_nothing() {
    for mode in [MODES[0], MODES[2], MODES[6]] {
        let mut studio = Studio::new(mode);
        let viewers = [None, Some(360), Some(180)].map(|lines| {
            let mut media = studio.watches();
            media.extensions = media.extensions.with(ExtensionKind::TransportCc, None);
            media.send[0].height_max = lines;
            studio.harness.join(media)
        });
        // Until the history is as long as it gets, and as much as is remembered was left out.
        let mut films = [0, 1].map(|film| {
            let pictures = (0..PICTURES).map(|at| studio.packets(film == 0 && at == 0));
            let pictures: Vec<Vec<Packet>> = pictures.collect();
            let client = &mut studio.harness.clients[studio.publisher];
            let seal = |packets: Vec<Packet>| packets.iter().map(|packet| client.seal(packet)).collect();
            pictures.into_iter().map(seal).collect::<Vec<Vec<Vec<u8>>>>()
        });
        play(&mut studio.harness, studio.publisher, &mut films[0]);
        let before = COUNT.load(Ordering::Relaxed);
        let left = play(&mut studio.harness, studio.publisher, &mut films[1]);
        let allocations = COUNT.load(Ordering::Relaxed) - before;
        let whole = 3 * PICTURES * 7;
        assert!(left > PICTURES && (mode.spatial == 1 || left < whole), "{left} datagrams left to {}", viewers.len());
        assert_eq!(allocations, 0, "in {left} forwarded packets of {mode:?}");
    }
}
