//! Owns sending what is told to other nodes, in the order in which it was decided.

use std::sync::Arc;

use chappe_cluster::{NodeName, NodeState, StreamDelta};
use chappe_engine::Subject;
use chappe_signaling_rooms::{Audience, AudienceReport, Notice, Room};
use serde::Serialize;
use tokio::sync::mpsc;

use super::{ANSWER_WITHIN, NodeNotice, NodeRequest};
use crate::app::App;

/// Something for other nodes.
#[derive(Debug, Clone)]
pub enum Outgoing {
    Presence(NodeState),
    Streams(StreamDelta),
    Audience(AudienceReport),
    Notice(NodeName, NodeNotice),
    /// Nobody waits for the answer.
    Request(NodeName, NodeRequest),
    /// To everybody who has the room.
    Room(chappe_cluster::RoomName, chappe_signaling_chat::RoomMessage),
}

/// Until the process ends.
pub async fn send_outgoing(app: Arc<App>, mut outgoing: mpsc::Receiver<Outgoing>) {
    while let Some(message) = outgoing.recv().await {
        let cluster = &app.cluster;
        let result = match message {
            Outgoing::Presence(state) => publish(cluster, PRESENCE, &state).await,
            Outgoing::Streams(delta) => publish(cluster, STREAMS, &delta).await,
            Outgoing::Audience(report) => publish(cluster, AUDIENCE, &report).await,
            Outgoing::Notice(node, notice) => publish(cluster, &notices_of(&node), &notice).await,
            Outgoing::Room(room, message) => publish(cluster, &subject_of(&room), &message).await,
            Outgoing::Request(node, request) => {
                let app = Arc::clone(&app);
                tokio::spawn(async move { app.cluster.ask(&node, &request, ANSWER_WITHIN).await });
                Ok(())
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "not told to other nodes");
        }
    }
}

async fn publish(
    cluster: &super::Cluster,
    subject: &str,
    message: &impl Serialize,
) -> Result<(), chappe_engine::EngineError> {
    let payload = serde_json::to_vec(message).expect("a message has only string keys");
    cluster.engine.publish(&Subject::parse(subject)?, payload.into()).await
}

/// Of the notices to a node.
pub fn notices_of(node: &NodeName) -> String {
    format!("node/{node}")
}

/// Of who is in a room and what they say.
pub fn subject_of(room: &chappe_cluster::RoomName) -> String {
    format!("room/{room}")
}

pub const PRESENCE: &str = "presence";
pub const STREAMS: &str = "streams";
pub const AUDIENCE: &str = "audience";
