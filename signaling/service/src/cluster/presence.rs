//! Owns what other nodes say of themselves and what this one says: presence, streams, and who is out of reach.

use std::sync::Arc;
use std::time::Instant;

use chappe_cluster::{
    NodeName, NodePhase, NodeState, Output, StreamDelta, StreamList, WorkerPhase, WorkerRecord, may_share_cluster,
};
use chappe_engine::Health;
use chappe_sfu_api::{Boot, WorkerIndex};
use chappe_signaling_rooms::AudienceReport;
use tracing::{error, info, warn};

use crate::cluster::handle::ANSWER_WITHIN;
use crate::cluster::message::{NodeNotice, NodeReply, NodeRequest};
use crate::cluster::outgoing::Outgoing;
use crate::pages::event::PageMessage;
use crate::relays::peers::addresses_of;
use crate::service::{Exit, Service};
use crate::state::ServiceState;
use crate::workers::view::{WorkerState, WorkerView};

impl Service {
    /// Of a node whose version can't share a cluster with ours, nothing is taken on: it is as if it was not there.
    pub fn handle_presence(self: &Arc<Self>, presence: NodeState) {
        let mut state = self.state();
        if !may_share_cluster(VERSION, &presence.version) {
            return tell_of_stranger(&mut state, &presence);
        }
        state.strangers.remove(&presence.node);
        let outputs = state.replica.handle_presence(Instant::now(), presence);
        self.handle_outputs(&mut state, outputs);
    }

    pub fn handle_stream_delta(self: &Arc<Self>, delta: StreamDelta) {
        let mut state = self.state();
        let outputs = state.replica.handle_delta(Instant::now(), delta);
        self.handle_outputs(&mut state, outputs);
    }

    pub fn handle_stream_list(self: &Arc<Self>, list: StreamList) {
        let mut state = self.state();
        let outputs = state.replica.handle_list(Instant::now(), list);
        self.handle_outputs(&mut state, outputs);
    }

    pub fn handle_notice(self: &Arc<Self>, notice: NodeNotice) {
        let NodeNotice::Deliver { member, text, ended } = notice;
        let mut state = self.state();
        state.tell(member, PageMessage::Rendered(text));
        if let Some(session) = ended {
            state.registry.forget_session(member, session);
        }
    }

    pub fn handle_audience(&self, report: AudienceReport) {
        let mut state = self.state();
        if state.replica.node(&report.node).is_some() {
            state.registry.audience.handle_report(report);
        }
    }

    pub fn handle_engine_up(self: &Arc<Self>, now: Instant) {
        let mut state = self.state();
        state.engine = Health::Up;
        state.hears_since = state.hears_since.or(Some(now));
        let outputs = state.replica.handle_engine(now, true);
        self.handle_outputs(&mut state, outputs);
        let outputs = state.chat.handle_engine_up(now);
        self.apply_chat(&mut state, outputs);
        drop(state);
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
        let service = Arc::clone(self);
        tokio::spawn(async move {
            let own = service.own_state(&service.state());
            service.store_own_state(&own).await;
        });
    }

    /// Other nodes can't be reached: not yet, or not any more.
    pub fn handle_engine_outage(self: &Arc<Self>, outage: Health) {
        let mut state = self.state();
        state.engine = outage;
        state.hears_since = None;
        state.registry.handle_view_incomplete();
        let outputs = state.replica.handle_engine(Instant::now(), false);
        self.handle_outputs(&mut state, outputs);
        state.chat.handle_engine_down();
    }

    /// One of our workers hears, or does not hear, another worker process.
    pub(crate) fn handle_hearing(
        self: &Arc<Self>,
        state: &mut ServiceState,
        worker: WorkerIndex,
        peer: Boot,
        hears: bool,
    ) {
        let now = Instant::now();
        let silent_to = state.silent_peers.entry(peer).or_default();
        let _ = if hears { silent_to.remove(&worker) } else { silent_to.insert(worker) };
        let listening = state.workers.iter().filter(|view| view.is_there()).count();
        let unheard = silent_to.len() >= listening.max(1);
        if silent_to.is_empty() {
            state.silent_peers.remove(&peer);
        }
        let outputs = match unheard {
            true => state.replica.handle_worker_unreachable(now, peer),
            false => state.replica.handle_worker_reachable(now, peer),
        };
        self.handle_outputs(state, outputs);
        let home = state.replica.worker_by_boot(peer).map(|(home, _)| home.clone());
        if let Some(home) = home {
            self.view_node(state, now, &home);
        }
    }

    pub(crate) fn handle_outputs(self: &Arc<Self>, state: &mut ServiceState, outputs: Vec<Output>) {
        let now = Instant::now();
        for output in outputs {
            match output {
                Output::NodeJoined(node) => {
                    info!(%node, "a node is there");
                    let heard = state.replica.last_heard(&node);
                    heard.into_iter().for_each(|heard| state.news.tell_node_joined(&node, heard));
                    self.take_up_node(state, now, &node);
                    // So that it knows us at once.
                    self.cluster.tell_presence.notify_one();
                }
                Output::NodeChanged(node) => self.take_up_node(state, now, &node),
                Output::NodeLost(node) => {
                    warn!(%node, "a node is gone");
                    let heard = state.replica.last_heard(&node);
                    heard.into_iter().for_each(|heard| state.news.tell_node_left(&node, heard));
                    state.view.remove_node(&node);
                    state.paths.forget_node(&node);
                    state.registry.audience.handle_node_lost(&node);
                    let outputs = state.chat.handle_node_lost(now, &node);
                    self.apply_chat(state, outputs);
                    self.refresh_peers_of(state);
                }
                Output::StreamPut(node, record) => {
                    let effects = state.registry.put_remote(&node, &record);
                    self.apply(state, effects);
                }
                Output::StreamGone { node, room, stream, epoch } => {
                    let effects = state.registry.remove_remote(&node, &room, &stream, epoch);
                    self.apply(state, effects);
                }
                Output::WantList { node, part } => self.ask_for_streams(node, part),
                Output::Duplicate { node, instance, started_ms } => {
                    self.handle_duplicate(&node, instance, started_ms);
                }
            }
        }
    }

    fn take_up_node(&self, state: &mut ServiceState, now: Instant, node: &NodeName) {
        let Some(presence) = state.replica.node(node).cloned() else { return };
        self.view_node(state, now, &presence);
        let reached = |worker: &WorkerRecord| Some((worker.boot?, addresses_of(&presence, worker)));
        if state.paths.handle_node(node, presence.workers.iter().filter_map(reached).collect()) {
            self.refresh_peers_of(state);
        }
    }

    fn view_node(&self, state: &mut ServiceState, now: Instant, presence: &NodeState) {
        let replica = &state.replica;
        state.view.put_node(now, presence, |boot| replica.is_reachable(boot));
    }

    fn ask_for_streams(self: &Arc<Self>, node: NodeName, part: u32) {
        let service = Arc::clone(self);
        tokio::spawn(async move {
            let request = NodeRequest::Streams { part };
            if let Ok(NodeReply::Streams { list }) = service.cluster.ask(&node, &request, ANSWER_WITHIN).await {
                service.handle_stream_list(list);
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
        let presence = {
            let mut state = self.state();
            state.presences += 1;
            self.view_own(&mut state)
        };
        self.cluster.send(Outgoing::Presence(presence));
    }

    /// Placement sees our workers as they are now: after each change of one, and with each presence.
    pub(crate) fn view_own(&self, state: &mut ServiceState) -> NodeState {
        let own = self.own_state(state);
        state.view.put_node(Instant::now(), &own, |_| true);
        own
    }

    pub fn own_state(&self, state: &ServiceState) -> NodeState {
        let (identity, reach) = (&self.cluster.identity, self.addresses.now());
        NodeState {
            node: identity.node.clone(),
            instance: identity.instance,
            sequence: state.presences,
            started_ms: identity.started_ms,
            version: VERSION.to_owned(),
            region: identity.region.clone(),
            origins: reach.origins.clone(),
            addresses: reach.relays.clone(),
            phase: if state.drain.is_some() { NodePhase::Draining } else { NodePhase::Serving },
            workers: state.workers.iter().filter_map(worker_record).collect(),
            streams_version: state.log.version(),
        }
    }
}

/// Once for each, and not for each presence.
fn tell_of_stranger(state: &mut ServiceState, presence: &NodeState) {
    if state.strangers.len() < STRANGERS_MAX && state.strangers.insert(presence.node.clone()) {
        error!(
            node = %presence.node, theirs = presence.version, ours = VERSION,
            "a node is passed over: only neighbouring minor versions share a cluster, so upgrade in steps"
        );
    }
}

/// Of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
const STRANGERS_MAX: usize = 256;

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
        started_ms: hello.started_ms,
        bits_per_second_in: view.rates.bits_in,
        bits_per_second_out: view.rates.bits_out,
        packets_per_second_in: view.rates.packets_in,
        packets_per_second_out: view.rates.packets_out,
    })
}
