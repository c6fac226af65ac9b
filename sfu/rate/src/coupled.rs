//! Owns what viewers behind one address get of a line that they share: equal parts, as far as each wants its part. Never
//! looks at packets, and estimates nothing for one viewer alone.
//!
//! Coupled congestion control (RFC 8699, its flow state exchange). Whether the line is shared at all nobody says: queues that half
//! of the viewers see at once do, in the manner of RFC 8382. It is needed because layers are great steps: each viewer alone sees
//! a line that carries the next one, and the first to rise keeps what is free.
//!
//! ```text
//!   Apart ──half of them see a queue at once──► Shared ──none for 20 s──► the parts grow by 4 % a second
//!                                                 ▲                                │
//!                                                 └── a queue again: twice as long ┘
//! ```

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::bitrate::Bitrate;
use crate::time::Time;

/// Viewers behind one address, each known by a key.
#[derive(Debug, Clone)]
pub struct SharedLine<K> {
    members: Vec<Member<K>>,
    congested: Option<Congested>,
}

/// What a viewer takes of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub arriving: Bitrate,
    /// What it would take if it could.
    pub demand: Bitrate,
    /// What is sent waits for so long.
    pub queue: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Member<K> {
    key: K,
    heard_at: Time,
    queued_at: Option<Time>,
    taken: Taken,
}

/// The line was too small for all.
#[derive(Debug, Clone, Copy)]
struct Congested {
    /// When their queue was last seen.
    at: Time,
    /// The most that came through meanwhile.
    capacity: Bitrate,
    held_for: Duration,
}

impl<K> Default for SharedLine<K> {
    fn default() -> SharedLine<K> {
        SharedLine { members: Vec::new(), congested: None }
    }
}

impl<K: Copy + Eq> SharedLine<K> {
    /// What this viewer may take; none for all that its line carries.
    pub fn part(&mut self, now: Time, key: K, taken: Taken) -> Option<Bitrate> {
        self.note(now, key, taken);
        if self.is_queued(now) {
            self.handle_queue(now);
        }
        let is_member = self.members.iter().any(|member| member.key == key);
        let congested = self.congested.filter(|_| is_member && self.members.len() > 1)?;
        let demands = self.members.iter().map(|member| member.taken.demand).collect();
        let calm = now.since(congested.at).saturating_sub(congested.held_for).as_secs_f64();
        Some(equal_part(congested.capacity, demands)?.scaled(GROWTH.powf(calm.min(GROWTH_S_MAX))))
    }

    pub fn remove(&mut self, key: K) {
        self.members.retain(|member| member.key != key);
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn note(&mut self, now: Time, key: K, taken: Taken) {
        self.members.retain(|member| member.key == key || now.since(member.heard_at) < HEARD_WITHIN);
        let seen = (taken.queue >= QUEUED).then_some(now);
        if let Some(member) = self.members.iter_mut().find(|member| member.key == key) {
            *member = Member { key, heard_at: now, queued_at: seen.or(member.queued_at), taken };
        } else if self.members.len() < MEMBERS_MAX {
            self.members.push(Member { key, heard_at: now, queued_at: seen, taken });
        }
    }

    /// Whether half of them see a queue, and two at least.
    fn is_queued(&self, now: Time) -> bool {
        let is_now = |member: &&Member<K>| member.queued_at.is_some_and(|at| now.since(at) < AT_ONCE);
        let queued = self.members.iter().filter(is_now).count();
        queued >= 2 && 2 * queued >= self.members.len()
    }

    fn handle_queue(&mut self, now: Time) {
        let arriving = self.members.iter().fold(Bitrate::ZERO, |sum, member| sum + member.taken.arriving);
        let fresh = Congested { at: now, capacity: arriving, held_for: HELD };
        self.congested = Some(match self.congested {
            // The same queue; while it drains less arrives.
            Some(before) if now.since(before.at) < ONE_QUEUE => {
                Congested { at: now, capacity: before.capacity.max(arriving), ..before }
            }
            Some(before) if now.since(before.at) < FORGOTTEN => {
                Congested { held_for: (2 * before.held_for).min(HELD_MAX), ..fresh }
            }
            _ => fresh,
        });
    }
}

/// The same for each, but for none more than it wants. None if there is enough for all.
fn equal_part(capacity: Bitrate, mut demands: ArrayVec<Bitrate, MEMBERS_MAX>) -> Option<Bitrate> {
    demands.sort_unstable();
    let mut left = capacity;
    for (place, demand) in demands.iter().enumerate() {
        let part = Bitrate::from_bps(left.bps() / (demands.len() - place) as u64);
        if *demand > part {
            return Some(part);
        }
        left = left.less(*demand);
    }
    None
}

/// More viewers behind one address are a company with a line to match; those beyond are on their own, and get no part.
const MEMBERS_MAX: usize = 64;
/// Who says nothing for so long takes nothing.
const HEARD_WITHIN: Duration = Duration::from_secs(5);
/// Jitter makes less.
const QUEUED: Duration = Duration::from_millis(50);
/// Feedback comes each 50 to 250 ms.
const AT_ONCE: Duration = Duration::from_millis(300);
const ONE_QUEUE: Duration = Duration::from_secs(2);
/// For so long none takes more than its part, twice as long each time that more was too much.
const HELD: Duration = Duration::from_secs(20);
const HELD_MAX: Duration = Duration::from_secs(160);
/// Each second after it.
const GROWTH: f64 = 1.04;
const GROWTH_S_MAX: f64 = 120.0;
const FORGOTTEN: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn kbps(kbps: u64) -> Bitrate {
        Bitrate::from_kbps(kbps)
    }

    /// The parts of viewers that get and want so much, after all saw such a queue.
    fn parts(line: &mut SharedLine<usize>, millis: u64, queue_ms: u64, viewers: &[(u64, u64)]) -> Vec<Option<u64>> {
        let queue = Duration::from_millis(queue_ms);
        let mut ask = |(key, (arriving, demand)): (usize, &(u64, u64))| {
            let taken = Taken { arriving: kbps(*arriving), demand: kbps(*demand), queue };
            line.part(Time::from_millis(millis), key, taken).map(|part| part.bps() / 1000)
        };
        let _: Vec<_> = viewers.iter().enumerate().map(&mut ask).collect();
        viewers.iter().enumerate().map(ask).collect()
    }

    #[test]
    fn who_shares_a_line_that_is_too_small_gets_an_equal_part_of_it() {
        let viewers = [(2600, 2700), (600, 2700), (200, 200)];
        let mut line = SharedLine::default();
        assert_eq!(parts(&mut line, 0, 0, &viewers), [None; 3], "there is no queue");
        assert_eq!(parts(&mut line, 1_000, 80, &viewers), [Some(1600); 3]);
        assert_eq!(parts(&mut line, 20_000, 0, &viewers), [Some(1600); 3]);
    }

    #[test]
    fn a_queue_that_one_of_them_sees_is_of_its_own_line() {
        let mut line = SharedLine::default();
        let taken =
            |queue_ms| Taken { arriving: kbps(600), demand: kbps(2700), queue: Duration::from_millis(queue_ms) };
        for (key, queue_ms) in [(1, 0), (2, 200), (1, 0), (2, 200)] {
            assert_eq!(line.part(Time::from_millis(1_000), key, taken(queue_ms)), None);
        }
    }

    #[test]
    fn those_beyond_the_most_are_on_their_own() {
        let parts = parts(&mut SharedLine::default(), 1_000, 80, &[(100, 2700); MEMBERS_MAX + 6]);
        assert!(parts[..MEMBERS_MAX].iter().all(Option::is_some), "{parts:?}");
        assert_eq!(parts[MEMBERS_MAX..], [None; 6]);
    }

    #[test]
    fn parts_grow_when_no_queue_was_seen_for_a_while_and_one_that_is_left_has_all() {
        let viewers = [(1000, 2700), (1000, 2700)];
        let mut line = SharedLine::default();
        assert_eq!(parts(&mut line, 0, 80, &viewers), [Some(1000); 2]);
        for millis in (1_000..20_000).step_by(1_000) {
            assert_eq!(parts(&mut line, millis, 0, &viewers), [Some(1000); 2]);
        }
        assert_eq!(parts(&mut line, 25_000, 0, &viewers), [Some(1216); 2]);
        parts(&mut line, 26_000, 80, &viewers);
        assert_eq!(parts(&mut line, 60_000, 0, &viewers), [Some(1000); 2], "held for 40 s now");
        line.remove(1);
        assert_eq!(parts(&mut line, 61_000, 0, &viewers[..1]), [None]);
    }
}
