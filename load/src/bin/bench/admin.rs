//! Owns how long the admin listener takes to answer while the worker forwards one stream to hundreds, and what its
//! calls cost the media.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chappe_load::http::Server;
use chappe_load::measure::{Sample, Usage};
use chappe_load::node::Node;
use chappe_load::scenario::{Scenario, ScenarioClients};

use super::report::Bar;
use super::setting::{SHAPE, WARM_UP};

/// Times without calls and times with them take turns, so that what else the machine does is in both.
pub fn measure(node: &Node) -> Result<Vec<Bar>> {
    let scenario = Scenario { publishers: 1, viewers_each: VIEWERS, shape: SHAPE };
    let mut fleet = ScenarioClients::publish(&node.server, "admin", scenario)?;
    fleet.add_viewers(VIEWERS)?;
    fleet.drive(Instant::now() + WARM_UP)?;
    let (mut without, mut with) = (Media::default(), Media::default());
    let mut waits: [Vec<f64>; PATHS.len()] = Default::default();
    for _ in 0..ROUNDS {
        without.observe(&mut fleet, node, |fleet| fleet.drive(Instant::now() + QUIET))?;
        with.observe(&mut fleet, node, |fleet| ask_beside(fleet, &node.server, &mut waits))?;
    }
    fleet.leave()?;
    let (without, with) = (without.seen(), with.seen());
    println!("admin: 1 x {VIEWERS} without calls {without}; with them {with}");
    let mut bars = Vec::new();
    for (path, waits) in PATHS.iter().zip(waits) {
        let waits = Sample::new(waits);
        let (p99, max) = (waits.quantile(0.99), waits.quantile(1.0));
        println!(
            "admin: GET {path}: n {}, p50 {:.2} ms, p99 {p99:.2} ms, max {max:.2} ms",
            waits.len(),
            waits.median()
        );
        bars.push(Bar::new(format!("admin: GET {path} p99, ms"), p99, 50.0));
    }
    let ratio = with.nanos_per_packet / without.nanos_per_packet;
    bars.push(Bar::new("admin: cost of a packet with calls / without".to_owned(), ratio, 1.1));
    bars.push(Bar::new("admin: packets missing".to_owned(), (without.missing + with.missing) as f64, 0.0));
    Ok(bars)
}

/// One call after the other, from a thread of its own, while the clients go on.
fn ask_beside(fleet: &mut ScenarioClients, server: &Server, waits: &mut [Vec<f64>; PATHS.len()]) -> Result<()> {
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| -> Result<()> {
            for _ in 0..CALLS / ROUNDS {
                for (path, waits) in PATHS.iter().zip(waits.iter_mut()) {
                    let asked = Instant::now();
                    server.answer_of_admin(path)?;
                    waits.push(asked.elapsed().as_secs_f64() * 1e3);
                    std::thread::sleep(PAUSE);
                }
            }
            Ok(())
        });
        while !asking.is_finished() {
            fleet.drive(Instant::now() + STEP)?;
        }
        asking.join().ok().context("the thread that asks")?
    })
}

/// What the worker used and what its viewers saw, time by time.
#[derive(Default)]
struct Media {
    nanos_per_packet: Vec<f64>,
    latencies_us: Vec<f64>,
    missing: u64,
}

/// The same over all times.
struct Seen {
    nanos_per_packet: f64,
    latency_us: Sample,
    missing: u64,
}

impl Media {
    fn observe(
        &mut self,
        fleet: &mut ScenarioClients,
        node: &Node,
        go_on: impl FnOnce(&mut ScenarioClients) -> Result<()>,
    ) -> Result<()> {
        fleet.forget();
        let before = Usage::of(node.worker_pid)?;
        go_on(fleet)?;
        let cpu = Usage::of(node.worker_pid)?.cpu - before.cpu;
        let delivered: u64 = fleet.tallies().map(|tally| tally.packets).sum();
        self.nanos_per_packet.push(cpu.as_nanos() as f64 / delivered.max(1) as f64);
        self.latencies_us.extend(fleet.tallies().flat_map(|tally| tally.latencies_us.iter()));
        self.missing += fleet.tallies().map(|tally| tally.missing).sum::<u64>();
        Ok(())
    }

    fn seen(self) -> Seen {
        Seen {
            nanos_per_packet: Sample::new(self.nanos_per_packet).median(),
            latency_us: Sample::new(self.latencies_us),
            missing: self.missing,
        }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |q: f64| self.latency_us.quantile(q) / 1e3;
        write!(f, "{:.0} ns a packet, latency p50 {:.2} ms, p99 {:.2} ms", self.nanos_per_packet, at(0.5), at(0.99))
    }
}

const VIEWERS: usize = 500;
const PATHS: [&str; 4] = ["/metrics", "/api/v1/workers", "/api/v1/sessions", "/api/v1/streams"];
/// Of each path, in all.
const CALLS: usize = 1_200;
const ROUNDS: usize = 4;
/// More often than any dashboard looks.
const PAUSE: Duration = Duration::from_millis(2);
const QUIET: Duration = Duration::from_secs(3);
const STEP: Duration = Duration::from_millis(20);
