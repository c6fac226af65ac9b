//! Owns what happens when a worker speaks, dies or is replaced.

use std::sync::Arc;

use chappe_sfu_api::{Event, Hello, SessionSnapshot, SessionState, WorkerIndex};
use tracing::{debug, info, warn};

use crate::service::Service;
use crate::workers::link::{WorkerQueue, worker_link};
use crate::workers::view::{WorkerState, WorkerView};

impl Service {
    /// The node has one more. Its commands are taken from the queue.
    pub fn add_worker(&self) -> (WorkerIndex, WorkerQueue) {
        let (link, queue) = worker_link();
        let mut state = self.state();
        let worker = WorkerIndex(u16::try_from(state.workers.len()).unwrap_or(u16::MAX));
        state.workers.push(WorkerView::new(worker));
        self.links.push(link);
        (worker, queue)
    }

    /// The last one has left for good.
    pub fn remove_last_worker(self: &Arc<Self>) {
        let Some(worker) = self.state().workers.last().map(|view| view.index) else { return };
        self.handle_worker_lost(worker);
        let mut state = self.state();
        state.workers.pop();
        state.paths.forget_worker(worker);
        self.links.pop();
        self.view_own(&mut state);
        drop(state);
        self.cluster.tell_presence.notify_one();
    }

    /// A worker is there and has told its sessions.
    pub fn handle_worker_agreed(self: &Arc<Self>, worker: WorkerIndex, hello: Hello, snapshots: Vec<SessionSnapshot>) {
        let mut state = self.state();
        let boot = hello.boot;
        let is_new = state.worker(worker).and_then(|view| view.boot()) != Some(boot);
        if let Some(view) = state.worker_mut(worker) {
            view.handle_agreed(hello);
        }
        self.view_own(&mut state);
        match is_new {
            true => state.paths.forget_worker(worker),
            false => state.paths.handle_reconnected(worker),
        }
        self.refresh_peers_of(&mut state);
        info!(sessions = snapshots.len(), "worker in agreement");
        let effects = state.registry.adopt(worker, boot, snapshots);
        self.apply(&mut state, effects);
        self.prepare_all(&mut state, worker);
        if state.workers.iter().all(|view| view.hello.is_some()) {
            self.settle();
        }
        // Members that were only known from notes have as long to come back as others.
        let restored = state.registry.broken();
        drop(state);
        self.cluster.tell_presence.notify_one();
        self.keep_record();
        restored.into_iter().for_each(|(member, connection)| self.expire_later(member, connection));
    }

    /// A worker's process is gone, and with it its sessions.
    pub fn handle_worker_lost(self: &Arc<Self>, worker: WorkerIndex) {
        let mut state = self.state();
        let died =
            state.worker(worker).filter(|view| view.state == WorkerState::Serving).map(|view| view.load.sessions);
        died.into_iter().for_each(|sessions| state.news.tell_worker_died(worker, sessions));
        if let Some(view) = state.worker_mut(worker) {
            view.state = WorkerState::Lost;
        }
        self.view_own(&mut state);
        self.arrivals.handle_worker_lost(worker);
        state.forget_silences_to(worker);
        let effects = state.registry.handle_worker_lost(worker, None);
        warn!("worker lost");
        self.apply(&mut state, effects);
        self.refresh_peers_of(&mut state);
        self.cluster.tell_presence.notify_one();
    }

    pub fn handle_worker_event(self: &Arc<Self>, worker: WorkerIndex, event: Event) {
        if self.tracer.is_on() {
            self.trace_arrival(&event);
        }
        let mut state = self.state();
        let effects = match event {
            Event::Closed { session, reason } => {
                debug!(%session, worker = worker.0, ?reason, "session closed");
                state.registry.handle_closed(session, reason)
            }
            Event::StateChanged { session, state: reached } => {
                debug!(%session, worker = worker.0, state = ?reached, "session state");
                state.registry.handle_state(session, reached)
            }
            Event::TrackActive { session, track, active } => state.registry.handle_track_active(session, track, active),
            Event::Unwatched { session, track, encodings } => {
                state.registry.handle_unwatched(session, track, encodings)
            }
            Event::Speaking { track, speaking } => state.registry.handle_speaking(track, speaking),
            Event::Load(load) => {
                if let Some(view) = state.worker_mut(worker) {
                    view.handle_load(load);
                }
                self.view_own(&mut state);
                Vec::new()
            }
            Event::PeerLost { peer } => {
                self.handle_hearing(&mut state, worker, peer, false);
                self.handle_peer_lost(&mut state, worker, peer);
                Vec::new()
            }
            Event::PeerFound { peer } => {
                self.handle_hearing(&mut state, worker, peer, true);
                Vec::new()
            }
            Event::RelayRedirected { track, to } => {
                self.handle_redirected(&mut state, worker, track, to);
                Vec::new()
            }
            Event::RelayRefused { track, peer } => {
                self.handle_refused(&mut state, worker, track, peer);
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
        self.apply(&mut state, effects);
    }

    fn trace_arrival(&self, event: &Event) {
        match event {
            Event::StateChanged { session, state: SessionState::Connected } => self.arrivals.handle_connected(*session),
            Event::TrackActive { session, active: true, .. } => self.arrivals.handle_media(*session),
            Event::Closed { session, reason } => self.arrivals.handle_closed(*session, *reason),
            _ => {}
        }
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
        ours.handle_presence(theirs.own_state(&theirs.state()));
        ours.handle_worker_event(w0, Event::PeerLost { peer });
        assert!(ours.state().replica.is_reachable(peer), "the other hears it");
        ours.handle_worker_lost(w0);
        ours.handle_worker_agreed(w0, hello(w0, Boot(3)), Vec::new());
        ours.handle_worker_event(w1, Event::PeerLost { peer });
        assert!(ours.state().replica.is_reachable(peer), "the new one has not said that it does not");
        ours.handle_worker_event(w0, Event::PeerLost { peer });
        assert!(!ours.state().replica.is_reachable(peer));
    }
}
