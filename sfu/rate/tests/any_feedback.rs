//! Whatever a viewer says of its line: no panic, no estimate beyond the limits, no memory that grows, and no deadline that
//! stays.

#![allow(clippy::disallowed_types, reason = "the macros of proptest count references")]

use std::time::Duration;

use chappe_sfu_rate::{
    Backlog, Bitrate, Known, PacketClass, PacketReport, RateConfig, RateControl, ReceiverReport, ReceiverTime, Time,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Send(u32, u8),
    /// Sequence numbers from one on, with arrivals; relative to the newest sent if so.
    Feedback(u16, bool, Vec<Option<i64>>),
    Remb(u64),
    Report(u8, u32, u64),
    Demand(u64),
    Poll(u64, u64, u64),
    Timeout,
}

fn step() -> impl Strategy<Value = Step> {
    let arrival = prop_oneof![
        Just(None),
        (0_i64..20_000_000).prop_map(Some),
        any::<i64>().prop_map(Some),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0)].prop_map(Some),
    ];
    prop_oneof![
        4 => prop_oneof![0_u64..20_000, 0_u64..200_000_000, Just(u64::MAX / 8)].prop_map(Step::Wait),
        6 => (prop_oneof![0_u32..1500, any::<u32>()], any::<u8>()).prop_map(|(bytes, class)| Step::Send(bytes, class)),
        6 => (any::<u16>(), any::<bool>(), prop::collection::vec(arrival, 0..300))
            .prop_map(|(from, relative, arrivals)| Step::Feedback(from % 400, relative, arrivals)),
        1 => any::<u64>().prop_map(Step::Remb),
        1 => (any::<u8>(), any::<u32>(), any::<u64>()).prop_map(|(lost, packets, rtt)| Step::Report(lost, packets, rtt)),
        1 => any::<u64>().prop_map(Step::Demand),
        2 => (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(a, b, c)| Step::Poll(a >> 8, b >> 8, c)),
        2 => Just(Step::Timeout),
    ]
}

fn class(number: u8) -> PacketClass {
    [PacketClass::Audio, PacketClass::Repair, PacketClass::Video, PacketClass::Padding][usize::from(number % 4)]
}

fn play(steps: Vec<Step>) {
    let config = RateConfig::default();
    let mut control = RateControl::new(Time::default(), &config);
    let (mut now, mut next) = (0_u64, 0_u16);
    for step in steps {
        let time = Time::from_micros(now);
        match step {
            Step::Wait(micros) => now = now.saturating_add(micros),
            Step::Send(bytes, number) => next = control.handle_sent(time, bytes, class(number)).wrapping_add(1),
            Step::Feedback(from, relative, arrivals) => {
                let first = if relative { next.wrapping_sub(from) } else { from.wrapping_mul(163) };
                let reports = arrivals.iter().enumerate().map(|(index, arrival)| PacketReport {
                    seq: first.wrapping_add(index as u16),
                    received: arrival.map(ReceiverTime::from_micros),
                });
                control.handle_feedback(time, reports);
            }
            Step::Remb(bps) => control.handle_remb(time, Bitrate::from_bps(bps)),
            Step::Report(fraction_lost, packets, micros) => {
                let round_trip = Some(Duration::from_micros(micros));
                let arrived = Some(Bitrate::from_bps(micros));
                control.handle_receiver_report(time, ReceiverReport { fraction_lost, packets, arrived, round_trip });
            }
            Step::Demand(bps) => control.handle_demand(Bitrate::from_bps(bps)),
            Step::Poll(repair_bytes, video_bytes, oldest) => {
                let oldest_video = Some(Time::from_micros(oldest));
                let grant = control.poll_grant(time, &Backlog { repair_bytes, video_bytes, oldest_video });
                assert!(grant.repair_bytes <= repair_bytes && grant.video_bytes <= video_bytes);
                assert!(grant.padding_bytes == 0 || grant.padding_packet_bytes > 0);
            }
            Step::Timeout => {
                control.handle_timeout(time);
                // Whoever is woken at a moment that stays in the past does not rest any more.
                let due = control.poll_timeout().filter(|_| now < u64::MAX / 2);
                assert!(due.is_none_or(|due| due > time), "{due:?} at {time:?}");
            }
        }
        let estimate = control.estimate();
        assert!((config.min..=config.max).contains(&estimate), "{estimate}");
        assert!(control.estimator().heap_bytes() <= 2048 * 8);
        assert!((0.0..=1.0).contains(&control.estimator().loss()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn any_feedback_leaves_the_estimate_within_its_limits(steps in prop::collection::vec(step(), 1..120)) {
        play(steps);
    }
}

/// A viewer with packets in flight and feedback to come.
fn streaming() -> (RateControl, u16, Time) {
    let mut control = RateControl::new(Time::default(), &RateConfig::default());
    let (mut seq, mut now) = (0, Time::default());
    for packet in 0..200_u64 {
        now = Time::from_millis(packet * 20);
        seq = control.handle_sent(now, 1000, PacketClass::Video);
        let received = Some(ReceiverTime::from_micros(packet as i64 * 20_000));
        control.handle_feedback(now, [PacketReport { seq, received }]);
    }
    (control, seq, now)
}

#[test]
fn what_was_not_sent_is_counted_and_changes_nothing() {
    let (mut control, seq, now) = streaming();
    let before = (control.estimate(), control.estimator().acknowledged(), control.estimator().basis());
    let lies = (1..=1000).map(|ahead| PacketReport {
        seq: seq.wrapping_add(ahead),
        received: Some(ReceiverTime::from_micros(4_000_000 + i64::from(ahead))),
    });
    control.handle_feedback(now, lies);
    assert_eq!(control.estimator().counts().unknown, 1000);
    assert_eq!(before, (control.estimate(), control.estimator().acknowledged(), control.estimator().basis()));
}

#[test]
fn feedback_that_is_repeated_is_counted_and_changes_nothing() {
    let (mut control, seq, now) = streaming();
    let before = (control.estimate(), control.estimator().acknowledged());
    for _ in 0..100 {
        let again = (0..50).map(|back| PacketReport {
            seq: seq.wrapping_sub(back),
            received: Some(ReceiverTime::from_micros(9_000_000)),
        });
        control.handle_feedback(now, again);
    }
    assert_eq!(control.estimator().counts().repeated, 5000);
    assert_eq!(before, (control.estimate(), control.estimator().acknowledged()));
}

#[test]
fn feedback_that_stops_lowers_the_estimate_step_by_step_and_returns() {
    use chappe_sfu_rate::Basis;
    let (mut control, _, mut now) = streaming();
    let before = control.estimate();
    let mut seq = 0;
    for _ in 0..300 {
        now = now + Duration::from_millis(10);
        seq = control.handle_sent(now, 1000, PacketClass::Video);
        if control.poll_timeout().is_some_and(|due| due <= now) {
            control.handle_timeout(now);
        }
    }
    assert_eq!(control.estimator().basis(), Basis::Silent);
    let silent = control.estimate();
    assert!(silent < before.scaled(0.6), "{before} became {silent}");
    let received = Some(ReceiverTime::from_micros(7_000_000));
    control.handle_feedback(now, [PacketReport { seq, received }]);
    assert_eq!(control.estimator().basis(), Basis::Transport);
}

/// Before the first picture there may be nothing else for a while, and the cluster would be of the pause.
#[test]
fn sound_begins_no_probe_of_a_line_that_is_known() {
    let known = Some(Known { estimate: Bitrate::from_kbps(900) });
    let mut control = RateControl::new(Time::default(), &RateConfig { known, ..RateConfig::default() });
    let packet_bytes = control.prober().cluster().expect("it probes").packet_bytes();
    control.handle_sent(Time::default(), 100, PacketClass::Audio);
    let now = Time::from_millis(10);
    assert_eq!(control.prober().due(now), packet_bytes, "its first packet");
    control.handle_sent(now, packet_bytes as u32, PacketClass::Video);
    control.handle_sent(now, 100, PacketClass::Audio);
    let later = Time::from_millis(20);
    let due = Bitrate::from_kbps(900).bytes_in(std::time::Duration::from_millis(10));
    assert_eq!(control.prober().due(later), due - 100, "what is between counts");
}

#[test]
fn a_viewer_without_feedback_is_led_by_its_remb_or_its_reports() {
    let mut control = RateControl::new(Time::default(), &RateConfig::default());
    control.handle_remb(Time::from_millis(1000), Bitrate::from_kbps(1700));
    assert_eq!(control.estimate(), Bitrate::from_kbps(1700));
    let round_trip = Some(Duration::from_millis(50));
    let lossy = ReceiverReport { fraction_lost: 77, packets: 100, arrived: None, round_trip };
    control.handle_receiver_report(Time::from_millis(2000), lossy);
    assert_eq!(control.estimate().kbps().round(), 1444.0);
    assert_eq!(RateConfig { known: Some(control.export()), ..RateConfig::default() }.known, Some(control.export()));
}
