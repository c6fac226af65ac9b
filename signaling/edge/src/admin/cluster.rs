//! Owns the JSON of the admin API about nodes, workers and relays: all of the cluster, as this node knows it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chappe_cluster::{NodeName, NodePhase, NodeState, WorkerPhase, WorkerRecord};
use chappe_sfu_api::{LoadReport, PeerStats, RelayDirection, RelayStats, TrackId, WorkerIndex};
use chappe_signaling_service::{Relays, Service, ServiceState, WorkerReply, unix_ms};
use serde::Serialize;

use crate::admin::context::Admin;

#[derive(Debug, Serialize)]
struct NodeEntry<'a> {
    id: &'a NodeName,
    node: &'a NodeName,
    /// Of signaling; of this node only.
    pid: Option<u32>,
    version: &'a str,
    region: Option<&'a str>,
    state: &'static str,
    /// Since when its signaling process runs, milliseconds since 1970: tells the process from the one before.
    started_ms: u64,
    uptime_ms: u64,
    origins: &'a [String],
    /// At which clients are told its media ports, and the TURN servers that they are told; of this node only.
    media_addresses: Option<Vec<IpAddr>>,
    turn_urls: Option<Vec<String>>,
    workers: usize,
    workers_serving: usize,
    sessions: u64,
    streams: usize,
    /// Pages whose connection is here; of this node only.
    members: Option<usize>,
    /// From other nodes, for want of a place in a queue; by this node only.
    messages_dropped: Option<u64>,
    /// Until when the certificate of the listeners is good, milliseconds since 1970; of this node only.
    certificate_expires_ms: Option<u64>,
    /// Why there is no certificate by ACME, or none in the place of this one; of this node only.
    certificate_problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct WorkerEntry<'a> {
    id: String,
    node: &'a NodeName,
    index: u16,
    pid: Option<u32>,
    /// Names the process in relays.
    boot: Option<String>,
    media_port: u16,
    state: &'static str,
    sessions: u32,
    sessions_max: u32,
    /// Share of one core, 0–1.
    cpu: f64,
    rss_bytes: u64,
    /// Processes replaced since the node started.
    restarts: u64,
    /// Of the present process; none while there is none.
    uptime_ms: Option<u64>,
    bits_per_second_in: u64,
    bits_per_second_out: u64,
    packets_per_second_in: u64,
    packets_per_second_out: u64,
    /// Of this node's workers only.
    load: Option<&'a LoadReport>,
}

#[derive(Debug, Serialize)]
struct RelayEntry {
    /// Worker, direction, peer and track.
    id: String,
    worker: String,
    peer: String,
    track: TrackId,
    room: Option<String>,
    stream: Option<String>,
    direction: &'static str,
    depth: u8,
    packets: u64,
    bytes: u64,
    lost: u64,
    repaired: u64,
    alive: bool,
    round_trip_ms: Option<f64>,
}

pub async fn nodes(State(Admin { service, tls, .. }): State<Admin>) -> Response {
    let (own, others, streams, sessions, members) = {
        let state = service.state();
        let others: Vec<NodeState> = state.replica.nodes().cloned().collect();
        let (sessions, members) = (state.registry.session_count() as u64, state.registry.members());
        (service.own_state(&state), others, streams_by_node(&state), sessions, members)
    };
    let mut entries = vec![NodeEntry {
        pid: Some(std::process::id()),
        sessions,
        members: Some(members),
        media_addresses: Some(service.addresses.now().candidates.clone()),
        turn_urls: Some(service.turn_urls()),
        certificate_expires_ms: tls.expires_unix_ms(),
        certificate_problem: tls.problem(),
        messages_dropped: Some(service.cluster.engine.drops().total()),
        ..node_entry(&own, &streams)
    }];
    entries.extend(others.iter().map(|other| node_entry(other, &streams)));
    Json(entries).into_response()
}

pub async fn workers(State(service): State<Arc<Service>>) -> Response {
    let (own, others, loads) = {
        let state = service.state();
        let others: Vec<NodeState> = state.replica.nodes().cloned().collect();
        let loads: Vec<LoadReport> = state.workers.iter().map(|view| view.load.clone()).collect();
        (service.own_state(&state), others, loads)
    };
    let load = |index: WorkerIndex| loads.get(usize::from(index.0));
    let ours = own.workers.iter().map(|worker| worker_entry(&own.node, worker, load(worker.index)));
    let others = others.iter().flat_map(|other| other.workers.iter().map(move |worker| (&other.node, worker)));
    let entries: Vec<WorkerEntry<'_>> =
        ours.chain(others.map(|(node, worker)| worker_entry(node, worker, None))).collect();
    Json(entries).into_response()
}

/// What this node's workers relay: each relay as both of its ends see it, where both are here.
pub async fn relays(State(service): State<Arc<Service>>) -> Response {
    let waiting = service.ask_for_relays();
    let mut entries = Vec::new();
    for (worker, waiting) in waiting {
        if let Ok(WorkerReply::Relays(Relays { peers, relays })) = waiting.reply().await {
            let state = service.state();
            entries.extend(relays.iter().map(|relay| relay_entry(&service, &state, worker, relay, &peers)));
        }
    }
    Json(entries).into_response()
}

fn streams_by_node(state: &ServiceState) -> BTreeMap<NodeName, usize> {
    let mut counts = BTreeMap::new();
    for stream in state.registry.rooms().flat_map(|(_, room)| room.streams.values()) {
        match counts.get_mut(&stream.home.node) {
            Some(count) => *count += 1,
            None => {
                counts.insert(stream.home.node.clone(), 1);
            }
        }
    }
    counts
}

fn node_entry<'a>(presence: &'a NodeState, streams: &BTreeMap<NodeName, usize>) -> NodeEntry<'a> {
    let serving = presence.workers.iter().filter(|worker| worker.phase == WorkerPhase::Serving).count();
    NodeEntry {
        id: &presence.node,
        node: &presence.node,
        pid: None,
        version: &presence.version,
        region: presence.region.as_deref(),
        state: match presence.phase {
            NodePhase::Draining => "draining",
            NodePhase::Serving if serving > 0 => "serving",
            NodePhase::Serving => "unavailable",
        },
        started_ms: presence.started_ms,
        uptime_ms: unix_ms().saturating_sub(presence.started_ms),
        origins: &presence.origins,
        media_addresses: None,
        turn_urls: None,
        workers: presence.workers.len(),
        workers_serving: serving,
        sessions: presence.workers.iter().map(|worker| u64::from(worker.sessions)).sum(),
        streams: streams.get(&presence.node).copied().unwrap_or_default(),
        members: None,
        messages_dropped: None,
        certificate_expires_ms: None,
        certificate_problem: None,
    }
}

fn worker_entry<'a>(node: &'a NodeName, worker: &WorkerRecord, load: Option<&'a LoadReport>) -> WorkerEntry<'a> {
    WorkerEntry {
        id: format!("{node}/{}", worker.index.0),
        node,
        index: worker.index.0,
        pid: worker.pid,
        boot: worker.boot.map(|boot| format!("{:016x}", boot.0)),
        media_port: worker.media_port,
        state: match worker.phase {
            WorkerPhase::Connecting => "connecting",
            WorkerPhase::Serving => "serving",
            WorkerPhase::Draining => "draining",
            WorkerPhase::Lost => "lost",
        },
        sessions: worker.sessions,
        sessions_max: worker.sessions_max,
        cpu: worker.cpu,
        rss_bytes: worker.rss_bytes,
        restarts: worker.restarts,
        uptime_ms: worker.boot.filter(|_| worker.started_ms > 0).map(|_| unix_ms().saturating_sub(worker.started_ms)),
        bits_per_second_in: worker.bits_per_second_in,
        bits_per_second_out: worker.bits_per_second_out,
        packets_per_second_in: worker.packets_per_second_in,
        packets_per_second_out: worker.packets_per_second_out,
        load,
    }
}

fn relay_entry(
    service: &Service,
    state: &ServiceState,
    worker: WorkerIndex,
    relay: &RelayStats,
    peers: &[PeerStats],
) -> RelayEntry {
    let worker = format!("{}/{}", service.node(), worker.0);
    let peer = service.worker_name(state, relay.peer).unwrap_or_else(|| format!("{:016x}", relay.peer.0));
    let direction = match relay.direction {
        RelayDirection::In => "in",
        RelayDirection::Out => "out",
    };
    let link = peers.iter().find(|peer| peer.peer == relay.peer);
    let source = state.registry.track_home(relay.track);
    RelayEntry {
        id: format!("{worker} {direction} {peer} {}", relay.track),
        room: source.map(|home| home.room.to_string()),
        stream: source.map(|home| home.stream.to_string()),
        worker,
        peer,
        track: relay.track,
        direction,
        depth: relay.depth,
        packets: relay.packets,
        bytes: relay.bytes,
        lost: relay.lost,
        repaired: relay.repaired,
        alive: link.is_some_and(|link| link.alive),
        round_trip_ms: link.and_then(|link| link.round_trip_ms),
    }
}
