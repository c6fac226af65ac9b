use proptest::prelude::*;

use super::*;
use crate::codec::layers::ActiveTargets;
use crate::codec::narrowing::narrowed;
use crate::sim::scalable::{BitWriter, Film, LayerSyntax, MODES, Mode};

fn point(spatial: u8, temporal: u8) -> OperatingPoint {
    OperatingPoint::new(spatial, temporal)
}

fn read_all(film: &mut Film, pictures: usize) -> Vec<(usize, Descriptor)> {
    let mut known = None;
    let mut all = Vec::new();
    for at in 0..pictures {
        for made in film.picture(at == 0, [2, 3, 1]) {
            let value = made.descriptor.expect("a descriptor");
            all.push((made.frame, Structure::read(&mut known, &value).expect("well formed")));
        }
    }
    all
}

#[test]
fn each_frame_is_read_as_it_was_written() {
    for mode in MODES.into_iter().filter(|mode| mode.syntax == LayerSyntax::Descriptor) {
        let mut film = Film::new(mode);
        for (at, read) in read_all(&mut film, 12) {
            let frame = &film.frames[at];
            assert_eq!((read.spatial, read.temporal), (frame.spatial, frame.temporal));
            let farthest = frame.depends.iter().map(|other| at - other).max().unwrap_or(0);
            assert_eq!((usize::from(read.farthest), read.frame), (farthest, (at as u16).wrapping_add(65_500)));
            for (spatial, temporal) in (0..mode.spatial).flat_map(|s| (0..mode.temporal).map(move |t| (s, t))) {
                let is_needed = temporal >= frame.temporal
                    && (spatial == frame.spatial || spatial > frame.spatial && (!mode.is_key || frame.is_keyframe));
                assert_eq!(read.needed.contains(point(spatial, temporal)), is_needed, "{mode:?} {frame:?}");
            }
            let own_row = PointSet::row_from(frame.spatial, frame.temporal);
            assert!(frame.is_keyframe || read.switches.without(own_row).is_empty(), "only a key frame leads higher up");
        }
    }
}

#[test]
fn a_structure_tells_the_size_of_each_spatial_layer() {
    let mut film = Film::new(MODES[6]);
    let mut known = None;
    let value = film.picture(true, [1; 3]).remove(0).descriptor.expect("a descriptor");
    let read = Structure::read(&mut known, &value).expect("well formed");
    let sizes: Vec<_> = known.expect("kept").sizes.iter().map(|size| (size.width, size.height)).collect();
    assert_eq!(sizes, [(320, 180), (640, 360), (1280, 720)]);
    assert_eq!(read.active.map(|active| active.iter().count()), Some(9));
}

#[test]
fn decode_targets_that_are_not_active_are_no_points() {
    let mut film = Film::new(MODES[6]);
    film.active = 2;
    let mut known = None;
    let value = film.picture(true, [1; 3]).remove(0).descriptor.expect("a descriptor");
    let active = Structure::read(&mut known, &value).and_then(|read| read.active).expect("told");
    assert_eq!(active.best(), Some(point(1, 2)));
}

#[test]
fn a_narrowed_descriptor_says_which_targets_are_active_and_the_rest_as_before() {
    for mode in MODES.into_iter().filter(|mode| mode.syntax == LayerSyntax::Descriptor) {
        for (active, place) in (1..=mode.spatial).flat_map(|active| (0..12).map(move |place| (active, place))) {
            let mut film = Film::new(mode);
            film.active = active;
            let (mut known, mut other) = (None, None);
            for made in (0..place).flat_map(|at| film.picture(at == 0, [2, 3, 1])) {
                let value = made.descriptor.expect("a descriptor");
                let plain = Structure::read(&mut known, &value).expect("well formed");
                let targets = known.as_ref().expect("kept").decode_targets;
                let own = targets.active_at(point(0, 1)).expect("in the usual order");
                let narrowed = narrowed(&value, own).expect("well formed");
                assert!(narrowed.len() <= value.len() + 3, "{} bytes of {}", narrowed.len(), value.len());
                let read = Structure::read(&mut other, &narrowed).expect("well formed");
                let lowest = PointSet::up_to(point(0, mode.temporal.min(2) - 1));
                assert_eq!(read, Descriptor { active: Some(lowest), ..plain }, "{mode:?}");
                assert_eq!(known, other);
            }
        }
    }
}

#[test]
fn what_the_publisher_leaves_out_stays_left_out() {
    let mut film = Film::new(MODES[7]);
    film.active = 2;
    let value = film.picture(true, [1; 3]).remove(0).descriptor.expect("a descriptor");
    let mut known = None;
    Structure::read(&mut known, &value).expect("well formed");
    let all = known.expect("kept").decode_targets.active_at(OperatingPoint::TOP).expect("in the usual order");
    let narrowed = narrowed(&value, all).expect("well formed");
    let active = Structure::read(&mut None, &narrowed).and_then(|read| read.active).expect("told");
    assert_eq!(active.best(), Some(point(1, 2)));
}

#[test]
fn a_template_that_is_not_there_says_nothing_and_leaves_the_structure() {
    let mut film = Film::new(MODES[5]);
    let mut known = None;
    let value = film.picture(true, [1; 3]).remove(0).descriptor.expect("a descriptor");
    assert_eq!(Structure::read(&mut None, &value[..3]), None, "no structure yet");
    Structure::read(&mut known, &value).expect("well formed");
    let before = known.clone();
    assert_eq!(Structure::read(&mut known, &[0xc0 | 20, 0, 1]), None);
    (0..value.len() - 1).filter(|len| *len != 3).for_each(|len| {
        assert_eq!(Structure::read(&mut known, &value[..len]), None, "{len} bytes");
    });
    assert_eq!(known, before);
    // Nor does one of more spatial layers than there may be.
    let mut bits = BitWriter::default();
    bits.put(24, 0xc0_0000);
    bits.put(5, 0x10);
    bits.put(11, 0);
    (0..5).for_each(|_| bits.put(2, 2));
    bits.put(32, u32::MAX);
    assert_eq!(Structure::read(&mut known, &bits.bytes), None);
    assert_eq!(known, before);
}

#[test]
fn numbers_below_a_bound_take_as_few_bits_as_they_can() {
    // Of the specification, for n = 5: 0 -> 00, 1 -> 01, 2 -> 10, 3 -> 110, 4 -> 111.
    let read = |byte: u8| take_non_symmetric(&mut Bits::plain(&[byte]), 5);
    assert_eq!([0x00, 0x40, 0x80, 0xc0, 0xe0].map(read), [0, 1, 2, 3, 4].map(Some));
    assert_eq!(take_non_symmetric(&mut Bits::plain(&[]), 1), Some(0));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(values: Vec<Vec<u8>>, cut in 0usize..60, change in any::<(usize, u8)>()) {
        let mode = Mode { spatial: 3, temporal: 3, is_key: true, syntax: LayerSyntax::Descriptor };
        let mut known = None;
        for (at, value) in values.into_iter().enumerate() {
            let _ = Structure::read(&mut known, &value);
            let _ = narrowed(&value, ActiveTargets { mask: 5, count: 9 });
            let mut film = Film::new(mode);
            let mut value = film.picture(true, [1; 3]).remove(0).descriptor.expect("a descriptor");
            let place = change.0.wrapping_add(at) % value.len();
            value[place] ^= change.1;
            value.truncate(value.len() - cut.min(value.len()));
            let _ = Structure::read(&mut known, &value);
            let _ = narrowed(&value, ActiveTargets { mask: u32::MAX, count: 32 });
        }
    }
}
