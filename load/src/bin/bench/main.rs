//! `make bench`: what a forwarded packet costs, beside the floor measured in the same run.

#![forbid(unsafe_code)]

mod admin;
mod baseline;
mod crowd;
mod forwarding;
mod idle;
mod joining;
mod lock;
mod observe;
mod overload;
mod report;
mod setting;
mod wrong_tokens;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use baseline::Baseline;
use chappe_load::node::Node;
use chappe_load::simulation;
use chappe_sfu_io::process::pin_to_core;
use clap::Parser;
use report::{Bar, Findings};
use setting::CLIENT_CORE;

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
    /// Makes what is measured the baseline, in this file
    #[arg(long, value_name = "FILE")]
    move_baseline: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let chappe = match &args.chappe {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("chappe"),
    };
    let findings = measure(&args, &chappe)?;
    println!();
    findings.bars.iter().for_each(|bar| println!("{bar}"));
    say_what_changed(&findings)?;
    if let Some(path) = &args.move_baseline {
        baseline::write(path, &findings.figures)?;
    }
    Ok(if findings.bars.iter().all(Bar::is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(args: &Args, chappe: &Path) -> Result<Findings> {
    let (is_wanted, duration) = (|part: &str| part.contains(&args.only), Duration::from_secs(args.seconds));
    let mut findings = Findings::default();
    if forwarding::is_wanted(&args.only) {
        findings.extend(forwarding::measure(&start(chappe)?, &args.only, args.rounds, duration)?);
    }
    if is_wanted("idle") {
        findings.bars.extend(idle::measure(&start(chappe)?, args.rounds, duration)?);
    }
    if is_wanted("join") {
        findings.extend(joining::at_once(&start(chappe)?)?);
    }
    if is_wanted("crowd") {
        for (count, window) in CROWDS {
            findings.bars.extend(crowd::measure(&start(chappe)?, count, window)?);
        }
    }
    if is_wanted("lock") {
        findings.bars.extend(lock::measure(chappe)?);
    }
    if is_wanted("wrong tokens") {
        findings.bars.extend(wrong_tokens::measure(chappe)?);
    }
    if is_wanted("admin") {
        findings.bars.extend(admin::measure(&start(chappe)?)?);
    }
    if is_wanted("overload") {
        findings.bars.extend(overload::measure(&start(chappe)?, duration)?);
    }
    if is_wanted("memory") {
        for tells in [false, true] {
            findings.bars.push(joining::memory(&start(chappe)?, tells)?);
        }
    }
    if is_wanted("churn") {
        findings.bars.push(joining::churn(&start(chappe)?)?);
    }
    if is_wanted("simulation") {
        findings.bars.extend(simulate());
    }
    Ok(findings)
}

/// Against the tree's baseline: only ratios to the floor of the same run, which do not depend on the machine's mood.
fn say_what_changed(findings: &Findings) -> Result<()> {
    if findings.figures.is_empty() {
        return Ok(());
    }
    println!("\nbeside the baseline of this tree:");
    let changes = Baseline::committed()?.compare(&findings.figures);
    changes.iter().for_each(|change| println!("{change}"));
    match changes.iter().filter(|change| change.is_worse()).count() {
        0 => println!("nothing is worse by more than a tenth"),
        count => {
            println!("{count} of {} are worse by more than a tenth: measure again with more rounds", changes.len())
        }
    }
    Ok(())
}

/// A node with its clients on another core.
fn start(chappe: &Path) -> Result<Node> {
    let node = Node::start(chappe)?;
    pin_to_core(CLIENT_CORE).context("the clients need a second core")?;
    Ok(node)
}

/// Placement and relay trees of a cluster that no bench has, in virtual time.
fn simulate() -> [Bar; 2] {
    let outcome = simulation::run(simulation::SimulationPlan::FULL);
    println!("{outcome}");
    let loops = outcome.trees_at_end.loops.max(outcome.trees_at_peak.loops);
    [
        Bar::new("simulation: load of nodes, p99 / mean".to_owned(), outcome.balance.p99_to_mean(), 1.3),
        Bar::new("simulation: relays that lead in a loop".to_owned(), loops as f64, 0.0),
    ]
}

/// How many come, within what time.
const CROWDS: [(usize, Duration); 2] = [(2_000, Duration::from_secs(10)), (500, Duration::ZERO)];
