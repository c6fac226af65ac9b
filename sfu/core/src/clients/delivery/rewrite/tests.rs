use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn started(first_index: u64, sequence: u64) -> (Rewriter, Instant) {
    let now = crate::sim::start();
    let mut rewriter = Rewriter::new(first_index, 5000);
    rewriter.start((sequence, 90_000), None, now, 90_000);
    (rewriter, now)
}

fn indices(rewriter: &mut Rewriter, now: Instant, sequences: &[u64]) -> Vec<Option<u64>> {
    sequences.iter().map(|s| rewriter.map(*s, 90_000, now).map(|r| r.index)).collect()
}

#[test]
fn a_source_that_was_left_out_goes_on_with_the_next_number_and_its_own_time() {
    let mut rewriter = Rewriter::new(100, 7_000);
    let now = crate::sim::start();
    rewriter.start((5, 960), None, now, 48_000);
    let first = rewriter.map(5, 960, now).unwrap();
    assert_eq!(rewriter.map(6, 1_920, now).map(|sent| sent.index), Some(101));
    assert!(!rewriter.resume(6), "it has left");
    assert!(rewriter.resume(500));
    let later = rewriter.map(500, 480_000, now).unwrap();
    assert_eq!((later.index, later.timestamp.wrapping_sub(first.timestamp)), (102, 480_000 - 960));
    assert_eq!(rewriter.map(499, 479_040, now), None, "late");
    assert_eq!(rewriter.map(501, 480_960, now).map(|sent| sent.index), Some(103));
}

#[test]
fn a_stream_without_drops_is_shifted_by_a_constant() {
    let (mut rewriter, now) = started(10, 1000);
    assert_eq!(indices(&mut rewriter, now, &[1000, 1001, 1005]), [Some(10), Some(11), Some(15)]);
}

#[test]
fn packets_out_of_order_keep_their_places() {
    let (mut rewriter, now) = started(10, 1000);
    assert_eq!(indices(&mut rewriter, now, &[1000, 1002, 1001, 1001]), [Some(10), Some(12), Some(11), Some(11)]);
}

#[test]
fn packets_from_before_the_start_are_late() {
    let (mut rewriter, now) = started(10, 1000);
    assert_eq!(indices(&mut rewriter, now, &[999, 1000, 998]), [None, Some(10), None]);
}

#[test]
fn a_packet_left_out_leaves_no_gap() {
    let (mut rewriter, now) = started(10, 1000);
    indices(&mut rewriter, now, &[1000]);
    assert!(rewriter.skip(1001) && rewriter.skip(1002));
    assert_eq!(indices(&mut rewriter, now, &[1003, 1004]), [Some(11), Some(12)]);
}

#[test]
fn a_late_packet_from_before_one_left_out_gets_its_own_number() {
    let (mut rewriter, now) = started(10, 1000);
    indices(&mut rewriter, now, &[1000]);
    assert!(rewriter.skip(1002));
    assert_eq!(indices(&mut rewriter, now, &[1003, 1001, 1004]), [Some(12), Some(11), Some(13)]);
}

#[test]
fn a_number_already_passed_cannot_be_left_out() {
    let (mut rewriter, now) = started(10, 1000);
    indices(&mut rewriter, now, &[1000, 1002]);
    assert!(!rewriter.skip(1001));
    assert!(rewriter.skip(999), "from before the start: nothing to send");
}

#[test]
fn a_new_source_continues_the_sequence_and_the_clock() {
    let (mut rewriter, now) = started(65_534, 7);
    assert_eq!(rewriter.map(7, 90_000, now), Some(Rewritten { index: 65_534, timestamp: 5000 }));
    rewriter.map(8, 93_000, now).expect("in order");
    rewriter.stop();
    let later = now + Duration::from_secs(1);
    rewriter.start((1 << 40, 17), None, later, 90_000);
    assert_eq!(rewriter.map(1 << 40, 17, later), Some(Rewritten { index: 65_536, timestamp: 8000 + 90_000 }));
    assert_eq!(rewriter.map(9, 96_000, later), None, "the old source is late");
}

#[test]
fn frames_of_the_past_come_close_together_right_before_live_and_stay_apart() {
    let now = crate::sim::start();
    for step in [256, 750, 3_000, 90_000] {
        let mut rewriter = Rewriter::new(10, 5_000);
        // The source's timestamps wrap on the way.
        let source = |frame: u64| (u32::MAX - 10_000).wrapping_add(frame as u32 * step);
        rewriter.start_behind((100, source(0)), (160, source(60)), None, now, 90_000);
        let sent: Vec<u32> =
            (0..=62).map(|at| rewriter.map(100 + at, source(at), now).expect("in order").timestamp).collect();
        assert_eq!(sent[60], 5_000, "what is live is where it would be");
        assert!(sent.windows(2).all(|pair| (1..1 << 31).contains(&pair[1].wrapping_sub(pair[0]))), "{sent:?}");
        assert!(sent[60].wrapping_sub(sent[0]) <= 60 * step / 256 + 1);
        assert_eq!(sent[62].wrapping_sub(sent[60]), 2 * step);
        assert!(
            (0..=62).all(|at| rewriter.timestamp(100 + at, source(at)) == sent[at as usize]),
            "whenever it is sent"
        );
    }
}

#[test]
fn a_past_longer_than_the_time_that_passed_does_not_run_back() {
    let (mut rewriter, now) = started(10, 1000);
    let last = rewriter.map(1000, 90_000, now).expect("the first").timestamp;
    rewriter.stop();
    rewriter.start_behind((5_000, 0), (5_100, 360_000), None, now, 90_000);
    let next = rewriter.map(5_000, 0, now).expect("the first of the other").timestamp;
    assert!((1..200).contains(&next.wrapping_sub(last)), "{last} then {next}");
}

#[test]
fn the_publishers_account_of_the_time_that_passed_is_believed_within_limits() {
    let table = [
        // Ticks that passed by the publisher's clock and what becomes of them, 33 ms after the last packet.
        (None, 2_970),
        (Some(3_000), 3_000),
        (Some(2_000), 2_000),
        (Some(0), 90),
        (Some(-90_000), 90),
        (Some(9_000), 9_000),
        (Some(900_000), 2_970 + 6_750),
    ];
    for (passed, expected) in table {
        let (mut rewriter, now) = started(10, 1000);
        let last = rewriter.map(1000, 90_000, now).expect("the first").timestamp;
        rewriter.stop();
        let later = now + Duration::from_millis(33);
        rewriter.start((7, 5), passed, later, 90_000);
        let next = rewriter.map(7, 5, later).expect("the first of the other").timestamp;
        assert_eq!(next.wrapping_sub(last), expected, "{passed:?}");
    }
    let (mut rewriter, now) = started(10, 1000);
    let last = rewriter.map(1000, 90_000, now).expect("the first").timestamp;
    rewriter.stop();
    let later = now + Duration::from_millis(500);
    rewriter.start((7, 5), Some(10), later, 90_000);
    let next = rewriter.map(7, 5, later).expect("the first of the other").timestamp;
    assert_eq!(next.wrapping_sub(last), 450 * 90, "50 ms behind our clock");
}

#[test]
fn a_sent_number_leads_back_to_its_packet() {
    let (mut rewriter, now) = started(65_530, 1000);
    indices(&mut rewriter, now, &[1000, 1001, 1002]);
    assert!(rewriter.skip(1003));
    indices(&mut rewriter, now, &(1004..1020).collect::<Vec<_>>());
    assert_eq!(rewriter.origin(65_530), Some((1000, 65_530)));
    assert_eq!(rewriter.origin(65_533), Some((1004, 65_533)));
    assert_eq!(rewriter.origin(3), Some((1010, 65_539)), "across the roll-over");
    assert_eq!(rewriter.origin(65_529), None, "never sent");
    assert_eq!(rewriter.origin(100), None, "not sent yet");
}

proptest! {
    /// Whatever is skipped, lost or reordered: an index stands for one source packet only, in order, and
    /// leads back to it.
    #[test]
    fn an_index_names_one_packet(steps in proptest::collection::vec((0u64..6, any::<bool>()), 1..200)) {
        let (mut rewriter, now) = started(40_000, 500);
        let mut sent = std::collections::BTreeMap::new();
        let mut base: u64 = 500;
        for (ahead, skip) in steps {
            let sequence = base + ahead;
            base += u64::from(ahead > 2);
            if skip && !sent.values().any(|s| *s == sequence) {
                rewriter.skip(sequence);
            } else if let Some(mapped) = rewriter.map(sequence, 0, now) {
                let before = sent.insert(mapped.index, sequence);
                prop_assert!(before.is_none_or(|b| b == sequence), "{} for {:?} and {}", mapped.index, before, sequence);
            }
        }
        if let Some((index, sequence)) = sent.iter().next_back() {
            prop_assert_eq!(rewriter.origin(*index as u16), Some((*sequence, *index)));
        }
        prop_assert!(sent.values().is_sorted());
    }
}

#[test]
fn a_repeat_is_found_while_every_second_packet_is_left_out() {
    let (mut rewriter, now) = started(65_000, 1_000);
    // A temporal layer of 1,200 packets a second for three seconds.
    for sequence in 1_000..4_600 {
        match sequence % 2 {
            0 => assert!(rewriter.map(sequence, 90_000, now).is_some()),
            _ => assert!(rewriter.skip(sequence)),
        }
    }
    for back in 0..900_u64 {
        let (sequence, index) = (4_598 - 2 * back, 65_000 + 1_799 - back);
        assert_eq!(rewriter.origin(index as u16), Some((sequence, index)));
        assert_eq!(indices(&mut rewriter, now, &[sequence, sequence - 1]), [Some(index), None]);
    }
    assert_eq!(rewriter.next(), 65_000 + 1_800);
}

#[test]
fn the_number_of_a_packet_that_is_long_gone_means_no_other_one() {
    let (mut rewriter, now) = started(0, 1_000);
    for sequence in 1_000..11_000 {
        match sequence % 2 {
            0 => assert!(rewriter.map(sequence, 90_000, now).is_some()),
            _ => assert!(rewriter.skip(sequence)),
        }
    }
    assert_eq!(rewriter.origin(100), None);
    assert_eq!(indices(&mut rewriter, now, &[1_200, 10_998]), [None, Some(4_999)]);
}
