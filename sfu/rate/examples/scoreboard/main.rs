//! Owns the scoreboard: runs every pattern for twenty seeds, prints the figures and writes them to `SCOREBOARD.md`.
//!
//! `cargo run --release -p chappe-sfu-rate --example scoreboard [DATE]`

#![allow(dead_code, reason = "the simulator is shared with the tests")]

#[path = "../../tests/simulator/mod.rs"]
mod simulator;

use std::fmt::Write;

use simulator::patterns::{PATTERNS, Pattern};
use simulator::{Outcome, run};

const SEEDS: u64 = 20;

fn main() -> std::io::Result<()> {
    let date = std::env::args().nth(1).unwrap_or_default();
    let mut text = format!(
        "{HEAD}\n`cargo run --release -p chappe-sfu-rate --example scoreboard DATE`, {SEEDS} seeds each, {date}.\n\n"
    );
    text += "| pattern | use of the link | queue p95, ms | settled, ms | raised, ms | switches | other |\n|---|---|---|---|---|---|---|\n";
    for pattern in PATTERNS {
        let outcomes: Vec<Outcome> = (0..SEEDS).map(|seed| run(pattern, seed)).collect();
        row(&mut text, pattern, &outcomes).map_err(std::io::Error::other)?;
    }
    print!("{text}");
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/SCOREBOARD.md"), text)
}

fn row(text: &mut String, pattern: &Pattern, outcomes: &[Outcome]) -> std::fmt::Result {
    let used = spread(outcomes.iter().map(|outcome| outcome.utilisation * 100.0), false);
    let queued = spread(outcomes.iter().map(|outcome| outcome.queue_p95_ms), true);
    let moments = |applies: bool, ms: fn(&Outcome) -> Option<u64>| {
        // What never came counts as a minute.
        let each = outcomes.iter().map(|outcome| ms(outcome).unwrap_or(60_000) as f64);
        if applies { spread(each, true) } else { "–".to_owned() }
    };
    let settled = moments(pattern.drop_ms.is_some(), |outcome| outcome.settled_ms);
    let raised = moments(pattern.rise_ms.is_some(), |outcome| outcome.raised_ms);
    let switches = moments(pattern.top.is_some(), |outcome| Some(outcome.switches));
    let mut other = Vec::new();
    if pattern.starts_ms.len() > 1 {
        other.push(format!("best over worst viewer {}", spread2(outcomes.iter().map(|outcome| outcome.unfairness))));
    }
    if pattern.apart > 0 {
        let kbps = spread(outcomes.iter().map(|outcome| outcome.apart_kbps), false);
        other.push(format!("the worst of those with their own line {kbps} kbit/s"));
    }
    if pattern.rival.is_some() {
        let share = spread(outcomes.iter().map(|outcome| outcome.share * 100.0), false);
        other.push(format!("share of the viewer {share} %"));
    }
    let given_up: u64 = outcomes.iter().map(|outcome| outcome.given_up).sum();
    if given_up > 0 {
        other.push(format!("{:.1} queues given up a run", given_up as f64 / outcomes.len() as f64));
    }
    let (name, what, other) = (pattern.name, pattern.what, other.join("; "));
    writeln!(text, "| **{name}**: {what} | {used} % | {queued} | {settled} | {raised} | {switches} | {other} |")
}

/// The median, and the worst in brackets.
fn spread(values: impl Iterator<Item = f64>, high_is_bad: bool) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let worst = if high_is_bad { values[values.len() - 1] } else { values[0] };
    format!("{:.0} ({worst:.0})", values[values.len() / 2])
}

fn spread2(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    format!("{:.2} ({:.2})", values[values.len() / 2], values[values.len() - 1])
}

const HEAD: &str = "# Scoreboard of rate adaptation

Each pattern in the simulator (`tests/simulator/`), in virtual time: the median over all seeds, the worst of them in
brackets. Use of the link is what viewers receive of what the link carries in the steady part of the run; the queue is
that of the link; *settled* is from the drop of the capacity until the queue stays below 120 ms on the layer that fits,
*raised* from its rise until the top layer stays (of an encoder: until the estimate has four fifths of it), *switches* those
of the 30 s from three seconds after the rise. `tests/patterns.rs` holds the bounds.
";
