//! Owns when each session that asked for signs of life is to hear of its worker next. Deadlines are rounded down to
//! ticks, and sessions gather in few of them, so that one wake-up and few system calls serve many. Never sends one.

use std::time::{Duration, Instant};

use crate::keys::SessionKey;

/// Number of a tick since the first deadline.
pub(crate) type Tick = u64;

/// A timing wheel: a ring of ticks of 10 ms, with the sessions that are due within each.
pub(crate) struct AliveWheel {
    /// When tick 0 begins; set by the first entry.
    origin: Option<Instant>,
    ring: [Vec<SessionKey>; TICKS],
    /// The tick that is served, or the last that was.
    current: Tick,
    /// The first tick that holds anything; `None` when all are empty.
    first: Option<Tick>,
}

impl AliveWheel {
    pub fn new() -> AliveWheel {
        AliveWheel { origin: None, ring: [const { Vec::new() }; TICKS], current: 0, first: None }
    }

    /// Enters a session that must hear of us at `due`, in a later tick than the one that is served. It comes out at
    /// the beginning of the tick that is returned, which tells its entry from an older one of the same key.
    pub fn insert(&mut self, now: Instant, key: SessionKey, due: Instant) -> Tick {
        let origin = *self.origin.get_or_insert(now);
        let number = |at: Instant| (at.saturating_duration_since(origin).as_millis() / TICK.as_millis()) as u64;
        if self.first.is_none() {
            self.current = self.current.max(number(now));
        }
        // A ring that is behind by more than its length serves entries too early, never too late.
        let latest = number(due).clamp(self.current + 1, self.current + TICKS as u64 - 1);
        let earliest = latest.saturating_sub(GATHER_TICKS).max(self.current + 1);
        let is_shared = |tick: &Tick| (1..FULL).contains(&self.ring[at(*tick)].len());
        let tick = (earliest..=latest).rev().find(is_shared).unwrap_or(latest);
        self.ring[at(tick)].push(key);
        self.first = Some(self.first.map_or(tick, |first| first.min(tick)));
        tick
    }

    /// When the next entry comes out.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.first.map(|tick| self.begins(tick))
    }

    /// The next entry whose tick has begun. Sessions that are gone stay in until then.
    pub fn pop_due(&mut self, now: Instant) -> Option<(SessionKey, Tick)> {
        let tick = self.first.filter(|tick| self.begins(*tick) <= now)?;
        self.current = tick;
        let key = self.ring[at(tick)].pop();
        if self.ring[at(tick)].is_empty() {
            self.first = (tick + 1..tick + TICKS as u64).find(|next| !self.ring[at(*next)].is_empty());
        }
        Some((key?, tick))
    }

    fn begins(&self, tick: Tick) -> Instant {
        let origin = self.origin.expect("a tick is only filled after the origin is set");
        origin + Duration::from_millis(tick.saturating_mul(TICK.as_millis() as u64))
    }
}

fn at(tick: Tick) -> usize {
    tick as usize % TICKS
}

/// Small against the shortest interval that can be asked for.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// More than the longest interval that can be asked for takes.
const TICKS: usize = 128;
/// A session may come out this many ticks early to join others.
const GATHER_TICKS: u64 = 2;
/// Sessions of a tick that others do not join: half a millisecond of sending.
const FULL: usize = 256;

const _: () = assert!(crate::spec::ALIVE_INTERVAL_MAX.as_millis() < TICK.as_millis() * TICKS as u128);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Key;

    const INTERVAL: Duration = Duration::from_millis(100);

    fn key(at: usize) -> SessionKey {
        SessionKey::new(at)
    }

    fn ms(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn an_entry_comes_out_in_the_tick_of_its_deadline_and_not_after_it() {
        let start = crate::sim::start();
        for due in [100, 109, 137, 999] {
            let mut wheel = AliveWheel::new();
            let tick = wheel.insert(start, key(7), ms(start, due));
            let next = wheel.poll_timeout().expect("it waits");
            assert_eq!(next, ms(start, due / 10 * 10));
            assert_eq!(wheel.pop_due(next - Duration::from_nanos(1)), None);
            assert_eq!(wheel.pop_due(next), Some((key(7), tick)));
            assert_eq!((wheel.pop_due(next), wheel.poll_timeout()), (None, None));
        }
    }

    #[test]
    fn sessions_gather_in_few_ticks_and_then_keep_their_interval() {
        let start = crate::sim::start();
        let mut wheel = AliveWheel::new();
        for at in 0..50 {
            wheel.insert(start, key(at), ms(start, 100 + at as u64 * 2));
        }
        let (mut last, mut wakes) = ([None; 50], Vec::new());
        for now in (0..2_000).map(|at| ms(start, at)) {
            while let Some((key, _)) = wheel.pop_due(now) {
                wakes.push(now);
                if let Some(before) = last[key.place()].replace(now) {
                    assert!(now - before <= INTERVAL, "{:?}", now - before);
                    assert!(now < ms(start, 1_000) || now - before == INTERVAL, "settled");
                }
                wheel.insert(now, key, now + INTERVAL);
            }
        }
        wakes.dedup();
        let settled = wakes.iter().filter(|at| **at >= ms(start, 1_000)).count();
        assert!(settled <= 40, "{settled} in a second, four at most for each 100 ms");
    }

    #[test]
    fn a_full_tick_takes_no_guests() {
        let start = crate::sim::start();
        let mut wheel = AliveWheel::new();
        for at in 0..1_000 {
            wheel.insert(start, key(at), ms(start, 100));
            wheel.insert(start, key(at), ms(start, 110));
        }
        let mut taken = std::collections::BTreeMap::new();
        while let Some((_, tick)) = wheel.pop_due(ms(start, 200)) {
            *taken.entry(tick).or_insert(0) += 1;
        }
        let guests = FULL / 2;
        assert_eq!(taken.into_iter().collect::<Vec<_>>(), [(10, 1_000 + guests), (11, 1_000 - guests)]);
    }

    #[test]
    fn a_loop_that_stood_still_or_had_nothing_to_do_goes_on_at_its_pace() {
        let start = crate::sim::start();
        let mut wheel = AliveWheel::new();
        for at in 0..10 {
            wheel.insert(start, key(at), ms(start, 100));
        }
        let late = ms(start, 60_000);
        let mut served = 0;
        while let Some((again, _)) = wheel.pop_due(late) {
            served += 1;
            assert!(served < 1_000, "it never rests");
            wheel.insert(late, again, late + INTERVAL);
        }
        assert_eq!(wheel.poll_timeout(), Some(late + INTERVAL));

        let mut wheel = AliveWheel::new();
        wheel.insert(start, key(1), ms(start, 100));
        wheel.pop_due(ms(start, 100));
        wheel.insert(late, key(1), late + INTERVAL);
        assert_eq!(wheel.poll_timeout(), Some(late + INTERVAL), "after a minute without sessions");
    }
}
