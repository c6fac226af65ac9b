//! Owns what this node knows of all others: who is there, which of their workers media reaches, and which streams
//! they publish. Never sends anything, and never decides which of two claims to a stream is right.

mod follower;
mod output;
mod peer;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use chappe_sfu_api::Boot;

use crate::{NodeName, NodeState, StreamDelta, StreamList, StreamRecord, WORKERS_PER_NODE_MAX, WorkerRecord};
pub use output::Output;
pub use peer::LastHeard;
use peer::{EngineState, Peer};

/// Messages from other nodes and signs of life from links go in; what changed comes out. The replicas of two nodes
/// that hear the same node come to the same end, whatever was lost, late or doubled on the way.
#[derive(Debug)]
pub struct Replica {
    own: NodeName,
    instance: u64,
    engine: EngineState,
    peers: BTreeMap<NodeName, Peer>,
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
            peers: BTreeMap::new(),
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
        let workers_before = self.peers.get(&node).map(|peer| boots(&peer.state)).unwrap_or_default();
        let is_news = match self.peers.get_mut(&node) {
            Some(peer) => peer.handle_presence(now, state, &mut outputs),
            None => {
                self.peers.insert(node.clone(), Peer::new(now, state, &mut outputs));
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
        if let Some(peer) = self.peers.get_mut(&delta.node) {
            peer.handle_delta(now, delta.instance, delta.version, delta.change, &mut outputs);
            self.arm(&delta.node);
        }
        outputs
    }

    pub fn handle_list(&mut self, now: Instant, list: StreamList) -> Vec<Output> {
        let (mut outputs, node) = (Vec::new(), list.node.clone());
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.handle_list(now, list, &mut outputs);
            self.arm(&node);
        }
        outputs
    }

    /// The node leaves in order. What is still on its way from this instance is not listened to.
    pub fn handle_goodbye(&mut self, now: Instant, node: &NodeName, instance: u64) -> Vec<Output> {
        let mut outputs = Vec::new();
        if let Some(peer) = self.peers.get_mut(node).filter(|peer| peer.state.instance == instance) {
            peer.handle_goodbye(now, &mut outputs);
            let boots = boots(&peer.state);
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
        for peer in self.peers.values_mut() {
            peer.handle_timeout(now, self.engine, &mut outputs);
        }
        let forgotten: Vec<NodeName> =
            self.peers.values().filter(|peer| peer.is_forgotten(now)).map(|peer| peer.name().clone()).collect();
        forgotten.iter().for_each(|node| self.forget(node));
        self.wake = self.peers.values().filter_map(|peer| peer.deadline(self.engine)).min();
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
        self.peers.values().filter(|peer| peer.is_alive()).map(|peer| &peer.state)
    }

    pub fn node(&self, node: &NodeName) -> Option<&NodeState> {
        self.living(node).map(|peer| &peer.state)
    }

    /// Also of a node that is gone, for a while.
    pub fn last_heard(&self, node: &NodeName) -> Option<LastHeard> {
        self.peers.get(node).map(Peer::last_heard)
    }

    pub fn worker_by_boot(&self, boot: Boot) -> Option<(&NodeState, &WorkerRecord)> {
        let state = self.node(self.boots.get(&boot)?)?;
        Some((state, state.workers.iter().find(|worker| worker.boot == Some(boot))?))
    }

    /// See [`crate::node_tag`]. The own node is not among them.
    pub fn node_by_tag(&self, tag: u32) -> Option<&NodeName> {
        self.peers.values().find(|peer| peer.tag == tag && peer.is_alive()).map(Peer::name)
    }

    pub fn streams(&self, node: &NodeName) -> impl Iterator<Item = &StreamRecord> {
        self.living(node).into_iter().flat_map(|peer| peer.streams.streams())
    }

    /// Whether media may pass to this worker: its node is not known to be gone, and no link says that it does not.
    pub fn is_reachable(&self, boot: Boot) -> bool {
        let Some(peer) = self.boots.get(&boot).and_then(|node| self.peers.get(node)) else { return true };
        peer.is_alive() && peer.link(boot).unwrap_or(true)
    }

    /// Whether what the living nodes publish is known: none owes us its list.
    pub fn is_caught_up(&self) -> bool {
        self.peers.values().filter(|peer| peer.is_alive()).all(|peer| peer.streams.is_known())
    }

    /// Presences that broke a limit.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

impl Replica {
    fn living(&self, node: &NodeName) -> Option<&Peer> {
        self.peers.get(node).filter(|peer| peer.is_alive())
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
            && let Some(peer) = self.peers.get_mut(&node)
        {
            peer.handle_link(now, boot, is_up, self.engine, &mut outputs);
            self.arm(&node);
        }
        outputs
    }

    /// A node that is gone makes place for one that speaks.
    fn has_room_for(&mut self, node: &NodeName) -> bool {
        if self.peers.len() < NODES_MAX || self.peers.contains_key(node) {
            return true;
        }
        let gone = self.peers.values().filter_map(|peer| Some((peer.ended_at()?, peer.name())));
        let Some(longest) = gone.min().map(|(_, node)| node.clone()) else { return false };
        self.forget(&longest);
        true
    }

    fn forget(&mut self, node: &NodeName) {
        if let Some(peer) = self.peers.remove(node) {
            self.unindex(node, &boots(&peer.state));
        }
    }

    fn index(&mut self, node: &NodeName, before: &[Boot]) {
        self.unindex(node, before);
        if let Some(peer) = self.peers.get(node) {
            self.boots.extend(boots(&peer.state).into_iter().map(|boot| (boot, node.clone())));
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
        let deadline = self.peers.get(node).and_then(|peer| peer.deadline(self.engine));
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
