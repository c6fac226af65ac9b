//! Owns one measurement of a worker under load, and of the floor in the same shape right after it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chappe_load::floor::{self, FeedbackPlan, Floor, FloorPlan};
use chappe_load::measure::{Sample, Usage};
use chappe_load::node::Node;
use chappe_load::stage::{Stage, Watcher};
use chappe_load::tally::Tally;
use chappe_load::telling::ToldCount;

use super::report::{Measurement, SendingFloor};
use super::setting::{WARM_UP, WORKER_CORE};

/// What the same packets to the same peers, at the same pace, are sent as where nothing else is done.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    pub peers: usize,
    /// Before sealing.
    pub packet_bytes: usize,
    /// Packets to each peer at once.
    pub burst: usize,
    /// Time from one burst to the next.
    pub period: Duration,
}

pub fn reading(node: &Node, mut clients: Stage<impl Watcher>, flow: Flow, duration: Duration) -> Result<Measurement> {
    clients.drive(Instant::now() + WARM_UP)?;
    clients.forget();
    let (before, sends_before, started) = (Usage::of(node.worker_pid)?, sends(node)?, Instant::now());
    clients.drive(started + duration)?;
    let (after, elapsed) = (Usage::of(node.worker_pid)?, started.elapsed());
    // What was sent last is still on its way to the viewers' tally.
    clients.drive(Instant::now() + Duration::from_millis(50))?;
    let sends_after = sends(node)?;
    let sum = |of: fn(&Tally) -> u64| clients.tallies().map(of).sum::<u64>();
    let (delivered, missing, broken) =
        (sum(|tally| tally.packets), sum(|tally| tally.missing), sum(|tally| tally.broken));
    let feedback = flow.feedback(clients.told(), started.elapsed());
    let latencies = clients.tallies().flat_map(|tally| tally.latencies_us.iter().copied()).collect();
    clients.leave()?;
    let cpu = after.cpu - before.cpu;
    let mean_run = (sends_after.0 - sends_before.0) / (sends_after.1 - sends_before.1).max(1.0);
    let floor = flow.floor(duration, mean_run, feedback)?;
    let heard_per_second = floor.told as f64 / duration.as_secs_f64();
    let sending = feedback.map(|feedback| {
        let told_per_second = flow.peers as f64 / feedback.interval.as_secs_f64();
        let floor = flow.floor(duration, mean_run, None)?;
        anyhow::Ok(SendingFloor { floor, told_per_second, heard_per_second, told_bytes: feedback.bytes })
    });
    Ok(Measurement {
        nanos_per_packet: cpu.as_nanos() as f64 / delivered.max(1) as f64,
        user: after.user.saturating_sub(before.user),
        floor,
        sending: sending.transpose()?,
        mean_run,
        load: cpu.as_secs_f64() / elapsed.as_secs_f64(),
        latency: Sample::new(latencies),
        delivered,
        missing,
        broken,
    })
}

impl Flow {
    fn floor(self, duration: Duration, mean_run: f64, feedback: Option<FeedbackPlan>) -> Result<Floor> {
        let Flow { peers, packet_bytes, burst, period } = self;
        let core = WORKER_CORE;
        floor::measure(FloorPlan { peers, packet_bytes, burst, period, duration, mean_run, feedback, core })
    }

    /// As much as was told, and as often.
    fn feedback(self, told: ToldCount, elapsed: Duration) -> Option<FeedbackPlan> {
        let bytes = told.bytes.checked_div(told.packets)?;
        let interval = elapsed.mul_f64(self.peers as f64 / told.packets as f64);
        Some(FeedbackPlan { bytes: usize::try_from(bytes).ok()?, interval })
    }
}

/// Packets and runs that the worker has sent so far.
fn sends(node: &Node) -> Result<(f64, f64)> {
    let workers = node.server.admin("workers")?;
    let load = workers.get(0).and_then(|worker| worker.get("load")).context("the admin API names no worker")?;
    let number =
        |key: &str| load.get(key).and_then(serde_json::Value::as_f64).with_context(|| format!("no {key} in {load}"));
    Ok((number("packets_out")?, number("runs")?))
}
