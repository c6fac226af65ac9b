//! Owns sending what is told to other nodes, in the order in which it was decided.

use std::sync::Arc;

use chappe_cluster::NodeName;
use chappe_engine::Subject;
use chappe_signaling_edge::ServerMessage;
use chappe_signaling_rooms::{MemberId, SessionNotice};
use chappe_signaling_service::{ANSWER_WITHIN, Cluster, NodeNotice, Outgoing, Service, room_subject};
use serde::Serialize;
use tokio::sync::mpsc;

/// Until the process ends.
pub async fn send_outgoing(service: Arc<Service>, mut outgoing: mpsc::Receiver<Outgoing>) {
    while let Some(message) = outgoing.recv().await {
        let cluster = &service.cluster;
        let result = match message {
            Outgoing::Presence(state) => publish(cluster, PRESENCE, &state).await,
            Outgoing::Streams(delta) => publish(cluster, STREAMS, &delta).await,
            Outgoing::Audience(report) => publish(cluster, AUDIENCE, &report).await,
            Outgoing::Page(node, member, notice) => {
                publish(cluster, &notices_of(&node), &deliver(member, notice)).await
            }
            Outgoing::Room(room, message) => publish(cluster, &room_subject(&room), &message).await,
            Outgoing::Request(node, request) => {
                let service = Arc::clone(&service);
                tokio::spawn(async move { service.cluster.ask(&node, &request, ANSWER_WITHIN).await });
                Ok(())
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "not told to other nodes");
        }
    }
}

/// In the words of the protocol, which that node passes on as they are.
fn deliver(member: MemberId, notice: SessionNotice) -> NodeNotice {
    let ended = match &notice {
        SessionNotice::SessionLost(session, _) => Some(*session),
        SessionNotice::SlotChanged(..) | SessionNotice::Unwatched { .. } | SessionNotice::Move(_) => None,
    };
    NodeNotice::Deliver { member, text: ServerMessage::from(&notice).to_text().to_string(), ended }
}

async fn publish(cluster: &Cluster, subject: &str, message: &impl Serialize) -> Result<(), chappe_engine::EngineError> {
    let payload = serde_json::to_vec(message).expect("a message has only string keys");
    cluster.engine.publish(&Subject::parse(subject)?, payload.into()).await
}

/// Of the notices to a node.
pub fn notices_of(node: &NodeName) -> String {
    format!("node/{node}")
}

pub const PRESENCE: &str = "presence";
pub const STREAMS: &str = "streams";
pub const AUDIENCE: &str = "audience";
