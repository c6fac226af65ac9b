//! Owns how long signaling's lock is held while much goes on: a crowd that comes and goes, a publisher with thousands of
//! viewers that returns again and again, a worker that drains, and a dashboard that looks. Its clients speak HTTP and
//! WebSocket and have no media path, which signaling is not on.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chappe_load::client::identity;
use chappe_load::http::Server;
use chappe_load::measure::Sample;
use chappe_load::node::Node;
use chappe_load::offer::{self, Kind};
use chappe_load::page::Page;
use chappe_sfu_core::Certificate;

use super::report::Bar;

pub fn measure(chappe: &Path) -> Result<[Bar; 2]> {
    let node = Node::with_workers(chappe, WORKERS)?;
    let server = &node.server;
    let certificate = Certificate::generate()?;
    let ended = AtomicBool::new(false);
    let publish = || offer::publish(&identity(&certificate), 1, Kind::Video);
    let mut publisher = server.whip(ROOM, STREAM, &publish())?;
    let (missing, _) = join(server, &certificate, VIEWERS, Stay::Stays);
    let mut pages =
        (0..PAGES).map(|_| Page::join(server, identity(&certificate), ROOM, STREAM)).collect::<Result<Vec<Page>>>()?;
    let before = HoldTimes::of(server)?;
    let began = Instant::now();
    server.drain_worker(0, DRAIN_FOR)?;
    let mut returns = 0;
    let (refused, waits) = std::thread::scope(|scope| -> Result<(usize, Sample)> {
        let crowd = scope.spawn(|| {
            let outcome = join(server, &certificate, JOINS, Stay::Leaves);
            ended.store(true, Ordering::Relaxed);
            outcome
        });
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                DASHBOARD.iter().for_each(|path| drop(server.admin(path)));
                std::thread::sleep(DASHBOARD_PERIOD);
            }
        });
        while !ended.load(Ordering::Relaxed) {
            publisher = server.whip_again(ROOM, STREAM, &publisher.location, &publish())?;
            returns += 1;
            let until = Instant::now() + RETURN_PERIOD;
            while Instant::now() < until {
                pages.iter_mut().try_for_each(Page::turn)?;
                std::thread::sleep(PAGE_TICK);
            }
        }
        crowd.join().ok().context("the crowd's threads")
    })?;
    let held = HoldTimes::of(server)?.since(&before);
    let moved: u64 = pages.iter().map(|page| page.moves).sum();
    println!(
        "lock: {} viewers, publisher back {returns} times, {JOINS} joins in {:.1} s ({refused} refused; answered p50 \
         {:.1} ms, p99 {:.1} ms), {moved} moves of {PAGES} pages: {held}",
        VIEWERS - missing,
        began.elapsed().as_secs_f64(),
        waits.median() * 1e3,
        waits.quantile(0.99) * 1e3,
    );
    Ok([
        Bar::new("lock of signaling: held p99, ms".to_owned(), held.quantile_ms(0.99), 1.0),
        Bar::new(format!("lock of signaling: of {JOINS} joins refused"), refused as f64, 0.0),
    ])
}

#[derive(Clone, Copy, PartialEq)]
enum Stay {
    Stays,
    Leaves,
}

/// Has `count` viewers ask, some at once. How many were refused, and how long the others waited for their answers, in
/// seconds.
fn join(server: &Server, certificate: &Certificate, count: usize, stay: Stay) -> (usize, Sample) {
    let left = AtomicUsize::new(count);
    let ask_some = || {
        let (mut refused, mut waits) = (0, Vec::new());
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            let asked = Instant::now();
            match server.whep(ROOM, STREAM, &offer::watch(&identity(certificate))) {
                Ok(created) => {
                    waits.push(asked.elapsed().as_secs_f64());
                    if stay == Stay::Leaves && server.delete(&created).is_err() {
                        refused += 1;
                    }
                }
                Err(_) => refused += 1,
            }
        }
        (refused, waits)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..ASK_THREADS).map(|_| scope.spawn(ask_some)).collect();
        let outcomes: Vec<(usize, Vec<f64>)> = threads.into_iter().filter_map(|thread| thread.join().ok()).collect();
        let refused = outcomes.iter().map(|(refused, _)| refused).sum();
        (refused, Sample::new(outcomes.into_iter().flat_map(|(_, waits)| waits).collect()))
    })
}

/// The histogram of `/metrics`.
struct HoldTimes {
    /// Upper bounds in milliseconds, the last without one, and turns up to each.
    buckets: Vec<(f64, f64)>,
}

impl HoldTimes {
    fn of(server: &Server) -> Result<HoldTimes> {
        let text = server.metrics()?;
        let lines = text.lines().filter_map(|line| line.strip_prefix(HISTOGRAM)?.split_once("\"} "));
        let bucket = |(bound, turns): (&str, &str)| {
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse::<f64>().ok()? * 1e3 };
            Some((bound, turns.parse().ok()?))
        };
        let buckets: Vec<(f64, f64)> = lines.filter_map(bucket).collect();
        anyhow::ensure!(!buckets.is_empty(), "/metrics has no {HISTOGRAM}");
        Ok(HoldTimes { buckets })
    }

    fn since(&self, before: &HoldTimes) -> HoldTimes {
        let pairs = self.buckets.iter().zip(&before.buckets);
        HoldTimes { buckets: pairs.map(|((bound, now), (_, then))| (*bound, now - then)).collect() }
    }

    fn turns(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, turns)| *turns)
    }

    /// Within a bucket, turns are taken to be spread evenly.
    fn quantile_ms(&self, q: f64) -> f64 {
        let wanted = self.turns() * q;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, turns) in &self.buckets {
            if *turns >= wanted {
                return lower + (bound - lower) * (wanted - below) / (turns - below).max(1.0);
            }
            (lower, below) = (*bound, *turns);
        }
        f64::INFINITY
    }
}

impl std::fmt::Display for HoldTimes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} turns, held p50 {:.3} ms, p99 {:.3} ms",
            self.turns(),
            self.quantile_ms(0.5),
            self.quantile_ms(0.99)
        )?;
        let above = |ms: f64| {
            self.turns() - self.buckets.iter().rfind(|(bound, _)| *bound <= ms).map_or(0.0, |(_, turns)| *turns)
        };
        write!(f, "; above 1 ms {}, 5 ms {}, 10 ms {}, 30 ms {}", above(1.0), above(5.0), above(10.0), above(30.0))
    }
}

const HISTOGRAM: &str = "chappe_signaling_lock_held_seconds_bucket{le=\"";
const WORKERS: usize = 3;
const VIEWERS: usize = 4_000;
const PAGES: usize = 300;
const JOINS: usize = 10_000;
const ASK_THREADS: usize = 32;
const ROOM: &str = "lock";
const STREAM: &str = "cam";
const RETURN_PERIOD: Duration = Duration::from_millis(500);
const PAGE_TICK: Duration = Duration::from_millis(10);
const DASHBOARD: [&str; 4] = ["sessions", "streams", "rooms", "rooms/lock"];
const DASHBOARD_PERIOD: Duration = Duration::from_secs(1);
/// Longer than all of this takes: plain sessions stay on the worker meanwhile.
const DRAIN_FOR: Duration = Duration::from_secs(120);
