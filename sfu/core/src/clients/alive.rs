//! Owns when each session that asked for signs of life is to hear of its worker next. Deadlines are rounded down to
//! slots, and sessions gather in few of them, so that one wake-up and few system calls serve many. Never sends one.

use std::time::{Duration, Instant};

use crate::keys::SessionKey;

/// Number of a slot since the first deadline.
pub(crate) type SlotNumber = u64;

/// A ring of slots: the sessions that are due within each.
pub(crate) struct AliveSlots {
    /// When slot 0 begins; set by the first entry.
    origin: Option<Instant>,
    ring: [Vec<SessionKey>; SLOTS],
    /// The slot that is served, or the last that was.
    current: SlotNumber,
    /// The first slot that holds anything; `None` when all are empty.
    first: Option<SlotNumber>,
}

impl AliveSlots {
    pub fn new() -> AliveSlots {
        AliveSlots { origin: None, ring: [const { Vec::new() }; SLOTS], current: 0, first: None }
    }

    /// Enters a session that must hear of us at `due`, in a later slot than the one that is served. It comes out at
    /// the beginning of the slot that is returned, which tells its entry from an older one of the same key.
    pub fn insert(&mut self, now: Instant, key: SessionKey, due: Instant) -> SlotNumber {
        let origin = *self.origin.get_or_insert(now);
        let number = |at: Instant| (at.saturating_duration_since(origin).as_millis() / SLOT.as_millis()) as u64;
        if self.first.is_none() {
            self.current = self.current.max(number(now));
        }
        // A ring that is behind by more than its length serves entries too early, never too late.
        let latest = number(due).clamp(self.current + 1, self.current + SLOTS as u64 - 1);
        let earliest = latest.saturating_sub(GATHER_SLOTS).max(self.current + 1);
        let is_shared = |slot: &SlotNumber| (1..FULL).contains(&self.ring[at(*slot)].len());
        let slot = (earliest..=latest).rev().find(is_shared).unwrap_or(latest);
        self.ring[at(slot)].push(key);
        self.first = Some(self.first.map_or(slot, |first| first.min(slot)));
        slot
    }

    /// When the next entry comes out.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.first.map(|slot| self.begins(slot))
    }

    /// The next entry whose slot has begun. Sessions that are gone stay in until then.
    pub fn pop_due(&mut self, now: Instant) -> Option<(SessionKey, SlotNumber)> {
        let slot = self.first.filter(|slot| self.begins(*slot) <= now)?;
        self.current = slot;
        let key = self.ring[at(slot)].pop();
        if self.ring[at(slot)].is_empty() {
            self.first = (slot + 1..slot + SLOTS as u64).find(|next| !self.ring[at(*next)].is_empty());
        }
        Some((key?, slot))
    }

    fn begins(&self, slot: SlotNumber) -> Instant {
        let origin = self.origin.expect("a slot is only filled after the origin is set");
        origin + Duration::from_millis(slot.saturating_mul(SLOT.as_millis() as u64))
    }
}

fn at(slot: SlotNumber) -> usize {
    slot as usize % SLOTS
}

/// Small against the shortest interval that can be asked for.
pub(crate) const SLOT: Duration = Duration::from_millis(10);
/// More than the longest interval that can be asked for takes.
const SLOTS: usize = 128;
/// A session may come out this many slots early to join others.
const GATHER_SLOTS: u64 = 2;
/// Sessions of a slot that others do not join: half a millisecond of sending.
const FULL: usize = 256;

const _: () = assert!(crate::spec::ALIVE_INTERVAL_MAX.as_millis() < SLOT.as_millis() * SLOTS as u128);

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
    fn an_entry_comes_out_in_the_slot_of_its_deadline_and_not_after_it() {
        let start = crate::sim::start();
        for due in [100, 109, 137, 999] {
            let mut slots = AliveSlots::new();
            let slot = slots.insert(start, key(7), ms(start, due));
            let next = slots.poll_timeout().expect("it waits");
            assert_eq!(next, ms(start, due / 10 * 10));
            assert_eq!(slots.pop_due(next - Duration::from_nanos(1)), None);
            assert_eq!(slots.pop_due(next), Some((key(7), slot)));
            assert_eq!((slots.pop_due(next), slots.poll_timeout()), (None, None));
        }
    }

    #[test]
    fn sessions_gather_in_few_slots_and_then_keep_their_interval() {
        let start = crate::sim::start();
        let mut slots = AliveSlots::new();
        for at in 0..50 {
            slots.insert(start, key(at), ms(start, 100 + at as u64 * 2));
        }
        let (mut last, mut wakes) = ([None; 50], Vec::new());
        for now in (0..2_000).map(|at| ms(start, at)) {
            while let Some((key, _)) = slots.pop_due(now) {
                wakes.push(now);
                if let Some(before) = last[key.place()].replace(now) {
                    assert!(now - before <= INTERVAL, "{:?}", now - before);
                    assert!(now < ms(start, 1_000) || now - before == INTERVAL, "settled");
                }
                slots.insert(now, key, now + INTERVAL);
            }
        }
        wakes.dedup();
        let settled = wakes.iter().filter(|at| **at >= ms(start, 1_000)).count();
        assert!(settled <= 40, "{settled} in a second, four at most for each 100 ms");
    }

    #[test]
    fn a_full_slot_takes_no_guests() {
        let start = crate::sim::start();
        let mut slots = AliveSlots::new();
        for at in 0..1_000 {
            slots.insert(start, key(at), ms(start, 100));
            slots.insert(start, key(at), ms(start, 110));
        }
        let mut taken = std::collections::BTreeMap::new();
        while let Some((_, slot)) = slots.pop_due(ms(start, 200)) {
            *taken.entry(slot).or_insert(0) += 1;
        }
        let guests = FULL / 2;
        assert_eq!(taken.into_iter().collect::<Vec<_>>(), [(10, 1_000 + guests), (11, 1_000 - guests)]);
    }

    #[test]
    fn a_loop_that_stood_still_or_had_nothing_to_do_goes_on_at_its_pace() {
        let start = crate::sim::start();
        let mut slots = AliveSlots::new();
        for at in 0..10 {
            slots.insert(start, key(at), ms(start, 100));
        }
        let late = ms(start, 60_000);
        let mut served = 0;
        while let Some((again, _)) = slots.pop_due(late) {
            served += 1;
            assert!(served < 1_000, "it never rests");
            slots.insert(late, again, late + INTERVAL);
        }
        assert_eq!(slots.poll_timeout(), Some(late + INTERVAL));

        let mut slots = AliveSlots::new();
        slots.insert(start, key(1), ms(start, 100));
        slots.pop_due(ms(start, 100));
        slots.insert(late, key(1), late + INTERVAL);
        assert_eq!(slots.poll_timeout(), Some(late + INTERVAL), "after a minute without sessions");
    }
}
