//! Owns the memory of layer allocation: what a viewer has now, and how sure a change must be. Never refuses for long: a
//! rise that failed is tried again after about a second, one that failed three times after four.

use std::cmp::Ordering;
use std::time::Duration;

use crate::allocation::failures::Failures;
use crate::allocation::{Allocation, Choice, Line, Reason, Shown, TRACKS_MAX, allocate};
use crate::bitrate::Bitrate;
use crate::time::Time;

/// The layers of one viewer as time goes on.
#[derive(Debug, Clone, Default)]
pub struct Allocator {
    present: Allocation,
    /// Since when more would fit, and since when what is sent is too much.
    better_since: Option<Time>,
    over_since: Option<Time>,
    raised_at: Option<Time>,
    has_moved: bool,
    /// What was sent was too much once.
    has_fallen: bool,
    failures: Failures,
    /// Changes to another layer so far.
    switches: u64,
}

impl Allocator {
    pub fn new() -> Allocator {
        Allocator::default()
    }

    pub fn switches(&self) -> u64 {
        self.switches
    }

    pub fn present(&self) -> &Allocation {
        &self.present
    }

    /// After each change of the estimate, of the layers or of what is shown.
    pub fn decide(&mut self, now: Time, line: Line, audio: Bitrate, shown: &[Shown<'_>]) -> &Allocation {
        let estimate = line.estimate;
        self.failures.forget(now);
        let room = self.room(line);
        let sure = allocate(room, audio, shown);
        let kept = self.kept(audio, shown);
        let next = match kept {
            Some(kept) if self.fits(now, line, &kept) => {
                // What failed lately is waited for; what takes less is not.
                let less = self.failures.below().map(|most| allocate(room.min(most), audio, shown));
                // A picture for each goes before larger ones for some.
                let is_better = |next: &Allocation| match next.pictures().cmp(&kept.pictures()) {
                    Ordering::Equal => next.value > kept.value + 1e-9,
                    order => order == Ordering::Greater,
                };
                if !is_better(&sure) {
                    self.better_since = None;
                }
                match [Some(sure), less]
                    .into_iter()
                    .flatten()
                    .find(|next| is_better(next) && self.is_sure(now, line, &kept, next))
                {
                    Some(next) => self.rise(now, next),
                    None => kept,
                }
            }
            Some(kept) => {
                if kept.total > estimate && self.raised_at.take().is_some_and(|at| now.since(at) < FAILED_WITHIN) {
                    self.failures.note(now, kept.total, estimate.bps());
                }
                (self.over_since, self.better_since) = (None, None);
                (self.has_moved, self.has_fallen) = (true, true);
                allocate(estimate, audio, shown)
            }
            // Other tracks, or shown in another way.
            None => allocate(estimate, audio, shown),
        };
        self.count_switches(&next);
        self.present = next;
        &self.present
    }

    /// What a rise may take. One that follows a probe, which says less than the line carries already, may take all of it as
    /// long as nothing was too much yet.
    fn room(&self, line: Line) -> Bitrate {
        let takes_all = !self.has_fallen && line.is_measured;
        if takes_all { line.estimate } else { line.estimate.scaled(1.0 / HEADROOM) }
    }

    /// What is sent now, if each of its tracks is still there and its layer still of use.
    fn kept(&self, audio: Bitrate, shown: &[Shown<'_>]) -> Option<Allocation> {
        let unbound = allocate(Bitrate::from_bps(u64::MAX), audio, shown);
        if shown.is_empty() || unbound.choices.len() != self.present.choices.len() {
            return None;
        }
        let mut kept = Allocation { total: audio, demand: unbound.demand, ..Allocation::default() };
        for ((most, before), shown) in unbound.choices.iter().zip(&self.present.choices).zip(shown) {
            if most.track != before.track || before.layer > most.layer {
                return None;
            }
            let reason = if before.layer == most.layer { most.reason } else { Reason::Line };
            kept.choices.push(Choice { reason, ..*before });
            let track = super::Track { layer: before.layer.map(usize::from), ..super::Track::new(shown) };
            kept.total = kept.total + track.rate();
            kept.value += track.weight * track.layer.map_or(0.0, |layer| track.utility(layer));
        }
        Some(kept)
    }

    /// A little too much is borne for a moment: the estimate dips below the line while a queue drains. And for as long as
    /// there is no queue: an estimate may take minutes to climb to what arrives.
    fn fits(&mut self, now: Time, line: Line, kept: &Allocation) -> bool {
        if kept.total <= line.estimate {
            self.over_since = None;
            return true;
        }
        if line.is_calm {
            self.over_since = None;
        }
        let since = *self.over_since.get_or_insert(now);
        kept.total <= line.estimate.scaled(TOLERANCE) && now.since(since) < TOLERATED
    }

    /// Whether it has fitted for long enough. A picture where there is none is not waited for, though it failed.
    fn is_sure(&mut self, now: Time, line: Line, kept: &Allocation, next: &Allocation) -> bool {
        let since = *self.better_since.get_or_insert(now);
        let after = match self.failures.wait(next.total) {
            Some(wait) if next.pictures() <= kept.pictures() => wait,
            Some(_) => SURE_AFTER,
            None if self.has_moved && !line.is_measured => SURE_AFTER,
            // Nothing speaks against it yet.
            None => Duration::ZERO,
        };
        now.since(since) >= after
    }

    fn rise(&mut self, now: Time, next: Allocation) -> Allocation {
        (self.raised_at, self.has_moved, self.better_since) = (Some(now), true, None);
        next
    }

    fn count_switches(&mut self, next: &Allocation) {
        for choice in &next.choices {
            let before = self.present.choices.iter().find(|before| before.track == choice.track);
            if before.is_some_and(|before| before.layer != choice.layer) {
                self.switches += 1;
            }
        }
    }
}

/// A rise after a fall, or without a probe just before it, leaves so much of the estimate free.
const HEADROOM: f64 = 1.05;
const FAILED_WITHIN: Duration = Duration::from_secs(8);
/// More fits for so long before a rise.
const SURE_AFTER: Duration = Duration::from_millis(200);
/// What is sent may exceed the estimate by so much, for so long: one step down of the estimate, to 0.85 of what arrives
/// when a layer has just begun, and the time that a probe takes to show that it was not needed.
const TOLERANCE: f64 = 1.3;
const TOLERATED: Duration = Duration::from_millis(2000);

const _: () = assert!(TRACKS_MAX <= 32, "allocations are kept by value");
