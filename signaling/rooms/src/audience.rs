//! Owns how many watch a room without being one of its members, so that nobody is watched unseen: players over WHEP,
//! and sessions whose page is gone while their picture goes on. Members are told by name (`signaling/chat`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chappe_cluster::{NodeName, RoomName};
use chappe_sfu_api::SessionId;
use serde::{Deserialize, Serialize};

use crate::limits::ROOMS_KNOWN_MAX;

#[derive(Debug, Default)]
pub struct Audience {
    /// Sessions of this node that are counted.
    counted: HashMap<SessionId, RoomName>,
    /// Of a page that is gone.
    left: HashSet<SessionId>,
    here: BTreeMap<RoomName, u32>,
    elsewhere: BTreeMap<NodeName, BTreeMap<RoomName, u32>>,
    /// Rooms whose number has changed since that was last told to their pages.
    untold: BTreeSet<RoomName>,
    /// Rooms whose number on this node has changed since that was last told to other nodes.
    unreported: BTreeSet<RoomName>,
}

/// What a node tells the others of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudienceReport {
    pub node: NodeName,
    /// Rooms that are not among these have nobody.
    pub whole: bool,
    pub rooms: Vec<(RoomName, u32)>,
}

impl Audience {
    /// Of a room, on all nodes.
    pub fn of(&self, room: &RoomName) -> u32 {
        let elsewhere = self.elsewhere.values().filter_map(|rooms| rooms.get(room));
        elsewhere.chain(self.here.get(room)).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether a session watches without a member who could be named.
    pub(super) fn set(&mut self, session: SessionId, room: &RoomName, watches: bool) {
        if !watches {
            return self.take_off(session);
        }
        if self.counted.insert(session, room.clone()).is_none() {
            *self.here.entry(room.clone()).or_default() += 1;
            self.changed(room);
        }
    }

    /// The session has ended.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.left.remove(&session);
        self.take_off(session);
    }

    pub(super) fn set_left(&mut self, session: SessionId, left: bool) {
        let _ = if left { self.left.insert(session) } else { self.left.remove(&session) };
    }

    pub(super) fn has_left(&self, session: SessionId) -> bool {
        self.left.contains(&session)
    }

    fn take_off(&mut self, session: SessionId) {
        let Some(room) = self.counted.remove(&session) else { return };
        match self.here.get_mut(&room) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.here.remove(&room)),
        }
        self.changed(&room);
    }

    fn changed(&mut self, room: &RoomName) {
        self.untold.insert(room.clone());
        self.unreported.insert(room.clone());
    }

    /// A node that is known tells of its own.
    pub fn handle_report(&mut self, report: AudienceReport) {
        let before = self.elsewhere.entry(report.node).or_default();
        if report.whole {
            let there: HashSet<&RoomName> = report.rooms.iter().map(|(room, _)| room).collect();
            let gone: Vec<RoomName> = before.keys().filter(|room| !there.contains(room)).cloned().collect();
            for room in &gone {
                before.remove(room);
            }
            self.untold.extend(gone);
        }
        for (room, count) in report.rooms.into_iter().take(ROOMS_REPORTED_MAX) {
            let known = before.get(&room).copied().unwrap_or(0);
            let has_place = before.len() < ROOMS_OF_NODE_MAX || before.contains_key(&room);
            match count {
                0 => drop(before.remove(&room)),
                _ if has_place => drop(before.insert(room.clone(), count)),
                _ => continue,
            }
            if known != count {
                self.untold.insert(room);
            }
        }
    }

    pub fn handle_node_lost(&mut self, node: &NodeName) {
        let rooms = self.elsewhere.remove(node).unwrap_or_default();
        self.untold.extend(rooms.into_keys());
    }

    /// Rooms whose pages are to be told.
    pub fn take_untold(&mut self) -> BTreeSet<RoomName> {
        std::mem::take(&mut self.untold)
    }

    /// For other nodes: what has changed, or everything. None: nothing has.
    pub fn poll_report(&mut self, own: &NodeName, everything: bool) -> Option<AudienceReport> {
        let whole = everything && self.here.len() <= ROOMS_REPORTED_MAX;
        if everything {
            self.unreported.extend(self.here.keys().cloned());
        }
        if whole {
            // Of those that nobody watches any more it says so by leaving them out.
            self.unreported.retain(|room| self.here.contains_key(room));
        }
        // What has no place in this one comes in the next.
        let some = std::iter::from_fn(|| self.unreported.pop_first()).take(ROOMS_REPORTED_MAX);
        let count = |room: RoomName| (self.here.get(&room).copied().unwrap_or(0), room);
        let rooms: Vec<(RoomName, u32)> = some.map(count).map(|(count, room)| (room, count)).collect();
        (whole || !rooms.is_empty()).then(|| AudienceReport { node: own.clone(), whole, rooms })
    }
}

/// In one message, which stays far below what NATS takes (1 MB).
const ROOMS_REPORTED_MAX: usize = 2_000;
/// Remembered of one other node.
const ROOMS_OF_NODE_MAX: usize = ROOMS_KNOWN_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    fn node(name: &str) -> NodeName {
        NodeName::parse(name).unwrap()
    }

    #[test]
    fn a_session_is_counted_once_and_not_after_its_end() {
        let mut audience = Audience::default();
        let (one, other) = (SessionId(0, 1), SessionId(0, 2));
        for (session, watches) in [(one, true), (one, true), (other, true)] {
            audience.set(session, &room("demo"), watches);
        }
        assert_eq!(audience.of(&room("demo")), 2);
        audience.set(other, &room("demo"), false);
        audience.forget(one);
        audience.forget(one);
        assert_eq!((audience.of(&room("demo")), audience.here.len(), audience.counted.len()), (0, 0, 0));
        assert_eq!(audience.take_untold(), BTreeSet::from([room("demo")]));
        assert!(audience.take_untold().is_empty(), "told once");
    }

    #[test]
    fn the_numbers_of_other_nodes_are_added_and_go_with_them() {
        let (mut ours, mut theirs) = (Audience::default(), Audience::default());
        ours.set(SessionId(0, 1), &room("demo"), true);
        theirs.set(SessionId(0, 2), &room("demo"), true);
        theirs.set(SessionId(0, 3), &room("other"), true);
        ours.handle_report(theirs.poll_report(&node("n2"), false).unwrap());
        assert_eq!((ours.of(&room("demo")), ours.of(&room("other"))), (2, 1));
        assert_eq!(theirs.poll_report(&node("n2"), false), None, "nothing has changed");
        // The word that this one has gone is lost; the next list of everything says so.
        theirs.forget(SessionId(0, 3));
        theirs.poll_report(&node("n2"), false);
        ours.handle_report(theirs.poll_report(&node("n2"), true).unwrap());
        assert_eq!((ours.of(&room("demo")), ours.of(&room("other"))), (2, 0));
        ours.take_untold();
        ours.handle_node_lost(&node("n2"));
        assert_eq!((ours.of(&room("demo")), ours.take_untold()), (1, BTreeSet::from([room("demo")])));
    }

    #[test]
    fn more_rooms_than_one_report_holds_are_told_in_several() {
        let (mut ours, mut theirs) = (Audience::default(), Audience::default());
        let many = ROOMS_REPORTED_MAX + 3;
        let session = |number: usize| SessionId(0, number as u128);
        let name = |number: usize| room(&format!("r{number}"));
        (0..many).for_each(|number| theirs.set(session(number), &name(number), true));
        let tell = |ours: &mut Audience, theirs: &mut Audience, everything| {
            let first = theirs.poll_report(&node("n2"), everything).map(|report| (report.rooms.len(), report));
            let rest = theirs.poll_report(&node("n2"), false).map(|report| (report.rooms.len(), report));
            [first, rest]
                .into_iter()
                .flatten()
                .map(|(len, report)| (ours.handle_report(report), len).1)
                .collect::<Vec<_>>()
        };
        assert_eq!(tell(&mut ours, &mut theirs, false), [ROOMS_REPORTED_MAX, 3]);
        assert_eq!((0..many).map(|number| ours.of(&name(number))).sum::<u32>() as usize, many);
        assert_eq!(tell(&mut ours, &mut theirs, true), [ROOMS_REPORTED_MAX, 3], "for who missed it");
        (0..many).for_each(|number| theirs.forget(session(number)));
        // Nobody is left, which one report says of all.
        assert_eq!(tell(&mut ours, &mut theirs, true), [0]);
        assert_eq!((0..many).map(|number| ours.of(&name(number))).sum::<u32>(), 0);
    }
}
