//! Owns which of one sender's numbered messages have been seen, which are missing, and when to ask for them
//! or give them up. Never holds a message.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::limits::{HISTORY_MAX, MISSING_ASK_AGAIN, MISSING_MAX};

#[derive(Debug, Clone)]
pub(crate) struct Numbering {
    /// What is before this was said before we listened.
    base: u64,
    /// Greater than every number that is known to exist.
    next: u64,
    missing: BTreeMap<u64, Missing>,
}

#[derive(Debug, Clone)]
struct Missing {
    since: Instant,
    asks: u8,
    /// The message that showed it, if one did.
    before: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    New,
    /// Seen, or given up and shown as a gap.
    Known,
    /// From before we listened.
    Before,
}

/// Messages that nobody will see here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    pub before: Option<u64>,
    pub count: u64,
}

/// What a numbering wants done now.
#[derive(Debug, Default)]
pub(crate) struct Repair {
    pub want: Vec<u64>,
    pub lost: Vec<Lost>,
}

impl Numbering {
    pub fn new(base: u64) -> Numbering {
        Numbering { base, next: base, missing: BTreeMap::new() }
    }

    /// A message came. Those between it and the last one are missing from now on.
    pub fn admit(&mut self, now: Instant, number: u64, lost: &mut Vec<Lost>) -> Receipt {
        if number < self.base {
            return Receipt::Before;
        }
        if number < self.next {
            return if self.missing.remove(&number).is_some() { Receipt::New } else { Receipt::Known };
        }
        self.reveal(now, number, Some(number), lost);
        self.next = number + 1;
        Receipt::New
    }

    /// The sender has said everything before `next`. What it no longer keeps is lost at once.
    pub fn reveal(&mut self, now: Instant, next: u64, before: Option<u64>, lost: &mut Vec<Lost>) {
        if next <= self.next {
            return;
        }
        let kept = next.saturating_sub(HISTORY_MAX as u64).max(self.next);
        if kept > self.next {
            lost.push(Lost { before, count: kept - self.next });
        }
        let missing = Missing { since: now, asks: 0, before };
        self.missing.extend((kept..next).map(|number| (number, missing.clone())));
        self.next = next;
        while self.missing.len() > HISTORY_MAX {
            if let Some((_, oldest)) = self.missing.pop_first() {
                merge(lost, oldest.before);
            }
        }
    }

    /// We have listened since `base` already. What came of it some other way is `known`.
    pub fn rebase(&mut self, now: Instant, base: u64, known: impl Fn(u64) -> bool, lost: &mut Vec<Lost>) {
        if base >= self.base {
            return;
        }
        let before = (self.base < self.next).then_some(self.base);
        let kept = self.next.saturating_sub(HISTORY_MAX as u64).clamp(base, self.base);
        if kept > base {
            lost.push(Lost { before, count: kept - base });
        }
        let missing = Missing { since: now, asks: 0, before };
        let unknown = (kept..self.base).filter(|&number| !known(number));
        self.missing.extend(unknown.map(|number| (number, missing.clone())));
        self.base = base;
    }

    /// The sender does not have it any more.
    pub fn give_up(&mut self, number: u64, lost: &mut Vec<Lost>) {
        if let Some(missing) = self.missing.remove(&number) {
            merge(lost, missing.before);
        }
    }

    /// `patience` is how long to wait for the question of another node that misses the same.
    pub fn repair(&mut self, now: Instant, patience: Duration) -> Repair {
        let mut repair = Repair::default();
        self.missing.retain(|&number, missing| {
            if now >= missing.since + MISSING_MAX {
                merge(&mut repair.lost, missing.before);
                return false;
            }
            if missing.ask_at(patience).is_some_and(|at| now >= at) {
                missing.asks += 1;
                repair.want.push(number);
            }
            true
        });
        repair
    }

    pub fn next_repair(&self, patience: Duration) -> Option<Instant> {
        self.missing.values().map(|missing| missing.ask_at(patience).unwrap_or(missing.since + MISSING_MAX)).min()
    }
}

impl Missing {
    /// Each is asked for twice.
    fn ask_at(&self, patience: Duration) -> Option<Instant> {
        match self.asks {
            0 => Some(self.since + patience),
            1 => Some(self.since + patience + MISSING_ASK_AGAIN),
            _ => None,
        }
    }
}

fn merge(lost: &mut Vec<Lost>, before: Option<u64>) {
    match lost.iter_mut().find(|lost| lost.before == before) {
        Some(lost) => lost.count += 1,
        None => lost.push(Lost { before, count: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_missing_message_is_asked_for_twice_and_then_given_up() {
        let now = Instant::now();
        let (mut numbering, mut lost) = (Numbering::new(0), Vec::new());
        assert_eq!(numbering.admit(now, 2, &mut lost), Receipt::New);
        assert_eq!(numbering.repair(now, Duration::ZERO).want, [0, 1]);
        assert_eq!(numbering.admit(now, 1, &mut lost), Receipt::New, "it came");
        assert_eq!(numbering.admit(now, 1, &mut lost), Receipt::Known);
        assert_eq!(numbering.next_repair(Duration::ZERO), Some(now + 400 * MS));
        assert!(numbering.repair(now + 399 * MS, Duration::ZERO).want.is_empty());
        assert_eq!(numbering.repair(now + 400 * MS, Duration::ZERO).want, [0]);
        assert_eq!(numbering.next_repair(Duration::ZERO), Some(now + 1000 * MS));
        let repair = numbering.repair(now + 1000 * MS, Duration::ZERO);
        assert_eq!((repair.want, repair.lost), (vec![], vec![Lost { before: Some(2), count: 1 }]));
        assert_eq!(numbering.admit(now, 0, &mut lost), Receipt::Known, "it was shown as a gap");
        assert_eq!((numbering.next_repair(Duration::ZERO), lost), (None, vec![]));
    }

    #[test]
    fn what_the_sender_cannot_keep_is_lost_at_once() {
        let now = Instant::now();
        let (mut numbering, mut lost) = (Numbering::new(10), Vec::new());
        assert_eq!(numbering.admit(now, 9, &mut lost), Receipt::Before);
        numbering.reveal(now, 1010, None, &mut lost);
        assert_eq!(lost, [Lost { before: None, count: 900 }]);
        assert_eq!(numbering.repair(now, Duration::ZERO).want.len(), 100);
        numbering.reveal(now, 1040, None, &mut lost);
        assert_eq!(lost, [Lost { before: None, count: 930 }]);
    }
}
