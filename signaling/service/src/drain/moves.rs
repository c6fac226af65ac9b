//! Owns the order and the pace in which pages are asked to move away. Never asks one itself, and has no clock.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use chappe_sfu_api::SessionId;

/// A session whose page can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving {
    pub session: SessionId,
    pub publishes: bool,
}

/// Which pages were asked, and when. Empty while nothing drains.
#[derive(Debug, Default)]
pub struct Moves {
    asked: HashMap<SessionId, MoveRequest>,
}

#[derive(Debug, Clone, Copy)]
struct MoveRequest {
    first: Instant,
    last: Instant,
}

impl Moves {
    /// Those of `leaving` that are to be asked now. Publishers come first and viewers when those are gone: they find
    /// the streams where they will be, and lose them in no second move. Each tick asks a part, so that a page that
    /// has several sessions, a machine with several pages and the nodes that take them have one change at a time.
    pub fn decide(&mut self, now: Instant, leaving: &[Leaving]) -> Vec<SessionId> {
        let there: HashSet<SessionId> = leaving.iter().map(|left| left.session).collect();
        self.asked.retain(|session, _| there.contains(session));
        let is_expected = |left: &Leaving| {
            left.publishes && self.asked.get(&left.session).is_none_or(|asked| now < asked.first + PUBLISHERS_ALONE_FOR)
        };
        let publishers_only = leaving.iter().any(is_expected);
        let is_due = |left: &&Leaving| {
            let asked = self.asked.get(&left.session);
            (left.publishes || !publishers_only) && asked.is_none_or(|asked| now >= asked.last + ASK_AGAIN_AFTER)
        };
        let mut due: Vec<Leaving> = leaving.iter().filter(is_due).copied().collect();
        due.sort_by_key(|left| !left.publishes);
        due.truncate(leaving.len().div_ceil(TICKS));
        for left in &due {
            self.asked.entry(left.session).or_insert(MoveRequest { first: now, last: now }).last = now;
        }
        due.into_iter().map(|left| left.session).collect()
    }
}

/// All that are there when it starts are asked within so many ticks of 250 ms, if they go at once.
const TICKS: usize = 8;
/// A publisher that was asked and does not go holds up nobody after this.
const PUBLISHERS_ALONE_FOR: Duration = Duration::from_millis(1500);
/// A page that could not move yet (its next place was full) is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn viewer(id: u128) -> Leaving {
        Leaving { session: SessionId(0, id), publishes: false }
    }

    fn publisher(id: u128) -> Leaving {
        Leaving { session: SessionId(0, id), publishes: true }
    }

    fn tick(at: Instant, number: u64) -> Instant {
        at + Duration::from_millis(250 * number)
    }

    #[test]
    fn viewers_are_asked_when_the_publishers_have_left() {
        let (mut moves, now) = (Moves::default(), Instant::now());
        assert_eq!(moves.decide(now, &[viewer(1), publisher(2)]), [SessionId(0, 2)]);
        assert_eq!(moves.decide(tick(now, 1), &[viewer(1), publisher(2)]), []);
        assert_eq!(moves.decide(tick(now, 2), &[viewer(1)]), [SessionId(0, 1)]);
    }

    #[test]
    fn a_publisher_that_stays_does_not_hold_up_the_viewers() {
        let (mut moves, now) = (Moves::default(), Instant::now());
        let leaving = [viewer(1), publisher(2)];
        moves.decide(now, &leaving);
        let asked: Vec<u64> = (1..40).filter(|at| !moves.decide(tick(now, *at), &leaving).is_empty()).collect();
        assert_eq!(asked, [6, 20, 26], "the viewer, then each again after five seconds");
    }

    #[test]
    fn many_are_asked_part_by_part_and_none_twice() {
        let (mut moves, now) = (Moves::default(), Instant::now());
        let leaving: Vec<Leaving> = (0..1000).map(viewer).collect();
        let rounds: Vec<Vec<SessionId>> = (0..10).map(|at| moves.decide(tick(now, at), &leaving)).collect();
        assert_eq!(rounds.iter().map(Vec::len).collect::<Vec<_>>(), [125, 125, 125, 125, 125, 125, 125, 125, 0, 0]);
        let all: std::collections::HashSet<_> = rounds.iter().flatten().collect();
        assert_eq!(all.len(), 1000);
    }

    #[test]
    fn two_pages_do_not_move_at_the_same_time() {
        let (mut moves, now) = (Moves::default(), Instant::now());
        assert_eq!(moves.decide(now, &[viewer(1), viewer(2)]).len(), 1);
    }
}
