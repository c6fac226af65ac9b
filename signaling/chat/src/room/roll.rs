//! Owns the members that other nodes have in a room, and how a difference is found and repaired. Never
//! touches the local ones.

use std::time::Duration;

use chappe_cluster::{MemberId, NodeName};

use super::{ChatRoom, Desk};
use crate::limits::{REMOTE_MEMBERS_MAX, REMOTE_SILENT_MAX, ROOM_MEMBERS_MAX};
use crate::message::{Body, Roll};
use crate::output::ChatNotice;
use crate::presence::{Members, digest};
use crate::remote_room::Roster;
use crate::said::{Person, Shown};
use crate::timers::Due;

/// Until the first question is repeated; doubled each time.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Questions until the next pulse starts over.
const ASKS_MAX: u32 = 5;

impl ChatRoom {
    /// The node said who is with it.
    pub(super) fn replace_roll(&mut self, desk: &mut Desk<'_>, node: &NodeName, roll: Roll) {
        let Some(remote) = self.remotes.get_mut(node) else { return };
        match remote.roster {
            // An older one that was delivered twice.
            Roster::Known { version } | Roster::Behind { version } if roll.version < version => return,
            _ => {}
        }
        remote.roster = Roster::Known { version: roll.version };
        remote.asks = 0;
        let told: Members = roll.members.into_iter().map(Person::into_shown).collect();
        let gone = remote.members.keys().filter(|member| !told.contains_key(member)).copied().collect::<Vec<_>>();
        let mut changes = Vec::new();
        for member in gone {
            changes.extend(self.remove_remote(desk, node, member));
        }
        for (member, shown) in told {
            changes.extend(self.add_remote(desk, node, member, shown));
        }
        self.tell_changes(desk, changes);
    }

    /// The node's pulse shows whether a change was lost.
    pub(super) fn compare_roll(&mut self, desk: &Desk<'_>, node: &NodeName, version: u64, count: u64, told: u64) {
        // Those that are not shown for want of space make a difference that asking does not mend.
        let full = *desk.remote_members >= REMOTE_MEMBERS_MAX || !self.presence.has_room();
        let Some(remote) = self.remotes.get_mut(node) else { return };
        let same = remote.members.len() as u64 == count
            && digest(remote.members.iter().map(|(member, shown)| (member, &shown.name))) == told;
        remote.roster = match remote.roster {
            Roster::Known { version: known } if known == version && (same || full) => Roster::Known { version },
            Roster::Known { version: known } if known > version => Roster::Known { version: known },
            Roster::Known { version: known } | Roster::Behind { version: known } => Roster::Behind { version: known },
            roster => roster,
        };
        // Whoever does not answer is asked again at the pace of its pulses.
        remote.asks = 0;
    }

    pub(super) fn member_joined(&mut self, desk: &mut Desk<'_>, node: &NodeName, version: u64, person: Person) {
        if self.is_next_change(node, version) {
            let (member, shown) = person.into_shown();
            let change = self.add_remote(desk, node, member, shown);
            self.tell_changes(desk, change);
        }
    }

    pub(super) fn member_left(&mut self, desk: &mut Desk<'_>, node: &NodeName, version: u64, member: MemberId) {
        if self.is_next_change(node, version) {
            let change = self.remove_remote(desk, node, member);
            self.tell_changes(desk, Vec::from_iter(change));
        }
    }

    /// The node is lost: nobody is with it until it is heard again.
    pub fn lose_node(&mut self, desk: &mut Desk<'_>, node: &NodeName) {
        self.empty(desk, node, Roster::Gone);
    }

    pub(super) fn node_closed(&mut self, desk: &mut Desk<'_>, node: &NodeName) {
        self.empty(desk, node, Roster::Closed);
    }

    pub(super) fn heed_silence(&mut self, desk: &mut Desk<'_>, node: &NodeName) {
        let Some(remote) = self.remotes.get_mut(node) else { return };
        if desk.cut_off {
            remote.heard_at = desk.now;
        }
        let until = remote.heard_at + REMOTE_SILENT_MAX;
        if until > desk.now {
            desk.timers.set(&self.name, Due::Silence(node.clone()), until);
        } else {
            self.lose_node(desk, node);
        }
    }

    /// After an outage silence counts from now on.
    pub(super) fn hear_all_anew(&mut self, desk: &Desk<'_>) {
        self.remotes.values_mut().for_each(|remote| remote.heard_at = desk.now);
    }

    /// Asks the node who is with it, if that is in doubt.
    pub(super) fn ask(&mut self, desk: &mut Desk<'_>, node: &NodeName) {
        let due = Due::Ask(node.clone());
        let Some(remote) = self.remotes.get_mut(node) else { return };
        let wanted = remote.base_wanted && remote.roster.is_present();
        if !(wanted || remote.roster.is_doubtful()) {
            desk.timers.clear(&self.name, &due);
            return;
        }
        if remote.asks >= ASKS_MAX || desk.timers.is_set(&self.name, &due) {
            return;
        }
        desk.timers.set(&self.name, due, desk.now + ASK_AGAIN * (1 << remote.asks));
        remote.asks += 1;
        self.publish(desk, Body::Ask { to: node.clone() });
    }

    /// A change that was heard already is left out; one whose predecessor was lost counts, and raises doubt.
    fn is_next_change(&mut self, node: &NodeName, version: u64) -> bool {
        let Some(remote) = self.remotes.get_mut(node) else { return false };
        remote.roster = match remote.roster {
            Roster::Known { version: known } | Roster::Behind { version: known } if version <= known => return false,
            Roster::Known { version: known } if version == known + 1 => Roster::Known { version },
            Roster::Known { .. } | Roster::Behind { .. } => Roster::Behind { version },
            roster => roster,
        };
        true
    }

    fn empty(&mut self, desk: &mut Desk<'_>, node: &NodeName, roster: Roster) {
        let Some(remote) = self.remotes.get_mut(node).filter(|remote| remote.roster != Roster::Closed) else { return };
        remote.roster = roster;
        desk.timers.clear(&self.name, &Due::Ask(node.clone()));
        desk.timers.clear(&self.name, &Due::Silence(node.clone()));
        let members = remote.members.keys().copied().collect::<Vec<_>>();
        let changes = members.into_iter().filter_map(|member| self.remove_remote(desk, node, member)).collect();
        self.tell_changes(desk, changes);
    }

    fn add_remote(&mut self, desk: &mut Desk<'_>, node: &NodeName, member: MemberId, shown: Shown) -> Vec<ChatNotice> {
        let has_place = self.presence.has_room() || self.presence.has(member);
        let fits = *desk.remote_members < REMOTE_MEMBERS_MAX && has_place;
        let Some(remote) = self.remotes.get_mut(node) else { return Vec::new() };
        let old = remote.members.get(&member).cloned();
        if old.as_ref() == Some(&shown) || (old.is_none() && (!fits || remote.members.len() >= ROOM_MEMBERS_MAX)) {
            return Vec::new();
        }
        let mut changes = Vec::from_iter(self.presence.add(member, &shown));
        remote.members.insert(member, shown);
        match old {
            Some(old) => changes.extend(self.take_off(member, &old)),
            None => *desk.remote_members += 1,
        }
        changes
    }

    fn remove_remote(&mut self, desk: &mut Desk<'_>, node: &NodeName, member: MemberId) -> Option<ChatNotice> {
        let shown = self.remotes.get_mut(node)?.members.remove(&member)?;
        *desk.remote_members -= 1;
        let change = self.take_off(member, &shown);
        if !self.presence.has(member) {
            self.forget_typing(desk, member);
        }
        change
    }
}
