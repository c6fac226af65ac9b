//! Owns hearing what other nodes say: presence, streams, notices, rooms and requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chappe_cluster::{NodeState, StreamDelta};
use chappe_engine::{Health, Incoming, Subject};
use chappe_signaling_edge::{Processes, counted, to_remote};
use chappe_signaling_rooms::AudienceReport;
use chappe_signaling_service::{NodeNotice, NodeReply, NodeRequest, Service, part_of};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use super::outbox::{AUDIENCE, PRESENCE, STREAMS, notices_of};

/// Until the process ends: hears the others, and tells of this node.
pub async fn follow_cluster(service: Arc<Service>) {
    let mut presence = subscribe(&service, PRESENCE).await;
    let mut streams = subscribe(&service, STREAMS).await;
    let mut audience = subscribe(&service, AUDIENCE).await;
    let mut notices = subscribe(&service, &notices_of(service.cluster.own())).await;
    let mut health = service.cluster.engine.health();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    service.wait_settled().await;
    let at_first = health.borrow_and_update().clone();
    handle_health(&service, at_first);
    loop {
        tokio::select! {
            Some(bytes) = presence.recv() => {
                if let Some(state) = parse::<NodeState>(&bytes) {
                    service.handle_presence(state);
                }
            }
            Some(bytes) = streams.recv() => {
                if let Some(delta) = parse::<StreamDelta>(&bytes) {
                    service.handle_stream_delta(delta);
                }
            }
            Some(bytes) = audience.recv() => {
                if let Some(report) = parse::<AudienceReport>(&bytes) {
                    service.handle_audience(report);
                }
            }
            Some(bytes) = notices.recv() => {
                if let Some(notice) = parse::<NodeNotice>(&bytes) {
                    service.handle_notice(notice);
                }
            }
            changed = health.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = health.borrow_and_update().clone();
                handle_health(&service, now);
            }
            _ = tick.tick() => service.handle_cluster_tick(Instant::now()),
            () = service.cluster.tell_presence.notified() => service.publish_presence(),
        }
    }
}

fn handle_health(service: &Arc<Service>, health: Health) {
    match health {
        Health::Up => {
            info!("the cluster is reached");
            service.handle_engine_up(Instant::now());
        }
        outage => {
            let why = outage.outage();
            warn!(why, "the cluster is out of reach: this node goes on with what it knows");
            service.handle_engine_outage(outage);
        }
    }
}

/// Until it works: a node that starts without NATS subscribes when it is there.
async fn subscribe(service: &Service, subject: &str) -> mpsc::Receiver<Bytes> {
    let subject = Subject::parse(subject).expect("a name of ours");
    loop {
        match service.cluster.engine.subscribe(&subject).await {
            Ok(messages) => return messages,
            Err(error) => tracing::debug!(%error, %subject, "not subscribed yet"),
        }
        sleep(RETRY).await;
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match serde_json::from_slice(bytes) {
        Ok(message) => Some(message),
        Err(error) => {
            // A node of a newer version may say things that this one does not know.
            tracing::debug!(%error, "another node says something that is not understood");
            None
        }
    }
}

/// Answers the requests of other nodes, many at a time.
pub async fn serve_requests(service: Arc<Service>, processes: Processes) {
    let places = Arc::new(Semaphore::new(REQUESTS_MAX));
    loop {
        let mut requests = match service.cluster.engine.receive_requests(service.cluster.own().as_str()).await {
            Ok(requests) => requests,
            Err(error) => {
                tracing::debug!(%error, "not serving other nodes yet");
                sleep(RETRY).await;
                continue;
            }
        };
        while let Some(incoming) = requests.recv().await {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (service, processes) = (Arc::clone(&service), processes.clone());
            tokio::spawn(async move {
                answer(&service, &processes, incoming).await;
                drop(place);
            });
        }
    }
}

/// Processes are the supervisor's, all else is the service's.
async fn answer(service: &Arc<Service>, processes: &Processes, incoming: Incoming) {
    let Some(request) = parse::<NodeRequest>(&incoming.payload) else { return };
    let send = |reply: &NodeReply| {
        let bytes = serde_json::to_vec(reply).expect("a reply has only string keys");
        incoming.reply.send(bytes.into());
    };
    if let NodeRequest::Operate { order } = request {
        return processes.answer(order, send).await;
    }
    let part_of = service.tracer.is_on().then(|| part_of(&incoming.payload)).flatten();
    let mut step = service.tracer.go_on("answer node", part_of);
    let answer = step.cover(service.answer_node(request)).await;
    step.note_outcome(&answer);
    send(&match answer {
        Ok(reply) => reply,
        Err(refusal) => {
            counted(&refusal).into_iter().for_each(|counted| service.refusals.note(counted));
            NodeReply::Refused { told: to_remote(&refusal) }
        }
    });
}

/// Between two presences.
const TICK: Duration = Duration::from_millis(250);
const RETRY: Duration = Duration::from_millis(200);
/// Requests of other nodes that are worked on at once.
const REQUESTS_MAX: usize = 256;
