//! Owns the tree in which one stream spreads over workers, as their relays build it: a joiner asks the origin and
//! whomever it is sent on to. Checks at each change that it leads to the origin.

use std::collections::BTreeMap;

use chappe_sfu_core::PeerId;
use chappe_sfu_core::tree::{Child, DEPTH_MAX, Parent, decide_parent};

use super::fleet::WorkerId;
use super::outcome::Trees;

#[derive(Debug)]
pub(super) struct Tree {
    pub origin: WorkerId,
    at_origin: Vec<Child>,
    edges: BTreeMap<WorkerId, Edge>,
}

#[derive(Debug)]
struct Edge {
    parent: WorkerId,
    children: Vec<Child>,
}

impl Tree {
    pub fn new(origin: WorkerId) -> Tree {
        Tree { origin, at_origin: Vec::new(), edges: BTreeMap::new() }
    }

    /// Origins have the stream without a relay.
    pub fn has(&self, worker: WorkerId) -> bool {
        worker == self.origin || self.edges.contains_key(&worker)
    }

    /// Where the worker gets the stream from now on. It may have children already. None: it has it.
    pub fn attach(&mut self, joiner: WorkerId, trees: &mut Trees) -> Option<WorkerId> {
        if self.has(joiner) {
            return None;
        }
        let parent = self.find_parent(joiner, trees)?;
        self.edges.insert(joiner, Edge { parent, children: Vec::new() });
        self.check(joiner, trees);
        Some(parent)
    }

    fn find_parent(&mut self, joiner: WorkerId, trees: &mut Trees) -> Option<WorkerId> {
        let mut asked = self.origin;
        for _ in 0..ASKED_MAX {
            trees.asked += 1;
            if self.depth(asked).is_none_or(|depth| depth >= usize::from(DEPTH_MAX)) {
                trees.too_deep += 1;
                asked = self.origin;
                continue;
            }
            let children = self.children_mut(asked)?;
            match decide_parent(children, peer(joiner), None) {
                Parent::Here => {
                    children.push(Child { peer: peer(joiner), redirected: 0, takes_more: true });
                    return Some(asked);
                }
                Parent::Child(at) => {
                    children[at].redirected += 1;
                    asked = children[at].peer.0 as WorkerId;
                }
                Parent::None => asked = self.origin,
            }
        }
        trees.without_parent += 1;
        None
    }

    /// The worker neither watches nor passes on. Tells who sent it the stream, if its relay closes.
    pub fn detach_leaf(&mut self, worker: WorkerId) -> Option<WorkerId> {
        if !self.edges.get(&worker)?.children.is_empty() {
            return None;
        }
        let edge = self.edges.remove(&worker)?;
        self.children_mut(edge.parent)?.retain(|child| child.peer != peer(worker));
        Some(edge.parent)
    }

    /// A worker died. Its children ask the origin again, each with all that hang on it.
    pub fn lose(&mut self, worker: WorkerId, trees: &mut Trees) {
        let Some(edge) = self.edges.remove(&worker) else { return };
        if let Some(siblings) = self.children_mut(edge.parent) {
            siblings.retain(|child| child.peer != peer(worker));
        }
        for orphan in edge.children {
            let orphan = orphan.peer.0 as WorkerId;
            if let Some(parent) = self.find_parent(orphan, trees)
                && let Some(edge) = self.edges.get_mut(&orphan)
            {
                edge.parent = parent;
                self.check(orphan, trees);
            }
        }
    }

    pub fn edges(&self) -> impl Iterator<Item = (WorkerId, WorkerId)> {
        self.edges.iter().map(|(worker, edge)| (*worker, edge.parent))
    }

    /// Links and greatest depth, found by walking from every edge.
    pub fn survey(&self, trees: &mut Trees) -> (usize, usize) {
        let depths = self.edges.keys().map(|worker| {
            self.depth(*worker).unwrap_or_else(|| {
                trees.loops += 1;
                0
            })
        });
        (self.edges.len(), depths.max().unwrap_or(0))
    }

    /// Hops from the origin. None: the way does not lead there.
    fn depth(&self, worker: WorkerId) -> Option<usize> {
        let (mut at, mut hops) = (worker, 0);
        while at != self.origin {
            at = self.edges.get(&at)?.parent;
            hops += 1;
            if hops > self.edges.len() {
                return None;
            }
        }
        Some(hops)
    }

    /// What no decision does: one worker gets the stream from a worker that gets it from the first.
    #[cfg(test)]
    pub fn bend(&mut self, worker: WorkerId, parent: WorkerId) {
        assert_eq!(self.edges[&parent].parent, worker);
        self.edges.get_mut(&worker).expect("it is there").parent = parent;
    }

    fn check(&self, worker: WorkerId, trees: &mut Trees) {
        trees.checks += 1;
        if self.depth(worker).is_none() {
            trees.loops += 1;
        }
    }

    fn children_mut(&mut self, worker: WorkerId) -> Option<&mut Vec<Child>> {
        if worker == self.origin {
            return Some(&mut self.at_origin);
        }
        self.edges.get_mut(&worker).map(|edge| &mut edge.children)
    }
}

fn peer(worker: WorkerId) -> PeerId {
    PeerId(worker as u64)
}

/// Far more than a tree of this depth needs.
const ASKED_MAX: usize = 64;
