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
//!
//! All are bound while such a queue is looked at. Whose delay did not change from its beginning to its end has a line of its own (the
//! address is that of a proxy, or of a network with many lines), and is left alone from then on until it sees one with others.

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::bitrate::Bitrate;
use crate::time::Time;

/// Viewers behind one address, each known by a key.
#[derive(Debug, Clone)]
pub struct SharedLine<K> {
    members: Vec<Member<K>>,
    swept_at: Time,
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
    /// What is sent takes so long, in microseconds and between two clocks; none where nobody says when it arrives.
    pub delay: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Member<K> {
    key: K,
    since: Time,
    heard_at: Time,
    queued_at: Option<Time>,
    taken: Taken,
    /// The shortest and the longest delay since shortly before the queue that is looked at.
    delays: Option<(i64, i64)>,
    has_own_line: bool,
}

/// The line was too small for all.
#[derive(Debug, Clone, Copy)]
struct Congested {
    began: Time,
    /// When their queue was last seen.
    at: Time,
    /// Who has a line of its own was looked at.
    is_judged: bool,
    /// The most that came through meanwhile.
    capacity: Bitrate,
    held_for: Duration,
}

impl<K> Default for SharedLine<K> {
    fn default() -> SharedLine<K> {
        SharedLine { members: Vec::new(), swept_at: Time::default(), congested: None }
    }
}

impl<K: Copy + Eq> SharedLine<K> {
    /// What this viewer may take; none for all that its line carries.
    pub fn part(&mut self, now: Time, key: K, taken: Taken) -> Option<Bitrate> {
        let place = self.note(now, key, taken)?;
        self.judge(now);
        if taken.queue >= QUEUED && self.is_queued(now) {
            self.handle_queue(now);
        }
        let congested =
            self.congested.filter(|_| !self.members[place].has_own_line && self.bound().nth(1).is_some())?;
        let demands = self.bound().map(|member| member.taken.demand).collect();
        let calm = now.since(congested.at).saturating_sub(congested.held_for).as_secs_f64();
        Some(equal_part(congested.capacity, demands)?.scaled(GROWTH.powf(calm.min(GROWTH_S_MAX))))
    }

    pub fn remove(&mut self, key: K) {
        self.members.retain(|member| member.key != key);
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn bound(&self) -> impl Iterator<Item = &Member<K>> {
        self.members.iter().filter(|member| !member.has_own_line)
    }

    /// Where it is; none if there are too many.
    fn note(&mut self, now: Time, key: K, taken: Taken) -> Option<usize> {
        if now.since(self.swept_at) >= SWEPT_EACH {
            self.swept_at = now;
            self.members.retain(|member| member.key == key || now.since(member.heard_at) < HEARD_WITHIN);
            self.congested = self.congested.filter(|congested| now.since(congested.at) < FORGOTTEN);
        }
        let seen = (taken.queue >= QUEUED).then_some(now);
        let place = self.members.iter().position(|member| member.key == key);
        if let Some(place) = place {
            let member = &mut self.members[place];
            (member.heard_at, member.taken) = (now, taken);
            member.queued_at = seen.or(member.queued_at);
            member.note_delay();
        } else if self.members.len() < MEMBERS_MAX {
            let (queued_at, delays) = (seen, taken.delay.map(|delay| (delay, delay)));
            let has_own_line = false;
            self.members.push(Member { key, since: now, heard_at: now, queued_at, taken, delays, has_own_line });
        } else {
            return None;
        }
        place.or(Some(self.members.len() - 1))
    }

    /// Whether half of them see a queue, and two at least; those with a line of their own count if others see it, too.
    fn is_queued(&self, now: Time) -> bool {
        if self.bound().next().is_some() && !self.bound().any(|member| member.saw_queue(now)) {
            return false;
        }
        let is_now = |member: &&Member<K>| member.saw_queue(now);
        let queued = self.members.iter().filter(is_now).count();
        let concerned = self.members.iter().filter(|member| !member.has_own_line || member.saw_queue(now)).count();
        queued >= 2 && 2 * queued >= concerned
    }

    fn handle_queue(&mut self, now: Time) {
        let arriving = self.bound().fold(Bitrate::ZERO, |sum, member| sum + member.taken.arriving);
        let fresh = Congested { began: now, at: now, is_judged: false, capacity: arriving, held_for: HELD };
        self.congested = Some(match self.congested {
            // The same queue; while it drains less arrives.
            Some(before) if now.since(before.at) < ONE_QUEUE => {
                Congested { at: now, capacity: before.capacity.max(arriving), ..before }
            }
            Some(before) if now.since(before.at) < FORGOTTEN => {
                // Less arrives for other reasons, too, and what they have alone knows of a line that carries less.
                let capacity = arriving.max(before.capacity.scaled(LESS));
                // Not long while there are some of whom only the next queue tells whether they are behind it.
                let is_known = self.bound().all(|member| member.since + KNOWN_FOR <= now);
                let held_for = if is_known { (2 * before.held_for).min(HELD_MAX) } else { HELD };
                Congested { capacity, held_for, ..fresh }
            }
            _ => fresh,
        });
        if self.congested.is_some_and(|congested| congested.began == now) {
            self.members.iter_mut().for_each(|member| member.delays = member.taken.delay.map(|delay| (delay, delay)));
        }
    }

    /// After a queue: who saw nothing of it was not behind it, whoever did is.
    fn judge(&mut self, now: Time) {
        let Some(congested) = self.congested.as_mut().filter(|congested| !congested.is_judged) else { return };
        if now.since(congested.at) < ONE_QUEUE {
            return;
        }
        congested.is_judged = true;
        for member in self.members.iter_mut().filter(|member| member.since + KNOWN_FOR <= congested.began) {
            // What is measured from the least delay is nothing to somebody who came when the queue already stood.
            let Some((least, most)) = member.delays else { continue };
            let change = Duration::from_micros(most.abs_diff(least));
            if change >= SAW_QUEUE && member.has_own_line {
                member.has_own_line = false;
                congested.capacity = congested.capacity + member.taken.arriving;
            } else if change < NO_QUEUE && !member.has_own_line {
                member.has_own_line = true;
                congested.capacity = congested.capacity.less(member.taken.arriving);
            }
        }
    }
}

impl<K> Member<K> {
    fn saw_queue(&self, now: Time) -> bool {
        self.queued_at.is_some_and(|at| now.since(at) < AT_ONCE)
    }

    fn note_delay(&mut self) {
        let Some(delay) = self.taken.delay else { return };
        let (least, most) = self.delays.unwrap_or((delay, delay));
        self.delays = Some((least.min(delay), most.max(delay)));
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
const SWEPT_EACH: Duration = Duration::from_secs(1);
/// Jitter makes less.
const QUEUED: Duration = Duration::from_millis(50);
/// Feedback comes each 50 to 250 ms.
const AT_ONCE: Duration = Duration::from_millis(300);
const ONE_QUEUE: Duration = Duration::from_secs(2);
/// Who came later may have never seen the line without this queue.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// Whose delay changed by no more while others saw their queue come and go has a line of its own.
const NO_QUEUE: Duration = Duration::from_millis(15);
/// And whose changed by this does not: 50 ms of them stood when others saw the same one.
const SAW_QUEUE: Duration = Duration::from_millis(30);
/// A line is not taken to carry less than this of what it did before.
const LESS: f64 = 0.85;
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
            let taken = Taken { arriving: kbps(*arriving), demand: kbps(*demand), queue, delay: None };
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
        let taken = |queue_ms| Taken {
            arriving: kbps(600),
            demand: kbps(2700),
            queue: Duration::from_millis(queue_ms),
            delay: None,
        };
        for (key, queue_ms) in [(1, 0), (2, 200), (1, 0), (2, 200)] {
            assert_eq!(line.part(Time::from_millis(1_000), key, taken(queue_ms)), None);
        }
    }

    /// Asks for each of them every 100 ms, with such delays beside the least: what they may take at the end.
    fn after(line: &mut SharedLine<usize>, millis: std::ops::Range<u64>, delays_ms: &[i64]) -> Vec<Option<u64>> {
        let mut parts = Vec::new();
        for millis in millis.step_by(100) {
            let ask = |(key, delay_ms): (usize, &i64)| {
                let (arriving, demand) = (kbps(600), kbps(2700));
                let queue = Duration::from_millis(*delay_ms as u64);
                let taken = Taken { arriving, demand, queue, delay: Some(1000 * delay_ms - 77_777) };
                line.part(Time::from_millis(millis), key, taken).map(|part| part.bps() / 1000)
            };
            parts = delays_ms.iter().enumerate().map(ask).collect();
        }
        parts
    }

    #[test]
    fn who_saw_nothing_of_the_queue_of_the_others_has_a_line_of_its_own_until_it_sees_one_with_them() {
        let mut line = SharedLine::default();
        assert_eq!(after(&mut line, 0..2_000, &[0, 0, 0, 2]), [None; 4]);
        assert_eq!(after(&mut line, 2_000..3_000, &[200, 180, 190, 5]), [Some(600); 4], "it is looked at");
        assert_eq!(after(&mut line, 3_000..6_000, &[0, 0, 0, 3]), [Some(600), Some(600), Some(600), None]);
        after(&mut line, 6_000..7_000, &[200, 180, 190, 140]);
        assert_eq!(after(&mut line, 7_000..10_000, &[0, 0, 0, 3]), [Some(600); 4]);
    }

    #[test]
    fn who_came_when_the_queue_stood_is_bound_until_the_next_one() {
        let mut line = SharedLine::default();
        after(&mut line, 0..2_000, &[0, 0]);
        after(&mut line, 2_000..2_500, &[200, 200]);
        assert_eq!(after(&mut line, 2_500..3_000, &[200, 200, 0]), [Some(600); 3]);
        assert_eq!(after(&mut line, 3_000..20_000, &[0, 0, 0]), [Some(600); 3]);
        after(&mut line, 20_000..21_000, &[200, 200, 0]);
        assert_eq!(after(&mut line, 21_000..24_000, &[0, 0, 0]), [Some(600), Some(600), None]);
    }

    #[test]
    fn a_queue_in_which_little_was_sent_does_not_make_the_line_small() {
        let mut line = SharedLine::default();
        assert_eq!(parts(&mut line, 0, 80, &[(1000, 2700); 2]), [Some(1000); 2]);
        assert_eq!(parts(&mut line, 10_000, 80, &[(100, 2700); 2]), [Some(850); 2]);
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
        parts(&mut line, 0, 0, &viewers);
        assert_eq!(parts(&mut line, 2_000, 80, &viewers), [Some(1000); 2]);
        for millis in (3_000..22_000).step_by(1_000) {
            assert_eq!(parts(&mut line, millis, 0, &viewers), [Some(1000); 2]);
        }
        assert_eq!(parts(&mut line, 27_000, 0, &viewers), [Some(1216); 2]);
        parts(&mut line, 28_000, 80, &viewers);
        assert_eq!(parts(&mut line, 62_000, 0, &viewers), [Some(1000); 2], "held for 40 s now");
        line.remove(1);
        assert_eq!(parts(&mut line, 63_000, 0, &viewers[..1]), [None]);
    }
}
