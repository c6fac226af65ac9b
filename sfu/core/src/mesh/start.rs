//! Owns the decision where in the history of a track a child starts. Never sends.

use crate::spec::MediaKind;
use crate::tracks::history::{GOP_PACKETS_MAX, History};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StartPoint {
    /// Number of the first packet to send.
    pub number: u64,
    /// Its sequence, or the one that will come next; 0 before the first packet.
    pub from: u64,
    /// What follows can be decoded. Otherwise a key frame is to be asked for.
    pub has_picture: bool,
}

/// A child that has something already (`have` is its highest sequence) gets what is newer; one that has nothing
/// starts at the last key frame if all since then is there, or else with what comes next.
pub(crate) fn decide_start(history: Option<&History>, kind: MediaKind, have: Option<u64>) -> StartPoint {
    let is_audio = kind == MediaKind::Audio;
    let nothing = StartPoint { number: 0, from: 0, has_picture: is_audio };
    let Some(history) = history else { return nothing };
    let oldest = history.oldest().max(history.next().saturating_sub(GOP_PACKETS_MAX));
    let Some(highest) = highest(history, oldest) else { return nothing };
    if let Some(start) = have.and_then(|have| after(history, oldest, have, highest)) {
        return start;
    }
    match history.cached_gop().filter(|_| !is_audio) {
        Some(gop) => StartPoint { number: gop.number, from: gop.sequence, has_picture: true },
        None => StartPoint { number: history.next(), from: highest + 1, has_picture: is_audio },
    }
}

fn highest(history: &History, oldest: u64) -> Option<u64> {
    (oldest..history.next()).filter_map(|number| Some(history.entry(number)?.packet.sequence)).max()
}

/// What is above `have`; `None` when part of that is forgotten.
fn after(history: &History, oldest: u64, have: u64, highest: u64) -> Option<StartPoint> {
    let newer = |number: &u64| history.entry(*number).is_some_and(|entry| entry.packet.sequence > have);
    let start = StartPoint { number: history.next(), from: have + 1, has_picture: true };
    if have >= highest {
        return Some(start);
    }
    history.find(have).or(history.find(have + 1))?;
    (oldest..history.next()).find(newer).map(|number| StartPoint { number, ..start })
}
