//! Owns the simulated nodes: what their workers really carry, what they last told of it, and what each node has
//! placed. Decides by the product's own function only.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use chappe_cluster::{
    Cost, Load, NodeName, NodePhase, NodeState, Reservations, View, Wanted, WorkerPhase, WorkerRecord, WorkerRef,
    choose,
};
use chappe_sfu_api::{Boot, WorkerIndex};
use rand::RngExt;
use rand::rngs::StdRng;

use super::outcome::{Balance, Placed};
use super::plan::{SimulationPlan, TICKS_PER_SECOND};

pub(super) type NodeId = usize;
pub(super) type WorkerId = usize;

pub(super) struct Fleet {
    plan: SimulationPlan,
    nodes: Vec<Node>,
    workers: Vec<Worker>,
    by_name: HashMap<NodeName, NodeId>,
    /// What all nodes know, as presence reaches all at the same time. What each has placed since, it alone knows.
    view: View,
    pub placed: Placed,
}

struct Node {
    region: usize,
    state: NodeState,
    reservations: Reservations,
    is_alive: bool,
}

struct Worker {
    name: WorkerRef,
    sessions: u32,
    packets: f64,
    bits: f64,
}

/// What a stream is, per second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub packets: f64,
    pub bits: f64,
}

impl Fleet {
    pub fn new(now: Instant, plan: &SimulationPlan) -> Fleet {
        let nodes: Vec<Node> = (0..plan.nodes).map(|id| Node::new(now, id, plan)).collect();
        let workers = nodes.iter().flat_map(|node| {
            let name = |record: &WorkerRecord| WorkerRef { node: node.state.node.clone(), index: record.index };
            node.state.workers.iter().map(move |record| Worker {
                name: name(record),
                sessions: 0,
                packets: 0.0,
                bits: 0.0,
            })
        });
        let workers = workers.collect();
        let by_name = nodes.iter().enumerate().map(|(id, node)| (node.state.node.clone(), id)).collect();
        let mut fleet = Fleet { plan: *plan, nodes, workers, by_name, view: View::new(), placed: Placed::default() };
        fleet.nodes.iter().for_each(|node| fleet.view.put_node(now, &node.state, |_| true));
        fleet
    }

    /// Presence: each node twice a second, each at its own time, with load reports that are made once a second.
    pub fn speak(&mut self, now: Instant, tick: usize) {
        let period = TICKS_PER_SECOND / 2;
        for id in (tick % period..self.nodes.len()).step_by(period) {
            let node = &mut self.nodes[id];
            if !node.is_alive {
                continue;
            }
            if (tick / period + id / period).is_multiple_of(2) {
                let first = id * self.plan.workers_per_node;
                let loads = self.workers.iter().skip(first);
                node.state.workers.iter_mut().zip(loads).for_each(|(record, worker)| worker.report(record));
            }
            self.view.put_node(now, &node.state, |_| true);
        }
    }

    /// The load balancer's choice: any living node, of a region if one is given.
    pub fn any_node(&self, rng: &mut StdRng, region: Option<usize>) -> NodeId {
        loop {
            let id = rng.random_range(0..self.nodes.len());
            // Node `id` is in region `id % regions`.
            let id = region.map_or(id, |region| id - id % self.plan.regions + region);
            if self.nodes.get(id).is_some_and(|node| node.is_alive) {
                return id;
            }
        }
    }

    pub fn choose(
        &self,
        now: Instant,
        node: NodeId,
        holders: &[WorkerRef],
        cost: &Cost,
        avoid: &[WorkerRef],
        rng: &mut StdRng,
    ) -> Option<WorkerRef> {
        let Node { state, reservations, .. } = &self.nodes[node];
        let wanted = Wanted { region: state.region.as_deref(), cost: *cost, holders, node: &state.node, avoid };
        choose(now, &self.view, &wanted, reservations, &mut |bound| rng.random_range(0..bound))
    }

    /// Decides and reserves; asks again when the worker turns out to be dead.
    pub fn place(
        &mut self,
        now: Instant,
        node: NodeId,
        holders: &[WorkerRef],
        cost: &Cost,
        rng: &mut StdRng,
    ) -> Option<WorkerId> {
        let mut avoid = Vec::new();
        loop {
            self.placed.decisions += 1;
            let Some(chosen) = self.choose(now, node, holders, cost, &avoid, rng) else {
                self.placed.refused += 1;
                return None;
            };
            let owner = self.by_name[&chosen.node];
            if !self.nodes[owner].is_alive {
                self.placed.dead += 1;
                avoid.push(chosen);
                continue;
            }
            self.nodes[node].reservations.handle_placed(now, &chosen, cost);
            if owner != node {
                // Who carries it out counts it too.
                self.nodes[owner].reservations.handle_placed(now, &chosen, cost);
                self.placed.forwarded += 1;
            }
            self.placed.other_region += usize::from(self.nodes[owner].region != self.nodes[node].region);
            return Some(owner * self.plan.workers_per_node + usize::from(chosen.index.0));
        }
    }

    pub fn name(&self, worker: WorkerId) -> &WorkerRef {
        &self.workers[worker].name
    }

    pub fn workers_of(&self, node: NodeId) -> std::ops::Range<WorkerId> {
        node * self.plan.workers_per_node..(node + 1) * self.plan.workers_per_node
    }

    pub fn is_alive(&self, worker: WorkerId) -> bool {
        self.nodes[worker / self.plan.workers_per_node].is_alive
    }

    pub fn change_sessions(&mut self, worker: WorkerId, by: i32) {
        let sessions = &mut self.workers[worker].sessions;
        *sessions = sessions.saturating_add_signed(by);
    }

    /// `times` may be negative: what ends.
    pub fn change_traffic(&mut self, worker: WorkerId, rate: Rate, times: f64) {
        let worker = &mut self.workers[worker];
        worker.packets += rate.packets * times;
        worker.bits += rate.bits * times;
    }

    /// It dies; nobody knows yet.
    pub fn kill(&mut self, node: NodeId) {
        self.nodes[node].is_alive = false;
    }

    pub fn forget(&mut self, node: NodeId) {
        self.view.remove_node(&self.nodes[node].state.node);
    }

    /// Of what is really carried.
    pub fn balance(&self) -> Balance {
        let living = self.nodes.iter().zip(self.workers.chunks(self.plan.workers_per_node));
        let living = living.filter(|(node, _)| node.is_alive).map(|(_, workers)| workers);
        let workers: Vec<Vec<f64>> = living.map(|of_node| of_node.iter().map(Worker::load).collect()).collect();
        let nodes = workers.iter().map(|of_node| of_node.iter().sum::<f64>() / of_node.len() as f64).collect();
        Balance::of(nodes, workers.into_iter().flatten().collect())
    }
}

impl Node {
    fn new(now: Instant, id: NodeId, plan: &SimulationPlan) -> Node {
        let record = |index: usize| WorkerRecord {
            index: WorkerIndex(index as u16),
            boot: Some(Boot((id * plan.workers_per_node + index) as u64)),
            pid: None,
            media_port: 7000,
            phase: WorkerPhase::Serving,
            sessions: 0,
            sessions_max: SESSIONS_MAX,
            cpu: 0.0,
            rss_bytes: 0,
            restarts: 0,
            started_ms: 0,
            bits_per_second_in: 0,
            bits_per_second_out: 0,
            packets_per_second_in: 0,
            packets_per_second_out: 0,
        };
        let state = NodeState {
            node: NodeName::parse(&format!("node-{id}")).expect("a name of ours is one"),
            instance: 1,
            sequence: 1,
            started_ms: 1,
            version: String::new(),
            region: Some(format!("region-{}", id % plan.regions)),
            origins: Vec::new(),
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            phase: NodePhase::Serving,
            workers: (0..plan.workers_per_node).map(record).collect(),
            streams_version: 0,
        };
        Node { region: id % plan.regions, state, reservations: Reservations::new(now), is_alive: true }
    }
}

impl Worker {
    fn report(&self, record: &mut WorkerRecord) {
        record.sessions = self.sessions;
        record.cpu = self.packets * CPU_PER_PACKET;
        record.packets_per_second_out = self.packets as u64;
        record.bits_per_second_out = self.bits as u64;
    }

    fn load(&self) -> f64 {
        let used = Cost {
            sessions: f64::from(self.sessions),
            cpu: self.packets * CPU_PER_PACKET,
            packets: self.packets,
            bits: self.bits,
        };
        Load { used, sessions_max: f64::from(SESSIONS_MAX), cpu_per_packet: CPU_PER_PACKET }.fraction()
    }
}

/// Between what a forwarded packet takes of a core in long runs (3.0 µs) and without any (5.3 µs).
const CPU_PER_PACKET: f64 = 4.0e-6;
const SESSIONS_MAX: u32 = 4_096;
