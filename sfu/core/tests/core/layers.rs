//! What viewers get of an encoding with layers (SVC, temporal layers), in virtual time.

use std::time::Duration;

use crate::harness::cameras::ms;
use crate::harness::client::Received;
use crate::harness::scalable::{Frame, LayerSyntax, MODES, Made, Mode};
use crate::harness::studio::*;
use crate::harness::*;
use chappe_sfu_core::rtp::{Seq, Ssrc};
use chappe_sfu_core::{DropReason, ExtensionKind, LayerReason, Media};

const SECOND: Duration = Duration::from_secs(1);
const K_SVC: Mode = Mode { spatial: 3, temporal: 3, is_key: true, syntax: LayerSyntax::Descriptor };

fn studio(mode: Mode, kbps: u64, seconds: u32) -> (Studio, Who) {
    let mut studio = Studio::new(mode);
    studio.play(5 * SECOND);
    let viewer = studio.add_viewer(kbps, |_| {});
    studio.play(seconds * SECOND);
    (studio, viewer)
}

#[test]
fn a_viewer_gets_the_layers_that_its_line_carries_and_no_picture_breaks() {
    for mode in MODES.into_iter().filter(|mode| mode.temporal == 3) {
        let (mut studio, viewer) = studio(mode, 4_000, 8);
        let (highest, all) = (mode.spatial - 1, 29..=31);
        let shown = studio.shown(viewer);
        assert!(shown.0 == highest && all.contains(&shown.1), "{mode:?}: {shown:?} {:?}", studio.harness.line(viewer));
        assert_eq!(studio.layer(viewer).reason, LayerReason::Top);

        let dropped = studio.now();
        studio.harness.slow_line(viewer).kbps = 900;
        studio.play(12 * SECOND);
        let shown = studio.shown(viewer);
        match mode.spatial {
            1 => assert!((7..=8).contains(&shown.1), "{mode:?}: {shown:?} {:?}", studio.harness.line(viewer)),
            _ => {
                assert!(shown.0 < 2 && all.contains(&shown.1), "{mode:?}: {shown:?} {:?}", studio.harness.line(viewer))
            }
        }
        let gap = studio.harness.longest_gap(viewer, SEEN, dropped);
        assert!(gap <= ms(600), "{mode:?}: the picture stood still for {gap:?}");
        let queue = studio.harness.slow_line(viewer).queue_p95(dropped + 2 * SECOND);
        assert!(queue <= ms(150), "{mode:?}: {queue:?}");
        assert_eq!(studio.layer(viewer).reason, LayerReason::Line);

        studio.harness.slow_line(viewer).kbps = 4_000;
        studio.play(15 * SECOND);
        let shown = studio.shown(viewer);
        assert!(shown.0 == highest && all.contains(&shown.1), "{mode:?}: {shown:?} {:?}", studio.harness.line(viewer));
        studio.check(viewer);
    }
}

#[test]
fn a_viewer_that_asks_for_fewer_lines_gets_the_spatial_layer_that_has_them() {
    for mode in MODES.into_iter().filter(|mode| mode.spatial == 3) {
        let (mut studio, viewer) = studio(mode, 20_000, 4);
        assert_eq!(studio.shown(viewer).0, 2);
        for (lines, spatial) in [(360, 1), (180, 0), (720, 2), (100, 0), (480, 1)] {
            let mut media = studio.watches();
            media.send[0].height_max = Some(lines);
            let changed = studio.now();
            studio.harness.set_media(viewer, media);
            studio.play(2 * SECOND);
            let shown = studio.shown(viewer);
            assert!(shown.0 == spatial && shown.1 >= 29, "{mode:?}, {lines} lines: {shown:?}");
            assert_eq!(studio.layer(viewer).lines, Some(180 << spatial), "what is told");
            assert!(studio.harness.longest_gap(viewer, SEEN, changed) <= ms(150), "{mode:?}, {lines} lines");
        }
        studio.check(viewer);
    }
}

/// libwebrtc's assembly of AV1 takes each spatial layer for a picture of its own without them, and shows nothing.
#[test]
fn a_player_of_av1_without_descriptors_gets_the_lowest_spatial_layer_alone() {
    let mut studio = Studio::new(K_SVC);
    studio.play(5 * SECOND);
    for tells in [false, true] {
        let viewer = studio.add_viewer(20_000, |media| {
            media.extensions = media.extensions.with(ExtensionKind::DependencyDescriptor, None);
            media.extensions = media.extensions.with(ExtensionKind::TransportCc, tells.then_some(NUMBER));
        });
        studio.play(4 * SECOND);
        let frames = studio.frames(viewer, studio.now() - 3 * SECOND);
        assert!(frames.keys().all(|frame| studio.film.frames[*frame].spatial == 0), "{frames:?}");
        assert_eq!(studio.shown(viewer), (0, 30));
    }
}

#[test]
fn one_viewer_goes_down_and_another_keeps_what_it_has() {
    let (mut studio, wide) = studio(K_SVC, 20_000, 4);
    let narrow = studio.add_viewer(500, |_| {});
    let since = studio.now();
    studio.play(15 * SECOND);
    assert_eq!((studio.shown(wide).0, studio.shown(narrow).0), (2, 0));
    assert!(studio.harness.longest_gap(wide, SEEN, since) <= ms(100));
    assert!(studio.keyframes <= 6, "{} key frames", studio.keyframes);
    studio.check(wide);
}

/// A decoder, or a worker behind it, is not to wait for what is left out.
#[test]
fn a_viewer_is_told_which_decode_targets_it_gets_as_soon_as_these_are_not_all() {
    let full = Mode { is_key: false, ..K_SVC };
    for (mode, middle, top) in [(K_SVC, 0b000_111_000, 0b111_000_000), (full, 0b000_111_111, 0b111_111_111)] {
        let (mut studio, viewer) = studio(mode, 20_000, 4);
        for (lines, wanted) in [(360, middle), (720, top)] {
            let mut media = studio.watches();
            media.send[0].height_max = Some(lines);
            studio.harness.set_media(viewer, media);
            studio.play(3 * SECOND);
            let told = told(&studio, viewer, SECOND);
            assert!(told.len() >= 28, "{mode:?}: {}", told.len());
            assert!(told.iter().all(|(starts, mask)| *mask == starts.then_some(wanted)), "{mode:?}: {told:?}");
        }
        studio.check(viewer);
    }
}

/// Of each packet lately: whether it starts a frame, and which decode targets it says are active. One with a structure says
/// it behind that, and is left out.
fn told(studio: &Studio, viewer: Who, since: Duration) -> Vec<(bool, Option<u16>)> {
    let client = &studio.harness.clients[viewer];
    let of = client.received.iter().zip(&client.arrivals);
    let of = of.filter(|(packet, when)| packet.ssrc == SEEN && **when >= studio.now() - since);
    let values = of.flat_map(|(packet, _)| packet.extensions.iter().filter(|(id, _)| *id == DESCRIPTOR_SEEN));
    let values = values.filter(|(_, value)| value.get(3).is_none_or(|flags| flags & 0x80 == 0));
    let mask = |value: &[u8]| match value {
        [_, _, _, flags, rest, ..] if flags & 0x40 != 0 => Some(u16::from(flags & 7) << 6 | u16::from(rest >> 2)),
        _ => None,
    };
    values.map(|(_, value)| (value[0] & 0x80 != 0, mask(value))).collect()
}

/// A NACK names a number of the viewer's, which is not that of the source by far.
#[test]
fn a_packet_that_is_asked_for_again_is_the_one_that_had_the_number() {
    for mode in [K_SVC, MODES[0], MODES[2]] {
        let (mut studio, viewer) = studio(mode, 20_000, 3);
        let mut media = studio.watches();
        media.send[0].height_max = Some(360);
        studio.harness.set_media(viewer, media);
        studio.play(3 * SECOND);
        let client = &mut studio.harness.clients[viewer];
        let of: Vec<_> = client.received.iter().filter(|packet| packet.ssrc == SEEN).collect();
        let asked = of[of.len() - 40].clone();
        let number = Seq(asked.index as u16);
        client.send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &[number]));
        studio.play(ms(200));
        let client = &studio.harness.clients[viewer];
        let mut repeats = client.received.iter().filter(|packet| packet.ssrc == SEEN + 1);
        let repeat = repeats.rfind(|packet| packet.payload.get(..2) == Some(&number.0.to_be_bytes()[..]));
        let repeat = repeat.expect("it is repeated");
        assert_eq!((&repeat.payload[2..], repeat.marker), (&asked.payload[..], asked.marker), "{mode:?}");
    }
}

/// It was lost on its way to us, and what follows it has left under the next numbers. One viewer has fewer lines, one fewer
/// frames, and one has no SSRC for repeats.
#[test]
fn what_is_left_out_and_comes_late_leaves_no_hole_in_the_numbers() {
    type Change = fn(&mut Media);
    let few_lines: Change = |media| media.send[0].height_max = Some(360);
    let plain: Change = |media| (media.send[0].rtx_ssrc, media.send[0].payload_types[0].rtx) = (None, None);
    let cases: [(Mode, u64, Change); 4] =
        [(K_SVC, 20_000, few_lines), (MODES[3], 20_000, few_lines), (MODES[0], 900, |_| {}), (K_SVC, 20_000, plain)];
    for (at, (mode, kbps, change)) in cases.into_iter().enumerate() {
        let mut studio = Studio::new(mode);
        studio.holds = Some(|frame, place| place == 1 && frame.unit.is_multiple_of(5) && is_left_out(frame));
        studio.play(5 * SECOND);
        let viewer = studio.add_viewer(kbps, change);
        studio.play(8 * SECOND);
        let client = &mut studio.harness.clients[viewer];
        let of = client.received.iter().zip(&client.arrivals);
        let of = of.filter(|(packet, when)| packet.ssrc == SEEN && **when + 4 * SECOND >= studio.harness.now.mono);
        let lately: Vec<_> = of.map(|(packet, _)| packet.clone()).collect();
        let mut numbers: Vec<u64> = lately.iter().map(|packet| packet.index).collect();
        numbers.sort_unstable();
        // What was held last has not come yet.
        let settled = &numbers[..numbers.len() - 30];
        assert!(settled.windows(2).all(|pair| pair[1] == pair[0] + 1), "{at}: numbers go on without gaps");
        let empty: Vec<_> = lately.iter().filter(|packet| packet.payload.is_empty()).collect();
        assert!(empty.len() >= 5, "{at}: {}", empty.len());
        let says_nothing =
            |packet: &Received| !packet.marker && packet.extensions.iter().all(|(id, _)| *id != DESCRIPTOR_SEEN);
        assert!(empty.iter().all(|packet| says_nothing(packet)), "{at}");

        let asked = empty[empty.len() - 2].index;
        client.send_rtcp(|writer| writer.nack(Ssrc(1), Ssrc(SEEN), &[Seq(asked as u16)]));
        studio.play(ms(200));
        let client = &studio.harness.clients[viewer];
        let is_it = |packet: &&Received| match packet.ssrc {
            SEEN => packet.index == asked,
            _ => packet.payload == (asked as u16).to_be_bytes(),
        };
        assert_eq!(client.received.iter().filter(is_it).count(), 2, "{at}: it is sent once more");
        assert_eq!(client.faults, 0);
    }
}

fn is_left_out(frame: &Frame) -> bool {
    frame.spatial == 2 || frame.spatial == 0 && frame.temporal == 2
}

#[test]
fn what_cannot_be_read_of_layers_is_counted_and_the_picture_goes_on() {
    let (mut studio, viewer) = studio(K_SVC, 20_000, 4);
    let since = studio.now();
    studio.change = Some(|made| {
        if made.frame % 4 == 0
            && let Some(value) = &mut made.descriptor
        {
            // Names a template that is not there.
            value[0] = value[0] & 0xc0 | 30;
        }
    });
    studio.play(2 * SECOND);
    assert!(studio.harness.sfu.counters().dropped(DropReason::LayersUnread) > 20);
    assert!(studio.harness.longest_gap(viewer, SEEN, since) <= ms(100));
    studio.change = None;
    studio.play(2 * SECOND);
    assert_eq!(studio.shown(viewer), (2, 30));
}

/// As pages do with insertable streams (W3C webrtc-encoded-transform): key frames are known by their descriptors alone.
#[test]
fn frames_that_are_encrypted_from_their_first_byte_on_are_forwarded_by_their_descriptors() {
    for mode in MODES.into_iter().filter(|mode| mode.syntax == LayerSyntax::Descriptor && mode.temporal == 3) {
        let mut studio = Studio::new(mode);
        studio.change = Some(encrypt);
        studio.play(5 * SECOND);
        let joined = studio.now();
        let viewer = studio.add_viewer(20_000, |_| {});
        studio.play(4 * SECOND);
        let first = studio.frames(viewer, joined).into_keys().next().expect("a picture");
        assert!(studio.film.frames[first].is_keyframe, "{mode:?}: begins with {:?}", studio.film.frames[first]);
        assert_eq!(studio.shown(viewer), (mode.spatial - 1, 30), "{mode:?}");
        let mut media = studio.watches();
        media.send[0].height_max = Some(180);
        studio.harness.set_media(viewer, media);
        studio.play(2 * SECOND);
        assert_eq!(studio.shown(viewer), (0, 30), "{mode:?}");
        assert!(studio.keyframes <= 6, "{mode:?}: {} key frames", studio.keyframes);
        studio.check(viewer);
    }
}

/// All but its end, by which the tests know a packet.
fn encrypt(made: &mut Made) {
    let mut state = (made.frame * 31 + made.place) as u32;
    let end = made.payload.len() - 5;
    for byte in &mut made.payload[..end] {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
}

#[test]
fn a_top_layer_that_stops_turns_no_viewer_black() {
    for mode in MODES.into_iter().filter(|mode| mode.spatial == 3) {
        let (mut studio, viewer) = studio(mode, 20_000, 4);
        assert_eq!(studio.shown(viewer).0, 2);
        let stopped = studio.now();
        studio.film.active = 2;
        studio.play(4 * SECOND);
        let shown = studio.shown(viewer);
        assert!(shown.0 == 1 && shown.1 >= 29, "{mode:?}: {shown:?}");
        let gap = studio.harness.longest_gap(viewer, SEEN, stopped);
        assert!(gap <= ms(600), "{mode:?}: {gap:?}");
        studio.film.active = 3;
        studio.play(4 * SECOND);
        assert_eq!(studio.shown(viewer).0, 2, "{mode:?}");
    }
}
