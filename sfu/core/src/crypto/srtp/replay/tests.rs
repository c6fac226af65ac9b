#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test may start its virtual time anywhere")]

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn accept(window: &mut ReplayWindow, seq: u16) -> bool {
    let index = window.guess(seq);
    let new = window.check(index);
    if new {
        window.accept(index);
    }
    new
}

#[test]
fn a_packet_is_accepted_once() {
    let mut window = ReplayWindow::new();
    assert!(accept(&mut window, 10));
    assert!(!accept(&mut window, 10));
    assert!(accept(&mut window, 12));
    assert!(accept(&mut window, 11));
    assert!(!accept(&mut window, 11));
    assert_eq!(window.highest(), Some(12));
}

#[test]
fn the_counter_rolls_over_and_late_packets_still_belong_to_the_old_cycle() {
    let mut window = ReplayWindow::new();
    assert!(accept(&mut window, 65_534));
    assert!(accept(&mut window, 1));
    assert_eq!(window.highest(), Some(65_537));
    assert_eq!(window.guess(65_535), 65_535);
    assert!(accept(&mut window, 65_535));
    assert!(!accept(&mut window, 65_534));
}

#[test]
fn a_packet_older_than_the_window_is_refused() {
    let mut window = ReplayWindow::new();
    assert!(accept(&mut window, 2_000));
    assert!(!window.check(window.guess(2_000 - 1_024)));
    assert!(window.check(window.guess(2_000 - 1_023)));
}

#[test]
fn before_the_first_cycle_there_is_none() {
    let mut window = ReplayWindow::new();
    assert!(accept(&mut window, 5));
    assert_eq!(window.guess(65_000), 65_000);
}

#[test]
fn accepting_what_is_too_old_changes_nothing() {
    let mut window = ReplayWindow::new();
    window.accept(5_000);
    let before = window.clone();
    window.accept(5_000 - 1_024);
    assert_eq!(window, before);
}

proptest! {
    /// The model is a set of all accepted indices. The sender's indices wander, jump and repeat, but stay
    /// within 2^15 of the highest, as RFC 3711 section 3.3.1 presumes.
    #[test]
    fn the_window_agrees_with_a_set(
        start in 0u64..200_000,
        steps in prop::collection::vec(prop_oneof![
            8 => -40i64..60,
            2 => -1_100i64..1_100,
            1 => -32_000i64..32_000,
        ], 1..400),
    ) {
        // The first packet tells the cycle only when that is 0.
        let mut window = ReplayWindow::new();
        window.accept(start);
        let mut accepted = HashSet::from([start]);
        let mut highest = start;
        for step in steps {
            let Some(index) = highest.checked_add_signed(step) else { continue };
            prop_assert_eq!(window.guess((index & 0xffff) as u16), index);
            let new = index > highest || (highest - index < 1_024 && !accepted.contains(&index));
            prop_assert_eq!(window.check(index), new, "index {} highest {}", index, highest);
            if new {
                window.accept(index);
                accepted.insert(index);
                highest = highest.max(index);
            }
            prop_assert_eq!(window.highest(), Some(highest));
        }
    }
}
