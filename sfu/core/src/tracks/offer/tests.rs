use super::*;
use crate::keys::{Key as _, TrackKey};

fn layer(encoding: u8, lines: u16, is_alive: bool) -> OfferedLayer {
    OfferedLayer {
        choice: LayerChoice::of_encoding(encoding),
        bits_per_second: 0,
        measured: 0,
        frames_per_second: 30,
        size: Some(PictureSize { width: lines * 16 / 9, height: lines }),
        is_alive,
        is_off: false,
    }
}

#[test]
fn the_best_that_lives_and_is_allowed_is_read() {
    let all = [layer(0, 180, true), layer(1, 360, true), layer(2, 720, true)];
    let top_gone = [layer(0, 180, true), layer(1, 360, true), layer(2, 720, false)];
    let only_top = [layer(0, 180, false), layer(1, 360, false), layer(2, 720, true)];
    let choose = |encoding| Some(LayerChoice::of_encoding(encoding));
    let table = [
        (&all, None, None, Some(2)),
        (&all, choose(1), None, Some(1)),
        (&all, None, Some(719), Some(1)),
        (&all, None, Some(720), Some(2)),
        (&all, None, Some(100), Some(0)),
        (&all, choose(2), Some(360), Some(1)),
        (&top_gone, None, None, Some(1)),
        (&top_gone, choose(2), None, Some(1)),
        (&only_top, choose(0), None, Some(2)),
        (&only_top, None, Some(360), Some(2)),
    ];
    for (offered, choice, height_max, expected) in table {
        assert_eq!(decide_encoding(offered, choice, height_max), expected, "{choice:?} {height_max:?}");
    }
    assert_eq!(decide_encoding(&[layer(0, 180, false)], None, None), None);
}

#[test]
fn encodings_without_a_known_size_are_as_the_publisher_lists_them() {
    let unknown = |encoding| OfferedLayer { size: None, ..layer(encoding, 0, true) };
    assert_eq!(decide_encoding(&[unknown(0), unknown(1)], None, Some(360)), Some(1));
}

#[test]
fn a_picture_on_its_side_has_as_many_lines() {
    assert_eq!(PictureSize { width: 360, height: 640 }.lines(), 360);
}

/// What is offered of encodings with so many lines, of which those without never came: their places.
fn order(lines: [Option<u16>; 3]) -> Vec<u8> {
    let layers = (0..).zip(lines).map(|(encoding, lines)| {
        let size = lines.map(|lines| PictureSize { width: lines * 16 / 9, height: lines });
        let is_alive = size.is_some();
        let mut layer = Layer::new(TrackKey::new(0), encoding);
        layer.announced = Some(Announced { bits_per_second: 0, frames_per_second: 30, size, is_alive, is_off: false });
        layer
    });
    let layers: Vec<Layer> = layers.collect();
    offer(layers.iter()).iter().map(|layer| layer.choice.encoding).collect()
}

#[test]
fn encodings_are_offered_by_their_pictures_also_while_one_has_yet_to_come() {
    assert_eq!(order([Some(180), Some(360), Some(720)]), [0, 1, 2]);
    assert_eq!(order([Some(720), Some(360), Some(180)]), [2, 1, 0]);
    assert_eq!(order([None, Some(360), Some(180)]), [2, 1, 0], "the line of the publisher does not carry the best");
    assert_eq!(order([Some(180), Some(360), None]), [0, 1, 2]);
    assert_eq!(order([None; 3]), [0, 1, 2]);
}
