#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test may start its virtual time anywhere")]

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

struct Run {
    schedule: NackSchedule,
    now: Instant,
}

impl Run {
    fn new() -> Run {
        Run { schedule: NackSchedule::new(), now: Instant::now() }
    }

    fn receive(&mut self, seq: u16) -> Arrival {
        self.schedule.handle_packet(self.now, Seq(seq), false)
    }

    fn lost(&mut self) -> Vec<u16> {
        let mut lost = Lost::new();
        self.schedule.poll_lost(self.now, &mut lost);
        lost.iter().map(|seq| seq.0).collect()
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }
}

#[test]
fn a_stream_without_loss_asks_for_nothing() {
    let mut run = Run::new();
    for seq in 65_500..=65_535 {
        assert_eq!(run.receive(seq), Arrival::Newest);
    }
    assert_eq!(run.receive(0), Arrival::Newest);
    assert_eq!(run.schedule.poll_timeout(), None);
    assert_eq!(run.schedule.missing(), 0);
}

#[test]
fn a_packet_that_three_others_overtook_is_asked_for_at_once() {
    let mut run = Run::new();
    run.receive(65_534);
    run.receive(0);
    run.receive(1);
    assert_eq!(run.lost(), []);
    run.receive(2);
    assert_eq!(run.schedule.poll_timeout(), Some(run.now));
    assert_eq!(run.lost(), [65_535]);
    assert_eq!(run.lost(), [], "not twice");
}

#[test]
fn a_packet_that_is_late_for_ten_milliseconds_is_asked_for() {
    let mut run = Run::new();
    run.receive(1);
    run.receive(3);
    assert_eq!(run.schedule.poll_timeout(), Some(run.now + REORDER_WAIT));
    run.wait(9 * MS);
    assert_eq!(run.lost(), []);
    run.wait(MS);
    assert_eq!(run.lost(), [2]);
}

#[test]
fn a_reordered_packet_is_never_asked_for() {
    let mut run = Run::new();
    run.receive(1);
    run.receive(3);
    assert_eq!(run.receive(2), Arrival::Recovered);
    assert_eq!(run.receive(2), Arrival::Late, "a duplicate");
    assert_eq!(run.schedule.poll_timeout(), None);
    run.wait(100 * MS);
    assert_eq!(run.lost(), []);
}

#[test]
fn one_try_per_round_trip_and_ten_in_all() {
    let mut run = Run::new();
    run.schedule.set_round_trip(50 * MS);
    run.receive(1);
    run.receive(3);
    run.wait(REORDER_WAIT);
    for _ in 0..10 {
        assert_eq!(run.lost(), [2]);
        assert_eq!(run.schedule.poll_timeout(), Some(run.now + 50 * MS));
        run.wait(49 * MS);
        assert_eq!(run.lost(), []);
        run.wait(MS);
    }
    let mut lost = Lost::new();
    assert_eq!(run.schedule.poll_lost(run.now, &mut lost), 1, "given up");
    assert!(lost.is_empty());
    assert_eq!(run.schedule.poll_timeout(), None);
    assert_eq!(run.receive(2), Arrival::Late);
}

#[test]
fn a_round_trip_is_held_within_bounds() {
    for (round_trip, interval) in [(MS, RETRY_INTERVAL_MIN), (Duration::from_secs(5), RETRY_INTERVAL_MAX)] {
        let mut run = Run::new();
        run.schedule.set_round_trip(round_trip);
        run.receive(1);
        run.receive(3);
        run.wait(REORDER_WAIT);
        assert_eq!(run.lost(), [2]);
        assert_eq!(run.schedule.poll_timeout(), Some(run.now + interval));
    }
}

#[test]
fn a_packet_missing_for_a_second_is_given_up() {
    let mut run = Run::new();
    run.receive(1);
    run.receive(3);
    run.wait(AGE_MAX);
    assert_eq!(run.lost(), []);
    assert_eq!(run.schedule.missing(), 0);
}

#[test]
fn a_larger_gap_than_can_be_repaired_needs_a_key_frame() {
    let mut run = Run::new();
    run.receive(1);
    run.receive(3);
    assert_eq!(run.receive(3 + MISSING_MAX as u16), Arrival::Newest, "511 more fill the list");
    assert_eq!(run.schedule.missing(), MISSING_MAX);
    let next = 3 + MISSING_MAX as u16 + 2;
    assert_eq!(run.receive(next), Arrival::KeyframeNeeded);
    assert_eq!(run.schedule.missing(), 0);
    assert_eq!(run.receive(next + 1), Arrival::Newest);
}

#[test]
fn what_lies_before_a_key_frame_is_given_up_first() {
    let mut run = Run::new();
    run.receive(0);
    run.receive(301);
    assert_eq!(run.schedule.handle_packet(run.now, Seq(302), true), Arrival::Newest);
    assert_eq!(run.receive(304), Arrival::Newest);
    assert_eq!(run.receive(604), Arrival::Newest, "300 of before the key frame made room");
    assert_eq!(run.schedule.missing(), 300);
    let mut lost = Lost::new();
    run.wait(REORDER_WAIT);
    run.schedule.poll_lost(run.now, &mut lost);
    assert_eq!(lost.first(), Some(&Seq(303)));
}

#[test]
fn a_jump_onto_a_key_frame_needs_no_other() {
    let mut run = Run::new();
    run.receive(0);
    assert_eq!(run.schedule.handle_packet(run.now, Seq(5_000), true), Arrival::Newest);
}

#[test]
fn more_than_fits_one_request_comes_in_the_next() {
    let mut run = Run::new();
    run.receive(0);
    run.receive(301);
    run.wait(REORDER_WAIT);
    assert_eq!(run.lost(), (1..129).collect::<Vec<u16>>());
    assert!(run.schedule.poll_timeout().is_some_and(|due| due <= run.now));
    assert_eq!(run.lost(), (129..257).collect::<Vec<u16>>());
    assert_eq!(run.lost(), (257..301).collect::<Vec<u16>>());
    assert_eq!(run.lost(), []);
}

proptest! {
    /// Packets get lost, some come back by retransmission; whatever is not there at the end was asked for,
    /// nothing that arrived in order ever was, and nothing more than ten times.
    #[test]
    fn exactly_what_is_lost_is_asked_for(start: u16, fates in prop::collection::vec(0u8..20, 2..400)) {
        let mut run = Run::new();
        let mut asked = std::collections::HashMap::<u16, usize>::new();
        run.receive(start);
        let mut lost = Vec::new();
        for (step, fate) in fates.iter().enumerate() {
            let seq = start.wrapping_add(step as u16 + 1);
            run.wait(2 * MS);
            if *fate == 0 {
                lost.push(seq);
            } else {
                prop_assert_eq!(run.receive(seq), Arrival::Newest);
            }
            for seq in run.lost() {
                *asked.entry(seq).or_default() += 1;
                if seq % 2 == 0 {
                    prop_assert_eq!(run.receive(seq), Arrival::Recovered);
                }
            }
        }
        run.receive(start.wrapping_add(fates.len() as u16 + 1));
        for _ in 0..20 {
            run.wait(RETRY_INTERVAL_DEFAULT);
            for seq in run.lost() {
                *asked.entry(seq).or_default() += 1;
                if seq % 2 == 0 {
                    prop_assert_eq!(run.receive(seq), Arrival::Recovered);
                }
            }
        }
        prop_assert_eq!(run.schedule.missing(), 0);
        for seq in &lost {
            prop_assert_eq!(asked.remove(seq), Some(if seq % 2 == 0 { 1 } else { 10 }));
        }
        prop_assert!(asked.is_empty(), "{:?}", asked);
    }

    #[test]
    fn any_packets_keep_the_list_bounded_and_sorted(
        packets in prop::collection::vec((any::<u16>(), any::<bool>(), 0u64..30), 0..300)
    ) {
        let mut run = Run::new();
        for (seq, keyframe, pause_ms) in packets {
            run.wait(Duration::from_millis(pause_ms));
            run.schedule.handle_packet(run.now, Seq(seq), keyframe);
            prop_assert!(run.schedule.missing() <= MISSING_MAX);
            prop_assert!(run.schedule.missing.iter().is_sorted_by_key(|entry| entry.seq));
            run.lost();
        }
    }
}
