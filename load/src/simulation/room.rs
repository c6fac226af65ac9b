//! Owns one simulated room: who publishes, who watches where, and the relays that this takes.

use std::collections::BTreeMap;
use std::time::Instant;

use chappe_cluster::{Cost, WorkerRef};
use rand::RngExt;
use rand::rngs::StdRng;

use super::fleet::{Fleet, NodeId, Rate, WorkerId};
use super::outcome::Trees;
use super::tree::Tree;

pub(super) struct Room {
    /// People it is made for.
    pub size: usize,
    pub publishers: usize,
    /// Where most of its people are. None: everywhere.
    home: Option<usize>,
    rate: Rate,
    pub streams: Vec<Stream>,
    /// The worker of each viewer.
    pub watchers: Vec<WorkerId>,
    /// The same, counted.
    counts: BTreeMap<WorkerId, u32>,
}

pub(super) struct Stream {
    pub tree: Tree,
}

impl Room {
    /// Sizes as they are: most rooms have two or three people, few have thousands (Pareto with exponent 1.5 from 2
    /// on: 6 people in the mean, 4,000 in the largest of 100,000 rooms). In a room of up to six everyone
    /// publishes, in a larger one somebody speaks to the others.
    pub fn of_any_size(rng: &mut StdRng, regions: usize) -> Room {
        let uniform: f64 = rng.random_range(f64::EPSILON..1.0);
        let size = (2.0 / uniform.powf(1.0 / PARETO_EXPONENT)).min(SIZE_MAX) as usize;
        let (publishers, rate) = if size <= CALL_SIZE_MAX { (size, CALL_RATE) } else { (1, STAGE_RATE) };
        Room::new(size, publishers, Some(rng.random_range(0..regions)), rate)
    }

    pub fn large(size: usize) -> Room {
        Room::new(size, 1, None, STAGE_RATE)
    }

    fn new(size: usize, publishers: usize, home: Option<usize>, rate: Rate) -> Room {
        Room { size, publishers, home, rate, streams: Vec::new(), watchers: Vec::new(), counts: BTreeMap::new() }
    }

    /// Four of five are at home.
    pub fn region_of_joiner(&self, rng: &mut StdRng, regions: usize) -> usize {
        let anywhere = rng.random_range(0..regions);
        self.home.filter(|_| rng.random_range(0..5) > 0).unwrap_or(anywhere)
    }

    pub fn watch_cost(&self) -> Cost {
        Cost::watch(self.publishers)
    }

    /// What the deciding node knows: origins from the list of streams, and its own workers.
    pub fn holders(&self, fleet: &Fleet, node: NodeId) -> Vec<WorkerRef> {
        let origins = self.streams.iter().map(|stream| stream.tree.origin);
        let own = fleet.workers_of(node).filter(|worker| self.counts.contains_key(worker));
        let mut holders: Vec<WorkerId> = Vec::new();
        for worker in origins.chain(own) {
            if !holders.contains(&worker) {
                holders.push(worker);
            }
        }
        holders.into_iter().map(|worker| fleet.name(worker).clone()).collect()
    }

    pub fn publish(&mut self, now: Instant, fleet: &mut Fleet, node: NodeId, rng: &mut StdRng, trees: &mut Trees) {
        let holders = self.holders(fleet, node);
        let Some(worker) = fleet.place(now, node, &holders, &Cost::publish(), rng) else { return };
        fleet.change_sessions(worker, 1);
        fleet.change_traffic(worker, self.rate, 1.0);
        let mut stream = Stream { tree: Tree::new(worker) };
        for (&watching, &count) in &self.counts {
            attach(&mut stream.tree, watching, self.rate, fleet, trees);
            fleet.change_traffic(watching, self.rate, f64::from(count));
        }
        self.streams.push(stream);
    }

    pub fn watch(&mut self, now: Instant, fleet: &mut Fleet, node: NodeId, rng: &mut StdRng, trees: &mut Trees) {
        let holders = self.holders(fleet, node);
        let Some(worker) = fleet.place(now, node, &holders, &self.watch_cost(), rng) else { return };
        fleet.change_sessions(worker, 1);
        fleet.change_traffic(worker, self.rate, self.streams.len() as f64);
        self.watchers.push(worker);
        *self.counts.entry(worker).or_default() += 1;
        for stream in &mut self.streams {
            attach(&mut stream.tree, worker, self.rate, fleet, trees);
        }
    }

    /// Tells the worker that has no viewers of this room any more.
    pub fn leave(&mut self, which: usize, fleet: &mut Fleet) -> Option<WorkerId> {
        let worker = self.watchers.swap_remove(which);
        fleet.change_sessions(worker, -1);
        fleet.change_traffic(worker, self.rate, -(self.streams.len() as f64));
        let count = self.counts.get_mut(&worker)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        self.counts.remove(&worker);
        Some(worker)
    }

    /// Closes the relays to a worker that neither watches nor passes on, and then those to its parents.
    pub fn close_idle(&mut self, worker: WorkerId, fleet: &mut Fleet) {
        for stream in &mut self.streams {
            let mut idle = worker;
            while !self.counts.contains_key(&idle)
                && let Some(parent) = stream.tree.detach_leaf(idle)
            {
                fleet.change_traffic(parent, self.rate, -1.0);
                fleet.change_traffic(idle, self.rate, -1.0);
                idle = parent;
            }
        }
    }

    pub fn close(&mut self, fleet: &mut Fleet) {
        while !self.watchers.is_empty() {
            self.leave(self.watchers.len() - 1, fleet);
        }
        for stream in std::mem::take(&mut self.streams) {
            self.end(&stream, fleet);
        }
    }

    fn end(&self, stream: &Stream, fleet: &mut Fleet) {
        fleet.change_sessions(stream.tree.origin, -1);
        fleet.change_traffic(stream.tree.origin, self.rate, -1.0);
        for (worker, parent) in stream.tree.edges() {
            fleet.change_traffic(worker, self.rate, -1.0);
            fleet.change_traffic(parent, self.rate, -1.0);
        }
        for (&worker, &count) in &self.counts {
            fleet.change_traffic(worker, self.rate, -f64::from(count));
        }
    }

    /// Drops what was on nodes that died. Tells how many people have to come back.
    pub fn lose(&mut self, fleet: &mut Fleet, trees: &mut Trees) -> usize {
        let (kept, lost) =
            std::mem::take(&mut self.streams).into_iter().partition(|s: &Stream| fleet.is_alive(s.tree.origin));
        self.streams = kept;
        lost.iter().for_each(|stream| self.end(stream, fleet));
        let mut gone = 0;
        for which in (0..self.watchers.len()).rev() {
            if !fleet.is_alive(self.watchers[which]) {
                self.leave(which, fleet);
                gone += 1;
            }
        }
        for stream in &mut self.streams {
            lose_relays(&mut stream.tree, self.rate, fleet, trees);
        }
        let passing_on = self.streams.iter().flat_map(|stream| stream.tree.edges()).map(|(worker, _)| worker);
        let passing_on: Vec<WorkerId> = passing_on.filter(|worker| !self.counts.contains_key(worker)).collect();
        passing_on.into_iter().for_each(|worker| self.close_idle(worker, fleet));
        // Who published and watches elsewhere comes back for its stream, which is then a viewer more.
        gone.max(lost.len())
    }
}

fn attach(tree: &mut Tree, worker: WorkerId, rate: Rate, fleet: &mut Fleet, trees: &mut Trees) {
    if let Some(parent) = tree.attach(worker, trees) {
        fleet.change_traffic(parent, rate, 1.0);
        fleet.change_traffic(worker, rate, 1.0);
    }
}

/// Takes the whole tree's traffic away and puts that of the new tree in its place.
fn lose_relays(tree: &mut Tree, rate: Rate, fleet: &mut Fleet, trees: &mut Trees) {
    let dead: Vec<WorkerId> =
        tree.edges().map(|(worker, _)| worker).filter(|worker| !fleet.is_alive(*worker)).collect();
    if dead.is_empty() {
        return;
    }
    let count = |tree: &Tree, fleet: &mut Fleet, times: f64| {
        for (worker, parent) in tree.edges() {
            fleet.change_traffic(worker, rate, times);
            fleet.change_traffic(parent, rate, times);
        }
    };
    count(tree, fleet, -1.0);
    dead.into_iter().for_each(|worker| tree.lose(worker, trees));
    count(tree, fleet, 1.0);
}

const PARETO_EXPONENT: f64 = 1.5;
const SIZE_MAX: f64 = 10_000.0;
const CALL_SIZE_MAX: usize = 6;
/// A tile of a call: 360p and sound.
const CALL_RATE: Rate = Rate { packets: 100.0, bits: 0.6e6 };
/// A speaker in 540p and sound.
const STAGE_RATE: Rate = Rate { packets: 160.0, bits: 1.2e6 };
