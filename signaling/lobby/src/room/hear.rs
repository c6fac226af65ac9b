//! Owns what a room does with a message of another node. Only dispatches, after it has settled who speaks.

use super::{Desk, Room};
use crate::limits::{PEER_SILENT_MAX, PEERS_MAX};
use crate::message::{Body, Header, RoomMessage};
use crate::peer::{Peer, Roster};
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

impl Room {
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
                self.owe_state(desk);
            }
            Body::State { roll, kept } => {
                self.replace_roll(desk, node, roll);
                self.note_kept(node, kept);
            }
            Body::Pulse { version, count, digest, kept } => {
                self.compare_roll(desk, node, version, count, digest);
                self.note_kept(node, kept);
            }
            Body::Ask { to } if to == self.life.node => self.owe_state(desk),
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
        let known = self.peers.get(&life.node).map(|peer| (peer.is_over(life), peer.life == *life));
        match known {
            Some((true, _)) => return Met::Over,
            Some((false, true)) => {}
            Some((false, false)) => {
                let base = self.base_of(desk, header, body);
                self.peers.get_mut(&life.node).into_iter().for_each(|peer| peer.begin(life.clone(), base));
            }
            None => {
                if !self.has_room_for_peer() {
                    return Met::Refused;
                }
                let base = self.base_of(desk, header, body);
                self.peers.insert(life.node.clone(), Peer::new(desk.now, life.clone(), base));
            }
        }
        if let Some(peer) = self.peers.get_mut(&life.node) {
            peer.heard_at = desk.now;
            if peer.roster == Roster::Gone {
                peer.roster = Roster::Unknown;
            }
        }
        let silence = Due::Silence(life.node.clone());
        if !desk.timers.is_set(&self.name, &silence) {
            desk.timers.set(&self.name, silence, desk.now + PEER_SILENT_MAX);
        }
        Met::Current
    }

    /// From which message on a life concerns us. All of it, if the node opened the room after us: we might have
    /// heard everything. Otherwise what it said before now is history, and who hears of the node only now,
    /// when it should be settled what the history is, has to ask for it once more.
    fn base_of(&mut self, desk: &mut Desk<'_>, header: &Header, body: &Body) -> u64 {
        let own_age = desk.now.saturating_duration_since(self.opened_at);
        if u128::from(header.age_ms) < own_age.as_millis() {
            return 0;
        }
        if self.sync.is_none() {
            self.start_sync(desk);
        }
        match body {
            Body::Chat { line } => line.number,
            _ => header.next,
        }
    }

    /// Those that nobody is at are forgotten first.
    fn has_room_for_peer(&mut self) -> bool {
        if self.peers.len() < PEERS_MAX {
            return true;
        }
        let gone = self.peers.iter().filter(|(_, peer)| !peer.roster.is_present());
        let oldest = gone.min_by_key(|(_, peer)| peer.heard_at).map(|(node, _)| node.clone());
        oldest.is_some_and(|node| self.peers.remove(&node).is_some())
    }
}
