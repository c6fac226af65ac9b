//! Owns how this node's workers reach others: which of them they know, and where a track that they send comes
//! from. The workers themselves open and close relays as viewers come and go.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use chappe_cluster::{NodeState, WorkerRecord};
use chappe_sfu_api::{Boot, Command, Media, OriginSpec, PeerSpec, TrackId, WorkerIndex};
use tracing::{debug, info};

use crate::cluster::message::NodeRequest;
use crate::cluster::outgoing::Outgoing;
use crate::relays::keys::RelaySecret;
use crate::relays::paths::peer_addresses;
use crate::service::Service;
use crate::state::ServiceState;
use crate::workers::link::Waiting;

impl Service {
    /// Before a worker is told to send tracks of other workers, it is told where they come from.
    pub(crate) fn prepare(&self, state: &mut ServiceState, worker: WorkerIndex, command: &Command) {
        let media: &Media = match command {
            Command::OpenSession(spec) => &spec.media,
            Command::SetMedia { media, .. } => media,
            Command::PointTracks { viewers } => {
                let pointed = viewers.iter().flat_map(|viewer| &viewer.tracks).filter_map(|track| track.source);
                for track in pointed.collect::<BTreeSet<TrackId>>() {
                    self.prepare_track(state, worker, track);
                }
                return;
            }
            _ => return,
        };
        for track in media.send.iter().filter_map(|line| line.source) {
            self.prepare_track(state, worker, track);
        }
    }

    /// A worker's sessions were taken up: whatever they watch, it knows the way to, or is told it again.
    pub(crate) fn prepare_all(&self, state: &mut ServiceState, worker: WorkerIndex) {
        let sessions = state.registry.sessions().filter(|session| session.worker == worker);
        let tracks: Vec<TrackId> = sessions.flat_map(|s| &s.media.send).filter_map(|line| line.source).collect();
        for track in tracks {
            self.prepare_track(state, worker, track);
        }
    }

    fn prepare_track(&self, state: &mut ServiceState, worker: WorkerIndex, track: TrackId) {
        let Some(home) = state.registry.track_home(track).cloned() else { return };
        let own_boot = state.worker(worker).and_then(|view| view.boot());
        let is_here = home.home.node == *self.node() && Some(home.home.boot) == own_boot;
        if is_here || state.paths.origin(worker, track).is_some_and(|origin| origin.epoch >= home.epoch) {
            return;
        }
        let origin = OriginSpec { track, kind: home.kind, peer: home.home.boot, epoch: home.epoch };
        self.tell_origin(state, worker, origin);
    }

    fn tell_origin(&self, state: &mut ServiceState, worker: WorkerIndex, origin: OriginSpec) {
        if !self.ensure_peer(state, worker, origin.peer) {
            debug!(worker = worker.0, peer = origin.peer.0, "the worker of a track is not known yet");
            state.paths.forget_origin(worker, origin.track);
            state.unrouted.insert((worker, origin.track));
            return;
        }
        if let Some(command) = state.paths.set_origin(worker, origin) {
            self.send_plain(worker, command);
        }
    }

    /// Makes a worker and another one know each other. False while the other is not known.
    fn ensure_peer(&self, state: &mut ServiceState, worker: WorkerIndex, peer: Boot) -> bool {
        if state.paths.knows_peer(worker, peer) {
            return true;
        }
        let Some(spec) = self.peer_spec(state, worker, peer) else { return false };
        if let Some(command) = state.paths.set_peer(worker, spec) {
            self.send_plain(worker, command);
        }
        self.ask_for_peer(state, worker, peer);
        true
    }

    /// The other end has to know us too.
    fn ask_for_peer(&self, state: &ServiceState, worker: WorkerIndex, peer: Boot) {
        let boot = state.worker(worker).and_then(|view| view.boot());
        let there = state.replica.worker_by_boot(peer).map(|(home, _)| home.node.clone());
        if let (Some(boot), Some(node)) = (boot, there) {
            let request = NodeRequest::AcceptPeer { node: self.node().clone(), boot, with: peer };
            self.cluster.send(Outgoing::Request(node, request));
        }
    }

    /// With each tick: a peer that is not heard may not know our worker, if the request to accept it was lost. Workers that
    /// keep links with all others need no request.
    pub(crate) fn ask_for_peers_again(&self, state: &ServiceState) {
        if workers_elsewhere(state).nth(MESH_WORKERS_MAX).is_none() {
            return;
        }
        for (peer, silent_to) in &state.silent_peers {
            for worker in silent_to.iter().filter(|worker| state.paths.knows_peer(**worker, *peer)) {
                self.ask_for_peer(state, *worker, *peer);
            }
        }
    }

    /// What each worker of this node relays.
    pub fn ask_for_relays(&self) -> Vec<(WorkerIndex, Waiting)> {
        let there: Vec<WorkerIndex> =
            self.state().workers.iter().filter(|view| view.is_there()).map(|view| view.index).collect();
        there
            .into_iter()
            .filter_map(|worker| Some((worker, self.link(worker).ok()?.request(Command::Relays))))
            .collect()
    }

    /// `node/index` of a worker process.
    pub fn worker_name(&self, state: &ServiceState, boot: Boot) -> Option<String> {
        let here = state.workers.iter().find(|view| view.boot() == Some(boot));
        if let Some(view) = here {
            return Some(format!("{}/{}", self.node(), view.index.0));
        }
        let (home, record) = state.replica.worker_by_boot(boot)?;
        Some(format!("{}/{}", home.node, record.index.0))
    }

    /// Another node's worker is about to ask one of ours for a relay.
    pub(crate) fn accept_peer(&self, boot: Boot, with: Boot) {
        let mut state = self.state();
        let Some(worker) = state.workers.iter().find(|view| view.boot() == Some(with)).map(|view| view.index) else {
            return;
        };
        if let Some(command) = self.peer_spec(&state, worker, boot).and_then(|spec| state.paths.set_peer(worker, spec))
        {
            self.send_plain(worker, command);
        }
    }

    /// The cluster's, from now on: workers of different nodes can be told how to reach each other.
    pub fn set_relay_secret(&self, secret: RelaySecret) {
        self.cluster.set_secret(secret);
        self.refresh_peers();
    }

    /// Brings what each worker knows of others in line with what there is: all workers of this node, and those of
    /// others as far as there are not too many to keep company with.
    pub fn refresh_peers(&self) {
        let mut state = self.state();
        self.refresh_peers_of(&mut state);
    }

    pub(crate) fn refresh_peers_of(&self, state: &mut ServiceState) {
        let ours: Vec<(WorkerIndex, Boot)> =
            state.workers.iter().filter(|view| view.is_there()).filter_map(|v| Some((v.index, v.boot()?))).collect();
        let theirs: Vec<Boot> = workers_elsewhere(state).collect();
        let in_mesh = theirs.len() <= MESH_WORKERS_MAX;
        for (worker, boot) in &ours {
            let known: Vec<Boot> = state.paths.peers(*worker).collect();
            let kept = theirs.iter().filter(|peer| in_mesh || known.contains(peer));
            let wanted = ours.iter().map(|(_, other)| other).filter(|other| *other != boot).chain(kept);
            let wanted: Vec<Boot> = wanted.copied().collect();
            let mut specs: Vec<PeerSpec> =
                wanted.into_iter().filter_map(|peer| self.peer_spec(state, *worker, peer)).collect();
            // A worker that its node does not tell of just now, as while its signaling starts again, goes on relaying:
            // it is forgotten when its heartbeats are missed as well.
            let is_heard = |peer: &&PeerSpec| {
                !state.silent_peers.get(&peer.peer).is_some_and(|silent_to| silent_to.contains(worker))
            };
            let is_left_out = |peer: &&PeerSpec| !specs.iter().any(|spec| spec.peer == peer.peer);
            let kept: Vec<PeerSpec> =
                state.paths.peers_told(*worker).filter(is_left_out).filter(is_heard).cloned().collect();
            specs.extend(kept);
            let (commands, cut_off) = state.paths.set_peers(*worker, specs);
            // They are asked for again with each tick, for as long as they are said to be there.
            state.unrouted.extend(cut_off.into_iter().map(|track| (*worker, track)));
            for command in commands {
                if let Command::SetPeer(spec) = &command
                    && !state.silent_peers.contains_key(&spec.peer)
                {
                    // Taken to be up until its heartbeats are missed: a node is not gone with one link of several.
                    // What follows from it is that the node is looked at again, which its presence brings anyway.
                    let _ = state.replica.handle_worker_reachable(Instant::now(), spec.peer);
                }
                self.send_plain(*worker, command);
            }
        }
        self.retry_unrouted(state);
        let paths = &state.paths;
        state.silent_peers.retain(|peer, _| ours.iter().any(|(worker, _)| paths.knows_peer(*worker, *peer)));
    }

    /// How `worker` of this node reaches the worker process `peer`. None while the cluster has no secret yet.
    fn peer_spec(&self, state: &ServiceState, worker: WorkerIndex, peer: Boot) -> Option<PeerSpec> {
        let own = state.worker(worker)?.boot()?;
        if own == peer {
            return None;
        }
        let here = state.workers.iter().find(|view| view.boot() == Some(peer));
        if let Some(port) = here.and_then(|view| view.hello.as_ref()).map(|hello| hello.media_port) {
            let loopback = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
            return Some(spec(&self.cluster.node_secret, own, peer, vec![loopback]));
        }
        let (node, record) = state.replica.worker_by_boot(peer)?;
        let secret = self.cluster.secret()?;
        let addresses = addresses_of(node, record);
        (!addresses.is_empty()).then(|| spec(&secret, own, peer, addresses))
    }

    /// Heartbeats of a worker are not heard by one of ours any more. Tracks that came through it, and not from
    /// it, are asked for at their origin.
    pub(crate) fn handle_peer_lost(&self, state: &mut ServiceState, worker: WorkerIndex, peer: Boot) {
        info!(worker = worker.0, peer = peer.0, "another worker is not heard any more");
        for origin in state.paths.fed_by(worker, peer) {
            let home = state.registry.track_home(origin.track).cloned();
            if let Some(home) = home.filter(|home| home.home.boot != peer) {
                self.tell_origin(state, worker, OriginSpec { peer: home.home.boot, epoch: home.epoch, ..origin });
            }
        }
        self.refresh_peers_of(state);
    }

    /// The parent of a relay names another one.
    pub(crate) fn handle_redirected(&self, state: &mut ServiceState, worker: WorkerIndex, track: TrackId, to: Boot) {
        let Some(home) = state.registry.track_home(track).cloned() else { return };
        debug!(worker = worker.0, %track, to = to.0, "a relay is redirected");
        self.tell_origin(state, worker, OriginSpec { track, kind: home.kind, peer: to, epoch: home.epoch });
    }

    /// A parent does not have the track. The origin does, or will; it is asked (again).
    pub(crate) fn handle_refused(&self, state: &mut ServiceState, worker: WorkerIndex, track: TrackId, peer: Boot) {
        let Some(home) = state.registry.track_home(track).cloned() else { return };
        debug!(worker = worker.0, %track, peer = peer.0, "a relay is refused");
        if home.home.boot == peer {
            // Nobody else has it. It is asked again with the next tick, for as long as it is said to be there.
            state.paths.forget_origin(worker, track);
            self.send_plain(worker, Command::RemoveOrigin { track });
            state.unrouted.insert((worker, track));
            return;
        }
        self.tell_origin(state, worker, OriginSpec { track, kind: home.kind, peer: home.home.boot, epoch: home.epoch });
    }

    /// With each tick, and when other workers become known.
    pub(crate) fn retry_unrouted(&self, state: &mut ServiceState) {
        for (worker, track) in std::mem::take(&mut state.unrouted) {
            self.prepare_track(state, worker, track);
        }
    }
}

fn workers_elsewhere(state: &ServiceState) -> impl Iterator<Item = Boot> {
    state.replica.nodes().flat_map(|node| &node.workers).filter_map(|worker| worker.boot)
}

fn spec(secret: &RelaySecret, own: Boot, peer: Boot, addresses: Vec<SocketAddr>) -> PeerSpec {
    PeerSpec { peer, addresses, seal: secret.key(own, peer), open: secret.key(peer, own) }
}

pub(crate) fn addresses_of(node: &NodeState, record: &WorkerRecord) -> Vec<SocketAddr> {
    peer_addresses(&node.addresses, record.media_port)
}

/// With so many workers in other nodes each of ours keeps up heartbeats with all of them, and a relay starts
/// without a request to accept it; with more, only with those it exchanges media with.
const MESH_WORKERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{W0, hello, node_with_outbox, node_with_workers, obey, publish, show};
    use chappe_engine::Embedded;
    use chappe_sfu_api::Event;

    /// The first request was lost: nobody there answers what our worker says.
    #[tokio::test]
    async fn beyond_the_mesh_a_worker_that_is_not_heard_is_asked_to_meet_ours_again_until_it_is() {
        for (others, again) in [(MESH_WORKERS_MAX, 0), (MESH_WORKERS_MAX + 1, 1)] {
            let peer = Boot(50);
            let engine = Embedded::new();
            let (theirs, _theirs) = node_with_workers("n2", 2, others, &engine);
            for number in 0..others as u16 {
                let worker = WorkerIndex(number);
                theirs.handle_worker_agreed(worker, hello(worker, Boot(50 + u64::from(number))), Vec::new());
            }
            let (ours, _queues, mut outbox) = node_with_outbox("n1", 1, 2, &engine);
            ours.cluster.set_secret(RelaySecret::new(b"secret"));
            ours.handle_engine_up(Instant::now());
            ours.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
            ours.handle_worker_agreed(WorkerIndex(1), hello(WorkerIndex(1), Boot(2)), Vec::new());
            ours.handle_presence(theirs.own_state(&theirs.state()));
            assert!(ours.ensure_peer(&mut ours.state(), W0, peer));
            let is_request = |out: &Outgoing| matches!(out, Outgoing::Request(_, NodeRequest::AcceptPeer { boot: Boot(1), with, .. }) if *with == peer);
            let mut asked = || std::iter::from_fn(|| outbox.try_recv().ok()).filter(is_request).count();
            assert_eq!(asked(), again, "a request, where one is needed");
            let mut tick = || {
                ours.handle_cluster_tick(Instant::now());
                asked()
            };
            assert_eq!(tick(), 0, "links are taken to be up");
            ours.handle_worker_event(W0, Event::PeerLost { peer });
            assert_eq!((tick(), tick()), (again, again), "with each tick, among {others}");
            ours.handle_worker_event(W0, Event::PeerFound { peer });
            assert_eq!(tick(), 0);
        }
    }

    /// Viewers come to a node that has just started, before it knows the cluster's secret.
    #[tokio::test]
    async fn a_track_whose_worker_is_not_known_yet_is_asked_for_when_it_is() {
        let peer = Boot(50);
        let engine = Embedded::new();
        let (theirs, mut queues) = node_with_workers("n2", 2, 1, &engine);
        let _obeys = obey(queues.remove(0));
        theirs.handle_worker_agreed(W0, hello(W0, peer), Vec::new());
        let track = show(&theirs, publish(&theirs, None, None).await);

        let (ours, mut queues) = node_with_workers("n1", 1, 1, &engine);
        ours.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
        ours.handle_presence(theirs.own_state(&theirs.state()));
        ours.handle_stream_list(theirs.state().log.list(0));
        ours.prepare_track(&mut ours.state(), W0, track);
        let mut told =
            || std::iter::from_fn(|| queues[0].commands.try_recv().ok()).map(|out| out.command).collect::<Vec<_>>();
        let names = |command: &Command| matches!(command, Command::SetPeer(_) | Command::SetOrigin(_));
        assert!(!told().iter().any(names), "how to reach it is not known yet");

        ours.cluster.set_secret(RelaySecret::new(b"secret"));
        ours.refresh_peers();
        let after = told();
        let at = |wanted: &dyn Fn(&Command) -> bool| after.iter().position(wanted);
        let met = at(&|command| matches!(command, Command::SetPeer(spec) if spec.peer == peer));
        let asked = at(
            &|command| matches!(command, Command::SetOrigin(origin) if (origin.track, origin.peer) == (track, peer)),
        );
        assert!(met.is_some() && met < asked, "{after:?}");
        ours.handle_cluster_tick(Instant::now());
        assert!(!told().iter().any(names), "once");

        // The same process over another connection: what was said last may have gone with the one before.
        ours.handle_worker_agreed(W0, hello(W0, Boot(1)), Vec::new());
        assert!(told().iter().any(|command| matches!(command, Command::SetPeer(spec) if spec.peer == peer)));
        ours.prepare_track(&mut ours.state(), W0, track);
        assert!(told().iter().any(|command| matches!(command, Command::SetOrigin(origin) if origin.track == track)));
        ours.prepare_track(&mut ours.state(), W0, track);
        assert!(!told().iter().any(names), "once");
    }
}
