//! Owns what this node has placed on workers that their load reports do not show yet. Never chooses.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::load::Cost;
use crate::WorkerRef;

/// What is placed counts at once and decays over [`DECAY`] as load reports catch up: without that, every node would
/// send all sessions of a second to the worker that the last report showed idle.
#[derive(Debug)]
pub struct Reservations {
    /// Ticks count from here.
    started: Instant,
    workers: HashMap<WorkerRef, Recent>,
    swept_at: Instant,
}

/// Costs by the tick in which they were placed, the newest `newest % TICKS`.
#[derive(Debug)]
struct Recent {
    costs: [Cost; TICKS as usize],
    newest: u64,
}

impl Reservations {
    pub fn new(now: Instant) -> Reservations {
        Reservations { started: now, workers: HashMap::new(), swept_at: now }
    }

    /// A session was sent to this worker, by this node or, on its own workers, by any.
    pub fn handle_placed(&mut self, now: Instant, worker: &WorkerRef, cost: &Cost) {
        self.settle(now);
        let tick = self.tick(now);
        if let Some(recent) = self.workers.get_mut(worker) {
            recent.add(tick, cost);
            return;
        }
        let mut recent = Recent { costs: [Cost::default(); TICKS as usize], newest: tick };
        recent.add(tick, cost);
        self.workers.insert(worker.clone(), recent);
    }

    /// What is placed on this worker and probably not in its reports yet.
    pub fn of(&self, now: Instant, worker: &WorkerRef) -> Cost {
        self.workers.get(worker).map_or_else(Cost::default, |recent| recent.weighed(self.tick(now)))
    }

    /// Whether load reports show all that was placed, and nothing any more of what its joins took.
    pub fn is_settled(&self, now: Instant) -> bool {
        let tick = self.tick(now);
        self.workers.values().all(|recent| tick.saturating_sub(recent.newest) >= SETTLED_TICKS)
    }

    /// Forgets what has settled. Cheap: it looks once per [`DECAY`].
    pub fn settle(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept_at) >= DECAY {
            let tick = self.tick(now);
            self.workers.retain(|_, recent| tick.saturating_sub(recent.newest) < SETTLED_TICKS);
            self.swept_at = now;
        }
    }

    /// Workers on which something was placed lately.
    pub fn len(&self) -> usize {
        self.workers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    fn tick(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.started).as_nanos() / TICK.as_nanos()) as u64
    }
}

impl Recent {
    fn add(&mut self, tick: u64, cost: &Cost) {
        // Ticks that passed without a session have none; after a whole round nothing is left.
        for passed in self.newest + 1..=tick.min(self.newest + TICKS) {
            self.costs[(passed % TICKS) as usize] = Cost::default();
        }
        self.newest = self.newest.max(tick);
        let sum = &mut self.costs[(self.newest % TICKS) as usize];
        *sum = sum.plus(cost);
    }

    fn weighed(&self, tick: u64) -> Cost {
        let since_newest = tick.saturating_sub(self.newest);
        let ages = (0..TICKS).filter(|back| since_newest + back < TICKS && *back <= self.newest);
        ages.fold(Cost::default(), |sum, back| {
            let weight = (TICKS - since_newest - back) as f64 / TICKS as f64;
            sum.plus(&self.costs[((self.newest - back) % TICKS) as usize].times(weight))
        })
    }
}

/// A load report is made each second and told within half a second more: by two, what was placed is in it.
const DECAY: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(250);
const TICKS: u64 = 8;
/// Three and a half seconds: a worker that has media to send makes the joins of a crowd in two, between it, the report
/// that still counts them is a second younger, and is told within half a second more. Until then a worker may seem full
/// that is not.
const SETTLED_TICKS: u64 = 14;
