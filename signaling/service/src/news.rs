//! Owns telling what happens here to those who listen: webhooks and streams of events. Never waits for one of them.

use std::collections::HashMap;
use std::sync::Arc;

use chappe_cluster::NodeName;
use chappe_sfu_api::WorkerIndex;
use chappe_signaling_events::{EVENTS_MAX, Event, EventKind};
use chappe_signaling_rooms::{Occurrence, RoomName};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::clock::unix_ms;
use crate::cluster::handle::Identity;

/// Who listens too slowly is told how many events it missed.
#[derive(Debug)]
pub struct News {
    node: NodeName,
    /// Of the process: its events are told apart from those of the one before.
    instance: u64,
    count: u64,
    /// Of the other nodes.
    instances: HashMap<NodeName, u64>,
    listeners: broadcast::Sender<Arc<Event>>,
}

impl News {
    pub fn new(identity: &Identity) -> News {
        News {
            node: identity.node.clone(),
            instance: identity.instance,
            count: 0,
            instances: HashMap::new(),
            listeners: broadcast::channel(BACKLOG_MAX).0,
        }
    }

    /// To events from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<Event>> {
        self.listeners.subscribe()
    }

    pub fn tell(&mut self, occurrence: Occurrence) {
        let (kind, room, data) = described(occurrence);
        self.tell_own(kind, Some(room), data);
    }

    pub fn tell_worker_died(&mut self, worker: WorkerIndex, sessions: u32) {
        self.tell_own(EventKind::WorkerDied, None, json!({ "worker": worker.0, "sessions": sessions }));
    }

    pub fn tell_node_joined(&mut self, node: &NodeName, instance: u64) {
        self.instances.insert(node.clone(), instance);
        self.tell_node(EventKind::NodeJoined, node, instance);
    }

    pub fn tell_node_left(&mut self, node: &NodeName) {
        let instance = self.instances.remove(node).unwrap_or_default();
        self.tell_node(EventKind::NodeLeft, node, instance);
    }

    /// All nodes see it at almost the same time and tell it under the same id, so that a receiver takes it once.
    fn tell_node(&mut self, kind: EventKind, node: &NodeName, instance: u64) {
        let at_ms = unix_ms();
        let id = format!("{}-{node}-{instance:016x}-{}", kind.as_text(), at_ms / SEEN_WITHIN_MS);
        self.send(Event { id, kind, at_ms, room: None, data: json!({ "node": node }) });
    }

    fn tell_own(&mut self, kind: EventKind, room: Option<RoomName>, mut data: Value) {
        self.count += 1;
        let id = format!("{}-{:016x}-{}", self.node, self.instance, self.count);
        if let Some(data) = data.as_object_mut() {
            data.insert("node".to_owned(), json!(self.node));
            room.iter().for_each(|room| drop(data.insert("room".to_owned(), json!(room))));
        }
        self.send(Event { id, kind, at_ms: unix_ms(), room: room.map(|room| room.to_string()), data });
    }

    fn send(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.listeners.send(Arc::new(event));
    }
}

fn described(occurrence: Occurrence) -> (EventKind, RoomName, Value) {
    match occurrence {
        Occurrence::RoomStarted(room) => (EventKind::RoomStarted, room, json!({})),
        Occurrence::RoomFinished(room) => (EventKind::RoomFinished, room, json!({})),
        Occurrence::Joined(room, who) => (EventKind::ParticipantJoined, room, json!({ "participant": who })),
        Occurrence::Left(room, who) => (EventKind::ParticipantLeft, room, json!({ "participant": who })),
        Occurrence::Published(room, stream, track) => {
            (EventKind::TrackPublished, room, json!({ "stream": stream, "track": track }))
        }
        Occurrence::Unpublished(room, stream, track) => {
            (EventKind::TrackUnpublished, room, json!({ "stream": stream, "track": track }))
        }
        Occurrence::Moved { room, stream, from, to } => {
            (EventKind::StreamMoved, room, json!({ "stream": stream, "from": from, "to": to }))
        }
    }
}

/// Between two nodes that see a third one come or go.
const SEEN_WITHIN_MS: u64 = 10_000;
/// Events that a listener may be behind: as many as may wait for a receiver of webhooks, which hears of them here. One
/// turn can tell all of them, of a worker that died.
const BACKLOG_MAX: usize = EVENTS_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn news(node: &str) -> News {
        News::new(&Identity { node: NodeName::parse(node).unwrap(), instance: 1, started_ms: 1, region: None })
    }

    #[test]
    fn as_many_events_as_may_wait_for_a_receiver_come_in_one_turn_and_none_is_lost() {
        let mut news = news("a");
        let mut listener = news.listen();
        let room = RoomName::parse("demo").unwrap();
        (0..EVENTS_MAX).for_each(|_| news.tell(Occurrence::RoomStarted(room.clone())));
        for number in 1..=EVENTS_MAX {
            let event = listener.try_recv().expect("none is lost");
            assert_eq!(event.id.rsplit('-').next(), Some(number.to_string().as_str()));
        }
    }
}
