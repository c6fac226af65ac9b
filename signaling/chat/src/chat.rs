//! Owns the rooms of one node: which there are, what wakes them, and how much memory they may take together.
//! Never looks into a message.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chappe_cluster::{MemberId, NodeName, RoomName};

use crate::error::{JoinError, SayError};
use crate::limits::{CHAT_BYTES_MAX, ROOMS_MAX};
use crate::log::digest_of;
use crate::message::{Life, RoomMessage};
use crate::output::ChatOutput;
use crate::room::{ChatRoom, Desk};
use crate::said::{History, Person, Said};
use crate::timers::{Due, Timers};

/// Who is in the rooms of this node, and what is said there.
///
/// A room is kept from the first local member's joining until a minute after the last one's leaving. With it
/// goes its history: what was said in a room that no node has is gone.
#[derive(Debug)]
pub struct Chat {
    own: NodeName,
    instance: u64,
    openings: u64,
    rooms: BTreeMap<RoomName, ChatRoom>,
    timers: Timers,
    /// Rooms with messages, the one that has been silent for longest first.
    spoken: BTreeSet<(Instant, RoomName)>,
    chat_bytes: usize,
    chat_bytes_max: usize,
    rooms_max: usize,
    remote_members: usize,
    refused: u64,
    cut_off: bool,
}

impl Chat {
    /// `instance` is greater than that of earlier processes of the same node: the Unix time of its start.
    pub fn new(own: NodeName, instance: u64) -> Chat {
        Chat {
            own,
            instance,
            openings: 0,
            rooms: BTreeMap::new(),
            timers: Timers::default(),
            spoken: BTreeSet::new(),
            chat_bytes: 0,
            chat_bytes_max: CHAT_BYTES_MAX,
            rooms_max: ROOMS_MAX,
            remote_members: 0,
            refused: 0,
            cut_off: false,
        }
    }

    /// A page came, or has another name. What it should show at first, [`Chat::here`] and
    /// [`Chat::history`] say afterwards.
    pub fn join(&mut self, now: Instant, room: &RoomName, person: Person) -> Result<Vec<ChatOutput>, JoinError> {
        let mut out = Vec::new();
        if !self.rooms.contains_key(room) {
            self.open(now, room, &mut out)?;
        }
        let joined = self.with(now, room, &mut out, |room, desk| room.join(desk, person));
        joined.unwrap_or(Err(JoinError::TooManyRooms))?;
        Ok(out)
    }

    pub fn leave(&mut self, now: Instant, room: &RoomName, member: MemberId) -> Vec<ChatOutput> {
        let mut out = Vec::new();
        self.with(now, room, &mut out, |room, desk| room.leave(desk, member));
        out
    }

    /// The page that spoke hears it as all others do, and can tell it by its id.
    pub fn say(
        &mut self,
        now: Instant,
        unix_ms: u64,
        room: &RoomName,
        member: MemberId,
        text: &str,
    ) -> Result<(Said, Vec<ChatOutput>), SayError> {
        let mut out = Vec::new();
        let said = self.with(now, room, &mut out, |room, desk| room.say(desk, unix_ms, member, text));
        Ok((said.unwrap_or(Err(SayError::NotHere))?, out))
    }

    /// Ends by itself after 5 s. Told at most once a second; what is more is left out.
    pub fn typing(&mut self, now: Instant, room: &RoomName, member: MemberId, typing: bool) -> Vec<ChatOutput> {
        let mut out = Vec::new();
        self.with(now, room, &mut out, |room, desk| room.typing(desk, member, typing));
        out
    }

    /// Everybody in the room, on all nodes; nobody, if the room is not one of this node's.
    pub fn here(&self, room: &RoomName) -> Vec<Person> {
        self.rooms.get(room).map(ChatRoom::here).unwrap_or_default()
    }

    pub fn history(&self, room: &RoomName) -> History {
        self.rooms.get(room).map(ChatRoom::history).unwrap_or_default()
    }

    /// Messages of other nodes that broke a limit, and were dropped.
    pub fn refused_messages(&self) -> u64 {
        self.refused
    }

    /// From the subject of the room. Own messages may be among them.
    pub fn handle_message(&mut self, now: Instant, room: &RoomName, message: RoomMessage) -> Vec<ChatOutput> {
        let mut out = Vec::new();
        if *message.node() == self.own {
            return out;
        }
        if !message.is_sound() {
            self.refused += 1;
            return out;
        }
        if self.with(now, room, &mut out, |room, desk| room.handle_message(desk, message)) == Some(false) {
            self.refused += 1;
        }
        out
    }

    /// The node's members leave, until it is heard again.
    pub fn handle_node_lost(&mut self, now: Instant, node: &NodeName) -> Vec<ChatOutput> {
        let mut out = Vec::new();
        let concerned = self.rooms.iter().filter(|(_, room)| room.knows(node)).map(|(name, _)| name.clone());
        for name in concerned.collect::<Vec<_>>() {
            self.with(now, &name, &mut out, |room, desk| room.lose_node(desk, node));
        }
        out
    }

    /// Messages do not get through: from now on nobody is taken for gone because nothing is heard.
    pub fn handle_engine_down(&mut self) {
        self.cut_off = true;
    }

    /// Messages get through again: everybody is asked who is there and what was said.
    pub fn handle_engine_up(&mut self, now: Instant) -> Vec<ChatOutput> {
        self.cut_off = false;
        // Not for all rooms at once: each answer is heard by all nodes.
        for (index, name) in self.rooms.keys().enumerate() {
            self.timers.set(name, Due::Greet, now + GREET_INTERVAL * (index as u32 / GREETED_AT_ONCE));
        }
        self.handle_timeout(now)
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Vec<ChatOutput> {
        let mut out = Vec::new();
        while let Some((name, due)) = self.timers.pop(now) {
            if due == Due::Close {
                self.close(now, &name, &mut out);
            } else {
                self.with(now, &name, &mut out, |room, desk| room.handle_due(desk, due));
            }
        }
        out
    }

    /// When to call [`Chat::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn open(&mut self, now: Instant, name: &RoomName, out: &mut Vec<ChatOutput>) -> Result<(), JoinError> {
        if self.rooms.len() >= self.rooms_max {
            let empty = self.rooms.iter().find(|(_, room)| !room.has_local_members());
            let empty = empty.map(|(name, _)| name.clone()).ok_or(JoinError::TooManyRooms)?;
            self.close(now, &empty, out);
        }
        self.openings += 1;
        let life = Life { node: self.own.clone(), instance: self.instance, opening: self.openings };
        let room = ChatRoom::open(&mut self.desk(now, out), name.clone(), life);
        self.rooms.insert(name.clone(), room);
        Ok(())
    }

    fn close(&mut self, now: Instant, name: &RoomName, out: &mut Vec<ChatOutput>) {
        let Some(room) = self.rooms.remove(name) else { return };
        self.chat_bytes -= room.log().bytes();
        if let Some(at) = room.log().spoken_at() {
            self.spoken.remove(&(at, name.clone()));
        }
        room.close(&mut self.desk(now, out));
    }

    /// Lets the room act, and keeps the books on what it keeps.
    fn with<R>(
        &mut self,
        now: Instant,
        name: &RoomName,
        out: &mut Vec<ChatOutput>,
        act: impl FnOnce(&mut ChatRoom, &mut Desk<'_>) -> R,
    ) -> Option<R> {
        let mut room = self.rooms.remove(name)?;
        let before = (room.log().bytes(), room.log().spoken_at());
        let result = act(&mut room, &mut self.desk(now, out));
        self.account(name, before, (room.log().bytes(), room.log().spoken_at()));
        self.rooms.insert(name.clone(), room);
        self.free_memory();
        Some(result)
    }

    fn desk<'a>(&'a mut self, now: Instant, out: &'a mut Vec<ChatOutput>) -> Desk<'a> {
        // Spread over the nodes, so that the first to ask spares the others the question.
        let patience = Duration::from_millis(digest_of(self.own.as_str().as_bytes()) % PATIENCE_MS_MAX);
        let Chat { timers, remote_members, cut_off, .. } = self;
        Desk { now, timers, out, remote_members, cut_off: *cut_off, patience }
    }

    fn account(&mut self, name: &RoomName, before: (usize, Option<Instant>), after: (usize, Option<Instant>)) {
        self.chat_bytes = self.chat_bytes - before.0 + after.0;
        if before.1 != after.1 {
            before.1.into_iter().for_each(|at| {
                self.spoken.remove(&(at, name.clone()));
            });
            self.spoken.extend(after.1.map(|at| (at, name.clone())));
        }
    }

    /// The oldest messages of the rooms that have been silent for longest go first.
    fn free_memory(&mut self) {
        while self.chat_bytes > self.chat_bytes_max {
            let Some((_, name)) = self.spoken.first().cloned() else { return };
            let Some(room) = self.rooms.get_mut(&name) else { return };
            let before = (room.log().bytes(), room.log().spoken_at());
            let freed = room.forget_oldest();
            let after = (room.log().bytes(), room.log().spoken_at());
            self.account(&name, before, after);
            if !freed {
                return;
            }
        }
    }
}

const PATIENCE_MS_MAX: u64 = 50;
/// After an outage so many rooms are asked for at once, and as many again after the interval.
const GREETED_AT_ONCE: u32 = 16;
const GREET_INTERVAL: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests;
