//! When what is asked for.

use super::*;
use crate::sim;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn after(start: Instant, missing: &mut Missing, at: u64) -> Vec<u64> {
    missing.poll_due(start + ms(at)).lost.to_vec()
}

#[test]
fn three_packets_that_overtake_show_a_loss_at_once() {
    let (start, mut missing) = (sim::start(), Missing::new());
    missing.expect(start, 100);
    for sequence in [100, 102, 103] {
        missing.handle_packet(start, sequence);
    }
    assert_eq!(after(start, &mut missing, 0), [0; 0]);
    missing.handle_packet(start, 104);
    assert_eq!(after(start, &mut missing, 0), [101]);
}

#[test]
fn ten_milliseconds_do_without_them() {
    let (start, mut missing) = (sim::start(), Missing::new());
    missing.handle_packet(start, 100);
    missing.handle_packet(start, 102);
    assert_eq!(missing.poll_timeout(), Some(start + ms(10)));
    assert_eq!(after(start, &mut missing, 10), [101]);
}

#[test]
fn the_first_packet_of_all_is_missed_where_it_was_announced() {
    let (start, mut missing) = (sim::start(), Missing::new());
    missing.expect(start, 100);
    missing.handle_packet(start, 103);
    assert_eq!(after(start, &mut missing, 0), [100], "three later ones");
    assert_eq!(after(start, &mut missing, 10), [101, 102]);
}

#[test]
fn an_announcement_that_comes_late_still_shows_what_was_lost_before() {
    let (start, mut missing) = (sim::start(), Missing::new());
    missing.handle_packet(start, 102);
    missing.handle_packet(start, 103);
    missing.expect(start, 100);
    assert_eq!(after(start, &mut missing, 0), [100, 101]);
    missing.expect(start, 100);
    assert_eq!(after(start, &mut missing, 1), [0; 0], "once is enough");
    let far = 100 + (1 << 17);
    missing.expect(start, far);
    missing.handle_packet(start, far + 1);
    assert_eq!(after(start, &mut missing, 10), [far], "and so after a jump");
}

#[test]
fn a_tail_shows_the_loss_of_the_last_packets() {
    let (start, mut missing) = (sim::start(), Missing::new());
    missing.handle_packet(start, 100);
    missing.handle_tail(start, 102);
    assert_eq!(after(start, &mut missing, 0), [101, 102]);
    missing.handle_tail(start, 102);
    assert_eq!(after(start, &mut missing, 1), [0; 0]);
    assert_eq!(missing.handle_packet(start, 102), RelayArrival::Recovered);
}

#[test]
fn the_second_and_later_requests_are_sent_twice_and_are_urgent() {
    let (start, mut missing) = (sim::start(), Missing::new());
    missing.set_round_trip(ms(80));
    missing.handle_packet(start, 100);
    missing.handle_tail(start, 101);
    let mut asked = Vec::new();
    for at in 0..400 {
        let due = missing.poll_due(start + ms(at));
        if !due.lost.is_empty() {
            asked.push((at, due.urgent));
        }
    }
    assert_eq!(asked[..5], [(0, false), (88, true), (92, true), (176, true), (180, true)], "{asked:?}");
}

#[test]
fn what_does_not_come_within_a_second_is_given_up() {
    let (start, mut missing) = (sim::start(), Missing::new());
    missing.handle_packet(start, 100);
    missing.handle_packet(start, 110);
    assert_eq!((0..1_200).map(|at| missing.poll_due(start + ms(at)).given_up).sum::<usize>(), 9);
    assert_eq!(missing.poll_timeout(), None);
}

#[test]
fn a_jump_starts_afresh() {
    let (start, mut missing) = (sim::start(), Missing::new());
    missing.handle_packet(start, 100);
    missing.handle_packet(start, 102);
    assert_eq!(missing.handle_packet(start, 100 + (1 << 17)), RelayArrival::Restarted);
    assert_eq!(missing.poll_timeout(), None);
    assert_eq!(missing.handle_packet(start, 101), RelayArrival::Late);
}

#[test]
fn a_request_names_no_more_than_it_can_carry() {
    let (start, mut missing) = (sim::start(), Missing::new());
    missing.handle_packet(start, 100);
    missing.handle_packet(start, 500);
    assert_eq!(missing.poll_due(start).lost.len(), LOST_MAX);
    assert_eq!(missing.poll_due(start).lost.len(), LOST_MAX, "the rest stays due");
}
