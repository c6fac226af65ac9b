//! Owns what is due when, one instant per thing. Never decides what then happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use chappe_cluster::{MemberId, NodeName, RoomName};

/// What a room waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The room has had no local member for long enough to be forgotten.
    Close,
    /// Report what there is.
    Pulse,
    /// A state is owed to somebody who asked.
    State,
    /// The history is owed to somebody who asked.
    Past,
    /// Messages get through again: ask everybody.
    Greet,
    /// The next step of learning what was said before.
    Sync,
    /// Messages of the node are missing.
    Repair(NodeName),
    /// The node has not said who is with it.
    Ask(NodeName),
    /// The node has been silent for long.
    Silence(NodeName),
    /// The member types no longer.
    Typing(MemberId),
}

/// Holds at most one entry per room and thing, so it is as bounded as they are.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(Instant, RoomName, Due)>,
    set: BTreeMap<RoomName, BTreeMap<Due, Instant>>,
}

impl Timers {
    pub fn set(&mut self, room: &RoomName, due: Due, at: Instant) {
        let of_room = self.set.entry(room.clone()).or_default();
        if let Some(old) = of_room.insert(due.clone(), at) {
            self.queue.remove(&(old, room.clone(), due.clone()));
        }
        self.queue.insert((at, room.clone(), due));
    }

    pub fn clear(&mut self, room: &RoomName, due: &Due) {
        let Some(of_room) = self.set.get_mut(room) else { return };
        if let Some(old) = of_room.remove(due) {
            self.queue.remove(&(old, room.clone(), due.clone()));
        }
    }

    pub fn clear_room(&mut self, room: &RoomName) {
        for (due, at) in self.set.remove(room).unwrap_or_default() {
            self.queue.remove(&(at, room.clone(), due));
        }
    }

    pub fn is_set(&self, room: &RoomName, due: &Due) -> bool {
        self.set.get(room).is_some_and(|of_room| of_room.contains_key(due))
    }

    pub fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, ..)| *at)
    }

    /// What is due by `now`, the earliest first, one at a time.
    pub fn pop(&mut self, now: Instant) -> Option<(RoomName, Due)> {
        if self.next()? > now {
            return None;
        }
        let (_, room, due) = self.queue.pop_first()?;
        if let Some(of_room) = self.set.get_mut(&room) {
            of_room.remove(&due);
        }
        Some((room, due))
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.queue.len()
    }
}
