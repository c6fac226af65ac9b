//! What nobody watches is not sent, and comes back for a viewer whose line carries it: in virtual time.

use crate::harness::adapting::*;
use crate::harness::cameras::ms;
use crate::harness::*;
use chappe_sfu_core::LayerReason;

/// From a worker over signaling to a page and its encoder.
const WORD: std::time::Duration = std::time::Duration::from_millis(200);

/// A page that nobody has watched for a while.
fn unwatched(cameras: usize) -> Theatre {
    let mut theatre = Theatre::of_pages(cameras, WORD);
    theatre.play(7 * SECOND);
    (0..cameras).for_each(|at| assert_eq!(theatre.sent(at), [true, false, false], "the lowest alone"));
    theatre
}

#[test]
fn a_viewer_whose_line_gets_better_climbs_to_what_was_switched_off() {
    let mut theatre = unwatched(1);
    let viewer = theatre.add_viewer(700, |_| {});
    theatre.play(12 * SECOND);
    assert_eq!(theatre.lines(viewer, 0), 360, "{:?}", theatre.harness.line(viewer));
    assert_eq!(theatre.sent(0), [true, true, false]);
    let layer = theatre.layer(viewer, 0);
    assert_eq!((layer.layer, layer.layers, layer.reason), (2, 3, LayerReason::Line), "what is off can be chosen");

    let (raised, told) = (theatre.now(), theatre.times_told());
    theatre.harness.slow_line(viewer).kbps = 3_000;
    theatre.play(4 * SECOND);
    assert!(
        theatre.seen(viewer, 0, raised).iter().any(|(_, lines)| *lines == 720),
        "{:?}",
        theatre.harness.line(viewer)
    );
    let gap = theatre.harness.longest_gap(viewer, SEEN, raised);
    assert!(gap <= ms(300), "it keeps what it has until then: {gap:?}");
    theatre.play(30 * SECOND);
    assert_eq!((theatre.lines(viewer, 0), theatre.sent(0)), (720, vec![true, false, true]));
    assert!(theatre.times_told() <= told + 6, "told {} times", theatre.times_told() - told);
    let told = theatre.times_told();
    theatre.play(30 * SECOND);
    assert_eq!(theatre.times_told(), told, "nothing goes to and fro");
    assert_eq!(theatre.harness.clients[viewer].faults, 0);
}

#[test]
fn a_viewer_that_has_yet_to_connect_does_not_bring_back_what_is_switched_off() {
    let mut theatre = unwatched(1);
    let told = theatre.times_told();
    let viewer = theatre.harness.open(watches_and_tells(vec![video_out(Some(track(0)), SEEN)]));
    theatre.harness.clients[viewer].sends_left = Some(0);
    theatre.play(SECOND);
    assert_eq!((theatre.times_told(), theatre.sent(0)), (told, vec![true, false, false]));
}

#[test]
fn a_line_that_drops_has_the_lowest_at_once_while_the_one_that_fits_is_switched_on() {
    let mut theatre = unwatched(1);
    let viewer = theatre.add_viewer(3_000, |_| {});
    theatre.play(15 * SECOND);
    assert_eq!((theatre.lines(viewer, 0), theatre.sent(0)), (720, vec![true, false, true]));
    let dropped = theatre.now();
    theatre.harness.slow_line(viewer).kbps = 700;
    theatre.play(15 * SECOND);
    let settled = theatre.settled(viewer, 360, dropped);
    assert!(settled.is_some_and(|after| after <= ms(2_500)), "{settled:?} {:?}", theatre.harness.line(viewer));
    let gap = theatre.harness.longest_gap(viewer, SEEN, dropped);
    assert!(gap <= ms(600), "the picture stood still for {gap:?}");
    assert_eq!(theatre.sent(0), [true, true, false]);
}

#[test]
fn a_viewer_that_is_shown_another_camera_begins_with_what_flows_of_it_and_gets_the_best() {
    let mut theatre = unwatched(2);
    let viewer = theatre.add_viewer(20_000, |media| media.send.truncate(1));
    theatre.play(10 * SECOND);
    assert_eq!((theatre.sent(0), theatre.sent(1)), (vec![true, false, true], vec![true, false, false]));
    let pointed = theatre.now();
    let mut media = watches_and_tells(vec![video_out(Some(track(1)), SEEN)]);
    media.send[0].mid = "v0".into();
    theatre.harness.set_media(viewer, media);
    theatre.play(2 * SECOND);
    let seen = theatre.seen(viewer, 0, pointed);
    let began = seen.iter().find(|(_, lines)| *lines == 180).map(|(at, _)| *at - pointed);
    assert!(began.is_some_and(|after| after <= ms(300)), "{began:?}");
    assert!(theatre.harness.longest_gap(viewer, SEEN, pointed) <= ms(300));
    assert_eq!(theatre.lines(viewer, 0), 720);
    let numbers = theatre.harness.clients[viewer].indices(SEEN);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
}
