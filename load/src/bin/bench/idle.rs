//! Owns the cost of sessions over which nothing is sent: plain ones, and ones that asked for signs of life as pages do.

use std::time::{Duration, Instant};

use anyhow::Result;
use chappe_load::floor::{self, FloorPlan};
use chappe_load::measure::{Sample, Usage};
use chappe_load::node::Node;
use chappe_load::scenario::{Scenario, ScenarioClients};

use super::report::Bar;
use super::setting::{SHAPE, WARM_UP, WORKER_CORE};

/// The plain sessions, in their place as many that are to be heard of each [`ALIVE_MS`], then the floor of what these are sent:
/// medians of as many rounds.
pub fn measure(node: &Node, rounds: usize, duration: Duration) -> Result<[Bar; 2]> {
    let (mut plain, mut more, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        let nobody_asks = load_of(node, None, duration)?;
        let asking = load_of(node, Some(ALIVE_MS), duration)? - nobody_asks;
        let floor = floor_load(duration)?;
        plain.push(100.0 * nobody_asks);
        more.push(100.0 * asking);
        floors.push(100.0 * floor);
        ratios.push(asking / floor);
    }
    let [plain, more, floor, ratio] = [plain, more, floors, ratios].map(|values| Sample::new(values).median());
    println!(
        "{SESSIONS} idle sessions: {plain:.1} % of a core; as many that ask for signs of life: {more:.1} % more; floor {floor:.1} %: \
         {ratio:.2} x"
    );
    Ok([
        Bar::new(format!("{SESSIONS} idle plain sessions, % of a core"), plain, 4.0),
        Bar::new(format!("signs of life to {SESSIONS}, as a multiple of the floor"), ratio, 1.3),
    ])
}

/// Share of the worker's core that these take.
fn load_of(node: &Node, alive_ms: Option<u64>, duration: Duration) -> Result<f64> {
    let scenario = Scenario { publishers: 0, viewers_each: 0, shape: SHAPE };
    let mut fleet = ScenarioClients::publish(&node.server, "idle", scenario)?;
    for _ in 0..SESSIONS / JOINS_AT_ONCE {
        fleet.add_waiting(JOINS_AT_ONCE, alive_ms)?;
    }
    fleet.drive(Instant::now() + WARM_UP)?;
    let (before, started) = (Usage::of(node.worker_pid)?, Instant::now());
    fleet.drive(started + duration)?;
    let used = Usage::of(node.worker_pid)?.cpu - before.cpu;
    let load = used.as_secs_f64() / started.elapsed().as_secs_f64();
    fleet.leave()?;
    Ok(load)
}

/// Share of a core that takes who does nothing but seal and send as many signs of life.
fn floor_load(duration: Duration) -> Result<f64> {
    let floor = floor::measure(FloorPlan {
        peers: SESSIONS,
        packet_bytes: SIGN_BYTES,
        burst: 1,
        period: Duration::from_millis(ALIVE_MS),
        duration,
        mean_run: 1.0,
        feedback: None,
        core: WORKER_CORE,
    })?;
    let signs_per_second = 1_000.0 / ALIVE_MS as f64 * SESSIONS as f64;
    Ok(floor.nanos_per_packet() * signs_per_second / 1e9)
}

const SESSIONS: usize = 4_000;
const JOINS_AT_ONCE: usize = 100;
const ALIVE_MS: u64 = 100;
/// An RTP header, which seals to as many bytes as an empty receiver report does.
const SIGN_BYTES: usize = 12;
