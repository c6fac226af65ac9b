//! Owns who is in a room, whatever node they are on. Never decides who may be.

use std::collections::BTreeMap;

use chappe_cluster::MemberId;

use crate::limits::{ROOM_MEMBERS_MAX, SHOWN_MAX};
use crate::log::digest_of;
use crate::output::ChatNotice;
use crate::said::{Person, Shown};

/// The members of one node.
pub(crate) type Members = BTreeMap<MemberId, Shown>;

/// A page that came back through another node is on two nodes until the first one has given it up. It is here
/// as long as one of them has it.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    people: BTreeMap<MemberId, Present>,
}

#[derive(Debug)]
struct Present {
    /// The greatest of those that its nodes have for it, so that all nodes show the same.
    shown: Shown,
    nodes: u32,
}

impl Presence {
    /// Whether one more member of another node can be shown; there is always room for the local ones.
    pub fn has_room(&self) -> bool {
        self.people.len() < SHOWN_MAX - ROOM_MEMBERS_MAX
    }

    /// One more node has the member.
    pub fn add(&mut self, member: MemberId, shown: &Shown) -> Option<ChatNotice> {
        let mut changed = false;
        let present = self.people.entry(member).or_insert_with(|| {
            changed = true;
            Present { shown: shown.clone(), nodes: 0 }
        });
        present.nodes += 1;
        if *shown > present.shown {
            changed = true;
            present.shown.clone_from(shown);
        }
        changed.then(|| ChatNotice::Joined(Person::of(member, &present.shown)))
    }

    /// One node less has the member; `others` are what the others have for it.
    pub fn remove<'a>(
        &mut self,
        member: MemberId,
        shown: &Shown,
        others: impl Iterator<Item = &'a Shown>,
    ) -> Option<ChatNotice> {
        let present = self.people.get_mut(&member)?;
        present.nodes -= 1;
        if present.nodes == 0 {
            self.people.remove(&member);
            return Some(ChatNotice::Left { member });
        }
        if *shown != present.shown {
            return None;
        }
        let greatest = others.max()?;
        if *greatest == present.shown {
            return None;
        }
        present.shown.clone_from(greatest);
        Some(ChatNotice::Joined(Person::of(member, greatest)))
    }

    pub fn has(&self, member: MemberId) -> bool {
        self.people.contains_key(&member)
    }

    pub fn people(&self) -> Vec<Person> {
        self.people.iter().map(|(&member, present)| Person::of(member, &present.shown)).collect()
    }
}

/// Two nodes that have the same digest have, for all that matters, the same members. What metadata they have is not in
/// it: nodes of the version before know of none, and the number of a change shows whether one was lost.
pub(crate) fn digest<'a>(members: impl Iterator<Item = (&'a MemberId, &'a Option<String>)>) -> u64 {
    let one = |(member, name): (&MemberId, &Option<String>)| {
        let mut bytes = member.0.to_be_bytes().to_vec();
        bytes.extend(name.iter().flat_map(|name| name.bytes()));
        digest_of(&bytes)
    };
    members.map(one).fold(0, u64::wrapping_add)
}
