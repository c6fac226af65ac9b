//! Owns the lock around the state of the process, and how long each turn holds it. Never decides what is done in a turn.

use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::state::ServiceState;
use crate::unlocked::{note_locked, note_unlocked};

/// The only way to the [`ServiceState`].
#[derive(Debug)]
pub(crate) struct StateLock {
    state: Mutex<ServiceState>,
    /// Held by the first of those who wait. Who has many turns to take, one after the other, comes behind whoever waits
    /// meanwhile: the lock of the state alone would go to the thread that runs, again and again.
    next: Mutex<()>,
    holds: HoldTimes,
}

/// The state, locked. It must not live across an await; the compiler sees to it, because it is not `Send`.
#[derive(Debug)]
pub struct StateTurn<'a> {
    state: MutexGuard<'a, ServiceState>,
    holds: &'a HoldTimes,
    since: Instant,
    /// Where the turn is taken.
    at: &'static Location<'static>,
}

/// How long turns held the lock since the process started, as a histogram.
#[derive(Debug, Default)]
pub struct HoldTimes {
    /// The last one has no upper bound.
    turns: [AtomicU64; BOUNDS_US.len() + 1],
    sum_ns: AtomicU64,
}

impl StateLock {
    pub fn new(state: ServiceState) -> StateLock {
        StateLock { state: Mutex::new(state), next: Mutex::new(()), holds: HoldTimes::default() }
    }

    #[track_caller]
    pub fn turn(&self) -> StateTurn<'_> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic while the lock was held is a bug of ours; the other rooms go on with what there is.
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        drop(next);
        note_locked();
        StateTurn { state, holds: &self.holds, since: Instant::now(), at: Location::caller() }
    }

    pub fn holds(&self) -> &HoldTimes {
        &self.holds
    }
}

impl Deref for StateTurn<'_> {
    type Target = ServiceState;

    fn deref(&self) -> &ServiceState {
        &self.state
    }
}

impl DerefMut for StateTurn<'_> {
    fn deref_mut(&mut self) -> &mut ServiceState {
        &mut self.state
    }
}

impl Drop for StateTurn<'_> {
    fn drop(&mut self) {
        note_unlocked();
        // In the order of the turns.
        let state = &mut *self.state;
        state.registry.take_occurrences().into_iter().for_each(|occurrence| state.news.tell(occurrence));
        let held = self.since.elapsed();
        self.holds.note(held);
        if held > LONG {
            tracing::debug!(held_us = held.as_micros() as u64, at = %self.at, "signaling's lock was held for long");
        }
    }
}

impl HoldTimes {
    fn note(&self, held: Duration) {
        let bucket = BOUNDS_US.partition_point(|bound| u128::from(*bound) < held.as_micros());
        if let Some(turns) = self.turns.get(bucket) {
            turns.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(u64::try_from(held.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Turns so far.
    pub fn count(&self) -> u64 {
        self.turns.iter().map(|turns| turns.load(Ordering::Relaxed)).sum()
    }

    /// In the Prometheus text format.
    pub fn to_text(&self) -> String {
        let mut text =
            format!("# HELP {NAME} How long one turn held the lock of signaling.\n# TYPE {NAME} histogram\n");
        let mut count = 0;
        let bounds = BOUNDS_US.iter().map(|bound| (*bound as f64 / 1e6).to_string()).chain(["+Inf".to_owned()]);
        for (turns, bound) in self.turns.iter().zip(bounds) {
            count += turns.load(Ordering::Relaxed);
            text.push_str(&format!("{NAME}_bucket{{le=\"{bound}\"}} {count}\n"));
        }
        let sum = Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)).as_secs_f64();
        text.push_str(&format!("{NAME}_sum {sum}\n{NAME}_count {count}\n"));
        text
    }
}

/// Felt by all other clients.
const LONG: Duration = Duration::from_millis(1);

const NAME: &str = "chappe_signaling_lock_held_seconds";

/// Most turns are of the first two; one beyond a millisecond is felt by all other clients.
const BOUNDS_US: [u64; 12] = [10, 30, 100, 250, 500, 750, 1_000, 2_500, 5_000, 10_000, 30_000, 100_000];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::node;
    use crate::unlocked::assert_unlocked;
    use chappe_engine::Embedded;
    use chappe_signaling_rooms::Caps;

    #[test]
    fn who_waits_gets_the_turn_before_one_that_takes_another() {
        let service = node("n1", 1, &Embedded::new());
        let lock = StateLock::new(ServiceState::new(0, &service.cluster, Caps::default(), Instant::now()));
        let turns_of_others = AtomicU64::new(0);
        for round in 1..=100 {
            std::thread::scope(|scope| {
                let turn = lock.turn();
                scope.spawn(|| {
                    let _turn = lock.turn();
                    turns_of_others.fetch_add(1, Ordering::SeqCst);
                });
                // The first of those who wait has it.
                while lock.next.try_lock().is_ok() {
                    std::thread::yield_now();
                }
                drop(turn);
                let _another = lock.turn();
                assert_eq!(turns_of_others.load(Ordering::SeqCst), round);
            });
        }
    }

    #[test]
    #[should_panic(expected = "the state is locked")]
    fn what_takes_long_is_not_made_in_a_turn() {
        let service = node("n1", 1, &Embedded::new());
        drop(service.state());
        assert_unlocked();
        let _turn = service.state();
        assert_unlocked();
    }

    #[test]
    fn the_histogram_counts_each_turn_in_its_bucket_and_all_above() {
        let holds = HoldTimes::default();
        [5, 10, 11, 999, 1_000, 1_001, 1_000_000].iter().for_each(|us| holds.note(Duration::from_micros(*us)));
        let text = holds.to_text();
        for line in ["le=\"0.00001\"} 2", "le=\"0.00003\"} 3", "le=\"0.001\"} 5", "le=\"0.1\"} 6", "le=\"+Inf\"} 7"] {
            assert!(text.contains(&format!("{NAME}_bucket{{{line}\n")), "{line} in {text}");
        }
        assert!(text.ends_with(&format!("{NAME}_sum 1.003026\n{NAME}_count 7\n")), "{text}");
        assert_eq!(holds.count(), 7);
    }
}
