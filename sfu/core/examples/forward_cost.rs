//! Measures the user-space cost of forwarding without sockets: nanoseconds per forwarded packet at one
//! publisher and many viewers, beside the seal alone, and what a packet costs on its way to another worker.
//!
//! `cargo run --release -p chappe-sfu-core --example forward_cost -- [viewers] [packets per frame] [frames]`

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::hint::black_box;
use std::time::{Duration, Instant};

use chappe_sfu_core::srtp::{Profile, Sealer};
use harness::*;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().expect("a number"));
    let viewers = arguments.next().unwrap_or(500);
    let burst = arguments.next().unwrap_or(8);
    let frames = arguments.next().unwrap_or(200);

    let mut harness = Harness::new();
    let publisher = harness.join(publishes(vec![camera_line(CAMERA)]));
    for _ in 0..viewers {
        harness.join(watches(vec![video_out(Some(CAMERA), 0x9000)]));
    }
    let mut camera = Camera::new(VIDEO_SSRC);
    camera.bytes = 1_100;
    camera.extensions = vec![(MID, b"0".to_vec())];
    // Reports of the viewers, after which their packets name no mid.
    play(&mut harness, publisher, &mut camera, burst, 10);
    for viewer in 1..=viewers {
        harness.clients[viewer]
            .send_rtcp(|writer| writer.receiver_report(chappe_sfu_core::rtp::Ssrc(1), &[lines::report_of(0x9000)]));
        while let Some((route, mut datagram)) = harness.clients[viewer].take_outgoing() {
            harness.sfu.handle_datagram(harness.now, route, &mut datagram);
        }
    }
    play(&mut harness, publisher, &mut camera, burst, 50);
    let (elapsed, left, runs) = play(&mut harness, publisher, &mut camera, burst, frames);
    let each = elapsed.as_nanos() as f64 / left as f64;
    println!("1 x {viewers}, {burst} packets of 1100 B per frame: {left} packets in {runs} runs");
    println!("forwarded: {each:.0} ns per packet");
    let seal = seal_alone(viewers, burst, frames);
    println!("seal alone: {seal:.0} ns per packet ({:.0} %)", 100.0 * seal / each);
    relay_cost(burst, frames.max(2_000));
}

/// One publisher, children of its worker, and one of them that relays to nobody.
fn relay_cost(burst: usize, frames: usize) {
    for children in [0, 1, 16] {
        let mut mesh = Mesh::new(children + 1, 1);
        let publisher = mesh.join(0, publishes(vec![camera_line(CAMERA)]));
        for child in 1..=children {
            mesh.set_origin(child, CAMERA, chappe_sfu_core::MediaKind::Video, 0);
            mesh.workers[child].open(watches(vec![video_out(Some(CAMERA), 0x9000)]));
        }
        mesh.run(Duration::from_millis(200));
        let mut camera = Camera::new(VIDEO_SSRC);
        camera.bytes = 1_100;
        // Of each frame, so that a slow moment of the machine does not count: the least of many.
        let (mut origin, mut edge) = (Duration::MAX, Duration::MAX);
        for at in 0..frames {
            let harness = &mut mesh.workers[0];
            let route = harness.clients[publisher].route;
            let packets = camera.frame(burst, at % 60 == 0);
            let mut datagrams: Vec<Vec<u8>> =
                packets.iter().map(|packet| harness.clients[publisher].seal(packet)).collect();
            let started = clock();
            for datagram in &mut datagrams {
                harness.sfu.handle_datagram(harness.now, route, datagram);
            }
            harness.sfu.flush(harness.now);
            origin = origin.min(clock() - started);
            let mut carried = Vec::new();
            for run in harness.sfu.egress().runs() {
                carried.extend(run.segments().filter(|_| run.route.remote() == mesh::address(1)).map(<[u8]>::to_vec));
            }
            harness.sfu.egress().clear();
            let Some(harness) = mesh.workers.get_mut(1) else { continue };
            let started = clock();
            for datagram in &mut carried {
                harness.sfu.handle_datagram(harness.now, mesh::route(0, 1), datagram);
            }
            edge = edge.min(clock() - started);
            harness.sfu.flush(harness.now);
            harness.sfu.egress().clear();
        }
        let each = |spent: Duration| spent.as_nanos() as f64 / burst as f64;
        match children {
            0 => println!("relay to nobody: {:.0} ns per packet to take it from the publisher", each(origin)),
            _ => println!("relay to {children}: {:.0} ns at the origin, {:.0} ns at an edge", each(origin), each(edge)),
        }
    }
}

fn play(
    harness: &mut Harness,
    publisher: Who,
    camera: &mut Camera,
    burst: usize,
    frames: usize,
) -> (Duration, usize, usize) {
    let route = harness.clients[publisher].route;
    let (mut elapsed, mut left, mut runs) = (Duration::ZERO, 0, 0);
    for at in 0..frames {
        let packets = camera.frame(burst, at % 60 == 0);
        let mut datagrams: Vec<Vec<u8>> =
            packets.iter().map(|packet| harness.clients[publisher].seal(packet)).collect();
        harness.now = harness.now.after(Duration::from_millis(33));
        let started = clock();
        for datagram in &mut datagrams {
            harness.sfu.handle_datagram(harness.now, route, datagram);
        }
        loop {
            let more = harness.sfu.flush(harness.now);
            for run in harness.sfu.egress().runs() {
                left += run.bytes.len().div_ceil(run.segment);
                runs += 1;
                black_box(run);
            }
            harness.sfu.egress().clear();
            if !more {
                break;
            }
        }
        elapsed += clock() - started;
    }
    (elapsed, left, runs)
}

/// The cipher on the same sizes with as many keys, into as much memory.
fn seal_alone(viewers: usize, burst: usize, frames: usize) -> f64 {
    let sealers: Vec<Sealer> = (0..viewers)
        .map(|at| Sealer::new(Profile::AeadAes128Gcm, &[at as u8; 16], &[at as u8; 12]).expect("keys"))
        .collect();
    let payload = vec![0xee; 1_100];
    let mut out = vec![0; 512 << 10];
    let mut header = [0x80; 12];
    let mut index = 0u64;
    let started = clock();
    for _ in 0..frames {
        let mut used = 0;
        for sealer in &sealers {
            for packet in 0..burst {
                header[2..4].copy_from_slice(&((index + packet as u64) as u16).to_be_bytes());
                if used + 1_200 > out.len() {
                    used = 0;
                }
                used += sealer.seal_rtp(index + packet as u64, &header, &payload, &mut out[used..]).expect("fits");
            }
        }
        index += burst as u64;
    }
    black_box(&out);
    started.elapsed_since() / (viewers * burst * frames) as f64
}

trait Elapsed {
    fn elapsed_since(self) -> f64;
}

impl Elapsed for Instant {
    fn elapsed_since(self) -> f64 {
        (clock() - self).as_nanos() as f64
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement of real time")]
fn clock() -> Instant {
    Instant::now()
}
