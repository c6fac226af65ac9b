//! Owns what this node knows of another one in a room: its life, its members, and which of its messages have
//! been seen. Never asks for what it does not know.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::limits::PAST_LIVES_MAX;
use crate::message::{Kept, Life};
use crate::numbering::Numbering;
use crate::presence::Members;

#[derive(Debug)]
pub(crate) struct RemoteRoom {
    pub life: Life,
    pub numbering: Numbering,
    /// Heard itself, not only told of by a third node.
    pub met: bool,
    others: VecDeque<OtherLife>,
    pub members: Members,
    pub roster: Roster,
    pub heard_at: Instant,
    /// The node had the room before us, and has not told yet which of its messages came after that.
    pub base_wanted: bool,
    /// How long it had the room at least, and when that was. Of all that it told the longest, because a message
    /// may be delayed.
    age: (Duration, Instant),
    /// Since it last answered.
    pub asks: u32,
    pub kept: Option<Kept>,
}

/// How well `members` is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roster {
    /// From an earlier life, or nothing yet.
    Unknown,
    Known {
        version: u64,
    },
    /// A change before this one was lost.
    Behind {
        version: u64,
    },
    /// The node has not been heard for long or is known to be lost; nobody is there.
    Gone,
    /// The node said that it has nobody and listens no more.
    Closed,
}

/// A life that is not the current one, but whose messages may still come.
#[derive(Debug)]
struct OtherLife {
    life: Life,
    numbering: Numbering,
}

impl RemoteRoom {
    pub fn new(now: Instant, life: Life, base: u64) -> RemoteRoom {
        RemoteRoom {
            base_wanted: false,
            age: (Duration::ZERO, now),
            life,
            numbering: Numbering::new(base),
            met: false,
            others: VecDeque::new(),
            members: Members::new(),
            roster: Roster::Unknown,
            heard_at: now,
            asks: 0,
            kept: None,
        }
    }

    /// Whether the life has ended as far as we know, so that only what was said in it counts. A node that
    /// nobody is at may begin again with anything: the clock that its instances come from may have been set
    /// back.
    pub fn is_over(&self, life: &Life) -> bool {
        match (life.instance, life.opening).cmp(&(self.life.instance, self.life.opening)) {
            Ordering::Equal => self.roster == Roster::Closed,
            Ordering::Less => self.roster != Roster::Gone,
            Ordering::Greater => false,
        }
    }

    /// The node lives another life now. Its members stay until it has told who they are.
    pub fn begin(&mut self, now: Instant, life: Life, base: u64) {
        let known = self.others.iter().position(|other| other.life == life);
        let known = known.and_then(|at| self.others.remove(at));
        let numbering = known.map_or_else(|| Numbering::new(base), |other| other.numbering);
        let old = std::mem::replace(&mut self.life, life);
        let old_numbering = std::mem::replace(&mut self.numbering, numbering);
        self.keep(OtherLife { life: old, numbering: old_numbering });
        self.roster = Roster::Unknown;
        self.asks = 0;
        self.kept = None;
        self.age = (Duration::ZERO, now);
    }

    pub fn age(&self, now: Instant) -> Duration {
        self.age.0.saturating_add(now.saturating_duration_since(self.age.1))
    }

    pub fn note_age(&mut self, now: Instant, age: Duration) {
        if age > self.age(now) {
            self.age = (age, now);
        }
    }

    pub fn numbering_of(&mut self, life: &Life) -> Option<&mut Numbering> {
        if *life == self.life {
            return Some(&mut self.numbering);
        }
        self.others.iter_mut().find(|other| other.life == *life).map(|other| &mut other.numbering)
    }

    /// A third node told of a message of this life.
    pub fn learn_of(&mut self, life: Life, base: u64) {
        self.keep(OtherLife { life, numbering: Numbering::new(base) });
    }

    /// The current numbering first.
    pub fn numberings(&mut self) -> impl Iterator<Item = (&Life, &mut Numbering)> {
        let others = self.others.iter_mut().map(|other| (&other.life, &mut other.numbering));
        std::iter::once((&self.life, &mut self.numbering)).chain(others)
    }

    fn keep(&mut self, other: OtherLife) {
        self.others.push_back(other);
        if self.others.len() > PAST_LIVES_MAX {
            self.others.pop_front();
        }
    }
}

impl Roster {
    /// Whether the node should be asked who is with it.
    pub fn is_doubtful(self) -> bool {
        matches!(self, Roster::Unknown | Roster::Behind { .. })
    }

    pub fn is_present(self) -> bool {
        !matches!(self, Roster::Gone | Roster::Closed)
    }
}
