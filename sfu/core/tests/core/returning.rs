//! Viewers that come back, in virtual time: each begins with what its line carried when it left.

use std::time::Instant;

use crate::harness::adapting::*;
use crate::harness::cameras::ms;
use crate::harness::*;
use chappe_sfu_core::{Certificate, Media};

const THREE: u64 = 3_000;

/// One camera and a viewer that has watched it over such a line for ten seconds.
fn watched(kbps: u64, media: impl FnOnce(&Theatre) -> Media) -> (Theatre, Who) {
    let mut theatre = Theatre::new(1);
    theatre.play(2 * SECOND);
    let media = media(&theatre);
    let viewer = theatre.harness.join_over(kbps, media);
    theatre.play(10 * SECOND);
    (theatre, viewer)
}

/// The next session from there, over such a line for fifteen seconds, and when it began.
fn come_back(theatre: &mut Theatre, before: Who, kbps: u64, media: Media) -> (Who, Instant) {
    let viewer = theatre.harness.join_beside(before, kbps, media);
    let began = theatre.now();
    theatre.play(15 * SECOND);
    (viewer, began)
}

fn return_to(kbps: u64, next_kbps: u64) -> (Theatre, Who, Instant) {
    let (mut theatre, first) = watched(kbps, Theatre::all);
    theatre.leave(first);
    let media = theatre.all();
    let (viewer, began) = come_back(&mut theatre, first, next_kbps, media);
    (theatre, viewer, began)
}

/// The lines of the first picture.
fn first_lines(theatre: &Theatre, viewer: Who, began: Instant) -> u16 {
    theatre.seen(viewer, 0, began).first().map_or(0, |(_, lines)| *lines)
}

/// It has this picture soon, and had no other one.
fn assert_at_once(theatre: &Theatre, viewer: Who, began: Instant, lines: u16) {
    let seen = theatre.seen(viewer, 0, began);
    let other = seen.iter().find(|(_, other)| *other != lines).map(|(at, other)| (*at - began, *other));
    assert_eq!(other, None, "{:?}", theatre.harness.line(viewer));
    let settled = theatre.settled(viewer, lines, began);
    assert!(settled.is_some_and(|after| after <= ms(250)), "{settled:?} {:?}", theatre.harness.line(viewer));
    assert_eq!(theatre.harness.clients[viewer].faults, 0);
}

/// The moment falls anywhere between two frames, and the first packet is of sound or of a picture.
#[test]
fn who_comes_back_has_the_layer_at_once_that_its_line_carried() {
    for phase in 0..12 {
        let (mut theatre, first) = watched(THREE, Theatre::all);
        theatre.leave(first);
        theatre.play(ms(5 * phase));
        let viewer = theatre.harness.join_beside(first, THREE, theatre.all());
        theatre.harness.slow_line(viewer).round_trip = ms(5 + 10 * phase);
        let began = theatre.now();
        theatre.play(5 * SECOND);
        assert_at_once(&theatre, viewer, began, 720);
        let queued = &theatre.harness.slow_line(viewer).queued;
        let longest = queued.iter().map(|(_, waited)| *waited).max();
        assert!(longest <= Some(ms(120)), "{phase}: a queue of {longest:?}");
    }
}

#[test]
fn so_has_who_reports_by_stream() {
    let by_stream = |theatre: &Theatre| Media { reports_streams: true, ..theatre.all() };
    let (mut theatre, first) = watched(THREE, by_stream);
    theatre.leave(first);
    let media = by_stream(&theatre);
    let (viewer, began) = come_back(&mut theatre, first, THREE, media);
    assert_at_once(&theatre, viewer, began, 720);
}

/// It is as one whose line drops.
#[test]
fn who_comes_back_on_a_line_that_carries_less_has_what_fits_soon() {
    let (mut theatre, viewer, began) = return_to(THREE, 700);
    let settled = theatre.settled(viewer, 360, began);
    assert!(settled.is_some_and(|after| after <= 2 * SECOND), "{settled:?} {:?}", theatre.harness.line(viewer));
    let gap = theatre.harness.longest_gap(viewer, SEEN, began);
    assert!(gap <= ms(500), "the picture stood still for {gap:?}");
    let queue = theatre.harness.slow_line(viewer).queue_p95(began + SECOND);
    assert!(queue <= ms(120), "{queue:?}");
}

#[test]
fn who_comes_back_from_a_slow_line_begins_with_what_that_carried_and_rises() {
    for (kbps, lines) in [(300, 180), (700, 360)] {
        let (theatre, viewer, began) = return_to(kbps, THREE);
        assert_eq!(first_lines(&theatre, viewer, began), lines, "{kbps} kbit/s");
        let settled = theatre.settled(viewer, 720, began);
        assert!(settled.is_some_and(|after| after <= 3 * SECOND), "{kbps} kbit/s: {settled:?}");
    }
}

#[test]
fn another_client_at_its_address_is_not_taken_for_it() {
    let (mut theatre, first) = watched(THREE, Theatre::all);
    theatre.leave(first);
    theatre.harness.client_certificate = Certificate::generate().expect("a certificate");
    let media = theatre.all();
    let (stranger, began) = come_back(&mut theatre, first, 300, media);
    let seen = theatre.seen(stranger, 0, began);
    assert!(!seen.is_empty() && seen.iter().all(|(_, lines)| *lines == 180), "{:?}", seen.first());
}

/// A page that moves its session has both for a moment, and one line.
#[test]
fn a_session_that_takes_the_place_of_another_begins_as_a_new_one_and_is_the_one_that_is_remembered() {
    let (mut theatre, first) = watched(THREE, Theatre::all);
    let second = theatre.harness.join_beside(first, THREE, theatre.all());
    let began = theatre.now();
    theatre.play(ms(500));
    theatre.leave(first);
    theatre.play(10 * SECOND);
    assert_eq!(first_lines(&theatre, second, began), 180);
    assert_eq!(theatre.lines(second, 0), 720, "{:?}", theatre.harness.line(second));
    theatre.leave(second);
    let media = theatre.all();
    let (third, began) = come_back(&mut theatre, second, THREE, media);
    assert_at_once(&theatre, third, began, 720);
}

/// Tabs of one browser show the same certificate, and have one line.
#[test]
fn of_two_sessions_of_a_client_that_come_back_at_once_one_begins_with_what_the_line_carried() {
    let (mut theatre, first) = watched(THREE, Theatre::all);
    theatre.leave(first);
    let began = theatre.now();
    let back = [(); 2].map(|()| {
        let media = theatre.all();
        theatre.harness.join_beside(first, THREE, media)
    });
    theatre.play(2 * SECOND);
    assert_eq!(back.map(|viewer| first_lines(&theatre, viewer, began)), [720, 180]);
}

#[test]
fn what_a_session_left_with_is_not_believed_while_another_of_its_client_is_there() {
    let (mut theatre, first) = watched(THREE, Theatre::all);
    let media = theatre.all();
    let second = theatre.harness.join_beside(first, THREE, media);
    theatre.play(5 * SECOND);
    theatre.leave(first);
    let media = theatre.all();
    let (third, began) = come_back(&mut theatre, second, THREE, media);
    assert_eq!(first_lines(&theatre, third, began), 180);
}
