//! Owns whom a viewer of many hears: of a crowd the loudest, and nobody who is silent. Never measures how loud somebody is.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::clients::{Hearing, Sender};
use crate::keys::{Key, LayerKey, SendLine, SenderKey, SessionKey};
use crate::readers::{Parts, Readers};
use crate::spec::{CROWD, MediaKind, TRACKS_PER_SESSION_MAX};
use crate::tracks::{Audibility, Layer};

/// One track of sound that a viewer could hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Voice {
    line: SendLine,
    layer: LayerKey,
    audibility: Audibility,
    /// In decibels above silence.
    level: u8,
    is_heard: bool,
}

impl Readers {
    /// A layer of sound became audible or silent, or is to be compared with the others: whoever could hear it is asked whom
    /// they should hear.
    pub(super) fn hear(&mut self, layer: LayerKey) {
        let Readers { audiences, listening, .. } = self;
        let Some(audience) = audiences.get(layer.place()) else { return };
        audience.viewers.iter().for_each(|reader| listening.mark(reader.sink.session()));
    }

    /// Lets a viewer hear those whom it should.
    pub(super) fn listen(&mut self, session: SessionKey, parts: &mut Parts<'_>) {
        let voices = voices(session, parts);
        let heard = decide_heard(&voices, self.loudest);
        for (at, voice) in voices.iter().enumerate() {
            let is_heard = heard & (1 << at) != 0;
            let viewer = SenderKey::of(session, voice.line);
            let Some(sender) = parts.clients.sender_mut(viewer).filter(|_| is_heard != voice.is_heard) else {
                continue;
            };
            if is_heard {
                sender.hearing = Hearing::Resumes;
                self.audience(voice.layer).go_live(viewer);
            } else {
                sender.hearing = Hearing::Silenced;
                self.audience(voice.layer).silence(viewer);
            }
        }
    }
}

fn voices(session: SessionKey, parts: &Parts<'_>) -> ArrayVec<Voice, TRACKS_PER_SESSION_MAX> {
    let Some(client) = parts.clients.get(session) else { return ArrayVec::new() };
    let heard = client.delivery.lines().filter(|(_, sender)| sender.spec.kind == MediaKind::Audio);
    let voice = |(line, sender): (SendLine, &Sender)| {
        let layer = parts.tracks.layer(sender.layer?)?;
        let (audibility, level) = (layer.loudness.state(), level_now(layer, parts.now));
        Some(Voice { line, layer: sender.layer?, audibility, level, is_heard: !sender.hearing.is_silenced() })
    };
    heard.filter_map(voice).take(TRACKS_PER_SESSION_MAX).collect()
}

/// Who sends nothing while there is nothing to hear is silent.
fn level_now(layer: &Layer, now: Instant) -> u8 {
    if layer.heard.is_some_and(|heard| now < heard + STALE_AFTER) { layer.loudness.level() } else { 0 }
}

/// Which of these a viewer hears, a bit for each: all of a few, and all of whom nothing is known; beside them, of a crowd,
/// `max` of those that are audible. Who is heard stays so until somebody else is clearly louder.
fn decide_heard(voices: &[Voice], max: usize) -> u32 {
    let all = voices.iter().enumerate();
    if voices.len() <= CROWD || max == 0 {
        return all.fold(0, |bits, (at, _)| bits | 1 << at);
    }
    let is_audible = |voice: &Voice| voice.audibility == Audibility::Audible;
    let mut heard: ArrayVec<(u8, usize), TRACKS_PER_SESSION_MAX> = ArrayVec::new();
    let mut others = heard.clone();
    for (at, voice) in all.clone().filter(|(_, voice)| is_audible(voice)).take(TRACKS_PER_SESSION_MAX) {
        if voice.is_heard { heard.push((voice.level, at)) } else { others.push((voice.level, at)) }
    }
    // The loudest first.
    for list in [&mut heard, &mut others] {
        list.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    }
    heard.truncate(max);
    for other in others {
        if heard.len() < max {
            heard.push(other);
        } else if let Some(quietest) =
            heard.iter_mut().min_by_key(|voice| voice.0).filter(|q| other.0 >= q.0 + LOUDER_BY)
        {
            *quietest = other;
        }
    }
    let untold = all.filter(|(_, voice)| voice.audibility == Audibility::Untold).map(|(at, _)| at);
    heard.into_iter().map(|(_, at)| at).chain(untold).fold(0, |bits, at| bits | 1 << at)
}

/// In decibels.
const LOUDER_BY: u8 = 6;
/// Packets of sound come each 20 to 60 ms.
const STALE_AFTER: Duration = Duration::from_millis(200);

const _: () = assert!(TRACKS_PER_SESSION_MAX <= 32, "a bit for each");

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(at: usize, audibility: Audibility) -> Voice {
        Voice { line: SendLine::new(at), layer: LayerKey::new(at), audibility, level: 50, is_heard: true }
    }

    /// So many that are silent, but for these: their places, levels, and whether they are heard.
    fn decide(count: usize, loud: &[(usize, u8, bool)], max: usize) -> Vec<usize> {
        let silent = |at| Voice { level: 0, ..voice(at, Audibility::Silent) };
        let mut voices: Vec<Voice> = (0..count).map(silent).collect();
        for (at, level, is_heard) in loud {
            (voices[*at].audibility, voices[*at].level) = (Audibility::Audible, *level);
            voices[*at].is_heard = *is_heard;
        }
        let heard = decide_heard(&voices, max);
        (0..count).filter(|at| heard & (1 << at) != 0).collect()
    }

    #[test]
    fn of_a_few_all_are_heard_and_of_a_crowd_those_that_are_audible() {
        assert_eq!(decide(CROWD, &[], 5).len(), CROWD);
        assert_eq!(decide(CROWD + 1, &[], 5), []);
        assert_eq!(decide(CROWD + 1, &[], 0).len(), CROWD + 1, "0 is all");
        assert_eq!(decide(20, &[(3, 60, false), (17, 90, false)], 5), [3, 17]);
    }

    #[test]
    fn of_more_than_may_be_heard_the_loudest_are() {
        let loud = [(0, 70, false), (1, 90, false), (2, 80, false), (3, 60, false), (4, 85, false)];
        assert_eq!(decide(20, &loud, 3), [1, 2, 4]);
        assert_eq!(decide(20, &loud.map(|(at, level, _)| (at, level, true)), 3), [1, 2, 4], "all were heard until now");
    }

    #[test]
    fn who_is_heard_stays_until_somebody_is_clearly_louder() {
        assert_eq!(decide(20, &[(0, 70, true), (1, 80, true), (2, 75, false)], 2), [0, 1]);
        assert_eq!(decide(20, &[(0, 70, true), (1, 80, true), (2, 76, false)], 2), [1, 2]);
        assert_eq!(decide(20, &[(0, 0, true), (1, 80, true), (2, 20, false)], 2), [1, 2], "one that pauses gives way");
    }

    #[test]
    fn of_whom_nothing_is_known_is_heard_beside_the_others() {
        let kinds = [Audibility::Untold, Audibility::Audible, Audibility::Silent];
        let voices: Vec<Voice> = (0..12).map(|line| voice(line, kinds[line % 3])).collect();
        let heard = decide_heard(&voices, 2);
        assert_eq!((0..12).filter(|at| heard & (1 << at) != 0).collect::<Vec<_>>(), [0, 1, 3, 4, 6, 9]);
    }
}
