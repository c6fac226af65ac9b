use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::keys::SendLine;

fn viewer(session: usize) -> SenderKey {
    SenderKey::of(SessionKey::new(session), SendLine::new(0))
}

fn pass(audience: &mut Audience, to: u64) {
    let left = audience.viewers.len();
    audience.pass = Some(Pass { from: audience.live, to, place: 0, left });
}

/// The next one reads the pass.
fn read_next(audience: &mut Audience) -> Option<usize> {
    let place = audience.next_of_pass()?;
    Some(audience.read_pass(place)?.session().place())
}

proptest! {
    #[test]
    fn a_pass_serves_each_who_stays_once_whoever_comes_and_goes_meanwhile(
        steps in prop::collection::vec((0u8..4, 0usize..40), 0..200),
    ) {
        let (mut audience, mut there) = (Audience::default(), BTreeSet::new());
        (0..20).for_each(|number| audience.subscribe(viewer(number)));
        there.extend(0..20);
        pass(&mut audience, 8);
        let (mut served, mut stayed) = (Vec::new(), there.clone());
        for (what, number) in steps {
            match what {
                0 => {
                    // Who was served, left and came back is a new one.
                    if there.insert(number) {
                        served.retain(|known| *known != number);
                    }
                    audience.subscribe(viewer(number));
                }
                1 => {
                    there.remove(&number);
                    stayed.remove(&number);
                    audience.unsubscribe(viewer(number));
                }
                _ => {
                    if let Some(next) = read_next(&mut audience) {
                        prop_assert!(!served.contains(&next), "{next:?} is served twice");
                        served.push(next);
                    }
                }
            }
            let viewers = &audience.viewers;
            let listed: BTreeSet<usize> = viewers.iter().map(|known| known.sink.session().place()).collect();
            prop_assert_eq!((&listed, viewers.len(), viewers.places.len()), (&there, there.len(), there.len()));
            prop_assert!(viewers.list.iter().enumerate().all(|(at, known)| viewers.places[&known.sink] == at));
        }
        while let Some(next) = read_next(&mut audience) {
            prop_assert!(!served.contains(&next), "{next:?} is served twice");
            served.push(next);
        }
        prop_assert!(stayed.iter().all(|number| served.contains(number)));
        prop_assert!(there.iter().all(|number| served.contains(number)), "who came meanwhile, too");
    }
}

#[test]
fn who_is_behind_is_not_of_the_pass_and_goes_live_after_it() {
    let mut audience = Audience::default();
    (0..3).for_each(|number| audience.subscribe(viewer(number)));
    if let Some(reader) = audience.viewers.get_mut(viewer(1)) {
        reader.pace = Pace::Behind { read: 0 };
    }
    pass(&mut audience, 5);
    assert_eq!(
        [read_next(&mut audience), read_next(&mut audience), read_next(&mut audience)],
        [Some(0), Some(2), None]
    );
    audience.end_pass();
    audience.go_live(viewer(1));
    pass(&mut audience, 9);
    let served: BTreeSet<_> = (0..3).filter_map(|_| read_next(&mut audience)).collect();
    assert_eq!(served, BTreeSet::from([0, 1, 2]));
    assert!(audience.viewers.iter().all(|reader| *reader == Reader::new(reader.sink, 9)));
}

/// Thousands come, go and switch all at once. Compared in the same run, so that no machine is too slow for it.
#[test]
fn a_viewer_comes_waits_and_goes_at_the_same_cost_among_200_and_20_000() {
    let (few, many) = (cost_among(200), cost_among(20_000));
    assert!(many < few * 20, "{few:?} among 200, {many:?} among 20,000: what grows with them takes 100 times as long");
}

/// Of all that happens to some viewers, where there are so many.
fn cost_among(viewers: usize) -> Duration {
    let mut audience = Audience::default();
    for number in 0..viewers {
        audience.subscribe(viewer(number));
        audience.awaiting.insert(viewer(number), 0);
    }
    let some: Vec<SenderKey> = (0..viewers).step_by(viewers / 50).map(viewer).collect();
    pass(&mut audience, 8);
    least(|| {
        for viewer in &some {
            audience.silence(*viewer);
            audience.go_live(*viewer);
            audience.unsubscribe(*viewer);
            audience.subscribe(*viewer);
            audience.awaiting.remove(*viewer);
            audience.awaiting.insert(*viewer, 0);
        }
    })
}

/// What the machine does beside it is in some rounds only.
#[expect(clippy::disallowed_methods, reason = "it measures: it reads the clock")]
fn least(mut run: impl FnMut()) -> Duration {
    let took = (0..100).map(|_| {
        let began = Instant::now();
        run();
        began.elapsed()
    });
    took.min().expect("there are rounds")
}
