//! Owns what is done four times a second, whatever happened: saying that this node is there, looking at who is not heard,
//! asking again, and ending what is over. Never decides any of it.

use std::sync::Arc;
use std::time::Instant;

use chappe_signaling_rooms::Registry;

use crate::clock::unix_ms;
use crate::cluster::outgoing::Outgoing;
use crate::pages::event::PageEvent;
use crate::service::Service;
use crate::state::ServiceState;

impl Service {
    /// Four times a second.
    pub fn handle_cluster_tick(self: &Arc<Self>, now: Instant) {
        self.publish_presence();
        let mut state = self.state();
        let outputs = state.replica.handle_timeout(now);
        self.handle_outputs(&mut state, outputs);
        if state.sees_all(now) && !state.registry.is_complete() {
            let effects = state.registry.handle_view_complete();
            self.apply(&mut state, effects);
        }
        self.retry_unrouted(&mut state);
        self.ask_for_peers_again(&state);
        self.handle_chat_tick(&mut state, now);
        self.handle_audience_tick(&mut state);
        state.registry.forget_ended(unix_ms());
        let expired = state.registry.expired_sessions(unix_ms());
        self.in_turns(&mut state, expired, Registry::end_expired);
        drop(state);
        self.handle_drain_tick(now);
    }

    /// How many watch without being members is told to pages and nodes, at most with each tick.
    fn handle_audience_tick(&self, state: &mut ServiceState) {
        let everything = state.presences.is_multiple_of(AUDIENCE_TOLD_WHOLE_EVERY);
        if let Some(report) =
            state.registry.audience.poll_report(self.node(), everything).filter(|_| !self.cluster.alone)
        {
            self.cluster.send(Outgoing::Audience(report));
        }
        for room in state.registry.audience.take_untold() {
            let players = state.registry.audience.of(&room);
            state.tell_room(&room, PageEvent::Players(players));
        }
    }
}

/// Ticks between two reports of everything, for who missed a change: 5 s.
const AUDIENCE_TOLD_WHOLE_EVERY: u64 = 20;
