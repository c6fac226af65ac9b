//! Which layers viewers get of publishers that send three, in virtual time.

use crate::harness::adapting::*;
use crate::harness::cameras::ms;
use crate::harness::*;
use chappe_sfu_core::rtcp::ReportBlock;
use chappe_sfu_core::rtp::Ssrc;
use chappe_sfu_core::{CROWD, Epoch, LayerReason, SendTrack, Shown, TrackId};

const THREE: u64 = 3_000;
/// Beside the one with the camera.
const GUESTS: usize = CROWD + 4;

/// One camera, and a viewer that has been there for so long.
fn theatre(kbps: u64, seconds: u32) -> (Theatre, Who) {
    let mut theatre = Theatre::new(1);
    theatre.play(5 * SECOND);
    let viewer = theatre.add_viewer(kbps, |_| {});
    theatre.play(seconds * SECOND);
    (theatre, viewer)
}

#[test]
fn a_line_that_drops_has_the_layer_that_fits_soon() {
    let (mut theatre, viewer) = theatre(THREE, 10);
    assert_eq!(theatre.lines(viewer, 0), 720, "{:?}", theatre.harness.line(viewer));
    let dropped = theatre.now();
    theatre.harness.slow_line(viewer).kbps = 700;
    theatre.play(15 * SECOND);
    let settled = theatre.settled(viewer, 360, dropped);
    assert!(settled.is_some_and(|after| after <= ms(2_000)), "{settled:?} {:?}", theatre.harness.line(viewer));
    assert_eq!(theatre.layer(viewer, 0).reason, LayerReason::Line);
    let gap = theatre.harness.longest_gap(viewer, SEEN, dropped);
    assert!(gap <= ms(500), "the picture stood still for {gap:?}");
    let silence = theatre.harness.longest_gap(viewer, HEARD, dropped + SECOND);
    assert!(silence <= ms(150), "silence for {silence:?}");
    let queue = theatre.harness.slow_line(viewer).queue_p95(dropped + SECOND);
    assert!(queue <= ms(120), "{queue:?}");
    assert_eq!(theatre.harness.clients[viewer].faults, 0);
}

/// The line carries all frames of 360 lines, or every second one of 720.
#[test]
fn of_a_screen_a_line_that_does_not_carry_all_gets_fewer_frames_and_of_a_camera_fewer_lines() {
    for (says_screen, lines) in [(true, 720), (false, 360)] {
        let mut theatre = Theatre::new(1);
        theatre.says_screen = says_screen;
        theatre.play(5 * SECOND);
        let viewer = theatre.add_viewer(2_000, |_| {});
        theatre.play(10 * SECOND);
        let settled = theatre.now();
        theatre.play(10 * SECOND);
        assert_eq!(theatre.lines(viewer, 0), lines, "{:?}", theatre.harness.line(viewer));
        assert_eq!(theatre.switches(viewer, settled), 0);
        let received = theatre.harness.clients[viewer].received.iter().rev();
        let pictures = received.filter(|packet| packet.ssrc == SEEN && packet.marker).take(30);
        let mut frames: Vec<u32> = pictures.filter_map(|packet| Some(encoders::picture(packet)?.frame)).collect();
        frames.reverse();
        let step = if says_screen { 2 } else { 1 };
        assert!(frames.windows(2).all(|pair| pair[1] == pair[0] + step), "{says_screen}: {frames:?}");
        assert_eq!(theatre.harness.clients[viewer].faults, 0);
    }
}

/// The moment of the rise falls anywhere between two probes.
#[test]
fn a_line_that_rises_has_the_top_layer_soon_and_keeps_it() {
    for phase in 0..24 {
        let (mut theatre, viewer) = theatre(THREE, 10);
        theatre.harness.slow_line(viewer).kbps = 700;
        theatre.play(ms(10_000 + 370 * phase));
        assert_eq!(theatre.lines(viewer, 0), 360, "{phase}: {:?}", theatre.harness.line(viewer));
        let raised = theatre.now();
        theatre.harness.slow_line(viewer).kbps = THREE;
        theatre.play(33 * SECOND);
        let settled = theatre.settled(viewer, 720, raised);
        assert!(
            settled.is_some_and(|after| after <= 3 * SECOND),
            "{phase}: {settled:?} {:?}",
            theatre.harness.line(viewer)
        );
        assert!(theatre.switches(viewer, raised) <= 2, "{phase}: {} switches", theatre.switches(viewer, raised));
        assert_eq!(theatre.layer(viewer, 0).reason, LayerReason::Top);
        assert_eq!(theatre.harness.clients[viewer].faults, 0);
    }
}

#[test]
fn the_first_layer_is_right_within_a_second() {
    for (kbps, lines) in [(300, 180), (1_000, 360), (THREE, 720), (20_000, 720)] {
        let (mut theatre, viewer) = theatre(kbps, 1);
        let joined = theatre.now();
        theatre.play(9 * SECOND);
        let seen = theatre.seen(viewer, 0, joined);
        assert!(seen.iter().all(|(_, other)| *other == lines), "{kbps} kbit/s: {:?}", theatre.harness.line(viewer));
    }
}

/// The top layer and the sound take nine tenths of the line, and a probe says as much less than it carries as its moment has it.
#[test]
fn a_layer_that_fits_with_little_to_spare_is_the_first_in_nine_of_ten_joins_and_stays() {
    let is_right = |phase: &u64| {
        let mut theatre = Theatre::new(1);
        theatre.play(5 * SECOND + ms(11 * phase));
        let viewer = theatre.add_viewer(THREE, |_| {});
        theatre.harness.slow_line(viewer).round_trip = ms(20 + 4 * phase);
        theatre.play(SECOND);
        let (joined, first) = (theatre.now(), theatre.lines(viewer, 0));
        theatre.play(9 * SECOND);
        first == 720 && theatre.switches(viewer, joined) == 0
    };
    let right = (0..20).filter(is_right).count();
    assert!(right >= 18, "{right} of 20");
}

/// A probe of 15 ms is a fifth slower if its last packet is noted 3 ms late.
#[test]
fn the_first_layer_is_right_in_nine_of_ten_joins_of_clients_that_note_packets_late() {
    let mut right = 0;
    for seed in 0..24 {
        let mut theatre = Theatre::new(1);
        theatre.play(5 * SECOND + ms(7 * seed));
        let viewer = theatre.add_viewer(THREE, |_| {});
        let line = theatre.harness.slow_line(viewer);
        (line.noted_late, line.random) = (ms(4), 77 + seed);
        theatre.play(SECOND);
        right += usize::from(theatre.layer(viewer, 0).layer == 3);
        theatre.play(6 * SECOND);
        assert_eq!(theatre.lines(viewer, 0), 720, "{seed}: {:?}", theatre.harness.line(viewer));
    }
    assert!(right >= 22, "{right} of 24");
}

/// It changes while the rest of the key frame that it began with is still on its way to the viewer, too.
#[test]
fn a_picture_whose_size_changes_again_and_again_does_not_stop() {
    for kbps in [4_000, 8_000, 20_000] {
        let (mut theatre, viewer) = theatre(kbps, 10);
        let (since, mut random) = (theatre.now(), 7_u64);
        for _ in 0..200 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (lines, stays) = (180 << ((random >> 33) % 3), 50 + (random >> 40) % 400);
            let shown = Shown { pixels: lines * lines * 16 / 9, ..Shown::default() };
            let now = theatre.harness.now;
            let tiles = [("v0", shown)].into_iter();
            theatre.harness.sfu.set_view(now, session(viewer), Epoch(1), tiles).expect("a view");
            theatre.play(ms(stays));
        }
        assert!(theatre.switches(viewer, since) > 50, "{kbps} kbit/s: {}", theatre.switches(viewer, since));
        let gap = theatre.harness.longest_gap(viewer, SEEN, since);
        assert!(gap <= ms(150), "{kbps} kbit/s: the picture stood still for {gap:?}");
    }
}

/// One finds the key frame that another one asked for, and its line does not take that at once.
#[test]
fn pictures_of_many_viewers_whose_sizes_change_do_not_stop() {
    for kbps in [4_000, 8_000] {
        let mut theatre = Theatre::new(1);
        theatre.play(5 * SECOND);
        let viewers = [(); 5].map(|()| theatre.add_viewer(kbps, |_| {}));
        theatre.play(10 * SECOND);
        let (since, mut random) = (theatre.now(), 7_u64);
        for _ in 0..1_000 {
            theatre.play(ms(50));
            for viewer in viewers {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if (random >> 40) % 14 == 0 {
                    let lines = 180 << ((random >> 33) % 3);
                    let shown = Shown { pixels: lines * lines * 16 / 9, ..Shown::default() };
                    let now = theatre.harness.now;
                    let tiles = [("v0", shown)].into_iter();
                    theatre.harness.sfu.set_view(now, session(viewer), Epoch(1), tiles).expect("a view");
                }
            }
        }
        for viewer in viewers {
            let gap = theatre.harness.longest_gap(viewer, SEEN, since);
            assert!(gap <= ms(150), "{kbps} kbit/s: the picture stood still for {gap:?}");
        }
    }
}

#[test]
fn two_viewers_of_one_stream_with_different_lines_do_not_harm_each_other() {
    let (mut theatre, wide) = theatre(THREE, 5);
    let narrow = theatre.add_viewer(300, |_| {});
    let since = theatre.now();
    theatre.play(20 * SECOND);
    assert_eq!((theatre.lines(wide, 0), theatre.lines(narrow, 0)), (720, 180));
    assert_eq!(theatre.switches(wide, since), 0);
    let gap = theatre.harness.longest_gap(wide, SEEN, since);
    assert!(gap <= ms(100), "the wide one stood still for {gap:?}");
    let gap = theatre.harness.longest_gap(narrow, SEEN, since + SECOND);
    assert!(gap <= ms(200), "the narrow one stood still for {gap:?}");
}

#[test]
fn of_many_tracks_each_gets_something_and_sound_goes_on() {
    let mut theatre = Theatre::new(6);
    theatre.play(5 * SECOND);
    let viewer = theatre.add_viewer(2_000, |_| {});
    theatre.play(6 * SECOND);
    let since = theatre.now();
    theatre.play(20 * SECOND);
    let lines: Vec<u16> = (0..6).map(|at| theatre.lines(viewer, at)).collect();
    assert!(lines.iter().all(|lines| [180, 360].contains(lines)), "{lines:?}");
    assert!(lines.contains(&360), "{lines:?} {:?}", theatre.harness.line(viewer));
    let silence = theatre.harness.longest_gap(viewer, HEARD, since);
    assert!(silence <= ms(150), "silence for {silence:?}");
    let queue = theatre.harness.slow_line(viewer).queue_p95(since);
    assert!(queue <= ms(120), "{queue:?}");
}

/// They send sound that the viewer is not sent.
#[test]
fn those_of_a_crowd_who_are_silent_take_nothing_from_the_picture() {
    let mut theatre = Theatre::new(1);
    let sound = |at: usize| TrackId(MICROPHONE.0 + 0x100 + at as u64);
    let guests: Vec<Who> =
        (0..GUESTS).map(|at| theatre.harness.join(publishes(vec![microphone_line(sound(at))]))).collect();
    let mut seq = 0_u16;
    let mut play = |theatre: &mut Theatre, seconds: usize| {
        for _ in 0..50 * seconds {
            seq += 1;
            for guest in &guests {
                let mut packet = opus(seq, u32::from(seq) * 960);
                packet.extensions.push((AUDIO_LEVEL, vec![127]));
                theatre.harness.clients[*guest].send(&packet);
            }
            theatre.play(ms(20));
        }
    };
    play(&mut theatre, 5);
    let viewer = theatre.add_viewer(900, |media| {
        let line = |at: usize| audio_out(Some(sound(at)), 0xc000 + at as u32);
        media.send.extend((0..GUESTS).map(|at| SendTrack { mid: format!("a{at}"), ..line(at) }));
    });
    play(&mut theatre, 9);
    let heard = |theatre: &Theatre| -> usize {
        (0..GUESTS).map(|at| theatre.harness.clients[viewer].indices(0xc000 + at as u32).len()).sum()
    };
    let before = heard(&theatre);
    play(&mut theatre, 1);
    assert_eq!(heard(&theatre), before, "they are not heard");
    assert_eq!(theatre.lines(viewer, 0), 360, "{:?}", theatre.harness.line(viewer));
}

#[test]
fn a_small_tile_gets_a_small_layer_and_a_pinned_one_comes_first() {
    let mut theatre = Theatre::new(3);
    theatre.play(5 * SECOND);
    let viewer = theatre.add_viewer(4_000, |_| {});
    let usual = Shown::default();
    let small = Shown { pixels: 200 * 112, ..usual };
    let large = Shown { pixels: 1_280 * 720, is_pinned: true, ..usual };
    let hidden = Shown { is_visible: false, ..usual };
    let view = |theatre: &mut Theatre, tiles: [(&str, Shown); 3]| {
        let now = theatre.harness.now;
        theatre.harness.sfu.set_view(now, session(viewer), Epoch(1), tiles.into_iter()).expect("a view");
        theatre.play(6 * SECOND);
    };
    view(&mut theatre, [("v0", small), ("v1", large), ("v2", hidden)]);
    assert_eq!([0, 1, 2].map(|at| theatre.lines(viewer, at)), [180, 720, 0]);
    let reasons = [0, 1, 2].map(|at| theatre.layer(viewer, at).reason);
    assert_eq!(reasons, [LayerReason::Size, LayerReason::Top, LayerReason::Hidden]);
    view(&mut theatre, [("v0", large), ("v1", hidden), ("v2", small)]);
    assert_eq!([0, 1, 2].map(|at| theatre.lines(viewer, at)), [720, 0, 180]);
}

#[test]
fn why_a_viewer_has_no_better_layer_is_told() {
    let (mut theatre, viewer) = theatre(20_000, 3);
    let limited = theatre.add_viewer(20_000, |media| media.send[0].height_max = Some(400));
    theatre.play(3 * SECOND);
    let layer = theatre.layer(viewer, 0);
    assert_eq!((layer.layer, layer.layers, layer.lines, layer.reason), (3, 3, Some(720), LayerReason::Top));
    let layer = theatre.layer(limited, 0);
    assert_eq!((layer.layer, layer.layers, layer.lines, layer.reason), (2, 2, Some(360), LayerReason::Max));
    theatre.cameras[0].1.encoders[2].is_on = false;
    let since = theatre.now();
    theatre.play(3 * SECOND);
    let layer = theatre.layer(viewer, 0);
    assert_eq!((layer.layer, layer.layers, layer.lines, layer.reason), (2, 2, Some(360), LayerReason::Source));
    let gap = theatre.harness.longest_gap(viewer, SEEN, since);
    assert!(gap <= ms(600), "the picture stood still for {gap:?}");
    theatre.cameras[0].1.encoders[2].is_on = true;
    theatre.play(3 * SECOND);
    assert_eq!(theatre.lines(viewer, 0), 720);
    assert!(theatre.harness.sfu.counters().layer_switches >= 2);
}

#[test]
fn a_viewer_that_only_reports_losses_goes_down_and_up_again() {
    let mut theatre = Theatre::new(1);
    theatre.play(5 * SECOND);
    let viewer = theatre.harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    theatre.play(2 * SECOND);
    assert_eq!(theatre.lines(viewer, 0), 720, "nothing is known of its line");
    (0..3).for_each(|_| report(&mut theatre, viewer, 100));
    assert!(theatre.lines(viewer, 0) < 720, "{:?}", theatre.harness.line(viewer));
    (0..40).for_each(|_| report(&mut theatre, viewer, 0));
    assert_eq!(theatre.lines(viewer, 0), 720, "{:?}", theatre.harness.line(viewer));
}

/// As GStreamer reports. Of the 3 Mbit/s that it is sent 16 % arrive.
#[test]
fn a_viewer_that_reports_seldom_gets_what_its_line_carries_after_the_first_report_that_says_so() {
    let mut theatre = Theatre::new(1);
    theatre.play(5 * SECOND);
    let viewer = theatre.harness.join(watches(vec![video_out(Some(CAMERA), SEEN)]));
    for fraction_lost in [3, 3] {
        theatre.play(6 * SECOND);
        report(&mut theatre, viewer, fraction_lost);
    }
    let line = theatre.harness.line(viewer);
    assert!(line.estimate <= 6_000_000, "it is sent 3 Mbit/s: {line:?}");
    assert_eq!(theatre.lines(viewer, 0), 720, "a packet of a hundred is no reason to go down");
    theatre.play(6 * SECOND);
    report(&mut theatre, viewer, 215);
    let line = theatre.harness.line(viewer);
    assert!((300_000..=600_000).contains(&line.estimate), "{line:?}");
    assert_eq!(theatre.lines(viewer, 0), 180);
    // What is sent now is not taken for what was, and fits.
    theatre.play(6 * SECOND);
    report(&mut theatre, viewer, 0);
    assert!(theatre.harness.line(viewer).estimate >= line.estimate);
}

/// It has negotiated transport-wide numbers, and never says anything of them.
#[test]
fn a_viewer_that_was_to_tell_of_each_packet_and_only_reports_gets_what_its_reports_allow() {
    let mut theatre = Theatre::new(1);
    theatre.play(5 * SECOND);
    let viewer = theatre.harness.join(watches_and_tells(vec![video_out(Some(CAMERA), SEEN)]));
    theatre.play(2 * SECOND);
    assert_eq!(theatre.lines(viewer, 0), 180, "nothing is known of its line yet");
    (0..60).for_each(|_| report(&mut theatre, viewer, 0));
    assert_eq!(theatre.lines(viewer, 0), 720, "{:?}", theatre.harness.line(viewer));
    (0..20).for_each(|_| report(&mut theatre, viewer, 100));
    assert!(theatre.lines(viewer, 0) < 720, "{:?}", theatre.harness.line(viewer));
}

/// What a viewer lost since its last report, in 256ths, and a second.
fn report(theatre: &mut Theatre, viewer: Who, fraction_lost: u8) {
    let highest_seq = *theatre.harness.clients[viewer].indices(SEEN).last().expect("packets") as u32;
    let block = ReportBlock {
        ssrc: Ssrc(SEEN),
        fraction_lost,
        cumulative_lost: 0,
        highest_seq,
        jitter: 0,
        last_sr: 0,
        delay_since_last_sr: 0,
    };
    theatre.harness.clients[viewer].send_rtcp(|writer| writer.receiver_report(Ssrc(1), &[block]));
    theatre.play(SECOND);
}
