//! Owns which pages have left for good a short while ago: what they were told and others may know is good no more; and which
//! are relayed for that may have, unheard: they are on another node, or left when another process was here. Never asks
//! other nodes: the service does.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use chappe_signaling_rooms::MemberId;

#[derive(Debug, Default)]
pub struct Departed {
    order: VecDeque<(Instant, MemberId)>,
    members: HashSet<MemberId>,
    /// Relayed for since [`Departed::take_unheard`], and how often in a row nobody knew them.
    unheard: HashMap<MemberId, Unheard>,
}

#[derive(Debug, Default)]
struct Unheard {
    is_used: bool,
    misses: u8,
}

impl Departed {
    pub fn note(&mut self, now: Instant, member: MemberId) {
        let is_over = |at: Instant| now.saturating_duration_since(at) >= KEPT;
        while self.order.front().is_some_and(|(at, _)| is_over(*at)) || self.order.len() >= DEPARTED_MAX {
            let Some((_, old)) = self.order.pop_front() else { break };
            self.members.remove(&old);
        }
        if self.members.insert(member) {
            self.order.push_back((now, member));
        }
    }

    /// It is here again.
    pub fn forget(&mut self, member: MemberId) {
        if self.members.remove(&member) {
            self.order.retain(|(_, departed)| *departed != member);
        }
    }

    /// It is not here, and is relayed for.
    pub fn note_unheard(&mut self, member: MemberId) {
        if self.unheard.len() < DEPARTED_MAX || self.unheard.contains_key(&member) {
            self.unheard.entry(member).or_default().is_used = true;
        }
    }

    /// Those that are relayed for, to be asked about. What was heard of others is forgotten.
    pub fn take_unheard(&mut self) -> Vec<MemberId> {
        self.unheard.retain(|_, unheard| std::mem::take(&mut unheard.is_used));
        self.unheard.keys().copied().collect()
    }

    /// All nodes were asked about a page, which has left if none knows it: not at once, for one that goes from a node to
    /// another is nowhere for a moment.
    pub fn handle_answers(&mut self, now: Instant, member: MemberId, is_known: bool) {
        let Some(unheard) = self.unheard.get_mut(&member) else { return };
        unheard.misses = if is_known { 0 } else { unheard.misses + 1 };
        if unheard.misses >= MISSES_MAX {
            self.unheard.remove(&member);
            self.note(now, member);
        }
    }

    pub fn contains(&self, member: MemberId) -> bool {
        self.members.contains(&member)
    }
}

/// Longer than any credentials last.
const KEPT: Duration = Duration::from_secs(600);
/// Those before are taken to be there: nothing that goes on may be cut by a crowd that leaves.
const DEPARTED_MAX: usize = 16_384;
const MISSES_MAX: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_left_is_known_for_a_while_and_not_when_it_is_back() {
        let (mut departed, now) = (Departed::default(), Instant::now());
        let member = |number: usize| MemberId(number as u128);
        (0..3).for_each(|number| departed.note(now, member(number)));
        departed.forget(member(1));
        departed.note(now + KEPT - Duration::from_secs(1), member(3));
        assert_eq!([0, 1, 2, 3].map(|number| departed.contains(member(number))), [true, false, true, true]);
        departed.note(now + KEPT, member(4));
        assert_eq!([0, 2, 3, 4].map(|number| departed.contains(member(number))), [false, false, true, true]);
        (0..2 * DEPARTED_MAX).for_each(|number| departed.note(now + KEPT, member(100 + number)));
        assert!(departed.members.len() <= DEPARTED_MAX && departed.order.len() == departed.members.len());
    }
    #[test]
    fn who_is_relayed_for_and_nowhere_twice_in_a_row_has_left() {
        let (mut departed, now) = (Departed::default(), Instant::now());
        let member = MemberId(7);
        departed.handle_answers(now, member, false);
        for (is_known, has_left) in [(false, false), (true, false), (false, false), (false, true)] {
            departed.note_unheard(member);
            assert_eq!(departed.take_unheard(), [member]);
            departed.handle_answers(now, member, is_known);
            assert_eq!(departed.contains(member), has_left);
        }
        departed.note_unheard(member);
        let _ = departed.take_unheard();
        assert_eq!(departed.take_unheard(), [], "who is not relayed for is asked about no more");
        departed.handle_answers(now, member, false);
        assert!(departed.unheard.is_empty());
    }
}
