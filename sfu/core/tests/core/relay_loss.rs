//! Relays over networks that lose, reorder and repeat: what arrives, and when.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::harness::cameras::{SEEN, ms};
use crate::harness::mesh::Path;
use crate::harness::*;
use chappe_sfu_core::MediaKind;

/// When each payload was sent.
type Film = HashMap<Vec<u8>, Instant>;

fn play(mesh: &mut Mesh, publisher: Who, camera: &mut Camera, frames: usize, packets: usize) -> Film {
    let (mut film, mut plis) = (Film::new(), mesh.workers[0].clients[publisher].plis());
    for at in 0..frames {
        let asked = mesh.workers[0].clients[publisher].plis();
        let packets = camera.frame(packets, at % 60 == 0 || asked > plis);
        plis = asked;
        let now = mesh.workers[0].now.mono;
        for packet in &packets {
            film.insert(packet.payload.clone(), now);
            mesh.workers[0].clients[publisher].send(packet);
        }
        mesh.workers[0].exchange();
        mesh.carry();
        mesh.run(ms(33));
    }
    film
}

/// The share of packets that a viewer had within `limit` of their sending, and how long each took.
fn within(mesh: &Mesh, at: usize, viewer: Who, film: &Film, limit: Duration) -> (f64, Vec<Duration>) {
    let client = &mesh.workers[at].clients[viewer];
    let mut took: HashMap<&[u8], Duration> = HashMap::new();
    for (packet, arrived) in client.received.iter().zip(&client.arrivals) {
        if let Some(sent) = film.get(&packet.payload) {
            took.entry(&packet.payload).or_insert(*arrived - *sent);
        }
    }
    let mut took: Vec<Duration> = took.into_values().collect();
    took.sort();
    (took.iter().filter(|took| **took <= limit).count() as f64 / film.len() as f64, took)
}

/// Published at 0, relayed along the others one by one, watched at the last.
fn chain(workers: usize, seed: u64, path: Path) -> (Mesh, Who, Who) {
    let mut mesh = Mesh::new(workers, seed);
    let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
    for at in 1..workers {
        mesh.set_origin(at, CAMERA, MediaKind::Video, at - 1);
    }
    mesh.set_all(path);
    mesh.run(ms(1_000));
    let viewer = mesh.join(workers - 1, watches(vec![video_out(Some(CAMERA), SEEN)]));
    mesh.run(ms(1_000));
    (mesh, publisher, viewer)
}

const BAD: Path = Path { loss_percent: 5, delay_ms: 40, jitter_ms: 0, repeat_percent: 0, held_ms: 0, cut: false };

#[test]
fn of_five_percent_loss_at_forty_milliseconds_viewers_miss_less_than_one_in_a_thousand() {
    for (packets, seeds) in [(8, 1..9), (1, 11..15)] {
        for seed in seeds {
            let (mut mesh, publisher, viewer) = chain(2, seed, BAD);
            let mut camera = Camera::new(VIDEO_SSRC);
            play(&mut mesh, publisher, &mut camera, 60, packets);
            let film = play(&mut mesh, publisher, &mut camera, 900, packets);
            mesh.run(ms(300));
            let (share, took) = within(&mesh, 1, viewer, &film, ms(250));
            let at = |share: f64| took[(took.len() as f64 * share) as usize - 1].as_millis();
            let relay = mesh.workers[1].sfu.relays()[0];
            println!(
                "{packets} packets per frame, seed {seed}: {:.3} % of {} within 250 ms; p50 {} p95 {} p99 {} p99.9 {} ms; repaired {}, lost {}",
                share * 100.0,
                film.len(),
                at(0.5),
                at(0.95),
                at(0.99),
                at(0.999),
                relay.repaired,
                relay.lost
            );
            assert!(share >= 0.999, "{:.3} %", share * 100.0);
            assert_eq!(mesh.workers[1].clients[viewer].faults, 0);
        }
    }
}

#[test]
fn two_such_hops_lose_nothing_for_good() {
    let (mut mesh, publisher, viewer) = chain(3, 5, BAD);
    let mut camera = Camera::new(VIDEO_SSRC);
    play(&mut mesh, publisher, &mut camera, 60, 8);
    let film = play(&mut mesh, publisher, &mut camera, 300, 8);
    mesh.run(ms(1_000));
    let (share, _) = within(&mesh, 2, viewer, &film, ms(1_200));
    assert!(share >= 0.999, "{:.3} %", share * 100.0);
}

#[test]
fn what_comes_twice_or_in_another_order_is_forwarded_once() {
    let path = Path { delay_ms: 5, jitter_ms: 9, repeat_percent: 20, ..Path::default() };
    let (mut mesh, publisher, viewer) = chain(2, 3, path);
    let mut camera = Camera::new(VIDEO_SSRC);
    play(&mut mesh, publisher, &mut camera, 10, 8);
    let before = mesh.workers[1].clients[viewer].received.len();
    let film = play(&mut mesh, publisher, &mut camera, 200, 8);
    mesh.run(ms(100));
    let client = &mesh.workers[1].clients[viewer];
    let mut indices = client.indices(SEEN).split_off(before);
    assert_eq!((client.received.len() - before, client.faults), (film.len(), 0));
    indices.sort_unstable();
    assert!(indices.windows(2).all(|pair| pair[1] == pair[0] + 1), "each number once");
}
