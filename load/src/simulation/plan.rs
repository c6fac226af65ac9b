//! Owns how much is simulated, and how finely time is cut. Draws nothing at random.

/// How much is simulated. Every node has the same workers, every region as many nodes.
#[derive(Debug, Clone, Copy)]
pub struct SimulationPlan {
    pub nodes: usize,
    pub workers_per_node: usize,
    pub regions: usize,
    pub rooms: usize,
    /// Viewers of the one large room.
    pub crowd: usize,
    /// Nodes that die while people come and go.
    pub deaths: usize,
    pub seed: u64,
}

impl SimulationPlan {
    pub const FULL: SimulationPlan = SimulationPlan {
        nodes: 1_000,
        workers_per_node: 4,
        regions: 5,
        rooms: 100_000,
        crowd: 1_000_000,
        deaths: 10,
        seed: 1,
    };

    /// A twentieth of it, with deaths enough that somebody is sent to a dead node before they are noticed.
    pub const SMALL: SimulationPlan =
        SimulationPlan { nodes: 50, workers_per_node: 4, regions: 5, rooms: 5_000, crowd: 50_000, deaths: 4, seed: 1 };

    pub(super) fn of_a_second(count: usize, seconds: usize) -> usize {
        count.div_ceil(seconds * TICKS_PER_SECOND)
    }
}

pub(super) const TICKS_PER_SECOND: usize = 20;
