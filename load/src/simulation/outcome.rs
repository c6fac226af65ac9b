//! Owns what a simulation has shown, and how it is printed.

use std::fmt;
use std::time::Duration;

use super::plan::SimulationPlan;
use crate::measure::Sample;

#[derive(Debug, Clone)]
pub struct Outcome {
    pub plan: SimulationPlan,
    /// Viewers at the end.
    pub members: usize,
    /// With everybody there, after people and rooms were replaced and nodes died.
    pub balance: Balance,
    pub decisions_per_second: f64,
    pub placed: Placed,
    pub trees_at_peak: Trees,
    /// After most of the large room left.
    pub trees_at_end: Trees,
    pub took: Duration,
}

/// Load as a share of what one worker may carry.
#[derive(Debug, Clone, Copy)]
pub struct Balance {
    pub mean: f64,
    pub node_p99: f64,
    pub node_max: f64,
    pub worker_p99: f64,
    pub worker_max: f64,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Placed {
    pub decisions: usize,
    /// Nothing had room.
    pub refused: usize,
    /// Sent to a node that had died unnoticed; decided again.
    pub dead: usize,
    /// To another node than the one that decided.
    pub forwarded: usize,
    pub other_region: usize,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Trees {
    pub streams: usize,
    /// One per stream and worker that gets it from another.
    pub links: usize,
    pub links_of_large: usize,
    /// Hops of the longest way from an origin.
    pub depth: usize,
    /// Workers asked in all.
    pub asked: usize,
    pub too_deep: usize,
    pub without_parent: usize,
    /// Ways walked to the origin after a change, and those that did not lead there.
    pub checks: usize,
    pub loops: usize,
}

impl Balance {
    pub(super) fn of(nodes: Vec<f64>, workers: Vec<f64>) -> Balance {
        let mean = nodes.iter().sum::<f64>() / nodes.len().max(1) as f64;
        let (nodes, workers) = (Sample::new(nodes), Sample::new(workers));
        Balance {
            mean,
            node_p99: nodes.quantile(0.99),
            node_max: nodes.quantile(1.0),
            worker_p99: workers.quantile(0.99),
            worker_max: workers.quantile(1.0),
        }
    }

    /// 99th percentile of node loads against their mean.
    pub fn p99_to_mean(&self) -> f64 {
        self.node_p99 / self.mean
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SimulationPlan { nodes, workers_per_node, regions, rooms, crowd, .. } = self.plan;
        let Balance { mean, node_p99, node_max, worker_p99, worker_max } = self.balance;
        let (peak, end) = (&self.trees_at_peak, &self.trees_at_end);
        let share = |part: usize| 100.0 * part as f64 / self.placed.decisions.max(1) as f64;
        writeln!(
            f,
            "simulation: {nodes} nodes x {workers_per_node} workers in {regions} regions, {rooms} rooms, one of {crowd} viewers"
        )?;
        writeln!(
            f,
            "  load       mean {mean:.2}; nodes: p99/mean {:.2}, max/mean {:.2}; workers: p99/mean {:.2}, max/mean {:.2}",
            node_p99 / mean,
            node_max / mean,
            worker_p99 / mean,
            worker_max / mean
        )?;
        writeln!(
            f,
            "  decisions  {} ({:.1} % forwarded, {:.1} % to another region, {} refused, {} to a dead node), {:.0}/s",
            self.placed.decisions,
            share(self.placed.forwarded),
            share(self.placed.other_region),
            self.placed.refused,
            self.placed.dead,
            self.decisions_per_second
        )?;
        writeln!(
            f,
            "  relays     {} for {} streams ({:.2} each), {} of the large room; {} when a thousandth of it is left",
            peak.links,
            peak.streams,
            peak.links as f64 / peak.streams.max(1) as f64,
            peak.links_of_large,
            end.links_of_large
        )?;
        write!(
            f,
            "  trees      depth {}, {:.2} workers asked per relay, {} loops in {} checks; took {:.1} s",
            peak.depth.max(end.depth),
            end.asked as f64 / end.checks.max(1) as f64,
            end.loops,
            end.checks,
            self.took.as_secs_f64()
        )
    }
}
