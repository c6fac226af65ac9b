use proptest::prelude::*;

use super::*;
use crate::sim::scalable::{Film, LayerSyntax, Mode};

fn at(sequence: u64) -> Position {
    Position { sequence, timestamp: 3_000 * sequence as u32, marker: true, at_ms: 33 * sequence as u32 }
}

#[test]
fn a_vp9_stream_of_more_layers_than_four_is_passed_on_whole() {
    let mut reader = LayerReader::default();
    // I, L, B, E with the spatial layer 5.
    let payload = [0xac, 0x81, 0x02, 5 << 1, 0];
    assert_eq!(reader.read(Codec::Vp9, None, &payload, &at(1)), FrameLayers::NONE);
    assert_eq!(reader.malformed, 1);
}

#[test]
fn a_descriptor_that_ends_too_soon_is_counted() {
    let mut reader = LayerReader::default();
    assert_eq!(reader.read(Codec::Vp9, None, &[0xac, 0x81], &at(1)), FrameLayers::NONE);
    assert_eq!(reader.read(Codec::Vp8, None, &[0x90, 0xe0, 0x81, 0x02], &at(2)), FrameLayers::NONE);
    assert_eq!(reader.read(Codec::Av1, Some(&[0xc0, 0, 1]), &[0x10, 0x30], &at(3)), FrameLayers::NONE);
    assert_eq!(reader.malformed, 3);
}

#[test]
fn one_temporal_layer_is_nothing_to_choose_from() {
    let mut reader = LayerReader::default();
    let packet = |temporal: u8| [0x90, 0xe0, 0x81, 0x02, 9, temporal << 6, 0x01, 0];
    assert!(!reader.read(Codec::Vp8, None, &packet(0), &at(1)).is_layered());
    assert!(reader.read(Codec::Vp8, None, &packet(1), &at(2)).is_layered());
    // And it is that again when the second one has not come for a while.
    let layers = (3..40).map(|sequence| reader.read(Codec::Vp8, None, &packet(0), &at(sequence)));
    assert_eq!(layers.filter(FrameLayers::is_layered).count(), 9);
}

/// Of the first packet of the next picture of a film.
fn first_of(film: &mut Film, is_keyframe: bool) -> Vec<u8> {
    film.picture(is_keyframe, [1; 3]).remove(0).descriptor.expect("a descriptor")
}

#[test]
fn a_key_frame_that_is_repeated_after_the_next_one_does_not_bring_its_structure_back() {
    let mode = |spatial| Mode { spatial, temporal: 1, is_key: true, syntax: LayerSyntax::Descriptor };
    let (mut before, mut now) = (Film::new(mode(3)), Film::new(mode(1)));
    let [late, key, next] = [first_of(&mut before, true), first_of(&mut now, true), first_of(&mut now, false)];
    let mut reader = LayerReader::default();
    let mut read = |value: &[u8], sequence: u64| reader.read(Codec::Av1, Some(value), &[0x10], &at(sequence));
    assert!(!read(&key, 20).is_layered());
    read(&late, 10);
    let layers = read(&next, 21);
    assert!(!layers.is_layered() && layers.needed.contains(OperatingPoint::new(0, 0)), "{layers:?}");
    // Nor is one late that was overtaken by what follows it.
    read(&next, 32);
    assert!(read(&late, 31).is_layered());
}

proptest! {
    #[test]
    fn any_bytes_say_something_or_nothing(packets: Vec<(Vec<u8>, Option<Vec<u8>>, u64)>) {
        for codec in [Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264] {
            let mut reader = LayerReader::default();
            for (payload, descriptor, sequence) in &packets {
                let _ = reader.read(codec, descriptor.as_deref(), payload, &at(*sequence % (1 << 40)));
            }
        }
    }
}
