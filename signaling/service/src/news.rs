//! Owns telling what happens here to those who listen: webhooks and streams of events. Never waits for one of them.

use std::sync::Arc;

use chappe_cluster::{LastHeard, NodeName};
use chappe_sfu_api::WorkerIndex;
use chappe_signaling_events::{EVENTS_MAX, EventKind, PublicEvent};
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
    listeners: broadcast::Sender<Arc<PublicEvent>>,
}

impl News {
    pub fn new(identity: &Identity) -> News {
        News {
            node: identity.node.clone(),
            instance: identity.instance,
            count: 0,
            listeners: broadcast::channel(BACKLOG_MAX).0,
        }
    }

    /// To events from now on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<PublicEvent>> {
        self.listeners.subscribe()
    }

    pub fn tell(&mut self, occurrence: Occurrence) {
        let (kind, room, data) = described(occurrence);
        self.tell_own(kind, Some(room), data);
    }

    pub fn tell_worker_died(&mut self, worker: WorkerIndex, sessions: u32) {
        self.tell_own(EventKind::WorkerDied, None, json!({ "worker": worker.0, "sessions": sessions }));
    }

    pub fn tell_node_joined(&self, node: &NodeName, heard: LastHeard) {
        self.tell_node(EventKind::NodeJoined, node, heard);
    }

    pub fn tell_node_left(&self, node: &NodeName, heard: LastHeard) {
        self.tell_node(EventKind::NodeLeft, node, heard);
    }

    /// All nodes that heard the same of it tell it under the same id, so that a receiver takes it once.
    fn tell_node(&self, kind: EventKind, node: &NodeName, heard: LastHeard) {
        let LastHeard { instance, sequence, losses } = heard;
        let id = format!("{}-{node}-{instance:016x}-{sequence}-{losses}", kind.as_text());
        self.send(PublicEvent { id, kind, at_ms: unix_ms(), room: None, data: json!({ "node": node }) });
    }

    fn tell_own(&mut self, kind: EventKind, room: Option<RoomName>, mut data: Value) {
        self.count += 1;
        let id = format!("{}-{:016x}-{}", self.node, self.instance, self.count);
        if let Some(data) = data.as_object_mut() {
            data.insert("node".to_owned(), json!(self.node));
            room.iter().for_each(|room| drop(data.insert("room".to_owned(), json!(room))));
        }
        self.send(PublicEvent { id, kind, at_ms: unix_ms(), room: room.map(|room| room.to_string()), data });
    }

    fn send(&self, event: PublicEvent) {
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
    fn a_node_that_comes_or_goes_is_told_under_one_id_by_all_that_heard_the_same_of_it() {
        let (one, other) = (news("a"), news("b"));
        let mut listeners = [one.listen(), other.listen()];
        let node = NodeName::parse("c").unwrap();
        let heard = |sequence, losses| LastHeard { instance: 7, sequence, losses };
        for news in [&one, &other] {
            news.tell_node_joined(&node, heard(1, 0));
            news.tell_node_left(&node, heard(40, 1));
            news.tell_node_joined(&node, heard(40, 1));
            news.tell_node_left(&node, heard(40, 2));
            news.tell_node_joined(&node, heard(41, 0));
        }
        let [ids, same] = listeners.each_mut().map(|listener| {
            std::iter::from_fn(|| listener.try_recv().ok()).map(|event| event.id.clone()).collect::<Vec<_>>()
        });
        assert_eq!(ids, same);
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 5, "each is another: {ids:?}");
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
