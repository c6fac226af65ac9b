//! Owns what this node knows of all others: who is there, which of their workers media reaches, and which streams
//! they publish. Never sends anything, and never decides which of two claims to a stream is right.

mod follower;
mod output;
mod remote_node;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use chappe_sfu_api::Boot;

use crate::{NodeName, NodeState, StreamDelta, StreamList, StreamRecord, WORKERS_PER_NODE_MAX, WorkerRecord};
pub use output::Output;
pub use remote_node::LastHeard;
use remote_node::{EngineState, RemoteNode};

/// Messages from other nodes and signs of life from links go in; what changed comes out. The replicas of two nodes
/// that hear the same node come to the same end, whatever was lost, late or doubled on the way.
#[derive(Debug)]
pub struct Replica {
    own: NodeName,
    instance: u64,
    engine: EngineState,
    remotes: BTreeMap<NodeName, RemoteNode>,
    /// Of living and lost nodes.
    boots: HashMap<Boot, NodeName>,
    namesake: Option<Namesake>,
    wake: Option<Instant>,
    ignored: u64,
}

/// Another instance under the own name.
#[derive(Debug, Clone, Copy)]
struct Namesake {
    instance: u64,
    first_heard_at: Instant,
    heard_at: Instant,
}

/// Messages.
impl Replica {
    pub fn new(own: NodeName, instance: u64) -> Replica {
        Replica {
            own,
            instance,
            engine: EngineState::Down,
            remotes: BTreeMap::new(),
            boots: HashMap::new(),
            namesake: None,
            wake: None,
            ignored: 0,
        }
    }

    pub fn handle_presence(&mut self, now: Instant, state: NodeState) -> Vec<Output> {
        let mut outputs = Vec::new();
        if state.node == self.own {
            outputs.extend(self.handle_own_name(now, &state));
            return outputs;
        }
        if !is_within_limits(&state) || !self.has_room_for(&state.node) {
            self.ignored += 1;
            return outputs;
        }
        let node = state.node.clone();
        let workers_before = self.remotes.get(&node).map(|remote| boots(&remote.state)).unwrap_or_default();
        let is_news = match self.remotes.get_mut(&node) {
            Some(remote) => remote.handle_presence(now, state, &mut outputs),
            None => {
                self.remotes.insert(node.clone(), RemoteNode::new(now, state, &mut outputs));
                true
            }
        };
        if is_news {
            self.index(&node, &workers_before);
            self.arm(&node);
        }
        outputs
    }

    pub fn handle_delta(&mut self, now: Instant, delta: StreamDelta) -> Vec<Output> {
        let mut outputs = Vec::new();
        if let Some(remote) = self.remotes.get_mut(&delta.node) {
            remote.handle_delta(now, delta.instance, delta.version, delta.change, &mut outputs);
            self.arm(&delta.node);
        }
        outputs
    }

    pub fn handle_list(&mut self, now: Instant, list: StreamList) -> Vec<Output> {
        let (mut outputs, node) = (Vec::new(), list.node.clone());
        if let Some(remote) = self.remotes.get_mut(&node) {
            remote.handle_list(now, list, &mut outputs);
            self.arm(&node);
        }
        outputs
    }

    /// The node leaves in order. What is still on its way from this instance is not listened to.
    pub fn handle_goodbye(&mut self, now: Instant, node: &NodeName, instance: u64) -> Vec<Output> {
        let mut outputs = Vec::new();
        if let Some(remote) = self.remotes.get_mut(node).filter(|remote| remote.state.instance == instance) {
            remote.handle_goodbye(now, &mut outputs);
            let boots = boots(&remote.state);
            self.unindex(node, &boots);
            self.arm(node);
        }
        outputs
    }
}

/// Signs of life.
impl Replica {
    /// All links of this node's workers to that one are silent (its heartbeats have been missing).
    pub fn handle_worker_unreachable(&mut self, now: Instant, boot: Boot) -> Vec<Output> {
        self.handle_link(now, boot, false)
    }

    /// A link to that worker is up. Tell it of every link when it comes up, not only after a silence: a node of
    /// which one link is known counts as gone with it.
    pub fn handle_worker_reachable(&mut self, now: Instant, boot: Boot) -> Vec<Output> {
        self.handle_link(now, boot, true)
    }

    /// Whether messages between nodes pass. While they do not, silence says nothing. Down at first.
    pub fn handle_engine(&mut self, now: Instant, is_up: bool) -> Vec<Output> {
        self.engine = match self.engine {
            EngineState::Up { since } if is_up => EngineState::Up { since },
            _ if is_up => EngineState::Up { since: now },
            _ => EngineState::Down,
        };
        self.handle_timeout(now)
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Output> {
        let mut outputs = Vec::new();
        for remote in self.remotes.values_mut() {
            remote.handle_timeout(now, self.engine, &mut outputs);
        }
        let forgotten: Vec<NodeName> = self
            .remotes
            .values()
            .filter(|remote| remote.is_forgotten(now))
            .map(|remote| remote.name().clone())
            .collect();
        forgotten.iter().for_each(|node| self.forget(node));
        self.wake = self.remotes.values().filter_map(|remote| remote.deadline(self.engine)).min();
        outputs
    }

    /// May be earlier than something happens, never later.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }
}

/// What is known. Of nodes that are lost or left, nothing but what was last heard of them.
impl Replica {
    pub fn nodes(&self) -> impl Iterator<Item = &NodeState> {
        self.remotes.values().filter(|remote| remote.is_alive()).map(|remote| &remote.state)
    }

    pub fn node(&self, node: &NodeName) -> Option<&NodeState> {
        self.living(node).map(|remote| &remote.state)
    }

    /// Also of a node that is gone, for a while.
    pub fn last_heard(&self, node: &NodeName) -> Option<LastHeard> {
        self.remotes.get(node).map(RemoteNode::last_heard)
    }

    pub fn worker_by_boot(&self, boot: Boot) -> Option<(&NodeState, &WorkerRecord)> {
        let state = self.node(self.boots.get(&boot)?)?;
        Some((state, state.workers.iter().find(|worker| worker.boot == Some(boot))?))
    }

    /// See [`crate::node_tag`]. The own node is not among them.
    pub fn node_by_tag(&self, tag: u32) -> Option<&NodeName> {
        self.remotes.values().find(|remote| remote.tag == tag && remote.is_alive()).map(RemoteNode::name)
    }

    pub fn streams(&self, node: &NodeName) -> impl Iterator<Item = &StreamRecord> {
        self.living(node).into_iter().flat_map(|remote| remote.streams.streams())
    }

    /// Whether media may pass to this worker: its node is not known to be gone, and no link says that it does not.
    pub fn is_reachable(&self, boot: Boot) -> bool {
        let Some(remote) = self.boots.get(&boot).and_then(|node| self.remotes.get(node)) else { return true };
        remote.is_alive() && remote.link(boot).unwrap_or(true)
    }

    /// Whether what the living nodes publish is known: none owes us its list.
    pub fn is_caught_up(&self) -> bool {
        self.remotes.values().filter(|remote| remote.is_alive()).all(|remote| remote.streams.is_known())
    }

    /// Presences that broke a limit.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

impl Replica {
    fn living(&self, node: &NodeName) -> Option<&RemoteNode> {
        self.remotes.get(node).filter(|remote| remote.is_alive())
    }

    fn handle_own_name(&mut self, now: Instant, state: &NodeState) -> Option<Output> {
        if state.instance == self.instance {
            return None;
        }
        let known = self.namesake.filter(|known| {
            known.instance == state.instance && now.saturating_duration_since(known.heard_at) < NAMESAKE_FORGET
        });
        let first_heard_at = known.map_or(now, |known| known.first_heard_at);
        self.namesake = Some(Namesake { instance: state.instance, first_heard_at, heard_at: now });
        (now.saturating_duration_since(first_heard_at) >= NAMESAKE_LIVES).then(|| Output::Duplicate {
            node: self.own.clone(),
            instance: state.instance,
            started_ms: state.started_ms,
        })
    }

    fn handle_link(&mut self, now: Instant, boot: Boot, is_up: bool) -> Vec<Output> {
        let mut outputs = Vec::new();
        if let Some(node) = self.boots.get(&boot).cloned()
            && let Some(remote) = self.remotes.get_mut(&node)
        {
            remote.handle_link(now, boot, is_up, self.engine, &mut outputs);
            self.arm(&node);
        }
        outputs
    }

    /// A node that is gone makes place for one that speaks.
    fn has_room_for(&mut self, node: &NodeName) -> bool {
        if self.remotes.len() < NODES_MAX || self.remotes.contains_key(node) {
            return true;
        }
        let gone = self.remotes.values().filter_map(|remote| Some((remote.ended_at()?, remote.name())));
        let Some(longest) = gone.min().map(|(_, node)| node.clone()) else { return false };
        self.forget(&longest);
        true
    }

    fn forget(&mut self, node: &NodeName) {
        if let Some(remote) = self.remotes.remove(node) {
            self.unindex(node, &boots(&remote.state));
        }
    }

    fn index(&mut self, node: &NodeName, before: &[Boot]) {
        self.unindex(node, before);
        if let Some(remote) = self.remotes.get(node) {
            self.boots.extend(boots(&remote.state).into_iter().map(|boot| (boot, node.clone())));
        }
    }

    fn unindex(&mut self, node: &NodeName, before: &[Boot]) {
        for boot in before {
            if self.boots.get(boot) == Some(node) {
                self.boots.remove(boot);
            }
        }
    }

    fn arm(&mut self, node: &NodeName) {
        let deadline = self.remotes.get(node).and_then(|remote| remote.deadline(self.engine));
        self.wake = self.wake.into_iter().chain(deadline).min();
    }
}

fn boots(state: &NodeState) -> Vec<Boot> {
    state.workers.iter().filter_map(|worker| worker.boot).collect()
}

fn is_within_limits(state: &NodeState) -> bool {
    let texts = state.origins.iter().map(String::len).chain([state.version.len()]);
    let region = state.region.as_ref().map_or(0, String::len);
    state.workers.len() <= WORKERS_PER_NODE_MAX
        && state.origins.len() <= ADDRESSES_MAX
        && state.addresses.len() <= ADDRESSES_MAX
        && texts.chain([region]).all(|bytes| bytes <= TEXT_BYTES_MAX)
}

pub const NODES_MAX: usize = 4_096;
const ADDRESSES_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 1_024;

/// What an earlier instance of ours said just before it died arrives in one go; who is heard over this long lives.
const NAMESAKE_LIVES: Duration = Duration::from_millis(400);
const NAMESAKE_FORGET: Duration = Duration::from_secs(5);

#[cfg(test)]
mod convergence;
#[cfg(test)]
mod tests;
