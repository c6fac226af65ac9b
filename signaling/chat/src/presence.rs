//! Owns who is in a room, whatever node they are on. Never decides who may be.

use std::collections::BTreeMap;

use chappe_cluster::MemberId;

use crate::limits::{ROOM_MEMBERS_MAX, SHOWN_MAX};
use crate::log::digest_of;
use crate::output::ChatNotice;
use crate::said::Person;

/// The members of one node.
pub(crate) type Members = BTreeMap<MemberId, Option<String>>;

/// A page that came back through another node is on two nodes until the first one has given it up. It is here
/// as long as one of them has it.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    people: BTreeMap<MemberId, Present>,
}

#[derive(Debug)]
struct Present {
    /// The greatest of the names that its nodes have for it, so that all nodes show the same.
    name: Option<String>,
    nodes: u32,
}

impl Presence {
    /// Whether one more member of another node can be shown; there is always room for the local ones.
    pub fn has_room(&self) -> bool {
        self.people.len() < SHOWN_MAX - ROOM_MEMBERS_MAX
    }

    /// One more node has the member.
    pub fn add(&mut self, member: MemberId, name: &Option<String>) -> Option<ChatNotice> {
        let mut changed = false;
        let present = self.people.entry(member).or_insert_with(|| {
            changed = true;
            Present { name: name.clone(), nodes: 0 }
        });
        present.nodes += 1;
        if *name > present.name {
            changed = true;
            present.name.clone_from(name);
        }
        changed.then(|| ChatNotice::Joined(Person { member, name: present.name.clone() }))
    }

    /// One node less has the member; `names` are those that the others have for it.
    pub fn remove<'a>(
        &mut self,
        member: MemberId,
        name: &Option<String>,
        names: impl Iterator<Item = &'a Option<String>>,
    ) -> Option<ChatNotice> {
        let present = self.people.get_mut(&member)?;
        present.nodes -= 1;
        if present.nodes == 0 {
            self.people.remove(&member);
            return Some(ChatNotice::Left { member });
        }
        if *name != present.name {
            return None;
        }
        let greatest = names.max()?;
        if *greatest == present.name {
            return None;
        }
        present.name.clone_from(greatest);
        Some(ChatNotice::Joined(Person { member, name: greatest.clone() }))
    }

    pub fn has(&self, member: MemberId) -> bool {
        self.people.contains_key(&member)
    }

    pub fn people(&self) -> Vec<Person> {
        self.people.iter().map(|(&member, present)| Person { member, name: present.name.clone() }).collect()
    }
}

/// Two nodes that have the same digest have, for all that matters, the same members.
pub(crate) fn digest<'a>(members: impl Iterator<Item = (&'a MemberId, &'a Option<String>)>) -> u64 {
    let one = |(member, name): (&MemberId, &Option<String>)| {
        let mut bytes = member.0.to_be_bytes().to_vec();
        bytes.extend(name.iter().flat_map(|name| name.bytes()));
        digest_of(&bytes)
    };
    members.map(one).fold(0, u64::wrapping_add)
}
