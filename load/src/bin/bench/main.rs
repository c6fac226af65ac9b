//! `make bench`: what a forwarded packet costs, beside the floor measured in the same run.

#![forbid(unsafe_code)]

mod crowd;
mod idle;
mod lock;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chappe_load::floor::{self, Floor, Plan};
use chappe_load::measure::{Sample, Usage};
use chappe_load::node::Node;
use chappe_load::publisher::{Pacing, Shape};
use chappe_load::scenario::{Fleet, Scenario};
use chappe_load::simulation;
use chappe_sfu_io::process::pin_to_core;
use clap::Parser;
use report::{Bar, Reading, Row};

/// Measures one worker on core 0 with all clients on core 1, over loopback with real ICE, DTLS and SRTP, and
/// simulates placement in a cluster of a thousand nodes (--only simulation). Take the ratios: absolute times are those of this machine at this moment.
#[derive(Parser)]
struct Args {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds; the floor is measured before and after each scenario of each round
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The binary to measure [default: `chappe` beside this program]
    #[arg(long)]
    chappe: Option<PathBuf>,
    /// Only the parts whose name contains this
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let chappe = match &args.chappe {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("chappe"),
    };
    let mut bars = Vec::new();
    if SCENARIOS.iter().any(|(name, ..)| name.contains(&args.only)) {
        bars.extend(forwarding(&args, &start(&chappe)?)?);
    }
    if "idle".contains(&args.only) {
        bars.extend(idle::measure(&start(&chappe)?, Duration::from_secs(args.seconds))?);
    }
    if "join".contains(&args.only) {
        bars.push(join_at_once(&start(&chappe)?)?);
    }
    if "crowd".contains(&args.only) {
        for (count, window) in CROWDS {
            bars.extend(crowd::measure(&start(&chappe)?, count, window)?);
        }
    }
    if "lock".contains(&args.only) {
        bars.extend(lock::measure(&chappe)?);
    }
    if "memory".contains(&args.only) {
        bars.push(memory(&start(&chappe)?)?);
    }
    if "churn".contains(&args.only) {
        bars.push(churn(&start(&chappe)?)?);
    }
    if "simulation".contains(&args.only) {
        bars.extend(simulate());
    }
    println!();
    bars.iter().for_each(|bar| println!("{bar}"));
    Ok(if bars.iter().all(Bar::is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A node with its clients on another core.
fn start(chappe: &Path) -> Result<Node> {
    let node = Node::start(chappe)?;
    pin_to_core(CLIENT_CORE).context("the clients need a second core")?;
    Ok(node)
}

fn forwarding(args: &Args, node: &Node) -> Result<Vec<Bar>> {
    let mut bars = Vec::new();
    println!(
        "{PACKET_BYTES} B a packet, {FRAMES_PER_SECOND} frames/s per publisher; a frame is 8 packets at once, or,"
    );
    println!("in the scenarios that are called even, 5 packets 6.7 ms apart");
    println!("                  ---- ns per packet ----               --- latency, us: p50, p99 ---");
    println!(
        "scenario   load   all  user  floor  ratio   run    worker          floor           delivered  missing  broken"
    );
    for (name, publishers, viewers_each, shape) in SCENARIOS {
        if name.contains(&args.only) {
            let scenario = Scenario { publishers, viewers_each, shape };
            let readings =
                (0..args.rounds).map(|_| measure(node, scenario, args.seconds)).collect::<Result<Vec<_>>>()?;
            let row = Row::of(&readings);
            println!("{name:10}{row}");
            bars.extend(row.bars(name));
        }
    }
    Ok(bars)
}

/// Placement and relay trees of a cluster that no bench has, in virtual time.
fn simulate() -> [Bar; 2] {
    let outcome = simulation::run(simulation::Plan::FULL);
    println!("{outcome}");
    let loops = outcome.trees_at_end.loops.max(outcome.trees_at_peak.loops);
    [
        Bar::new("simulation: load of nodes, p99 / mean".to_owned(), outcome.balance.p99_to_mean(), 1.3),
        Bar::new("simulation: relays that lead in a loop".to_owned(), loops as f64, 0.0),
    ]
}

fn measure(node: &Node, scenario: Scenario, seconds: u64) -> Result<Reading> {
    let duration = Duration::from_secs(seconds);
    let mut fleet = Fleet::publish(&node.server, "bench", scenario)?;
    fleet.add_viewers(scenario.viewers_each)?;
    fleet.drive(Instant::now() + WARM_UP)?;
    fleet.forget();
    let (before, sends_before, started) = (Usage::of(node.worker_pid)?, sends(node)?, Instant::now());
    fleet.drive(started + duration)?;
    let (after, elapsed) = (Usage::of(node.worker_pid)?, started.elapsed());
    // What was sent last is still on its way to the viewers' tally.
    fleet.drive(Instant::now() + Duration::from_millis(50))?;
    let sends_after = sends(node)?;
    let delivered: u64 = fleet.tallies().map(|tally| tally.packets).sum();
    let (missing, broken) =
        (fleet.tallies().map(|tally| tally.missing).sum(), fleet.tallies().map(|tally| tally.broken).sum());
    let latency = Sample::new(fleet.tallies().flat_map(|tally| tally.latencies_us.iter().copied()).collect());
    fleet.leave()?;
    let cpu = after.cpu - before.cpu;
    let packets = delivered.max(1) as f64;
    let mean_run = (sends_after.0 - sends_before.0) / (sends_after.1 - sends_before.1).max(1.0);
    let floor = floor_of(scenario, duration, mean_run)?;
    Ok(Reading {
        nanos_per_packet: cpu.as_nanos() as f64 / packets,
        user: after.user.saturating_sub(before.user),
        floor,
        mean_run,
        load: cpu.as_secs_f64() / elapsed.as_secs_f64(),
        latency,
        delivered,
        missing,
        broken,
    })
}

/// The floor in the shape of the scenario: every viewer gets a frame's packets each period.
fn floor_of(scenario: Scenario, duration: Duration, mean_run: f64) -> Result<Floor> {
    let plan = Plan {
        peers: scenario.viewers(),
        packet_bytes: scenario.shape.packet_bytes,
        burst: scenario.shape.burst(),
        period: scenario.shape.step(),
        duration,
        mean_run,
        core: WORKER_CORE,
    };
    floor::measure(plan)
}

/// Packets and runs that the worker has sent so far.
fn sends(node: &Node) -> Result<(f64, f64)> {
    let workers = node.server.admin("workers")?;
    let load = workers.get(0).and_then(|worker| worker.get("load")).context("the admin API names no worker")?;
    let number =
        |key: &str| load.get(key).and_then(serde_json::Value::as_f64).with_context(|| format!("no {key} in {load}"));
    Ok((number("packets_out")?, number("runs")?))
}

fn join_at_once(node: &Node) -> Result<Bar> {
    let scenario = Scenario { publishers: 1, viewers_each: JOINERS, shape: SHAPE };
    let mut fleet = Fleet::publish(&node.server, "join", scenario)?;
    let waits = fleet.add_viewers(JOINERS)?;
    let waits = Sample::new(waits.iter().map(Duration::as_secs_f64).collect());
    fleet.leave()?;
    Ok(Bar::new(format!("first packet of the last of {JOINERS} who join at once, s"), waits.quantile(1.0), 2.0))
}

/// On a node of its own: memory that earlier scenarios left behind would hide what a viewer needs.
fn memory(node: &Node) -> Result<Bar> {
    let scenario = Scenario { publishers: 1, viewers_each: MEMORY_VIEWERS, shape: SHAPE };
    let mut fleet = Fleet::publish(&node.server, "memory", scenario)?;
    fleet.add_viewers(1)?;
    fleet.drive(Instant::now() + WARM_UP)?;
    let before = Usage::of(node.worker_pid)?.rss_bytes;
    fleet.add_viewers(MEMORY_VIEWERS)?;
    fleet.drive(Instant::now() + WARM_UP)?;
    let grown = Usage::of(node.worker_pid)?.rss_bytes.saturating_sub(before);
    fleet.leave()?;
    let each = grown as f64 / 1e3 / MEMORY_VIEWERS as f64;
    Ok(Bar::new(format!("resident memory of the worker per viewer at {MEMORY_VIEWERS}, kB"), each, 32.0))
}

/// What is left of viewers who came and went: memory may not grow with their number.
fn churn(node: &Node) -> Result<Bar> {
    let scenario = Scenario { publishers: 1, viewers_each: CHURN_VIEWERS, shape: SHAPE };
    let mut settled = 0;
    for round in 0..CHURN_ROUNDS {
        let mut fleet = Fleet::publish(&node.server, "churn", scenario)?;
        fleet.add_viewers(CHURN_VIEWERS)?;
        fleet.leave()?;
        if round == CHURN_ROUNDS / 2 {
            settled = Usage::of(node.worker_pid)?.rss_bytes;
        }
    }
    let grown = Usage::of(node.worker_pid)?.rss_bytes.saturating_sub(settled);
    let each = grown as f64 / 1e3 / (CHURN_VIEWERS * (CHURN_ROUNDS / 2)) as f64;
    Ok(Bar::new("memory of the worker that a viewer who left leaves behind, kB".to_owned(), each, 0.5))
}

const SHAPE: Shape =
    Shape { packets_per_frame: 8, packet_bytes: PACKET_BYTES, frame_period: FRAME_PERIOD, pacing: Pacing::Burst };
/// What a publisher that paces its packets sends: nothing is gained by waiting for the next one.
const EVEN: Shape =
    Shape { packets_per_frame: 5, packet_bytes: PACKET_BYTES, frame_period: FRAME_PERIOD, pacing: Pacing::Even };
const PACKET_BYTES: usize = 1200;
const FRAMES_PER_SECOND: u64 = 30;
const FRAME_PERIOD: Duration = Duration::from_nanos(1_000_000_000 / FRAMES_PER_SECOND);
/// Name, publishers, viewers of each, and what they send.
const SCENARIOS: [(&str, usize, usize, Shape); 6] = [
    ("1x10", 1, 10, SHAPE),
    ("1x100", 1, 100, SHAPE),
    ("1x500", 1, 500, SHAPE),
    ("10x10", 10, 10, SHAPE),
    ("even1x50", 1, 50, EVEN),
    ("even10x10", 10, 10, EVEN),
];
const WARM_UP: Duration = Duration::from_secs(2);
const JOINERS: usize = 200;
/// How many come, within what time.
const CROWDS: [(usize, Duration); 2] = [(2_000, Duration::from_secs(10)), (500, Duration::ZERO)];
const MEMORY_VIEWERS: usize = 500;
const CHURN_VIEWERS: usize = 100;
const CHURN_ROUNDS: usize = 20;
const WORKER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;
