//! Owns what a crowd of viewers finds that comes to one worker within seconds.

use std::time::{Duration, Instant};

use anyhow::Result;
use chappe_load::measure::Usage;
use chappe_load::node::Node;
use chappe_load::offer::Kind;
use chappe_load::publisher::{Pacing, Shape};
use chappe_load::scenario::{Scenario, ScenarioClients};

use super::report::Bar;
use super::setting::WARM_UP;

/// A stream of few packets, so that all of the crowd fit the worker, which serves some already.
pub fn measure(node: &Node, count: usize, window: Duration) -> Result<[Bar; 3]> {
    let scenario = Scenario { publishers: 1, viewers_each: BEFORE, shape: FEW_PACKETS };
    let mut fleet = ScenarioClients::publish(&node.server, "crowd", scenario)?;
    fleet.add_viewers(BEFORE)?;
    fleet.drive(Instant::now() + WARM_UP)?;
    let (before, began) = (Usage::of(node.worker_pid)?, Instant::now());
    let crowd = fleet.join_over(count, window)?;
    let worker = (Usage::of(node.worker_pid)?.cpu - before.cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let what = if window.is_zero() { format!("{count} at once") } else { format!("{count} within {window:?}") };
    let warning = match crowd.clients_load > CLIENTS_LOAD_MAX {
        true => ": the clients are the bottleneck, the times are theirs",
        false => "",
    };
    println!(
        "crowd of {what}: {} refused, {} without a packet; first packet p50 {:.3} s, p99 {:.3} s, last {:.3} s; \
         media of {BEFORE} others p50 {:.2} ms, p99 {:.2} ms (n {}); worker {:.0} % of its core, clients {:.0} % of \
         theirs{warning}",
        crowd.refused,
        crowd.in_vain,
        crowd.first_packet_s.median(),
        crowd.first_packet_s.quantile(0.99),
        crowd.first_packet_s.quantile(1.0),
        crowd.latency_us.median() / 1e3,
        crowd.latency_us.quantile(0.99) / 1e3,
        crowd.latency_us.len(),
        100.0 * worker,
        100.0 * crowd.clients_load,
    );
    fleet.leave()?;
    let lost = (crowd.refused + crowd.in_vain) as f64;
    let (first_s, media_ms) = (crowd.first_packet_s.quantile(0.99), crowd.latency_us.quantile(0.99) / 1e3);
    Ok([
        Bar::new(format!("crowd of {what}: refused or without a packet"), lost, 0.0),
        Bar::new(format!("crowd of {what}: first packet p99, s"), first_s, 1.0),
        Bar::new(format!("crowd of {what}: media of those already there p99, ms"), media_ms, 20.0),
    ])
}

const BEFORE: usize = 20;
const FEW_PACKETS: Shape = Shape {
    kind: Kind::Video,
    packets_per_frame: 1,
    packet_bytes: 300,
    frame_period: Duration::from_millis(100),
    pacing: Pacing::Burst,
};
/// Beyond this the clients' core is what is measured.
const CLIENTS_LOAD_MAX: f64 = 0.85;
