//! Owns what each of this node's workers was told of other workers and of tracks that come from them. Pure: it
//! returns the commands that are missing. Never decides who watches what.

use std::collections::HashMap;
use std::net::SocketAddr;

use chappe_cluster::NodeName;
use chappe_sfu_api::{Boot, Command, OriginSpec, PeerSpec, TrackId, WorkerIndex};

/// By worker of this node.
#[derive(Debug, Default)]
pub struct Paths {
    workers: HashMap<WorkerIndex, WorkerKnowledge>,
    /// Worker processes of other nodes, and where they are reached.
    reached: HashMap<NodeName, Vec<(Boot, Vec<SocketAddr>)>>,
}

#[derive(Debug, Default)]
struct WorkerKnowledge {
    peers: HashMap<Boot, Instruction<PeerSpec>>,
    origins: HashMap<TrackId, Instruction<OriginSpec>>,
}

/// What was said to a worker.
#[derive(Debug)]
struct Instruction<T> {
    what: T,
    /// The connection over which it was said has not broken since.
    arrived: bool,
}

impl<T: PartialEq> Instruction<T> {
    fn now(what: T) -> Instruction<T> {
        Instruction { what, arrived: true }
    }

    fn says(&self, what: &T) -> bool {
        self.arrived && self.what == *what
    }
}

impl Paths {
    /// Whether a node has other workers than the last time, or is reached in another way. It speaks four times a second.
    pub fn handle_node(&mut self, node: &NodeName, workers: Vec<(Boot, Vec<SocketAddr>)>) -> bool {
        if self.reached.get(node) == Some(&workers) {
            return false;
        }
        self.reached.insert(node.clone(), workers);
        true
    }

    pub fn forget_node(&mut self, node: &NodeName) {
        self.reached.remove(node);
    }

    /// Its process is new: it knows nothing.
    pub fn forget_worker(&mut self, worker: WorkerIndex) {
        self.workers.remove(&worker);
    }

    /// The same process is there again over another connection: what was said last may have gone with the one before.
    pub fn handle_reconnected(&mut self, worker: WorkerIndex) {
        let Some(told) = self.workers.get_mut(&worker) else { return };
        told.peers.values_mut().for_each(|peer| peer.arrived = false);
        told.origins.values_mut().for_each(|origin| origin.arrived = false);
    }

    /// A worker is to know these peers and no others. Also the tracks that it knows no way to from now on.
    pub fn set_peers(&mut self, worker: WorkerIndex, wanted: Vec<PeerSpec>) -> (Vec<Command>, Vec<TrackId>) {
        let told = self.workers.entry(worker).or_default();
        let gone: Vec<Boot> =
            told.peers.keys().copied().filter(|boot| !wanted.iter().any(|peer| peer.peer == *boot)).collect();
        let mut commands: Vec<Command> = gone.iter().map(|peer| Command::RemovePeer { peer: *peer }).collect();
        told.peers.retain(|boot, _| !gone.contains(boot));
        let mut cut_off = Vec::new();
        told.origins.retain(|track, origin| {
            let is_cut_off = gone.contains(&origin.what.peer);
            cut_off.extend(is_cut_off.then_some(*track));
            !is_cut_off
        });
        commands.extend(wanted.into_iter().filter_map(|peer| told.set_peer(peer)));
        (commands, cut_off)
    }

    pub fn set_peer(&mut self, worker: WorkerIndex, peer: PeerSpec) -> Option<Command> {
        self.workers.entry(worker).or_default().set_peer(peer)
    }

    pub fn knows_peer(&self, worker: WorkerIndex, peer: Boot) -> bool {
        self.workers.get(&worker).is_some_and(|told| told.peers.contains_key(&peer))
    }

    /// Peers that a worker knows.
    pub fn peers(&self, worker: WorkerIndex) -> impl Iterator<Item = Boot> + '_ {
        self.workers.get(&worker).into_iter().flat_map(|told| told.peers.keys().copied())
    }

    pub fn peers_told(&self, worker: WorkerIndex) -> impl Iterator<Item = &PeerSpec> {
        self.workers.get(&worker).into_iter().flat_map(|told| told.peers.values().map(|peer| &peer.what))
    }

    /// The peer is known. None when the worker has been told so.
    pub fn set_origin(&mut self, worker: WorkerIndex, origin: OriginSpec) -> Option<Command> {
        let told = self.workers.entry(worker).or_default();
        let before = told.origins.insert(origin.track, Instruction::now(origin));
        (!before.is_some_and(|before| before.says(&origin))).then_some(Command::SetOrigin(origin))
    }

    /// What a worker surely knows of where a track comes from.
    pub fn origin(&self, worker: WorkerIndex, track: TrackId) -> Option<OriginSpec> {
        self.workers.get(&worker)?.origins.get(&track).filter(|origin| origin.arrived).map(|origin| origin.what)
    }

    /// The same origin is told again the next time: the worker lost it.
    pub fn forget_origin(&mut self, worker: WorkerIndex, track: TrackId) {
        if let Some(told) = self.workers.get_mut(&worker) {
            told.origins.remove(&track);
        }
    }

    /// Tracks that a worker gets from this peer.
    pub fn fed_by(&self, worker: WorkerIndex, peer: Boot) -> Vec<OriginSpec> {
        let origins = self.workers.get(&worker).into_iter().flat_map(|told| told.origins.values());
        origins.map(|origin| origin.what).filter(|origin| origin.peer == peer).collect()
    }

    /// Nobody publishes the track any more.
    pub fn remove_track(&mut self, track: TrackId) -> Vec<(WorkerIndex, Command)> {
        let removed = self.workers.iter_mut().filter_map(|(worker, told)| {
            told.origins.remove(&track).map(|_| (*worker, Command::RemoveOrigin { track }))
        });
        removed.collect()
    }
}

impl WorkerKnowledge {
    fn set_peer(&mut self, peer: PeerSpec) -> Option<Command> {
        if self.peers.get(&peer.peer).is_some_and(|told| told.says(&peer)) {
            return None;
        }
        self.peers.insert(peer.peer, Instruction::now(peer.clone()));
        Some(Command::SetPeer(Box::new(peer)))
    }
}

/// Where a worker of another node is reached: at the first, and heard from all of them.
pub fn peer_addresses(addresses: &[std::net::IpAddr], port: u16) -> Vec<SocketAddr> {
    // Relays prefer IPv4, which every node that has both can speak with every other.
    let v4 = addresses.iter().filter(|ip| ip.is_ipv4());
    let ordered = v4.chain(addresses.iter().filter(|ip| ip.is_ipv6()));
    ordered.take(PEER_ADDRESSES_MAX).map(|ip| SocketAddr::new(*ip, port)).collect()
}

const PEER_ADDRESSES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_says_the_same_again_changes_nothing_however_few_of_its_workers_ours_know() {
        let (mut paths, node) = (Paths::default(), NodeName::parse("n2").unwrap());
        let workers = |port| vec![(Boot(1), vec![SocketAddr::from(([10, 0, 0, 2], port))])];
        assert!(paths.handle_node(&node, workers(7000)));
        assert!(!paths.handle_node(&node, workers(7000)));
        assert!(paths.handle_node(&node, workers(7001)), "reached in another way");
        assert!(paths.handle_node(&node, Vec::new()), "its worker is gone");
        paths.forget_node(&node);
        assert!(paths.handle_node(&node, Vec::new()), "it is back");
    }
}
