//! Owns the last messages of a room and the gaps between them, and the last own ones, to repeat them. Never
//! decides what is shown.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::limits::{ANSWER_BYTES_MAX, ANSWER_INTERVAL, GAPS_MAX, HISTORY_MAX};
use crate::message::{Life, Line, PastLine};
use crate::said::{Gap, History, Said};

#[derive(Debug, Default)]
pub(crate) struct Log {
    /// In the order in which this node saw them, except for the first `past`.
    lines: VecDeque<Arc<PastLine>>,
    /// So many at the front were told by other nodes after the room was opened; in the order of their times.
    past: usize,
    gaps: Vec<Gap>,
    own: VecDeque<OwnLine>,
    bytes: usize,
    spoken_at: Option<Instant>,
}

#[derive(Debug)]
struct OwnLine {
    line: Arc<PastLine>,
    said_at: Instant,
    repeated_at: Option<Instant>,
}

impl Log {
    /// The line is shown now.
    pub fn push(&mut self, now: Instant, line: Arc<PastLine>) {
        for gap in self.gaps.iter_mut().filter(|gap| gap.before.is_none()) {
            gap.before = Some(line.id());
        }
        self.bytes += line.cost();
        self.lines.push_back(line);
        self.spoken_at = Some(now);
        self.trim();
    }

    pub fn push_own(&mut self, now: Instant, line: Arc<PastLine>) {
        self.bytes += line.cost();
        self.own.push_back(OwnLine { line: line.clone(), said_at: now, repeated_at: None });
        while self.own.len() > HISTORY_MAX {
            self.drop_own();
        }
        self.push(now, line);
    }

    /// The line was said before the room was opened here.
    pub fn insert_past(&mut self, now: Instant, line: Arc<PastLine>) {
        let at = self.lines.iter().take(self.past).take_while(|other| other.time() <= line.time()).count();
        self.bytes += line.cost();
        self.lines.insert(at, line);
        self.past += 1;
        self.spoken_at.get_or_insert(now);
        self.trim();
    }

    pub fn gap(&mut self, gap: &Gap) {
        // One whose message is not kept any more has no place.
        if gap.before.is_some() && !self.lines.iter().any(|line| Some(line.id()) == gap.before) {
            return;
        }
        match self.gaps.iter_mut().find(|other| other.before == gap.before) {
            Some(other) => other.lost = other.lost.saturating_add(gap.lost),
            None => self.gaps.push(gap.clone()),
        }
        if self.gaps.len() > GAPS_MAX {
            self.gaps.remove(0);
        }
    }

    pub fn has(&self, life: &Life, number: u64) -> bool {
        self.lines.iter().any(|line| line.line.number == number && line.life == *life)
    }

    pub fn history(&self) -> History {
        History { said: self.lines.iter().map(|line| line.said()).collect(), gaps: self.gaps.clone() }
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn first_id(&self) -> Option<String> {
        self.lines.front().map(|line| line.id())
    }

    pub fn last_own_at_ms(&self) -> u64 {
        self.own.back().map_or(0, |own| own.line.line.at_ms)
    }

    /// The number of the first own message that was said in the last `age`, if there is one.
    pub fn first_own_within(&self, now: Instant, age: Duration) -> Option<u64> {
        let recent = self.own.iter().find(|own| now.saturating_duration_since(own.said_at) <= age);
        recent.map(|own| own.line.line.number)
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the last message was shown; none if nothing is kept.
    pub fn spoken_at(&self) -> Option<Instant> {
        self.spoken_at
    }

    /// Everything, in parts that fit one message each; at least one part.
    pub fn parts(&self) -> Vec<Vec<PastLine>> {
        in_parts(self.lines.iter().map(|line| PastLine::clone(line)), PastLine::cost)
    }

    /// The own lines of these numbers, in parts that fit one message each, without those that were repeated a
    /// moment ago; and the numbers that are not kept any more.
    pub fn repeat(&mut self, now: Instant, numbers: &[u64]) -> (Vec<Vec<Line>>, Vec<u64>) {
        let (mut lines, mut absent) = (Vec::new(), Vec::new());
        for &number in numbers {
            match self.own.iter_mut().find(|own| own.line.line.number == number) {
                None => absent.push(number),
                Some(own) if own.repeated_at.is_some_and(|at| now < at + ANSWER_INTERVAL) => {}
                Some(own) => {
                    own.repeated_at = Some(now);
                    lines.push(own.line.clone());
                }
            }
        }
        (in_parts(lines.iter().map(|line| line.line.clone()), Line::cost), absent)
    }

    /// Frees memory; whether there was something to free.
    pub fn drop_oldest(&mut self) -> bool {
        let dropped = self.drop_line() || self.drop_own();
        if self.lines.is_empty() && self.own.is_empty() {
            self.spoken_at = None;
        }
        dropped
    }

    fn trim(&mut self) {
        while self.lines.len() > HISTORY_MAX {
            self.drop_line();
        }
    }

    fn drop_line(&mut self) -> bool {
        let Some(line) = self.lines.pop_front() else { return false };
        self.past = self.past.saturating_sub(1);
        self.bytes -= line.cost();
        let id = line.id();
        self.gaps.retain(|gap| gap.before.as_ref() != Some(&id));
        true
    }

    fn drop_own(&mut self) -> bool {
        let Some(own) = self.own.pop_front() else { return false };
        self.bytes -= own.line.cost();
        true
    }
}

impl Life {
    /// The id of its message of this number, the same on every node.
    pub fn id_of(&self, number: u64) -> String {
        let Life { node, instance, opening } = self;
        format!("{:08x}-{instance:x}-{opening:x}-{number}", digest_of(node.as_str().as_bytes()) >> 32)
    }
}

impl PastLine {
    pub fn id(&self) -> String {
        self.life.id_of(self.line.number)
    }

    pub fn said(&self) -> Said {
        let Line { member, name, text, at_ms, .. } = self.line.clone();
        Said { id: self.id(), member, name, text, at_ms }
    }

    /// A total order that keeps each sender's own.
    fn time(&self) -> (u64, &str, u64, u64) {
        (self.line.at_ms, self.life.node.as_str(), self.life.opening, self.line.number)
    }

    fn cost(&self) -> usize {
        self.line.cost() + 64
    }
}

impl Line {
    /// Bytes that it takes, in memory or in JSON, roughly.
    fn cost(&self) -> usize {
        self.text.len() + self.name.as_ref().map_or(0, String::len) + 160
    }
}

fn in_parts<T>(lines: impl Iterator<Item = T>, cost: fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], 0);
    for line in lines {
        bytes += cost(&line);
        if bytes > ANSWER_BYTES_MAX {
            bytes = cost(&line);
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(line);
        }
    }
    parts
}

/// FNV-1a with a final mix: the same on every node and in every version, which the hashes of std are not.
pub(crate) fn digest_of(bytes: &[u8]) -> u64 {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
