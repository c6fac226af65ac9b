//! Runs a lossy link between two network namespaces. Commands come on standard input: `loss 0.05`, `burst 5`
//! (packets that are lost at a time), `delay 40` (milliseconds, one way), `rate 700` (kbit/s each way, 0 for none), `queue 300` (milliseconds), `counts`; it ends with
//! its input.

use std::io::{BufRead as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chappe_load::lossy::{Counts, EmulatedLink};
use clap::Parser;
use serde_json::{Value, json};

/// A link between two network namespaces that delays and loses packets as told.
#[derive(Debug, Parser)]
#[command(name = "chappe-link")]
struct Flags {
    /// One end, a name that `ip netns` knows
    #[arg(long, value_name = "NAMESPACE")]
    from: String,
    /// The other end
    #[arg(long, value_name = "NAMESPACE")]
    to: String,
    /// Name of the device at both ends
    #[arg(long, default_value = "lossy0")]
    device: String,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    let link = EmulatedLink::open([&flags.from, &flags.to], &flags.device, flags.seed)?;
    say(&json!({ "event": "ready" }))?;
    for line in std::io::stdin().lock().lines() {
        obey(&link, &line?)?;
    }
    Ok(())
}

fn obey(link: &EmulatedLink, line: &str) -> Result<()> {
    let (command, value) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    match command {
        "loss" => link.weather.set_loss(value.parse().context("loss wants a share from 0 to 1")?),
        "burst" => link.weather.set_burst(value.parse().context("burst wants a number of packets")?),
        "delay" => {
            let millis: f64 = value.parse().context("delay wants milliseconds")?;
            link.weather.set_delay(Duration::from_secs_f64(millis.clamp(0.0, 10_000.0) / 1e3));
        }
        "rate" => {
            let kbps: u32 = value.parse().context("rate wants kbit/s")?;
            link.weather.set_rate((kbps > 0).then_some(kbps));
        }
        "queue" => {
            let millis: u32 = value.parse().context("queue wants milliseconds")?;
            link.weather.set_queue(Duration::from_millis(millis.into()));
        }
        "counts" => {
            let [there, back] = link.counts.each_ref().map(|counts| as_json(counts));
            say(&json!({ "event": "counts", "there": there, "back": back }))?;
        }
        other => bail!("unknown command {other:?}: loss, burst, delay, rate, queue or counts"),
    }
    Ok(())
}

fn as_json(counts: &Counts) -> Value {
    json!({
        "carried": counts.carried.load(Ordering::Relaxed),
        "lost": counts.lost.load(Ordering::Relaxed),
        "overflowed": counts.overflowed.load(Ordering::Relaxed),
        "wait_p95_ms": counts.take_wait_p95().as_secs_f64() * 1e3,
    })
}

fn say(value: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}
