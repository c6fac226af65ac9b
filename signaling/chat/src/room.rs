//! Owns one room of this node: its local members, what other nodes told about theirs, and what was said.
//! Never touches another room.

mod hear;
mod local;
mod local_member;
mod roll;
mod speech;
mod sync;
mod sync_state;
mod typing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chappe_cluster::{MemberId, NodeName, RoomName};

use crate::limits::{ANSWER_INTERVAL, CHANGES_TOLD_SINGLY_MAX, PULSE_INTERVAL};
use crate::log::{Log, digest_of};
use crate::message::{Body, Header, Kept, Life, Roll, RoomMessage};
use crate::output::{ChatNotice, ChatOutput};
use crate::presence::{Presence, digest};
use crate::remote_room::RemoteRoom;
use crate::said::{History, Person, Shown};
use crate::timers::{Due, Timers};
use local_member::LocalMember;
use sync_state::Sync;

/// What a room works with while it handles something.
pub(crate) struct Desk<'a> {
    pub now: Instant,
    pub timers: &'a mut Timers,
    pub out: &'a mut Vec<ChatOutput>,
    /// Members of other nodes that are remembered in all rooms.
    pub remote_members: &'a mut usize,
    /// Nothing is heard, so silence means nothing.
    pub cut_off: bool,
    /// How long to wait for another node to ask for what all miss.
    pub patience: Duration,
}

#[derive(Debug)]
pub(crate) struct ChatRoom {
    name: RoomName,
    life: Life,
    opened_at: Instant,
    local: BTreeMap<MemberId, LocalMember>,
    /// Counts the changes of `local`.
    version: u64,
    /// The number of the next own message.
    next: u64,
    presence: Presence,
    remotes: BTreeMap<NodeName, RemoteRoom>,
    log: Log,
    typing: BTreeSet<MemberId>,
    /// While it is not settled what was said before.
    sync: Option<Sync>,
    /// It is known what was said before, or that there is nobody to know.
    found: bool,
    /// What is to be told to those that asked: the number of the first own message that concerns them.
    bases: BTreeMap<NodeName, u64>,
    stated_at: Option<Instant>,
    recalled_at: Option<Instant>,
    /// The highest number that was told not to be kept, and when.
    absent_told: Option<(u64, Instant)>,
}

impl ChatRoom {
    pub fn open(desk: &mut Desk<'_>, name: RoomName, life: Life) -> ChatRoom {
        // Nodes that opened a room at the same time report at different ones.
        let phase = digest_of(life.node.as_str().as_bytes()) % PULSE_INTERVAL.as_millis() as u64;
        desk.timers.set(&name, Due::Pulse, desk.now + PULSE_INTERVAL / 2 + Duration::from_millis(phase));
        desk.out.push(ChatOutput::Subscribe(name.clone()));
        ChatRoom {
            name,
            life,
            opened_at: desk.now,
            local: BTreeMap::new(),
            version: 0,
            next: 0,
            presence: Presence::default(),
            remotes: BTreeMap::new(),
            log: Log::default(),
            typing: BTreeSet::new(),
            sync: None,
            found: false,
            bases: BTreeMap::new(),
            stated_at: None,
            recalled_at: None,
            absent_told: None,
        }
    }

    /// The room is forgotten.
    pub fn close(self, desk: &mut Desk<'_>) {
        self.publish(desk, Body::Bye);
        desk.out.push(ChatOutput::Unsubscribe(self.name.clone()));
        desk.timers.clear_room(&self.name);
        *desk.remote_members -= self.remotes.values().map(|remote| remote.members.len()).sum::<usize>();
    }

    pub fn has_local_members(&self) -> bool {
        !self.local.is_empty()
    }

    pub fn here(&self) -> Vec<Person> {
        self.presence.people()
    }

    pub fn history(&self) -> History {
        self.log.history()
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    pub fn knows(&self, node: &NodeName) -> bool {
        self.remotes.contains_key(node)
    }

    /// Whether there was a message to forget.
    pub fn forget_oldest(&mut self) -> bool {
        self.log.drop_oldest()
    }

    /// `Due::Close` is the chat's.
    pub fn handle_due(&mut self, desk: &mut Desk<'_>, due: Due) {
        match due {
            Due::Close => {}
            Due::Pulse => self.pulse(desk),
            Due::State => self.state(desk),
            Due::Past => self.recall(desk),
            Due::Greet => self.sync_again(desk),
            Due::Sync => self.step_sync(desk),
            Due::Repair(node) => self.repair(desk, &node),
            Due::Ask(node) => self.ask(desk, &node),
            Due::Silence(node) => self.heed_silence(desk, &node),
            Due::Typing(member) => self.types_no_longer(desk, member),
        }
    }

    fn publish(&self, desk: &mut Desk<'_>, body: Body) {
        let age = desk.now.saturating_duration_since(self.opened_at);
        let header = Header { life: self.life.clone(), age_ms: age.as_millis() as u64, next: self.next };
        desk.out.push(ChatOutput::Publish(self.name.clone(), RoomMessage { header, body }));
    }

    fn tell(&self, desk: &mut Desk<'_>, notice: ChatNotice) {
        if self.has_local_members() {
            desk.out.push(ChatOutput::Tell(self.name.clone(), notice));
        }
    }

    /// Many changes at once are told as the list that they led to.
    fn tell_changes(&self, desk: &mut Desk<'_>, changes: Vec<ChatNotice>) {
        if changes.len() > CHANGES_TOLD_SINGLY_MAX {
            self.tell(desk, ChatNotice::Here { people: self.here() });
            return;
        }
        for change in changes {
            self.tell(desk, change);
        }
    }

    fn pulse(&mut self, desk: &mut Desk<'_>) {
        let members = self.local.iter().map(|(member, local)| (member, &local.shown.name));
        let (count, digest) = (self.local.len() as u64, digest(members));
        self.publish(desk, Body::Pulse { version: self.version, count, digest, kept: self.kept() });
        desk.timers.set(&self.name, Due::Pulse, desk.now + PULSE_INTERVAL);
    }

    /// Somebody asked who is here. All who ask at about the same time are answered once.
    fn owe_state(&mut self, desk: &mut Desk<'_>) {
        let at = self.stated_at.map_or(desk.now, |at| at + ANSWER_INTERVAL);
        if at <= desk.now { self.state(desk) } else { desk.timers.set(&self.name, Due::State, at) }
    }

    fn state(&mut self, desk: &mut Desk<'_>) {
        desk.timers.clear(&self.name, &Due::State);
        self.stated_at = Some(desk.now);
        let bases = std::mem::take(&mut self.bases);
        self.publish(desk, Body::State { roll: self.roll(), kept: self.kept(), bases });
    }

    /// One node less has the member.
    fn take_off(&mut self, member: MemberId, shown: &Shown) -> Option<ChatNotice> {
        let ChatRoom { presence, local, remotes, .. } = self;
        let local = local.get(&member).map(|local| &local.shown);
        let others = local.into_iter().chain(remotes.values().filter_map(|remote| remote.members.get(&member)));
        presence.remove(member, shown, others)
    }

    fn roll(&self) -> Roll {
        let person = |(&member, local): (&MemberId, &LocalMember)| Person::of(member, &local.shown);
        Roll { version: self.version, members: self.local.iter().map(person).collect() }
    }

    fn kept(&self) -> Kept {
        Kept { lines: self.log.len() as u64, complete: self.found || self.sync.is_none() }
    }
}
