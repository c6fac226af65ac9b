//! Owns the candidates of placement, indexed so that a decision looks at a few of thousands, and kept up to date one
//! presence at a time. Never chooses.

use std::collections::HashMap;
use std::time::Instant;

use chappe_sfu_api::Boot;

use super::load::Load;
use crate::{NodeName, NodePhase, NodeState, WorkerPhase, WorkerRecord, WorkerRef};

/// All workers of the cluster that placement may think of, those of the own node included.
#[derive(Debug, Default)]
pub struct View {
    candidates: Vec<Option<Candidate>>,
    free: Vec<CandidateKey>,
    nodes: HashMap<NodeName, Vec<CandidateKey>>,
    everywhere: Pool,
    /// A node without a region has the empty one.
    regions: HashMap<String, RegionId>,
    pools: Vec<Pool>,
}

/// One worker.
#[derive(Debug)]
pub(super) struct Candidate {
    pub worker: WorkerRef,
    pub region: RegionId,
    /// Takes new sessions, as far as its node said and links show.
    pub is_open: bool,
    pub heard_at: Instant,
    pub load: Load,
    position: Option<Position>,
}

/// Candidates that are open, in no order: a draw is an index.
#[derive(Debug, Default)]
pub(super) struct Pool {
    keys: Vec<CandidateKey>,
}

/// Where an open candidate stands in its two pools.
#[derive(Debug, Clone, Copy)]
struct Position {
    everywhere: usize,
    region: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RegionId(usize);

/// Where a candidate stands in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CandidateKey(usize);

impl View {
    pub fn new() -> View {
        View::default()
    }

    /// What a node said of itself, now or again. `is_reachable` says whether media reaches a worker process, as far
    /// as links show; a worker without a link is worth trying.
    pub fn put_node(&mut self, now: Instant, state: &NodeState, is_reachable: impl Fn(Boot) -> bool) {
        let region = self.region_id(state.region.as_deref().unwrap_or_default());
        let before = self.nodes.remove(&state.node).unwrap_or_default();
        let mut keys = Vec::with_capacity(before.len());
        for record in state.workers.iter().take(WORKERS_PER_NODE_MAX) {
            let known = before.iter().copied().find(|&key| {
                let is_same = |candidate: &Candidate| candidate.worker.index == record.index;
                self.at(key).is_some_and(is_same) && !keys.contains(&key)
            });
            let key = known.unwrap_or_else(|| self.allocate());
            let is_open = state.phase == NodePhase::Serving && takes_sessions(record, &is_reachable);
            self.put(key, now, &state.node, region, record, is_open);
            keys.push(key);
        }
        for key in before.into_iter().filter(|key| !keys.contains(key)) {
            self.clear(key);
        }
        self.nodes.insert(state.node.clone(), keys);
    }

    /// The node is lost or has left.
    pub fn remove_node(&mut self, node: &NodeName) {
        for key in self.nodes.remove(node).unwrap_or_default() {
            self.clear(key);
        }
    }

    /// Workers that take sessions, as far as was told.
    pub fn open_workers(&self) -> usize {
        self.everywhere.len()
    }

    #[cfg(test)]
    pub(super) fn regions_kept(&self) -> usize {
        self.pools.len()
    }

    pub(super) fn everywhere(&self) -> &Pool {
        &self.everywhere
    }

    pub(super) fn region(&self, region: &str) -> Option<(RegionId, &Pool)> {
        let id = *self.regions.get(region)?;
        Some((id, self.pools.get(id.0)?))
    }

    pub(super) fn candidate(&self, worker: &WorkerRef) -> Option<&Candidate> {
        self.of_node(&worker.node).find(|candidate| candidate.worker.index == worker.index)
    }

    pub(super) fn of_node(&self, node: &NodeName) -> impl Iterator<Item = &Candidate> {
        self.nodes.get(node).into_iter().flatten().filter_map(|&key| self.at(key))
    }

    pub(super) fn at(&self, key: CandidateKey) -> Option<&Candidate> {
        self.candidates.get(key.0)?.as_ref()
    }
}

/// Changes.
impl View {
    fn put(
        &mut self,
        key: CandidateKey,
        now: Instant,
        node: &NodeName,
        region: RegionId,
        record: &WorkerRecord,
        is_open: bool,
    ) {
        let load = Load::of(record);
        if let Some(Some(candidate)) = self.candidates.get_mut(key.0) {
            (candidate.heard_at, candidate.load) = (now, load);
            if candidate.is_open == is_open && candidate.region == region {
                return;
            }
        }
        self.close(key);
        let worker = WorkerRef { node: node.clone(), index: record.index };
        self.candidates[key.0] = Some(Candidate { worker, region, is_open, heard_at: now, load, position: None });
        if is_open {
            self.open(key, region);
        }
    }

    fn open(&mut self, key: CandidateKey, region: RegionId) {
        let position = Position { everywhere: self.everywhere.len(), region: self.pools[region.0].len() };
        self.everywhere.keys.push(key);
        self.pools[region.0].keys.push(key);
        if let Some(Some(candidate)) = self.candidates.get_mut(key.0) {
            candidate.position = Some(position);
        }
    }

    /// Takes a candidate out of its pools. The last of each pool moves to where it stood.
    fn close(&mut self, key: CandidateKey) {
        let Some(Some(candidate)) = self.candidates.get_mut(key.0) else { return };
        let (region, Some(position)) = (candidate.region, candidate.position.take()) else { return };
        self.everywhere.keys.swap_remove(position.everywhere);
        if let Some(moved) = self.everywhere.at(position.everywhere) {
            self.position_mut(moved).everywhere = position.everywhere;
        }
        let pool = &mut self.pools[region.0];
        pool.keys.swap_remove(position.region);
        if let Some(moved) = pool.at(position.region) {
            self.position_mut(moved).region = position.region;
        }
    }

    fn position_mut(&mut self, key: CandidateKey) -> &mut Position {
        let candidate = self.candidates[key.0].as_mut().expect("a pool has only keys that are taken");
        candidate.position.as_mut().expect("a pool has only open candidates")
    }

    fn clear(&mut self, key: CandidateKey) {
        self.close(key);
        self.candidates[key.0] = None;
        self.free.push(key);
    }

    fn allocate(&mut self) -> CandidateKey {
        self.free.pop().unwrap_or_else(|| {
            self.candidates.push(None);
            CandidateKey(self.candidates.len() - 1)
        })
    }

    fn region_id(&mut self, region: &str) -> RegionId {
        if let Some(id) = self.regions.get(region) {
            return *id;
        }
        // Names that no node bears any more make place, so that names made up by one node cannot fill the memory.
        let is_unused = |id: &RegionId| !self.candidates.iter().flatten().any(|candidate| candidate.region == *id);
        let unused = self.regions.iter().find(|(_, id)| is_unused(id)).map(|(name, id)| (name.clone(), *id));
        let id = match unused {
            Some((name, id)) => {
                self.regions.remove(&name);
                id
            }
            None => {
                self.pools.push(Pool::default());
                RegionId(self.pools.len() - 1)
            }
        };
        self.regions.insert(region.to_owned(), id);
        id
    }
}

impl Pool {
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn at(&self, index: usize) -> Option<CandidateKey> {
        self.keys.get(index).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = CandidateKey> {
        self.keys.iter().copied()
    }
}

fn takes_sessions(record: &WorkerRecord, is_reachable: &impl Fn(Boot) -> bool) -> bool {
    record.phase == WorkerPhase::Serving && record.boot.is_some_and(is_reachable)
}

/// A node that tells of more is not believed: no machine has so many cores that it gives one to each.
pub const WORKERS_PER_NODE_MAX: usize = 1_024;
