//! What the control loop costs: nanoseconds per packet sent, per tick and per feedback, and bytes per viewer.
//!
//! `cargo run --release -p chappe-sfu-rate --example rate_cost`
//!
//! On 29 November 2026, on a machine with two cores that did other work, too: 34 ns per packet sent, 36 ns per tick and
//! viewer, 6.7 µs per feedback of 26 packets, 2.1 µs per allocation, 3,464 bytes per viewer (at most 18,824, when the history
//! has grown to its limit).

#![allow(clippy::disallowed_methods, reason = "it measures: it reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use chappe_sfu_rate::{
    Allocator, Backlog, Bitrate, Layer, PacketClass, PacketReport, RateConfig, RateControl, ReceiverTime, Shown, Time,
};

const VIEWERS: usize = 500;
/// A feedback packet tells of so many packets: 100 ms of 2.5 Mbit/s.
const PACKETS: usize = 26;
const ROUNDS: u64 = 400;

#[derive(Default)]
struct Spent {
    sent: Duration,
    polled: Duration,
    fed: Duration,
    decided: Duration,
}

fn clock() -> Instant {
    Instant::now()
}

fn main() {
    let known = Some(chappe_sfu_rate::Known { estimate: Bitrate::from_kbps(2500) });
    let config = RateConfig { known, ..RateConfig::default() };
    let mut viewers: Vec<(RateControl, Allocator)> =
        (0..VIEWERS).map(|_| (RateControl::new(Time::default(), &config), Allocator::new())).collect();
    let mut spent = Spent::default();
    for round in 0..ROUNDS {
        play(round, &mut viewers, &mut spent);
    }
    let each = |spent: Duration, count: u64| spent.as_nanos() as f64 / (ROUNDS * count * VIEWERS as u64) as f64;
    let (control, allocator) = &viewers[0];
    println!("per packet sent   {:7.1} ns", each(spent.sent, PACKETS as u64));
    println!("per tick and viewer {:5.1} ns", each(spent.polled, 100));
    println!("per feedback      {:7.1} ns, of {PACKETS} packets", each(spent.fed, 1));
    println!("per allocation    {:7.1} ns, of one track with three layers", each(spent.decided, 1));
    println!(
        "per viewer        {:7} bytes, of them {} of history and {} of allocation",
        size_of_val(control) + control.estimator().heap_bytes() + size_of_val(allocator),
        control.estimator().heap_bytes(),
        size_of_val(allocator),
    );
}

/// 100 ms of all viewers.
fn play(round: u64, viewers: &mut [(RateControl, Allocator)], spent: &mut Spent) {
    let start = round * 100_000;
    let mut first = [0_u16; VIEWERS];
    for packet in 0..PACKETS {
        let now = Time::from_micros(start + packet as u64 * 3800);
        let began = clock();
        for ((control, _), first) in viewers.iter_mut().zip(&mut first) {
            let seq = control.handle_sent(now, 1200, PacketClass::Video);
            if packet == 0 {
                *first = seq;
            }
        }
        spent.sent += began.elapsed();
    }
    for tick in 0..100 {
        let now = Time::from_micros(start + tick * 1000);
        let backlog = Backlog { repair_bytes: 0, video_bytes: 3600, oldest_video: Some(now) };
        let began = clock();
        for (control, _) in viewers.iter_mut() {
            black_box(control.poll_grant(now, &backlog));
        }
        spent.polled += began.elapsed();
    }
    let now = Time::from_micros(start + 100_000);
    let began = clock();
    for ((control, _), first) in viewers.iter_mut().zip(&first) {
        let reports = (0..PACKETS as u16).map(|index| {
            let arrival = start as i64 + i64::from(index) * 3800 + 20_000;
            PacketReport { seq: first.wrapping_add(index), received: Some(ReceiverTime::from_micros(arrival)) }
        });
        control.handle_feedback(now, reports);
    }
    spent.fed += began.elapsed();
    let layers =
        [150, 500, 2500].map(|kbps| Layer { rate: Bitrate::from_kbps(kbps), pixels: 1, frames_per_second: 30 });
    let shown = Shown {
        track: 1,
        pixels: 0,
        is_visible: true,
        is_pinned: false,
        priority: 128,
        is_detail: false,
        layers: &layers,
    };
    let began = clock();
    for (control, allocator) in viewers.iter_mut() {
        let line = control.line(now);
        black_box(allocator.decide(now, line, Bitrate::from_kbps(40), &[shown]));
    }
    spent.decided += began.elapsed();
}
