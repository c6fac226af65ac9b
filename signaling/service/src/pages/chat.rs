//! Owns who is in a room and what they say, as far as pages of this node and other nodes are concerned: it moves
//! what the chat decides. Never touches media.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use chappe_engine::Subject;
use chappe_signaling_access::{Access, Action};
use chappe_signaling_chat::{ChatOutput, Person, RoomMessage, SayError};
use chappe_signaling_rooms::{MemberId, Owner, RoomName};
use tracing::{debug, warn};

use crate::clock::unix_ms;
use crate::cluster::outgoing::{Outgoing, room_subject};
use crate::pages::event::PageEvent;
use crate::refusal::Refusal;
use crate::request::Joined;
use crate::service::Service;
use crate::state::{Following, ServiceState};

impl Service {
    pub(crate) fn enter_chat(
        self: &Arc<Self>,
        state: &mut ServiceState,
        room: &RoomName,
        owner: &Owner,
        access: Option<&Access>,
    ) {
        let metadata = access.and_then(|access| access.metadata.clone());
        let person = Person { member: owner.member, name: owner.name.clone(), metadata };
        match state.chat.join(Instant::now(), room, person) {
            Ok(outputs) => self.apply_chat(state, outputs),
            Err(error) => warn!(%room, %error, "a page is not counted among those who are here"),
        }
    }

    pub(crate) fn leave_chat(self: &Arc<Self>, state: &mut ServiceState, room: &RoomName, member: MemberId) {
        let outputs = state.chat.leave(Instant::now(), room, member);
        self.apply_chat(state, outputs);
    }

    /// Refused, or not said.
    pub fn say(self: &Arc<Self>, joined: &Joined, text: &str) -> Result<Result<(), SayError>, Refusal> {
        self.check_grant(Some(&joined.caller), &joined.room, Action::Say)?;
        let mut state = self.state();
        let said = state.chat.say(Instant::now(), unix_ms(), &joined.room, joined.owner.member, text);
        Ok(said.map(|(_, outputs)| self.apply_chat(&mut state, outputs)))
    }

    pub fn typing(self: &Arc<Self>, joined: &Joined, typing: bool) -> Result<(), Refusal> {
        self.check_grant(Some(&joined.caller), &joined.room, Action::Say)?;
        let mut state = self.state();
        let outputs = state.chat.typing(Instant::now(), &joined.room, joined.owner.member, typing);
        self.apply_chat(&mut state, outputs);
        Ok(())
    }

    pub(crate) fn handle_chat_tick(self: &Arc<Self>, state: &mut ServiceState, now: Instant) {
        if state.chat.poll_timeout().is_some_and(|at| at <= now) {
            let outputs = state.chat.handle_timeout(now);
            self.apply_chat(state, outputs);
        }
    }

    pub(crate) fn apply_chat(self: &Arc<Self>, state: &mut ServiceState, outputs: Vec<ChatOutput>) {
        for output in outputs {
            match output {
                ChatOutput::Subscribe(room) => self.follow_room(state, room),
                ChatOutput::Unsubscribe(room) => {
                    if let Some(following) = state.rooms_followed.remove(&room) {
                        following.task.abort();
                    }
                }
                ChatOutput::Publish(room, message) => {
                    let waiting = state.rooms_followed.get_mut(&room).and_then(|following| following.waiting.as_mut());
                    match waiting {
                        Some(waiting) if waiting.len() < WAITING_MAX => waiting.push(message),
                        Some(_) => {}
                        None => self.cluster.send(Outgoing::Room(room, message)),
                    }
                }
                ChatOutput::Tell(room, notice) => state.tell_room(&room, PageEvent::Chat(notice)),
            }
        }
    }

    /// Hears what other nodes say about a room, for as long as the chat wants it.
    fn follow_room(self: &Arc<Self>, state: &mut ServiceState, room: RoomName) {
        if self.cluster.alone {
            return;
        }
        let service = Arc::clone(self);
        let followed = room.clone();
        let task = tokio::spawn(async move {
            let Ok(subject) = Subject::parse(&room_subject(&followed)) else { return };
            let mut messages = loop {
                match service.cluster.engine.subscribe(&subject).await {
                    Ok(messages) => break messages,
                    Err(error) => debug!(%error, room = %followed, "the room's subject is not subscribed to yet"),
                }
                tokio::time::sleep(RETRY).await;
            };
            service.tell_what_waited(&followed);
            while let Some(bytes) = messages.recv().await {
                service.handle_room_message(&followed, &bytes);
            }
        });
        let following = Following { task: task.abort_handle(), waiting: Some(Vec::new()) };
        if let Some(before) = state.rooms_followed.insert(room, following) {
            before.task.abort();
        }
    }

    fn tell_what_waited(&self, room: &RoomName) {
        let mut state = self.state();
        let waiting = state.rooms_followed.get_mut(room).and_then(|following| following.waiting.take());
        for message in waiting.unwrap_or_default() {
            self.cluster.send(Outgoing::Room(room.clone(), message));
        }
    }

    fn handle_room_message(self: &Arc<Self>, room: &RoomName, bytes: &Bytes) {
        let Ok(message) = serde_json::from_slice::<RoomMessage>(bytes) else {
            debug!(%room, "another node says something about a room that is not understood");
            return;
        };
        let mut state = self.state();
        if message.node() == self.node() || state.strangers.contains(message.node()) {
            return;
        }
        let outputs = state.chat.handle_message(Instant::now(), room, message);
        self.apply_chat(&mut state, outputs);
    }
}

/// While NATS is out of reach; what is left out is asked for when it is back.
const WAITING_MAX: usize = 256;
const RETRY: std::time::Duration = std::time::Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{caller, node, node_with_outbox, page_link};
    use crate::request::Join;
    use chappe_cluster::NodeState;
    use chappe_engine::Embedded;

    async fn enter(service: &Arc<Service>, room: &RoomName) {
        let join = Join { id: 1, room: room.clone(), name: None, resume: None, living: Vec::new(), caller: caller() };
        service.join(join, Box::new(page_link(64).0)).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_at_a_node_of_another_version_is_here_until_it_is_of_a_neighbouring_one() {
        let (engine, room) = (Embedded::new(), RoomName::parse("demo").unwrap());
        let ours = node("n1", 1, &engine);
        let (theirs, _queues, mut outbox) = node_with_outbox("n2", 1, 0, &engine);
        enter(&ours, &room).await;
        enter(&theirs, &room).await;
        let said = loop {
            if let Some(Outgoing::Room(_, message)) = outbox.recv().await {
                break Bytes::from(serde_json::to_vec(&message).unwrap());
            }
        };
        let presence = theirs.own_state(&theirs.state());
        let here = || ours.state().chat.here(&room).len();
        ours.handle_presence(NodeState { version: "99.0.0".to_owned(), ..presence.clone() });
        ours.handle_room_message(&room, &said);
        assert_eq!(here(), 1);
        ours.handle_presence(presence);
        ours.handle_room_message(&room, &said);
        assert_eq!(here(), 2);
    }
}
