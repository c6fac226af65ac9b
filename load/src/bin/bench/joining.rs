//! Owns what clients cost who come, stay and go: processor time, time to the first packet, memory.

use std::time::{Duration, Instant};

use anyhow::Result;
use chappe_load::handshake;
use chappe_load::measure::{Sample, Usage};
use chappe_load::node::Node;
use chappe_load::scenario::{Scenario, ScenarioClients};

use super::baseline::Figure;
use super::report::{Bar, Findings};
use super::setting::{SHAPE, WARM_UP, WORKER_CORE};

/// `JOINERS` viewers of one stream at once.
pub fn at_once(node: &Node) -> Result<Findings> {
    let scenario = Scenario { publishers: 1, viewers_each: JOINERS, shape: SHAPE };
    let mut fleet = ScenarioClients::publish(&node.server, "join", scenario)?;
    let before = Usage::of(node.worker_pid)?.cpu;
    let waits = fleet.add_viewers(JOINERS)?;
    let each = (Usage::of(node.worker_pid)?.cpu - before).as_secs_f64() / JOINERS as f64;
    let waits = Sample::new(waits.iter().map(Duration::as_secs_f64).collect());
    fleet.leave()?;
    let floor = handshake::floor(JOINERS, WORKER_CORE)?.as_secs_f64();
    println!(
        "a join costs the worker {:.0} us with the media sent meanwhile, and the cryptography of its handshake {:.0} us",
        each * 1e6,
        floor * 1e6
    );
    let mut findings = Findings::default();
    findings.bars.push(Bar::new(
        format!("first packet of the last of {JOINERS} who join at once, s"),
        waits.quantile(1.0),
        2.0,
    ));
    findings.figures.push(Figure { name: "join: processor time".to_owned(), ratio: each / floor });
    Ok(findings)
}

/// On a node of its own: memory that earlier scenarios left behind would hide what a viewer needs. `tells` of viewers that
/// tell of each packet when it came.
pub fn memory(node: &Node, tells: bool) -> Result<Bar> {
    let add = if tells { ScenarioClients::add_telling } else { ScenarioClients::add_viewers };
    let scenario = Scenario { publishers: 1, viewers_each: MEMORY_VIEWERS, shape: SHAPE };
    let mut fleet = ScenarioClients::publish(&node.server, "memory", scenario)?;
    add(&mut fleet, 1)?;
    fleet.drive(Instant::now() + WARM_UP)?;
    let before = Usage::of(node.worker_pid)?.rss_bytes;
    add(&mut fleet, MEMORY_VIEWERS)?;
    fleet.drive(Instant::now() + WARM_UP)?;
    let grown = Usage::of(node.worker_pid)?.rss_bytes.saturating_sub(before);
    fleet.leave()?;
    let each = grown as f64 / 1e3 / MEMORY_VIEWERS as f64;
    let who = if tells { "viewer that tells of each packet" } else { "viewer" };
    Ok(Bar::new(format!("resident memory of the worker per {who} at {MEMORY_VIEWERS}, kB"), each, 32.0))
}

/// What is left of viewers who came and went: memory may not grow with their number.
pub fn churn(node: &Node) -> Result<Bar> {
    let scenario = Scenario { publishers: 1, viewers_each: CHURN_VIEWERS, shape: SHAPE };
    let mut settled = 0;
    for round in 0..CHURN_ROUNDS {
        let mut fleet = ScenarioClients::publish(&node.server, "churn", scenario)?;
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

const JOINERS: usize = 200;
const MEMORY_VIEWERS: usize = 500;
const CHURN_VIEWERS: usize = 100;
const CHURN_ROUNDS: usize = 20;
