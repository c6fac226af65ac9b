//! Owns what is done to an input of the corpus to get another one. Never runs a target.

use proptest::collection::vec;
use proptest::prelude::*;

/// A change to an input, at a place that is a share of its length.
#[derive(Debug, Clone)]
pub(crate) enum InputChange {
    Flip(u16, u8),
    Set(u16, u8),
    /// Where lengths and limits are.
    Edge(u16, u8),
    Insert(u16, Vec<u8>),
    Cut(u16, u8),
    Repeat(u16, u8),
    /// The rest is that of another of the corpus, from a place of its own.
    Splice(u16, u16, u16),
}

/// Which of the corpus, and what is done to it.
pub(crate) fn changed() -> impl Strategy<Value = (u16, Vec<InputChange>)> {
    (any::<u16>(), vec(change(), 1..8))
}

fn change() -> impl Strategy<Value = InputChange> {
    let at = any::<u16>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, bit)| InputChange::Flip(at, bit % 8)),
        (at(), any::<u8>()).prop_map(|(at, value)| InputChange::Set(at, value)),
        (at(), any::<u8>()).prop_map(|(at, which)| InputChange::Edge(at, which)),
        (at(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| InputChange::Insert(at, bytes)),
        (at(), any::<u8>()).prop_map(|(at, len)| InputChange::Cut(at, len)),
        (at(), any::<u8>()).prop_map(|(at, len)| InputChange::Repeat(at, len)),
        (at(), at(), at()).prop_map(|(at, other, from)| InputChange::Splice(at, other, from)),
    ]
}

/// The input that it comes to.
pub(crate) fn apply(corpus: &[Vec<u8>], (which, changes): &(u16, Vec<InputChange>), len_max: usize) -> Vec<u8> {
    let mut bytes = corpus[usize::from(*which) % corpus.len()].clone();
    changes.iter().for_each(|change| change.apply(&mut bytes, corpus));
    bytes.truncate(len_max);
    bytes
}

impl InputChange {
    fn apply(&self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let len = bytes.len();
        let place = |share: u16, len: usize| usize::from(share) * len / (1 << 16);
        let span = |at: u16, count: u8| place(at, len)..(place(at, len) + usize::from(count)).min(len);
        match self {
            InputChange::Flip(at, bit) => bytes[span(*at, 1)].iter_mut().for_each(|byte| *byte ^= 1 << bit),
            InputChange::Set(at, value) => bytes[span(*at, 1)].fill(*value),
            InputChange::Edge(at, which) => {
                let edge = EDGES[usize::from(*which) % EDGES.len()];
                bytes[place(*at, len)..].iter_mut().zip(edge).for_each(|(byte, by)| *byte = *by);
            }
            InputChange::Insert(at, more) => {
                let at = place(*at, len);
                bytes.splice(at..at, more.iter().copied()).for_each(drop);
            }
            InputChange::Cut(at, count) => bytes.drain(span(*at, *count)).for_each(drop),
            InputChange::Repeat(at, count) => {
                let part = bytes[span(*at, *count)].to_vec();
                let at = place(*at, len);
                bytes.splice(at..at, part).for_each(drop);
            }
            InputChange::Splice(at, other, from) => {
                let other = &corpus[usize::from(*other) % corpus.len()];
                bytes.truncate(place(*at, len));
                bytes.extend_from_slice(&other[place(*from, other.len())..]);
            }
        }
    }
}

const EDGES: [&[u8]; 8] =
    [&[0], &[0xFF], &[0, 0], &[0xFF, 0xFF], &[0x7F, 0xFF], &[0x80, 0], &[0xFF; 4], &[0x7F, 0xFF, 0xFF, 0xFF]];
