//! Owns what happens when a worker speaks, dies or is replaced.

use std::sync::Arc;

use chappe_sfu_api::{Event, Hello, SessionSnapshot, WorkerIndex};
use tracing::{debug, info, warn};

use crate::service::App;
use crate::workers::view::WorkerState;

impl App {
    /// A worker is there and has told its sessions.
    pub fn handle_worker_agreed(self: &Arc<Self>, worker: WorkerIndex, hello: Hello, snapshots: Vec<SessionSnapshot>) {
        let mut hub = self.hub();
        let boot = hello.boot;
        let is_new = hub.worker(worker).and_then(|view| view.boot()) != Some(boot);
        if let Some(view) = hub.worker_mut(worker) {
            view.handle_agreed(hello);
        }
        self.view_own(&mut hub);
        if is_new {
            hub.paths.forget_worker(worker);
        }
        self.refresh_peers_of(&mut hub);
        info!(sessions = snapshots.len(), "worker in agreement");
        let effects = hub.registry.adopt(worker, boot, snapshots);
        self.apply(&mut hub, effects);
        self.prepare_all(&mut hub, worker);
        if hub.workers.iter().all(|view| view.hello.is_some()) {
            self.settle();
        }
        // Members that were only known from notes have as long to come back as others.
        let restored = hub.registry.broken();
        drop(hub);
        self.cluster.tell_presence.notify_one();
        self.keep_record();
        restored.into_iter().for_each(|(member, connection)| self.expire_later(member, connection));
    }

    /// A worker's process is gone, and with it its sessions.
    pub fn handle_worker_lost(self: &Arc<Self>, worker: WorkerIndex) {
        let mut hub = self.hub();
        if let Some(view) = hub.worker_mut(worker) {
            view.state = WorkerState::Lost;
        }
        self.view_own(&mut hub);
        hub.forget_deafness_of(worker);
        let effects = hub.registry.handle_worker_lost(worker, None);
        warn!("worker lost");
        self.apply(&mut hub, effects);
        self.refresh_peers_of(&mut hub);
        self.cluster.tell_presence.notify_one();
    }

    pub fn handle_worker_event(self: &Arc<Self>, worker: WorkerIndex, event: Event) {
        let mut hub = self.hub();
        let effects = match event {
            Event::Closed { session, reason } => {
                debug!(%session, worker = worker.0, ?reason, "session closed");
                hub.registry.handle_closed(session, reason)
            }
            Event::StateChanged { session, state } => {
                debug!(%session, worker = worker.0, ?state, "session state");
                hub.registry.handle_state(session, state)
            }
            Event::TrackActive { session, track, active } => hub.registry.handle_track_active(session, track, active),
            Event::Load(load) => {
                if let Some(view) = hub.worker_mut(worker) {
                    view.handle_load(load);
                }
                self.view_own(&mut hub);
                Vec::new()
            }
            Event::PeerLost { peer } => {
                self.handle_hearing(&mut hub, worker, peer, false);
                self.handle_peer_lost(&mut hub, worker, peer);
                Vec::new()
            }
            Event::PeerFound { peer } => {
                self.handle_hearing(&mut hub, worker, peer, true);
                Vec::new()
            }
            Event::RelayRedirected { track, to } => {
                self.handle_redirected(&mut hub, worker, track, to);
                Vec::new()
            }
            Event::RelayRefused { track, peer } => {
                self.handle_refused(&mut hub, worker, track, peer);
                Vec::new()
            }
            // Replies are settled by the connection they came on; a hello or a session out of turn says nothing.
            Event::Hello(_)
            | Event::Session(_)
            | Event::Done { .. }
            | Event::Failed { .. }
            | Event::Stats { .. }
            | Event::Relays { .. }
            | Event::Alive => Vec::new(),
        };
        self.apply(&mut hub, effects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{hello, node_with_workers};
    use crate::relays::keys::RelaySecret;
    use chappe_engine::Embedded;
    use chappe_sfu_api::Boot;

    #[tokio::test]
    async fn a_worker_that_was_replaced_is_not_counted_among_those_that_do_not_hear_another() {
        let (w0, w1, peer) = (WorkerIndex(0), WorkerIndex(1), Boot(50));
        let engine = Embedded::new();
        let (ours, _commands) = node_with_workers("n1", 1, 2, &engine);
        let (theirs, _others) = node_with_workers("n2", 2, 1, &engine);
        theirs.handle_worker_agreed(w0, hello(w0, peer), Vec::new());
        ours.cluster.set_secret(RelaySecret::new(b"secret"));
        ours.handle_engine_up(std::time::Instant::now());
        ours.handle_worker_agreed(w0, hello(w0, Boot(1)), Vec::new());
        ours.handle_worker_agreed(w1, hello(w1, Boot(2)), Vec::new());
        ours.handle_presence(theirs.own_state(&theirs.hub()));
        ours.handle_worker_event(w0, Event::PeerLost { peer });
        assert!(ours.hub().replica.is_reachable(peer), "the other hears it");
        ours.handle_worker_lost(w0);
        ours.handle_worker_agreed(w0, hello(w0, Boot(3)), Vec::new());
        ours.handle_worker_event(w1, Event::PeerLost { peer });
        assert!(ours.hub().replica.is_reachable(peer), "the new one has not said that it does not");
        ours.handle_worker_event(w0, Event::PeerLost { peer });
        assert!(!ours.hub().replica.is_reachable(peer));
    }
}
