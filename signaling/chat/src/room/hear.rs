//! Owns what a room does with a message of another node. Only dispatches, after it has settled who speaks.

use std::time::Duration;

use super::{ChatRoom, Desk};
use crate::limits::{AGE_SLACK, REMOTE_SILENT_MAX, REMOTES_MAX};
use crate::message::{Body, Header, Life, RoomMessage};
use crate::remote_room::{RemoteRoom, Roster};
use crate::timers::Due;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Current,
    /// A life that is over; what was said in it still counts.
    Over,
    /// There are too many nodes in the room.
    Refused,
}

/// From which message on a life concerns us, and whether it has to tell.
#[derive(Debug, Clone, Copy)]
struct Base {
    number: u64,
    wanted: bool,
}

impl ChatRoom {
    /// Whether it was within the limits.
    pub fn handle_message(&mut self, desk: &mut Desk<'_>, message: RoomMessage) -> bool {
        let RoomMessage { header, body } = message;
        match self.meet(desk, &header, &body) {
            Met::Refused => return false,
            Met::Over => return self.hear_late(desk, &header, body),
            Met::Current => {}
        }
        let next = header.next;
        let node = &header.life.node;
        match body {
            Body::Hello { roll } => {
                self.replace_roll(desk, node, roll);
                self.note_age(desk, &header);
                self.owe_state(desk);
            }
            Body::State { roll, kept, bases } => {
                self.replace_roll(desk, node, roll);
                self.take_base(desk, &header.life, bases.get(&self.life.node).copied());
                self.note_kept(node, kept);
            }
            Body::Pulse { version, count, digest, kept } => {
                self.compare_roll(desk, node, version, count, digest);
                self.note_kept(node, kept);
            }
            Body::Ask { to } if to == self.life.node => {
                self.note_age(desk, &header);
                self.owe_state(desk);
            }
            Body::Join { version, person } => self.member_joined(desk, node, version, person),
            Body::Leave { version, member } => self.member_left(desk, node, version, member),
            Body::Chat { line } => self.take_line(desk, &header.life, line),
            Body::Typing { member, typing } => self.member_types(desk, node, member, typing),
            Body::Want { of, numbers } if of == self.life => self.repeat(desk, &numbers),
            Body::Again { lines, absent } => self.take_repeated(desk, &header.life, lines, &absent),
            Body::WantHistory { to } if to == self.life.node => self.owe_history(desk),
            Body::Past { lines, last, complete } => self.take_past(desk, node, lines, last.then_some(complete)),
            Body::Bye => self.node_closed(desk, node),
            Body::Ask { .. } | Body::Want { .. } | Body::WantHistory { .. } | Body::Unknown => {}
        }
        self.take_number(desk, node, next);
        self.repair(desk, node);
        self.ask(desk, node);
        self.seek_history(desk);
        true
    }

    /// After a life is over, its members are gone and nobody is there to be asked.
    fn hear_late(&mut self, desk: &mut Desk<'_>, header: &Header, body: Body) -> bool {
        match body {
            Body::Chat { line } => self.take_line(desk, &header.life, line),
            Body::Again { lines, absent } => self.take_repeated(desk, &header.life, lines, &absent),
            _ => {}
        }
        self.repair(desk, &header.life.node);
        true
    }

    fn meet(&mut self, desk: &mut Desk<'_>, header: &Header, body: &Body) -> Met {
        let life = &header.life;
        let known = self.remotes.get(&life.node);
        if known.is_some_and(|remote| remote.is_over(life)) {
            return Met::Over;
        }
        if known.is_none() && !self.has_room_for_remote() {
            return Met::Refused;
        }
        if !self.remotes.get(&life.node).is_some_and(|remote| remote.met && remote.life == *life) {
            self.begin_life(desk, header, body);
        }
        if let Some(remote) = self.remotes.get_mut(&life.node) {
            remote.heard_at = desk.now;
            remote.note_age(desk.now, Duration::from_millis(header.age_ms));
            if remote.roster == Roster::Gone {
                remote.roster = Roster::Unknown;
            }
        }
        let silence = Due::Silence(life.node.clone());
        if !desk.timers.is_set(&self.name, &silence) {
            desk.timers.set(&self.name, silence, desk.now + REMOTE_SILENT_MAX);
        }
        Met::Current
    }

    /// The life is heard for the first time, though a third node may have told what was said in it.
    fn begin_life(&mut self, desk: &mut Desk<'_>, header: &Header, body: &Body) {
        let life = &header.life;
        let base = self.base_of(desk, header, body);
        let (log, mut lost) = (&self.log, Vec::new());
        let new = || RemoteRoom::new(desk.now, life.clone(), base.number);
        let remote = self.remotes.entry(life.node.clone()).or_insert_with(new);
        if remote.life != *life {
            remote.begin(desk.now, life.clone(), base.number);
        }
        remote.met = true;
        remote.base_wanted = base.wanted;
        remote.numbering.rebase(desk.now, base.number, |number| log.has(life, number), &mut lost);
        self.show_gaps(desk, life, lost);
    }

    /// A node that opened the room after us concerns us from its first message on: we might have heard all.
    /// Otherwise what it said before now is history, until it tells what it said since we are here.
    fn base_of(&mut self, desk: &mut Desk<'_>, header: &Header, body: &Body) -> Base {
        let own_age = desk.now.saturating_duration_since(self.opened_at);
        if u128::from(header.age_ms) < own_age.as_millis() {
            return Base { number: 0, wanted: false };
        }
        // Whoever knows the room for longer knows its history, and we have looked for it in vain.
        if self.sync.is_none() && !self.found {
            self.start_sync(desk);
        }
        let number = if let Body::Chat { line } = body { line.number } else { header.next };
        Base { number, wanted: true }
    }

    /// Somebody asks us: what have we said since it opened the room?
    fn note_age(&mut self, desk: &Desk<'_>, header: &Header) {
        let Some(remote) = self.remotes.get(&header.life.node) else { return };
        let age = remote.age(desk.now).saturating_add(AGE_SLACK);
        let base = self.log.first_own_within(desk.now, age).unwrap_or(self.next);
        self.bases.insert(header.life.node.clone(), base);
    }

    fn take_base(&mut self, desk: &mut Desk<'_>, life: &Life, base: Option<u64>) {
        let (Some(remote), Some(base)) = (self.remotes.get_mut(&life.node), base) else { return };
        if !std::mem::take(&mut remote.base_wanted) {
            return;
        }
        let (log, mut lost) = (&self.log, Vec::new());
        remote.numbering.rebase(desk.now, base, |number| log.has(life, number), &mut lost);
        self.show_gaps(desk, life, lost);
    }

    /// Those that nobody is at are forgotten first.
    fn has_room_for_remote(&mut self) -> bool {
        if self.remotes.len() < REMOTES_MAX {
            return true;
        }
        let gone = self.remotes.iter().filter(|(_, remote)| !remote.roster.is_present());
        let oldest = gone.min_by_key(|(_, remote)| remote.heard_at).map(|(node, _)| node.clone());
        oldest.is_some_and(|node| self.remotes.remove(&node).is_some())
    }
}
