//! Owns the simulation of placement and relay trees: a cluster of a thousand nodes, its rooms and one very large
//! room, in virtual time, with the product's own decisions. Sends nothing and starts nothing.

mod fleet;
mod outcome;
mod plan;
mod room;
mod tree;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use fleet::{Fleet, NodeId, WorkerId};
use plan::TICKS_PER_SECOND;
use room::Room;

pub use outcome::{Balance, Outcome, Trees};
pub use plan::SimulationPlan;

/// What happens, in this order: rooms open and fill; the crowd comes to the large room; people come and go, rooms
/// close and others open, and some nodes die; all but a thousandth of the crowd leaves.
pub struct Simulation {
    plan: SimulationPlan,
    rng: StdRng,
    now: Instant,
    fleet: Fleet,
    /// The last one is the large room.
    rooms: Vec<Room>,
    /// Who is to come, by the tick they come in.
    arrivals: Vec<Vec<usize>>,
    tick: usize,
    /// Workers that lost their last viewer of a room: the relay closes if none comes.
    lingering: VecDeque<(Instant, usize, WorkerId)>,
    trees: Trees,
}

/// Runs all of it.
pub fn run(plan: SimulationPlan) -> Outcome {
    let started = Instant::now();
    let mut simulation = Simulation::new(plan);
    simulation.fill_rooms();
    simulation.fill_crowd();
    simulation.churn();
    let balance = simulation.fleet.balance();
    let decisions_per_second = simulation.measure_decisions();
    let trees_at_peak = simulation.survey();
    simulation.empty_crowd();
    let trees_at_end = simulation.survey();
    Outcome {
        plan,
        members: simulation.rooms.iter().map(|room| room.watchers.len()).sum(),
        balance,
        decisions_per_second,
        placed: simulation.fleet.placed,
        trees_at_peak,
        trees_at_end,
        took: started.elapsed(),
    }
}

impl Simulation {
    fn new(plan: SimulationPlan) -> Simulation {
        let now = Instant::now();
        let mut rng = StdRng::seed_from_u64(plan.seed);
        let fleet = Fleet::new(now, &plan);
        let mut rooms: Vec<Room> = (0..plan.rooms).map(|_| Room::of_any_size(&mut rng, plan.regions)).collect();
        rooms.push(Room::large(plan.crowd));
        Simulation {
            plan,
            rng,
            now,
            fleet,
            rooms,
            arrivals: Vec::new(),
            tick: 0,
            lingering: VecDeque::new(),
            trees: Trees::default(),
        }
    }

    /// Rooms open evenly over a minute; their people come within ten seconds of each other.
    fn fill_rooms(&mut self) {
        for room in 0..self.plan.rooms {
            let opens = self.rng.random_range(0..60 * TICKS_PER_SECOND);
            self.expect_all(room, opens);
        }
        self.pass_seconds(70, |_| {});
    }

    fn fill_crowd(&mut self) {
        let (large, each) = (self.plan.rooms, SimulationPlan::of_a_second(self.plan.crowd, 60));
        self.pass_seconds(60, |simulation| {
            let missing = simulation.plan.crowd - simulation.rooms[large].watchers.len().min(simulation.plan.crowd);
            (0..each.min(missing)).for_each(|_| simulation.join(large));
        });
    }

    /// In each second one of a hundred viewers of the crowd is replaced by another, and one of a hundred rooms.
    fn churn(&mut self) {
        let (large, viewers) = (self.plan.rooms, SimulationPlan::of_a_second(self.plan.crowd, 100));
        let rooms = SimulationPlan::of_a_second(self.plan.rooms, 100);
        let turn = |simulation: &mut Simulation| {
            for _ in 0..viewers {
                simulation.leave_one(large);
                simulation.join(large);
            }
            for _ in 0..rooms {
                let room = simulation.rng.random_range(0..simulation.plan.rooms);
                simulation.close(room);
                simulation.expect_all(room, simulation.tick);
            }
        };
        self.pass_seconds(10, turn);
        let dead: Vec<NodeId> = (0..self.plan.deaths).map(|_| self.fleet.any_node(&mut self.rng, None)).collect();
        dead.iter().for_each(|node| self.fleet.kill(*node));
        // Their links fall silent, and everybody notices.
        self.pass_ticks(TICKS_PER_SECOND / 2, turn);
        self.notice(&dead);
        self.pass_seconds(19, turn);
        // Who was about to come in an opened room comes.
        self.pass_seconds(11, |_| {});
    }

    /// Nine hundred and ninety-nine of a thousand.
    fn empty_crowd(&mut self) {
        let large = self.plan.rooms;
        let (stay, each) = (self.plan.crowd / 1_000, SimulationPlan::of_a_second(self.plan.crowd, 10));
        self.pass_seconds(10, |simulation| {
            let present = simulation.rooms[large].watchers.len();
            (0..each.min(present.saturating_sub(stay))).for_each(|_| simulation.leave_one(large));
        });
        self.pass_seconds(3, |_| {});
    }
}

/// Time.
impl Simulation {
    fn pass_seconds(&mut self, seconds: usize, each: impl FnMut(&mut Simulation)) {
        self.pass_ticks(seconds * TICKS_PER_SECOND, each);
    }

    fn pass_ticks(&mut self, ticks: usize, mut each: impl FnMut(&mut Simulation)) {
        for _ in 0..ticks {
            self.fleet.speak(self.now, self.tick);
            let due = self.arrivals.get_mut(self.tick).map(std::mem::take).unwrap_or_default();
            due.into_iter().for_each(|room| self.join(room));
            each(self);
            self.close_idle();
            self.tick += 1;
            self.now += Duration::from_millis(1_000 / TICKS_PER_SECOND as u64);
        }
    }

    /// All people of a room come within ten seconds.
    fn expect_all(&mut self, room: usize, opens: usize) {
        for _ in 0..self.rooms[room].size {
            let tick = opens + self.rng.random_range(1..10 * TICKS_PER_SECOND);
            self.expect(room, tick);
        }
    }

    fn expect(&mut self, room: usize, tick: usize) {
        if self.arrivals.len() <= tick {
            self.arrivals.resize_with(tick + 1, Vec::new);
        }
        self.arrivals[tick].push(room);
    }
}

/// People.
impl Simulation {
    /// Somebody comes: publishes, if the room has fewer publishers than it is to have, and watches.
    fn join(&mut self, id: usize) {
        let region = self.rooms[id].region_of_joiner(&mut self.rng, self.plan.regions);
        let node = self.fleet.any_node(&mut self.rng, Some(region));
        if self.rooms[id].streams.len() < self.rooms[id].publishers {
            let room = &mut self.rooms[id];
            room.publish(self.now, &mut self.fleet, node, &mut self.rng, &mut self.trees);
        }
        self.rooms[id].watch(self.now, &mut self.fleet, node, &mut self.rng, &mut self.trees);
    }

    fn leave_one(&mut self, id: usize) {
        let room = &mut self.rooms[id];
        if room.watchers.is_empty() {
            return;
        }
        let which = self.rng.random_range(0..room.watchers.len());
        if let Some(worker) = room.leave(which, &mut self.fleet) {
            self.lingering.push_back((self.now + LINGER, id, worker));
        }
    }

    fn close_idle(&mut self) {
        while let Some((_, room, worker)) = self.lingering.front().copied().filter(|(at, ..)| *at <= self.now) {
            self.lingering.pop_front();
            self.rooms[room].close_idle(worker, &mut self.fleet);
        }
    }

    fn close(&mut self, id: usize) {
        self.rooms[id].close(&mut self.fleet);
    }

    /// The nodes are lost to all others: their viewers and publishers come back through living ones within two
    /// seconds, and relays through them are replaced.
    fn notice(&mut self, dead: &[NodeId]) {
        dead.iter().for_each(|node| self.fleet.forget(*node));
        for id in 0..self.rooms.len() {
            let lost = self.rooms[id].lose(&mut self.fleet, &mut self.trees);
            for _ in 0..lost {
                let tick = self.tick + self.rng.random_range(1..2 * TICKS_PER_SECOND);
                self.expect(id, tick);
            }
        }
    }
}

/// Figures.
impl Simulation {
    /// Decisions of random nodes about random rooms, with everybody there, each from the request to the worker.
    fn measure_decisions(&mut self) -> f64 {
        let decisions = DECISIONS_PER_ROOM * self.rooms.len();
        let cases: Vec<(usize, NodeId)> = (0..decisions)
            .map(|_| (self.rng.random_range(0..self.rooms.len()), self.fleet.any_node(&mut self.rng, None)))
            .collect();
        let started = Instant::now();
        let chosen = cases.iter().filter(|(room, node)| {
            let cost = self.rooms[*room].watch_cost();
            let holders = self.rooms[*room].holders(&self.fleet, *node);
            self.fleet.choose(self.now, *node, &holders, &cost, &[], &mut self.rng).is_some()
        });
        std::hint::black_box(chosen.count());
        decisions as f64 / started.elapsed().as_secs_f64()
    }

    /// Walks every tree.
    fn survey(&self) -> Trees {
        let mut trees = self.trees;
        (trees.streams, trees.links, trees.depth, trees.links_of_large) = (0, 0, 0, 0);
        for (id, room) in self.rooms.iter().enumerate() {
            for stream in &room.streams {
                let (links, depth) = stream.tree.survey(&mut trees);
                trees.streams += 1;
                trees.links += links;
                trees.depth = trees.depth.max(depth);
                if id == self.plan.rooms {
                    trees.links_of_large += links;
                }
            }
        }
        trees
    }
}

/// A relay that nobody watches any more stays this long.
const LINGER: Duration = Duration::from_secs(2);
const DECISIONS_PER_ROOM: usize = 5;

#[cfg(test)]
mod tests;
