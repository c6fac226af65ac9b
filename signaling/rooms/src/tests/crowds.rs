//! What a change takes among few viewers and among many: the lock of signaling is held meanwhile. Compared in the same run,
//! so that no machine is too slow for it.

use std::time::{Duration, Instant};

use super::*;

/// A publisher and so many viewers of its stream.
fn watched_by(viewers: u128) -> Registry {
    let mut registry = registry();
    open(&mut registry, publisher(1, "cam", None));
    let one = viewer(FIRST, "cam", None);
    for number in FIRST..FIRST + viewers {
        open(&mut registry, Session { id: id(number), ..one.clone() });
    }
    registry
}

#[test]
fn a_viewer_comes_changes_and_goes_at_the_same_cost_among_200_and_20_000() {
    let (few, many) = (cost_among(200), cost_among(20_000));
    assert!(many < few * 3, "{few:?} among 200, {many:?} among 20,000: what grows with them takes 100 times as long");
}

/// Of all that happens to some viewers, where there are so many.
fn cost_among(viewers: u128) -> Duration {
    let mut registry = watched_by(viewers);
    let some = || (0..50).map(|place| id(FIRST + place * viewers / 50));
    least(|| {
        for id in some() {
            let session = registry.session(id).unwrap().clone();
            let (media, note, shown) = (session.media.clone(), session.note.clone(), session.shown.clone());
            registry.renegotiate(id, media, note, shown).unwrap();
            registry.attach_viewer(id);
            let _ = registry.handle_state(id, SessionState::Disconnected);
            registry.end(id, None);
            open(&mut registry, Session { phase: Phase::Opening, ..session });
        }
        registry.take_occurrences();
    })
}

/// What the machine does beside it is in some rounds only.
fn least(mut run: impl FnMut()) -> Duration {
    let took = (0..30).map(|_| {
        let began = Instant::now();
        run();
        began.elapsed()
    });
    took.min().unwrap()
}

const FIRST: u128 = 1_000;
