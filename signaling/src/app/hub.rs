//! Owns the state behind the lock and the way to the pages' connections.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use chappe_sfu_api::WorkerIndex;
use tokio::sync::{Notify, mpsc};

use crate::room::{MemberId, Notice, Registry, Room, RoomName};
use crate::workers::WorkerView;
use crate::ws::{ServerMessage, StreamText};

#[derive(Debug)]
pub struct Hub {
    pub registry: Registry,
    pub workers: Vec<WorkerView>,
    sinks: HashMap<MemberId, Sink>,
}

/// The way to one page.
#[derive(Debug)]
pub struct Sink {
    pub connection: u64,
    pub messages: mpsc::Sender<Utf8Bytes>,
    /// Tells the connection to end.
    pub stop: Arc<Notify>,
}

impl Hub {
    pub fn new(workers: usize) -> Hub {
        let view = |index: usize| WorkerView::new(WorkerIndex(u16::try_from(index).unwrap_or(u16::MAX)));
        Hub { registry: Registry::default(), workers: (0..workers).map(view).collect(), sinks: HashMap::new() }
    }

    pub fn worker(&self, index: WorkerIndex) -> Option<&WorkerView> {
        self.workers.get(usize::from(index.0))
    }

    pub fn worker_mut(&mut self, index: WorkerIndex) -> Option<&mut WorkerView> {
        self.workers.get_mut(usize::from(index.0))
    }

    /// Pages with a connection now.
    pub fn connections(&self) -> usize {
        self.sinks.len()
    }

    /// An earlier connection of the same page ends.
    pub fn connect(&mut self, member: MemberId, sink: Sink) {
        if let Some(earlier) = self.sinks.insert(member, sink) {
            earlier.stop.notify_one();
        }
    }

    pub fn disconnect(&mut self, member: MemberId, connection: u64) {
        if self.sinks.get(&member).is_some_and(|sink| sink.connection == connection) {
            self.sinks.remove(&member);
        }
    }

    pub fn tell(&self, member: MemberId, notice: Notice) {
        let room = self.registry.member(member).map(|member| member.room.clone());
        let Some(sink) = self.sinks.get(&member) else {
            return;
        };
        if let Some(text) = room.and_then(|room| self.render(&room, notice)) {
            sink.push(text);
        }
    }

    pub fn tell_room(&self, room: &RoomName, notice: Notice) {
        let Some(members) = self.registry.room(room).map(|room: &Room| &room.members) else {
            return;
        };
        let mut sinks = members.iter().filter_map(|member| self.sinks.get(member)).peekable();
        if sinks.peek().is_none() {
            return;
        }
        if let Some(text) = self.render(room, notice) {
            sinks.for_each(|sink| sink.push(text.clone()));
        }
    }

    /// None if what it is about has gone meanwhile; then another notice says so.
    fn render(&self, room: &RoomName, notice: Notice) -> Option<Utf8Bytes> {
        let stream = |name| StreamText::of(&self.registry, room, name);
        let message = match &notice {
            Notice::StreamAdded(name) => ServerMessage::StreamAdded { stream: stream(name)? },
            Notice::StreamChanged(name) => ServerMessage::StreamChanged { stream: stream(name)? },
            Notice::StreamRemoved(name) => ServerMessage::StreamRemoved { stream: name },
            Notice::SlotChanged(session, state) => ServerMessage::SlotChanged { session: *session, slot: state.into() },
            Notice::SessionLost(session, reason) => {
                ServerMessage::SessionLost { session: *session, reason: reason.as_text() }
            }
        };
        Some(message.to_text())
    }
}

impl Sink {
    fn push(&self, text: Utf8Bytes) {
        // A page that missed one message shows a wrong picture of the room. It loses its connection
        // instead, comes back and is told everything.
        if self.messages.try_send(text).is_err() {
            self.stop.notify_one();
        }
    }
}
