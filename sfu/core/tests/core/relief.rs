//! What viewers get of a worker that has more to send than its core can, in virtual time.

use crate::harness::adapting::*;
use crate::harness::*;
use chappe_sfu_core::{LayerReason, Relief};

/// What is on its way is left out: a change takes a key frame.
fn relieve(theatre: &mut Theatre, relief: Relief) {
    let now = theatre.harness.now;
    theatre.harness.sfu.relieve(now, relief);
    theatre.play(2 * SECOND);
}

fn lines(theatre: &Theatre, viewers: &[Who]) -> Vec<u16> {
    viewers.iter().map(|viewer| theatre.lines(*viewer, 0)).collect()
}

#[test]
fn layers_are_given_up_from_the_top_and_come_back() {
    let mut theatre = Theatre::new(1);
    theatre.play(5 * SECOND);
    let viewers =
        [theatre.add_viewer(20_000, |_| {}), theatre.add_viewer(20_000, |media| media.send[0].height_max = Some(200))];
    theatre.play(5 * SECOND);
    assert_eq!(lines(&theatre, &viewers), [720, 180]);
    for (relief, expected) in
        [(Relief::NotTheTop, [360, 180]), (Relief::LowestOnly, [180, 180]), (Relief::None, [720, 180])]
    {
        relieve(&mut theatre, relief);
        assert_eq!(lines(&theatre, &viewers), expected, "{relief:?}");
        let reasons = viewers.map(|viewer| theatre.layer(viewer, 0).reason);
        let expected = match relief {
            Relief::None => [LayerReason::Top, LayerReason::Max],
            Relief::NotTheTop => [LayerReason::Overload, LayerReason::Max],
            // Fewer frames, too.
            Relief::LowestOnly => [LayerReason::Overload, LayerReason::Overload],
        };
        assert_eq!(reasons, expected, "{relief:?}");
    }
    assert_eq!(viewers.map(|viewer| theatre.harness.clients[viewer].faults), [0, 0]);
}
