//! Owns streams of other nodes as these tell of them: which of two that claim a name has it here. Never asks another node.

use chappe_cluster::{NodeName, RoomName, StreamName, StreamRecord, outranks};
use chappe_sfu_api::Epoch;

use crate::effect::{Effect, StreamNotice};
use crate::limits::ROOMS_KNOWN_MAX;
use crate::registry::Registry;
use crate::stream::Stream;

impl Registry {
    /// A node tells of one of its streams. A name that two nodes claim belongs to the higher epoch; whoever has
    /// the lower one ends its own session.
    pub fn put_remote(&mut self, node: &NodeName, record: &StreamRecord) -> Vec<Effect> {
        let (room, name) = (record.room.clone(), record.stream.clone());
        let Some(stream) = Stream::from_record(node, record) else {
            tracing::warn!(%node, %room, stream = %name, "the description of a stream can't be read");
            return Vec::new();
        };
        if !self.rooms.contains_key(&room) && self.rooms.len() >= ROOMS_KNOWN_MAX {
            return Vec::new();
        }
        let mut effects = self.follow_moderated(&room, &name, &stream);
        let before = self.stream(&room, &name);
        if before.is_some_and(|have| {
            have.home.node != *node && outranks((have.epoch, &have.home.node), (stream.epoch, node))
        }) {
            return effects;
        }
        if before == Some(&stream) {
            return effects;
        }
        let replaced = self.put_stream(&room, &name, stream);
        let notice = match &replaced {
            Some(_) => StreamNotice::Changed(name.clone()),
            None => StreamNotice::Added(name.clone()),
        };
        effects.push(Effect::TellRoom(room.clone(), notice));
        effects.extend(self.reattach(&room, &name));
        if let Some(old) = replaced.filter(|old| old.home.node == self.own) {
            effects.push(Effect::Withdraw(room, name, old.epoch));
            effects.extend(self.end_replaced(&old, record.publisher));
        }
        effects
    }

    /// A node has a stream no more, or is gone itself.
    pub fn remove_remote(&mut self, node: &NodeName, room: &RoomName, name: &StreamName, epoch: Epoch) -> Vec<Effect> {
        let there = self.stream(room, name);
        if !there.is_some_and(|stream| stream.home.node == *node && stream.epoch <= epoch) {
            return Vec::new();
        }
        let removed = self.remove_stream(room, name);
        removed.iter().for_each(|stream| self.note_ended(room, name, stream));
        let mut effects = vec![Effect::TellRoom(room.clone(), StreamNotice::Removed(name.clone()))];
        effects.extend(self.reattach(room, name));
        self.drop_room_if_empty(room);
        effects
    }
}
