use std::time::Duration;

use super::*;
use crate::time::Time;

const SIMULCAST: [Layer; 3] = [layer(150, 320 * 180), layer(500, 640 * 360), layer(1700, 1280 * 720)];
const ALL: Bitrate = Bitrate::from_kbps(100_000);

const fn layer(kbps: u64, pixels: u32) -> Layer {
    Layer { rate: Bitrate::from_kbps(kbps), pixels, frames_per_second: 30 }
}

fn kbps(kbps: u64) -> Bitrate {
    Bitrate::from_kbps(kbps)
}

fn shown(track: u32) -> Shown<'static> {
    let layers = &SIMULCAST;
    Shown { track, pixels: 0, is_visible: true, is_pinned: false, priority: 128, is_detail: false, layers }
}

fn layers(allocation: &Allocation) -> Vec<Option<u8>> {
    allocation.choices.iter().map(|choice| choice.layer).collect()
}

fn reasons(allocation: &Allocation) -> Vec<Reason> {
    allocation.choices.iter().map(|choice| choice.reason).collect()
}

#[test]
fn a_wide_line_gets_all_and_a_narrow_one_what_fits_beside_audio() {
    for (estimate, expected) in
        [(ALL, Some(2)), (kbps(1739), Some(1)), (kbps(540), Some(1)), (kbps(539), Some(0)), (kbps(189), None)]
    {
        let allocation = allocate(estimate, kbps(40), &[shown(1)]);
        assert_eq!(layers(&allocation), [expected], "{estimate}");
        assert!(allocation.total <= estimate.max(kbps(40)));
        assert_eq!(allocation.demand, kbps(1740));
    }
}

#[test]
fn all_that_is_visible_gets_a_smallest_layer_before_one_gets_more() {
    let tracks: Vec<Shown<'_>> = (0..4).map(shown).collect();
    assert_eq!(layers(&allocate(kbps(600), Bitrate::ZERO, &tracks)), [Some(0); 4]);
    assert_eq!(layers(&allocate(kbps(450), Bitrate::ZERO, &tracks)), [Some(0), Some(0), Some(0), None]);
}

#[test]
fn hidden_tracks_get_nothing_and_small_ones_small_layers() {
    let tracks = [
        Shown { is_visible: false, ..shown(1) },
        Shown { pixels: 320 * 180, ..shown(2) },
        Shown { pixels: 700 * 400, ..shown(3) },
        Shown { pixels: 1920 * 1080, ..shown(4) },
        Shown { layers: &[], ..shown(5) },
    ];
    let allocation = allocate(ALL, Bitrate::ZERO, &tracks);
    assert_eq!(layers(&allocation), [None, Some(0), Some(1), Some(2), None]);
    assert_eq!(reasons(&allocation), [Reason::Hidden, Reason::Size, Reason::Size, Reason::Top, Reason::NoLayers]);
    assert_eq!(allocation.demand, kbps(150 + 500 + 1700));
}

#[test]
fn what_is_pinned_rises_first_and_priority_counts() {
    let pinned = [shown(1), Shown { is_pinned: true, ..shown(2) }];
    assert_eq!(layers(&allocate(kbps(1900), Bitrate::ZERO, &pinned)), [Some(0), Some(2)]);
    let prior = [shown(1), Shown { priority: 255, ..shown(2) }];
    assert_eq!(layers(&allocate(kbps(700), Bitrate::ZERO, &prior)), [Some(0), Some(1)]);
}

#[test]
fn a_screen_share_gets_resolution_before_frame_rate() {
    let large_slow = Layer { rate: kbps(900), pixels: 1920 * 1080, frames_per_second: 5 };
    let small_fast = Layer { rate: kbps(600), pixels: 960 * 540, frames_per_second: 30 };
    let slow = Layer { rate: kbps(300), pixels: 960 * 540, frames_per_second: 5 };
    let layers_of = [slow, small_fast, large_slow];
    let share = |is_detail| [Shown { is_detail, layers: &layers_of, ..shown(1) }];
    assert_eq!(layers(&allocate(kbps(1000), Bitrate::ZERO, &share(true))), [Some(2)]);
    assert_eq!(layers(&allocate(kbps(700), Bitrate::ZERO, &share(false))), [Some(1)]);
}

#[test]
fn layers_that_lie_about_themselves_break_nothing() {
    let lies = [layer(0, u32::MAX), layer(u64::MAX, 0), layer(5, 0), Layer::default()];
    let many = [layer(100, 100); 40];
    for layers in [&lies[..], &many[..]] {
        let tracks = [Shown { layers, priority: 0, ..shown(1) }, shown(2)];
        for estimate in [0, 1000, u64::MAX] {
            let allocation = allocate(Bitrate::from_bps(estimate), kbps(40), &tracks);
            assert_eq!(allocation.choices.len(), 2);
        }
    }
}

#[test]
fn an_estimate_that_dips_for_a_moment_changes_nothing() {
    let mut allocator = Allocator::new();
    for millis in (0..20_000).step_by(100) {
        // A sawtooth around the top layer.
        let estimate = if millis % 2000 < 800 { kbps(1500) } else { kbps(1800) };
        let allocation =
            allocator.decide(Time::from_millis(1000 + millis), estimate.into(), Bitrate::ZERO, &[shown(1)]);
        assert!(millis < 2000 || layers(allocation) == [Some(2)], "at {millis}");
    }
    assert!(allocator.switches() <= 1);
}

#[test]
fn what_arrives_without_a_queue_is_kept_though_the_estimate_is_below_it() {
    let decide = |allocator: &mut Allocator, millis, line| {
        layers(allocator.decide(Time::from_millis(millis), line, Bitrate::ZERO, &[shown(1)]))[0]
    };
    for (is_calm, layer) in [(true, Some(2)), (false, Some(1))] {
        let mut allocator = Allocator::new();
        assert_eq!(decide(&mut allocator, 0, kbps(1800).into()), Some(2));
        let line = Line { is_calm, ..kbps(1500).into() };
        let last = (1..100).map(|at| decide(&mut allocator, 100 * at, line)).last().expect("many");
        assert_eq!(last, layer, "calm: {is_calm}");
        let line = Line { is_calm, ..kbps(1000).into() };
        assert_eq!(decide(&mut allocator, 10_000, line), Some(1), "far below it counts in any case");
    }
}

#[test]
fn a_line_that_is_gone_is_left_at_once_and_one_that_is_back_taken_within_half_a_second() {
    let mut allocator = Allocator::new();
    let decide = |allocator: &mut Allocator, millis, estimate| {
        layers(allocator.decide(Time::from_millis(millis), kbps(estimate).into(), Bitrate::ZERO, &[shown(1)]))[0]
    };
    assert_eq!(decide(&mut allocator, 1000, 2500), Some(2));
    assert_eq!(decide(&mut allocator, 2000, 600), Some(1));
    assert_eq!(decide(&mut allocator, 2100, 2500), Some(1));
    assert_eq!(decide(&mut allocator, 2500, 2500), Some(2));
}

#[test]
fn what_a_probe_or_a_drained_queue_measured_is_taken_at_once() {
    let rises = |is_measured| {
        let mut allocator = Allocator::new();
        let mut decide =
            |millis, line| layers(allocator.decide(Time::from_millis(millis), line, Bitrate::ZERO, &[shown(1)]))[0];
        assert_eq!(decide(0, kbps(1800).into()), Some(2));
        assert_eq!(decide(1000, kbps(150).into()), Some(0));
        decide(1100, Line { is_measured, ..kbps(600).into() })
    };
    assert_eq!((rises(true), rises(false)), (Some(1), Some(0)));
}

#[test]
fn the_first_rise_takes_all_that_was_measured_and_others_leave_something_free() {
    let rise_to = |kbps_then: u64, is_measured: bool| {
        let mut allocator = Allocator::new();
        let mut decide =
            |millis, line| layers(allocator.decide(Time::from_millis(millis), line, kbps(40), &[shown(1)]))[0];
        assert_eq!(decide(0, kbps(300).into()), Some(0));
        decide(500, Line { is_measured, ..kbps(kbps_then).into() })
    };
    // The top takes 1740, and 1827 with what is left free.
    assert_eq!((rise_to(1739, true), rise_to(1740, true)), (Some(1), Some(2)));
    assert_eq!((rise_to(1740, false), rise_to(1830, false)), (Some(1), Some(2)));
}

#[test]
fn a_rise_takes_all_that_was_measured_until_something_was_too_much() {
    let rise_to = |falls: bool| {
        let mut allocator = Allocator::new();
        let mut decide =
            |millis, line| layers(allocator.decide(Time::from_millis(millis), line, kbps(40), &[shown(1)]))[0];
        let measured = |estimate| Line { is_measured: true, ..kbps(estimate).into() };
        assert_eq!(decide(0, kbps(300).into()), Some(0));
        assert_eq!(decide(500, measured(1000)), Some(1));
        if falls {
            assert_eq!(decide(600, kbps(250).into()), Some(0));
        }
        decide(5000, measured(1740));
        decide(7000, measured(1740))
    };
    assert_eq!((rise_to(false), rise_to(true)), (Some(2), Some(1)));
}

/// The layers at these moments in milliseconds, at these estimates.
fn decided(estimates: &[(u64, Bitrate)]) -> Vec<Option<u8>> {
    let mut allocator = Allocator::new();
    let decide = |(millis, estimate): &(u64, Bitrate)| {
        layers(allocator.decide(Time::from_millis(*millis), (*estimate).into(), Bitrate::ZERO, &[shown(1)]))[0]
    };
    estimates.iter().map(decide).collect()
}

/// The top layer is left at an estimate of 700 kbit/s and this.
fn after_failure(bps: u64, millis: u64, kbps_now: u64) -> Option<u8> {
    let rise = [(0, kbps(600)), (1000, kbps(1800)), (1200, kbps(1800))];
    let failed = (3000, kbps(700) + Bitrate::from_bps(bps));
    let all: Vec<_> = rise.into_iter().chain([failed, (4000, kbps(1800)), (millis, kbps(kbps_now))]).collect();
    let layers = decided(&all);
    assert_eq!((layers[2], layers[3]), (Some(2), Some(1)));
    layers[5]
}

#[test]
fn a_rise_that_failed_is_tried_again_after_about_a_second() {
    assert_eq!(after_failure(500, 4900, 1800), Some(1), "not yet");
    assert_eq!(after_failure(500, 5000, 1800), Some(2));
}

#[test]
fn viewers_whose_rises_failed_together_do_not_try_again_together() {
    let tries = |bps| (4000..6000).step_by(100).find(|millis| after_failure(bps, *millis, 1800) == Some(2));
    assert_eq!([0, 500, 990].map(tries), [Some(4500), Some(5000), Some(5500)]);
}

#[test]
fn a_picture_where_there_is_none_is_not_waited_for_though_it_failed() {
    let up = [(0, kbps(170)), (500, kbps(50)), (600, kbps(170)), (800, kbps(170)), (1000, kbps(50))];
    let layers = decided(&[&up[..], &[(1100, kbps(170)), (1300, kbps(170))]].concat());
    assert_eq!(layers, [Some(0), None, None, Some(0), None, None, Some(0)]);
}

#[test]
fn what_takes_less_than_what_failed_is_not_waited_for() {
    let up = [(0, kbps(600)), (1000, kbps(1800)), (1200, kbps(1800)), (3000, kbps(150)), (3300, kbps(1800))];
    let layers = decided(&[&up[..], &[(3500, kbps(1800)), (3700, kbps(1800))]].concat());
    assert_eq!(layers[2..], [Some(2), Some(0), Some(0), Some(1), Some(1)]);
}

#[test]
fn another_view_is_answered_at_once() {
    let mut allocator = Allocator::new();
    allocator.decide(Time::from_millis(0), ALL.into(), Bitrate::ZERO, &[shown(1), shown(2)]);
    let tile = [shown(1), Shown { is_visible: false, ..shown(2) }];
    let now = Time::from_millis(0) + Duration::from_millis(10);
    assert_eq!(layers(allocator.decide(now, ALL.into(), Bitrate::ZERO, &tile)), [Some(2), None]);
    let back = allocator.decide(now, ALL.into(), Bitrate::ZERO, &[shown(1), shown(2)]);
    assert_eq!(layers(back), [Some(2), Some(2)]);
}
