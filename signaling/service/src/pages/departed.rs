//! Owns which pages have left for good a short while ago: what they were told and others may know is good no more. Of pages
//! that went to another node, or whose media may go on elsewhere, it knows nothing.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use chappe_signaling_rooms::MemberId;

#[derive(Debug, Default)]
pub struct Departed {
    order: VecDeque<(Instant, MemberId)>,
    members: HashSet<MemberId>,
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

    pub fn contains(&self, member: MemberId) -> bool {
        self.members.contains(&member)
    }
}

/// Longer than any credentials last.
const KEPT: Duration = Duration::from_secs(600);
/// Those before are taken to be there: nothing that goes on may be cut by a crowd that leaves.
const DEPARTED_MAX: usize = 16_384;

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
}
