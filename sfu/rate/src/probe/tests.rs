use super::*;
use crate::config::Known;

const ROUND_TRIP: Duration = Duration::from_millis(50);

fn kbps(kbps: u64) -> Bitrate {
    Bitrate::from_kbps(kbps)
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// Sends the clusters under way to their end and gives their rates.
fn send_all(prober: &mut Prober, now: &mut Time) -> Vec<u64> {
    let mut rates = Vec::new();
    while let Some(cluster) = prober.cluster() {
        if rates.last() != Some(&(cluster.rate.bps() / 1000)) {
            rates.push(cluster.rate.bps() / 1000);
        }
        if prober.due(*now) > 0 {
            prober.handle_sent(*now, cluster.packet_bytes() as u32, ROUND_TRIP);
        }
        *now = *now + Duration::from_micros(500);
    }
    rates
}

/// The cluster that was sent last is measured.
fn answer(prober: &mut Prober, now: Time, rate: Bitrate) {
    prober.handle_result(now, prober.id, rate);
}

/// A line that is thought to carry so much at first.
fn config(first_kbps: u64, is_known: bool) -> RateConfig {
    let start = kbps(first_kbps);
    let known = is_known.then_some(Known { estimate: start });
    RateConfig { start, max: kbps(10_000), known, ..RateConfig::default() }
}

fn probed_of(config: &RateConfig) -> (Prober, Time) {
    let mut prober = Prober::new(at(0), config);
    prober.handle_demand(kbps(2500));
    let mut now = at(0);
    send_all(&mut prober, &mut now);
    (prober, now)
}

fn probed() -> (Prober, Time) {
    probed_of(&config(300, false))
}

#[test]
fn the_start_is_probed_at_three_and_six_times_and_a_known_line_at_once_and_twice() {
    for (known, rates) in [(false, vec![900, 1800]), (true, vec![300, 600])] {
        let mut prober = Prober::new(at(0), &config(300, known));
        assert_eq!(send_all(&mut prober, &mut at(0)), rates);
    }
}

#[test]
fn a_line_that_carried_less_than_where_others_begin_is_probed_as_theirs_are() {
    let known = Some(Known { estimate: kbps(200) });
    let mut prober = Prober::new(at(0), &RateConfig { known, ..config(300, false) });
    assert_eq!(send_all(&mut prober, &mut at(0)), [600, 1200]);
}

#[test]
fn a_cluster_has_five_packets_and_takes_15_ms() {
    let mut prober = Prober::new(at(0), &config(100, true));
    let mut now = at(0);
    let first = prober.cluster();
    let mut packets = 0;
    while prober.cluster() == first {
        if let Some(cluster) = prober.cluster()
            && prober.due(now) > 0
        {
            packets += 1;
            prober.handle_sent(now, cluster.packet_bytes() as u32, ROUND_TRIP);
        }
        now = now + Duration::from_millis(1);
    }
    assert!(packets >= 5 && now.since(at(0)) >= DURATION, "{packets} packets until {now:?}");
}

#[test]
fn while_seven_tenths_arrive_it_goes_on_with_twice_that_but_not_beyond_what_is_of_use() {
    let (mut prober, mut now) = probed();
    answer(&mut prober, now, kbps(1400));
    assert_eq!(send_all(&mut prober, &mut now), [2800], "twice the result");
    answer(&mut prober, now, kbps(2700));
    assert_eq!(send_all(&mut prober, &mut now), [2887], "2500 wanted, 1.1 and 1.05 of headroom");
    answer(&mut prober, now, kbps(3100));
    assert!(prober.is_idle());
}

#[test]
fn where_arrivals_are_told_in_milliseconds_a_result_near_what_was_sent_is_looked_at_for_longer() {
    let after = |is_coarse: bool, is_limited: bool, result: u64| {
        let (mut prober, mut now) = probed_of(&RateConfig { is_coarse, ..config(300, false) });
        prober.handle_limited(is_limited);
        answer(&mut prober, now, kbps(1600));
        assert_eq!(send_all(&mut prober, &mut now), [2887]);
        answer(&mut prober, now, kbps(result));
        prober.cluster().map(|cluster| (cluster.rate.bps() / 1000, cluster.bytes / (cluster.rate.bytes_in(DURATION))))
    };
    assert_eq!(after(true, true, 2600), Some((2887, 2)), "40 ms");
    assert_eq!(after(true, true, 2000), None, "the line carries much less");
    assert_eq!(after(true, false, 2600), None, "it has nearly all that there is");
    assert_eq!(after(false, true, 2600), None, "what is measured is measured");
}

#[test]
fn the_first_choice_of_layers_waits_for_a_longer_look_if_the_result_is_a_little_too_low_for_the_best() {
    let (mut prober, mut now) = probed();
    answer(&mut prober, now, kbps(1600));
    assert_eq!(send_all(&mut prober, &mut now), [2887]);
    answer(&mut prober, now, kbps(2300));
    let longer = prober.cluster().expect("once more");
    assert_eq!((longer.rate, longer.bytes), (kbps(2500).scaled(1.1).scaled(1.05), longer.rate.bytes_in(DURATION_NEAR)));
    send_all(&mut prober, &mut now);
    answer(&mut prober, now, kbps(2300));
    assert!(prober.is_idle(), "so it is");
}

#[test]
fn a_result_below_seven_tenths_or_none_ends_probing() {
    let (mut prober, now) = probed();
    let mut silent = prober.clone();
    answer(&mut prober, now, kbps(1200));
    assert!(prober.is_idle());
    silent.handle_timeout(now + RESULT_WITHIN + ROUND_TRIP);
    assert!(silent.is_idle());
}

#[test]
fn while_more_is_wanted_it_probes_each_second_and_otherwise_never() {
    let (mut prober, mut now) = probed();
    answer(&mut prober, now, kbps(700));
    prober.handle_estimate(now, kbps(700), false);
    let mut satisfied = prober.clone();
    satisfied.handle_demand(kbps(500));
    now = at(1200);
    satisfied.handle_timeout(now);
    assert!(satisfied.is_idle());
    prober.handle_timeout(now);
    assert_eq!(send_all(&mut prober, &mut now), [1400]);
    answer(&mut prober, now, kbps(690));
    prober.handle_timeout(at(2100));
    assert!(prober.is_idle(), "not yet");
    prober.handle_timeout(at(2300));
    assert!(!prober.is_idle());
}

#[test]
fn after_a_drop_it_probes_for_most_of_what_was_there() {
    let (mut prober, mut now) = probed();
    answer(&mut prober, now, kbps(900));
    prober.handle_estimate(now, kbps(3000), false);
    prober.handle_estimate(at(500), kbps(700), true);
    prober.handle_timeout(at(1050));
    assert!(prober.is_idle(), "the queue may still drain");
    prober.handle_timeout(at(1600));
    now = at(1600);
    assert_eq!(send_all(&mut prober, &mut now), [2550]);
}

/// A deadline that has passed and changes nothing would not let its worker rest.
#[test]
fn it_wants_to_be_woken_when_it_may_begin_and_not_before() {
    let (mut prober, now) = probed();
    answer(&mut prober, now, kbps(900));
    prober.handle_estimate(now, kbps(3000), false);
    let mut near = prober.clone();
    prober.handle_estimate(at(2500), kbps(700), true);
    prober.handle_timeout(at(2500));
    assert_eq!(prober.poll_timeout(), Some(at(3100)), "the queue may still drain");
    prober.handle_queue(at(3000));
    prober.handle_timeout(at(3599));
    assert_eq!((prober.poll_timeout(), prober.is_idle()), (Some(at(3600)), true));
    prober.handle_timeout(at(3600));
    assert!(!prober.is_idle());
    near.handle_demand(kbps(100_000));
    near.handle_estimate(at(4000), kbps(9700), false);
    near.handle_timeout(at(5000));
    assert_eq!((near.poll_timeout(), near.is_idle()), (Some(at(6000)), true), "10 Mbit/s would tell nothing");
}

#[test]
fn probes_that_the_line_refutes_become_rarer() {
    let (mut prober, mut now) = probed();
    answer(&mut prober, now, kbps(700));
    prober.handle_estimate(now, kbps(700), false);
    let mut begun = Vec::new();
    for millis in 1000..20_000 {
        now = at(millis);
        prober.handle_timeout(now);
        if !prober.is_idle() {
            begun.push(millis);
            send_all(&mut prober, &mut now);
            answer(&mut prober, now, kbps(900));
            prober.handle_estimate(now, kbps(900), false);
            prober.handle_estimate(now + Duration::from_millis(100), kbps(700), true);
        }
    }
    assert!(begun.len() < 6, "{begun:?}");
}
