//! Owns `GET /metrics`: the present state in the Prometheus text format, made anew for each scrape, so
//! that nothing lingers of a worker or room that has gone. Labels are workers, states, kinds, routes, drop reasons and
//! a few rooms: all bounded by us.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chappe_engine::Health;
use chappe_sfu_api::SessionId;
use chappe_signaling_events::Figures;
use chappe_signaling_rooms::{SESSION_KINDS, SESSION_STATES};
use chappe_signaling_service::{Service, ServiceState, WorkerState, WorkerView};
use metrics::{counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::admin::context::Admin;
use crate::admin::{room_figures, timings};

pub async fn metrics(State(admin): State<Admin>) -> Response {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    with_local_recorder(&recorder, || {
        describe();
        let uptime = admin.service.started().elapsed().unwrap_or_default();
        gauge!("chappe_uptime_seconds").set(uptime.as_secs_f64());
        for ((route, status), count) in admin.tally.counts() {
            counter!("chappe_http_requests_total", "route" => route, "status" => status.to_string()).absolute(count);
        }
        for (reason, count) in admin.service.refusals.access.counts() {
            counter!("chappe_access_refusals_total", "reason" => reason).absolute(count);
        }
        for (setting, count) in admin.service.refusals.caps.counts() {
            counter!("chappe_cap_refusals_total", "setting" => setting).absolute(count);
        }
        for (issuer, result, count) in admin.service.issuer_fetches.counts() {
            counter!("chappe_jwks_fetches_total", "issuer" => issuer, "result" => result).absolute(count);
        }
        for (fate, count) in admin.service.tracer.counts() {
            counter!("chappe_trace_spans_total", "result" => fate.as_text()).absolute(count);
        }
        record_webhooks(admin.service.deliveries.sum());
        for (result, count) in admin.tls.counts() {
            counter!("chappe_tls_handshakes_total", "result" => result).absolute(count);
        }
        for (reason, count) in admin.relayed.refusals() {
            counter!("chappe_turn_refusals_total", "reason" => reason).absolute(count);
        }
        counter!("chappe_turn_allocations_total").absolute(admin.relayed.allocations());
        counter!("chappe_turn_relayed_bytes_total").absolute(admin.relayed.relayed_bytes());
        if let Some(expires_ms) = admin.tls.expires_unix_ms() {
            gauge!("chappe_tls_certificate_expiry_timestamp_seconds").set(expires_ms as f64 / 1e3);
        }
        admin.service.cluster.engine.drops().record();
        record_sessions(&admin.service);
        record_hub(&admin.service.state());
        room_figures::record(&admin.service, admin.rooms_named);
    });
    let of_workers: Vec<_> = {
        let state = admin.service.state();
        state.workers.iter().map(|view| (view.index, view.load.timings.clone())).collect()
    };
    let text = handle.render() + &admin.service.lock_holds().to_text() + &timings::to_text(&of_workers);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn describe() {
    room_figures::describe();
    describe_gauge!("chappe_uptime_seconds", "Age of the signaling process.");
    describe_counter!("chappe_http_requests_total", "Responses of the public listener by route and status.");
    describe_counter!(
        "chappe_access_refusals_total",
        "Requests and messages refused for who asks or how often, by reason."
    );
    describe_counter!("chappe_cap_refusals_total", "Requests refused by a cap, by the setting that can be raised.");
    describe_counter!("chappe_jwks_fetches_total", "Attempts to read the keys of a foreign issuer by their result.");
    describe_counter!("chappe_trace_spans_total", "Steps of traced joins by whether the collector has them.");
    describe_counter!(
        "chappe_webhook_events_total",
        "Events for all receivers together by outcome; one that failed is told again, and counted each time."
    );
    describe_gauge!("chappe_webhook_events_waiting", "Events that receivers have not got yet.");
    describe_counter!("chappe_tls_handshakes_total", "Connections to listeners of TLS by how they began.");
    describe_gauge!("chappe_tls_certificate_expiry_timestamp_seconds", "Until when the certificate is good.");
    describe_counter!("chappe_turn_refusals_total", "What the TURN server did not answer or relay, by reason.");
    describe_counter!("chappe_turn_allocations_total", "Relayed ports that the TURN server has given out.");
    describe_counter!("chappe_turn_relayed_bytes_total", "Bytes that the TURN server has relayed, both ways.");
    describe_gauge!("chappe_rooms", "Rooms in which someone or something is.");
    describe_gauge!("chappe_streams", "Streams that are published.");
    describe_gauge!("chappe_members", "Pages that are in a room.");
    describe_gauge!("chappe_pages_connected", "Pages with a WebSocket now.");
    describe_gauge!("chappe_sessions", "WebRTC sessions by kind and state.");
    describe_gauge!("chappe_nodes", "Nodes of the cluster that this node knows, itself included.");
    describe_gauge!("chappe_cluster_reachable", "Whether other nodes can be spoken to; 1 on a node that runs alone.");
    describe_gauge!("chappe_node_draining", "Whether this node takes no new sessions and is about to leave.");
    describe_gauge!("chappe_worker_up", "Whether the worker serves or drains.");
    describe_gauge!("chappe_worker_draining", "Whether the worker takes no new sessions.");
    describe_counter!("chappe_worker_restarts_total", "Processes of the worker replaced since the node started.");
    describe_gauge!("chappe_worker_sessions", "Sessions on the worker.");
    describe_gauge!("chappe_worker_sessions_limit", "Sessions the worker takes at most.");
    describe_gauge!("chappe_worker_received_tracks", "Tracks the worker receives.");
    describe_gauge!("chappe_worker_sent_tracks", "Tracks the worker sends.");
    describe_gauge!("chappe_worker_cpu_ratio", "Share of one core over the last second.");
    describe_gauge!("chappe_worker_resident_memory_bytes", "Resident memory of the worker.");
    describe_gauge!(
        "chappe_worker_relief_steps",
        "How much the worker gives up because it has more to send than its core can: 0 for nothing, 3 at most."
    );
    describe_gauge!("chappe_worker_loop_max_seconds", "Longest turn of the worker's event loop in the last second.");
    describe_gauge!("chappe_worker_viewers_estimated", "Viewers whose line is estimated.");
    describe_gauge!("chappe_worker_viewers_waiting", "Viewers whose line does not take at once what they watch.");
    describe_counter!(
        "chappe_worker_layer_switches_total",
        "Changes of viewers to another encoding of what they watch."
    );
    describe_gauge!("chappe_worker_estimate_bytes_per_second", "What the lines of all viewers are thought to carry.");
    describe_counter!("chappe_worker_packets_received_total", "Packets received by the worker's present process.");
    describe_counter!("chappe_worker_packets_sent_total", "Packets sent by the worker's present process.");
    describe_counter!("chappe_worker_bytes_received_total", "Bytes received by the worker's present process.");
    describe_counter!("chappe_worker_bytes_sent_total", "Bytes sent by the worker's present process.");
    describe_counter!("chappe_worker_sends_total", "System calls with which the worker's present process sent.");
    describe_counter!(
        "chappe_worker_drops_total",
        "Packets dropped and old commands refused by the worker's present process, by reason."
    );
}

fn record_webhooks(figures: Figures) {
    let Figures { delivered, failed, given_up, dropped, waiting } = figures;
    for (outcome, count) in [("delivered", delivered), ("failed", failed), ("given_up", given_up), ("dropped", dropped)]
    {
        counter!("chappe_webhook_events_total", "outcome" => outcome).absolute(count);
    }
    gauge!("chappe_webhook_events_waiting").set(as_f64(waiting));
}

/// In turns of the lock: they may be thousands. Those of a kind and state that there are none of are told as well: what is
/// not there can't be told from a node that does not answer.
fn record_sessions(service: &Service) {
    let ids: Vec<SessionId> = service.state().registry.sessions().map(|session| session.id).collect();
    let all = SESSION_KINDS.iter().flat_map(|kind| SESSION_STATES.map(|state| ((*kind, state), 0)));
    let mut sessions: BTreeMap<(&'static str, &'static str), usize> = all.collect();
    for some in ids.chunks(SESSIONS_PER_TURN) {
        let state = service.state();
        for session in some.iter().filter_map(|id| state.registry.session(*id)) {
            *sessions.entry((session.note.kind(), session.state_text())).or_default() += 1;
        }
    }
    for ((kind, state), count) in sessions {
        gauge!("chappe_sessions", "kind" => kind, "state" => state).set(as_f64(count));
    }
}

/// Each takes a fraction of a microsecond.
const SESSIONS_PER_TURN: usize = 256;

fn record_hub(state: &ServiceState) {
    gauge!("chappe_rooms").set(as_f64(state.registry.rooms().count()));
    gauge!("chappe_streams").set(as_f64(state.registry.rooms().map(|(_, room)| room.streams.len()).sum()));
    gauge!("chappe_members").set(as_f64(state.registry.members()));
    gauge!("chappe_pages_connected").set(as_f64(state.connections()));
    gauge!("chappe_nodes").set(as_f64(state.replica.nodes().count() + 1));
    gauge!("chappe_cluster_reachable").set(f64::from(u8::from(state.engine == Health::Up)));
    gauge!("chappe_node_draining").set(f64::from(u8::from(state.drain.is_some())));
    state.workers.iter().for_each(record_worker);
}

fn record_worker(view: &WorkerView) {
    let label = [("worker", view.index.0.to_string())];
    let up = matches!(view.state, WorkerState::Serving | WorkerState::Draining);
    gauge!("chappe_worker_up", &label).set(f64::from(u8::from(up)));
    gauge!("chappe_worker_draining", &label).set(f64::from(u8::from(view.state == WorkerState::Draining)));
    counter!("chappe_worker_restarts_total", &label).absolute(view.restarts());
    gauge!("chappe_worker_sessions", &label).set(view.load.sessions);
    gauge!("chappe_worker_sessions_limit", &label).set(view.sessions_max());
    gauge!("chappe_worker_received_tracks", &label).set(view.load.received_tracks);
    gauge!("chappe_worker_sent_tracks", &label).set(view.load.sent_tracks);
    gauge!("chappe_worker_cpu_ratio", &label).set(view.load.cpu);
    gauge!("chappe_worker_resident_memory_bytes", &label).set(view.load.rss_bytes as f64);
    gauge!("chappe_worker_loop_max_seconds", &label).set(view.load.loop_us_max as f64 / 1e6);
    gauge!("chappe_worker_relief_steps", &label).set(f64::from(view.load.relief));
    counter!("chappe_worker_packets_received_total", &label).absolute(view.load.packets_in);
    counter!("chappe_worker_packets_sent_total", &label).absolute(view.load.packets_out);
    counter!("chappe_worker_bytes_received_total", &label).absolute(view.load.bytes_in);
    counter!("chappe_worker_bytes_sent_total", &label).absolute(view.load.bytes_out);
    counter!("chappe_worker_sends_total", &label).absolute(view.load.sends);
    gauge!("chappe_worker_viewers_estimated", &label).set(view.load.lines.estimated);
    gauge!("chappe_worker_viewers_waiting", &label).set(view.load.lines.waiting);
    counter!("chappe_worker_layer_switches_total", &label).absolute(view.load.lines.layer_switches);
    gauge!("chappe_worker_estimate_bytes_per_second", &label).set(view.load.lines.estimate_bps as f64 / 8.0);
    for (reason, count) in view.load.drops.iter().take(DROP_REASONS_MAX) {
        let [worker] = label.clone();
        counter!("chappe_worker_drops_total", "worker" => worker.1, "reason" => reason.clone()).absolute(*count);
    }
}

fn as_f64(count: usize) -> f64 {
    count as f64
}

/// A worker knows about thirty.
const DROP_REASONS_MAX: usize = 100;
