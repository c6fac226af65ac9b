//! Owns what other nodes say of themselves and what this one says: presence, streams, and who is out of reach.

use std::sync::Arc;
use std::time::Instant;

use chappe_cluster::{NodeName, NodePhase, NodeState, Output, StreamDelta, StreamList, WorkerPhase, WorkerRecord};
use chappe_engine::Health;
use chappe_sfu_api::{Boot, WorkerIndex};
use chappe_signaling_rooms::AudienceReport;
use tracing::{error, info, warn};

use crate::cluster::handle::ANSWER_WITHIN;
use crate::cluster::message::{NodeNotice, NodeReply, NodeRequest};
use crate::cluster::outgoing::Outgoing;
use crate::pages::event::{PageEvent, PageMessage};
use crate::relays::peers::addresses_of;
use crate::service::{App, Exit};
use crate::state::Hub;
use crate::workers::view::{WorkerState, WorkerView};

impl App {
    pub fn handle_presence(self: &Arc<Self>, state: NodeState) {
        let mut hub = self.hub();
        let outputs = hub.replica.handle_presence(Instant::now(), state);
        self.handle_outputs(&mut hub, outputs);
    }

    pub fn handle_stream_delta(self: &Arc<Self>, delta: StreamDelta) {
        let mut hub = self.hub();
        let outputs = hub.replica.handle_delta(Instant::now(), delta);
        self.handle_outputs(&mut hub, outputs);
    }

    pub fn handle_stream_list(self: &Arc<Self>, list: StreamList) {
        let mut hub = self.hub();
        let outputs = hub.replica.handle_list(Instant::now(), list);
        self.handle_outputs(&mut hub, outputs);
    }

    pub fn handle_notice(self: &Arc<Self>, notice: NodeNotice) {
        let NodeNotice::Deliver { member, text, ended } = notice;
        let mut hub = self.hub();
        hub.tell(member, PageMessage::Rendered(text));
        if let Some(session) = ended {
            hub.registry.forget_session(member, session);
        }
    }

    /// Four times a second.
    pub fn handle_cluster_tick(self: &Arc<Self>, now: Instant) {
        self.publish_presence();
        let mut hub = self.hub();
        let outputs = hub.replica.handle_timeout(now);
        self.handle_outputs(&mut hub, outputs);
        if hub.sees_all(now) && !hub.registry.is_complete() {
            let effects = hub.registry.handle_view_complete();
            self.apply(&mut hub, effects);
        }
        self.retry_pathless(&mut hub);
        self.meet_again(&hub);
        self.handle_chat_tick(&mut hub, now);
        self.handle_audience_tick(&mut hub);
        drop(hub);
        self.handle_drain_tick(now);
    }

    /// How many watch without being members is told to pages and nodes, at most with each tick.
    fn handle_audience_tick(&self, hub: &mut Hub) {
        let everything = hub.presences.is_multiple_of(AUDIENCE_TOLD_WHOLE_EVERY);
        if let Some(report) = hub.registry.audience.poll_report(self.node(), everything).filter(|_| !self.cluster.alone)
        {
            self.cluster.send(Outgoing::Audience(report));
        }
        for room in hub.registry.audience.take_untold() {
            let players = hub.registry.audience.of(&room);
            hub.tell_room(&room, PageEvent::Players(players));
        }
    }

    pub fn handle_audience(&self, report: AudienceReport) {
        let mut hub = self.hub();
        if hub.replica.node(&report.node).is_some() {
            hub.registry.audience.handle_report(report);
        }
    }

    pub fn handle_engine_up(self: &Arc<Self>, now: Instant) {
        let mut hub = self.hub();
        hub.engine = Health::Up;
        hub.hears_since = hub.hears_since.or(Some(now));
        let outputs = hub.replica.handle_engine(now, true);
        self.handle_outputs(&mut hub, outputs);
        let outputs = hub.chat.handle_engine_up(now);
        self.apply_chat(&mut hub, outputs);
        drop(hub);
        self.publish_presence();
        self.keep_record();
    }

    /// This machine has other addresses than before.
    pub fn handle_addresses_changed(self: &Arc<Self>) {
        self.publish_presence();
        self.keep_record();
    }

    /// For nodes that start: in the store as long as this one is part of the cluster.
    pub(crate) fn keep_record(self: &Arc<Self>) {
        if self.cluster.alone {
            return;
        }
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let state = app.own_state(&app.hub());
            app.store_own_state(&state).await;
        });
    }

    /// Other nodes can't be reached: not yet, or not any more.
    pub fn handle_engine_outage(self: &Arc<Self>, outage: Health) {
        let mut hub = self.hub();
        hub.engine = outage;
        hub.hears_since = None;
        hub.registry.handle_view_incomplete();
        let outputs = hub.replica.handle_engine(Instant::now(), false);
        self.handle_outputs(&mut hub, outputs);
        hub.chat.handle_engine_down();
    }

    /// One of our workers hears, or does not hear, another worker process.
    pub(crate) fn handle_hearing(self: &Arc<Self>, hub: &mut Hub, worker: WorkerIndex, peer: Boot, hears: bool) {
        let now = Instant::now();
        let deaf = hub.deaf.entry(peer).or_default();
        let _ = if hears { deaf.remove(&worker) } else { deaf.insert(worker) };
        let listening = hub.workers.iter().filter(|view| view.is_there()).count();
        let unheard = deaf.len() >= listening.max(1);
        if deaf.is_empty() {
            hub.deaf.remove(&peer);
        }
        let outputs = match unheard {
            true => hub.replica.handle_worker_unreachable(now, peer),
            false => hub.replica.handle_worker_reachable(now, peer),
        };
        self.handle_outputs(hub, outputs);
        let state = hub.replica.worker_by_boot(peer).map(|(state, _)| state.clone());
        if let Some(state) = state {
            self.view_node(hub, now, &state);
        }
    }

    fn handle_outputs(self: &Arc<Self>, hub: &mut Hub, outputs: Vec<Output>) {
        let now = Instant::now();
        for output in outputs {
            match output {
                Output::NodeJoined(node) => {
                    info!(%node, "a node is there");
                    self.take_up_node(hub, now, &node);
                    // So that it knows us at once.
                    self.cluster.tell_presence.notify_one();
                }
                Output::NodeChanged(node) => self.take_up_node(hub, now, &node),
                Output::NodeLost(node) => {
                    warn!(%node, "a node is gone");
                    hub.view.remove_node(&node);
                    hub.paths.forget_node(&node);
                    hub.registry.audience.handle_node_lost(&node);
                    let outputs = hub.chat.handle_node_lost(now, &node);
                    self.apply_chat(hub, outputs);
                    self.refresh_peers_of(hub);
                }
                Output::StreamPut(node, record) => {
                    let effects = hub.registry.put_remote(&node, &record);
                    self.apply(hub, effects);
                }
                Output::StreamGone { node, room, stream, epoch } => {
                    let effects = hub.registry.remove_remote(&node, &room, &stream, epoch);
                    self.apply(hub, effects);
                }
                Output::WantList { node, part } => self.ask_for_streams(node, part),
                Output::Duplicate { node, instance, started_ms } => {
                    self.handle_duplicate(&node, instance, started_ms);
                }
            }
        }
    }

    fn take_up_node(&self, hub: &mut Hub, now: Instant, node: &NodeName) {
        let Some(state) = hub.replica.node(node).cloned() else { return };
        self.view_node(hub, now, &state);
        let reached = |worker: &WorkerRecord| Some((worker.boot?, addresses_of(&state, worker)));
        if hub.paths.handle_node(node, state.workers.iter().filter_map(reached).collect()) {
            self.refresh_peers_of(hub);
        }
    }

    fn view_node(&self, hub: &mut Hub, now: Instant, state: &NodeState) {
        let replica = &hub.replica;
        hub.view.put_node(now, state, |boot| replica.is_reachable(boot));
    }

    fn ask_for_streams(self: &Arc<Self>, node: NodeName, part: u32) {
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let request = NodeRequest::Streams { part };
            if let Ok(NodeReply::Streams { list }) = app.cluster.ask(&node, &request, ANSWER_WITHIN).await {
                app.handle_stream_list(list);
            }
        });
    }

    /// Two nodes have our name, as may happen when NATS was down while they started. The one that came later goes.
    fn handle_duplicate(&self, node: &NodeName, instance: u64, started_ms: u64) {
        let own = &self.cluster.identity;
        if (started_ms, instance) < (own.started_ms, own.instance) {
            error!(%node, "an older node has this name too: choose another with --node");
            self.end(Exit::NameTaken);
        }
    }

    pub fn publish_presence(&self) {
        if !self.is_settled() {
            return;
        }
        let state = {
            let mut hub = self.hub();
            hub.presences += 1;
            self.view_own(&mut hub)
        };
        self.cluster.send(Outgoing::Presence(state));
    }

    /// Placement sees our workers as they are now: after each change of one, and with each presence.
    pub(crate) fn view_own(&self, hub: &mut Hub) -> NodeState {
        let state = self.own_state(hub);
        hub.view.put_node(Instant::now(), &state, |_| true);
        state
    }

    pub fn own_state(&self, hub: &Hub) -> NodeState {
        let (identity, reach) = (&self.cluster.identity, self.addresses.now());
        NodeState {
            node: identity.node.clone(),
            instance: identity.instance,
            sequence: hub.presences,
            started_ms: identity.started_ms,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            region: identity.region.clone(),
            origins: reach.origins.clone(),
            addresses: reach.relays.clone(),
            phase: if hub.drain.is_some() { NodePhase::Draining } else { NodePhase::Serving },
            workers: hub.workers.iter().filter_map(worker_record).collect(),
            streams_version: hub.log.version(),
        }
    }
}

/// Ticks between two reports of everything, for who missed a change: 5 s.
const AUDIENCE_TOLD_WHOLE_EVERY: u64 = 20;

/// None for a worker that was never there.
fn worker_record(view: &WorkerView) -> Option<WorkerRecord> {
    let hello = view.hello.as_ref()?;
    Some(WorkerRecord {
        index: view.index,
        boot: view.is_there().then_some(hello.boot),
        pid: Some(hello.pid),
        media_port: hello.media_port,
        phase: match view.state {
            WorkerState::Connecting => WorkerPhase::Connecting,
            WorkerState::Serving => WorkerPhase::Serving,
            WorkerState::Draining => WorkerPhase::Draining,
            WorkerState::Lost => WorkerPhase::Lost,
        },
        sessions: view.load.sessions,
        sessions_max: view.sessions_max(),
        cpu: view.load.cpu,
        rss_bytes: view.load.rss_bytes,
        restarts: view.restarts(),
        bits_per_second_in: view.rates.bits_in,
        bits_per_second_out: view.rates.bits_out,
        packets_per_second_in: view.rates.packets_in,
        packets_per_second_out: view.rates.packets_out,
    })
}
