use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use chappe_sfu_api::{Boot, WorkerIndex};
use proptest::prelude::*;

use super::*;
use crate::{NodePhase, NodeState, WorkerPhase, WorkerRecord};

fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

fn at(node: &str, index: u16) -> WorkerRef {
    WorkerRef { node: name(node), index: WorkerIndex(index) }
}

fn worker(index: u16, cpu: f64) -> WorkerRecord {
    WorkerRecord { cpu, ..WorkerRecord::idle(index, u64::from(index)) }
}

fn node(text: &str, region: Option<&str>, workers: Vec<WorkerRecord>) -> NodeState {
    NodeState {
        node: name(text),
        instance: 1,
        sequence: 1,
        started_ms: 1,
        version: String::new(),
        region: region.map(str::to_owned),
        origins: Vec::new(),
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        phase: NodePhase::Serving,
        workers,
        streams_version: 0,
    }
}

/// A decision that node `z`, which has no workers, makes in an idle moment.
struct Case {
    now: Instant,
    view: View,
    reservations: Reservations,
    region: Option<&'static str>,
    holders: Vec<WorkerRef>,
    avoid: Vec<WorkerRef>,
    node: NodeName,
    seed: u64,
}

impl Case {
    fn new(nodes: &[NodeState]) -> Case {
        let now = Instant::now();
        let mut view = View::new();
        nodes.iter().for_each(|node| view.put_node(now, node, |_| true));
        let reservations = Reservations::new(now);
        Case { now, view, reservations, region: None, holders: Vec::new(), avoid: Vec::new(), node: name("z"), seed: 1 }
    }

    fn choose(&mut self) -> Option<WorkerRef> {
        let wanted = Wanted {
            region: self.region,
            cost: Cost::watch(1),
            holders: &self.holders,
            node: &self.node,
            avoid: &self.avoid,
        };
        let seed = &mut self.seed;
        let mut draw = |bound: usize| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*seed >> 33) as usize % bound
        };
        choose(self.now, &self.view, &wanted, &self.reservations, &mut draw)
    }

    /// Who is chosen in so many decisions that nothing is told of.
    fn choices(&mut self) -> Vec<WorkerRef> {
        let mut chosen: Vec<WorkerRef> = (0..200).filter_map(|_| self.choose()).collect();
        chosen.sort();
        chosen.dedup();
        chosen
    }
}

#[test]
fn the_region_of_the_client_comes_first_even_if_it_is_busier() {
    let nodes = [node("a", Some("eu"), vec![worker(0, 0.7)]), node("b", Some("us"), vec![worker(0, 0.0)])];
    let mut case = Case::new(&nodes);
    case.region = Some("eu");
    assert_eq!(case.choices(), [at("a", 0)]);
    case.region = None;
    assert_eq!(case.choices(), [at("a", 0), at("b", 0)], "without a region both are drawn");
}

#[test]
fn a_full_region_spills_into_the_others() {
    let nodes = [node("a", Some("eu"), vec![worker(0, 0.8)]), node("b", Some("us"), vec![worker(0, 0.0)])];
    let mut case = Case::new(&nodes);
    case.region = Some("eu");
    assert_eq!(case.choices(), [at("b", 0)]);
    case.region = Some("asia");
    assert_eq!(case.choices(), [at("b", 0)], "a region without nodes too");
}

#[test]
fn a_worker_that_has_the_stream_is_preferred_while_it_has_headroom() {
    let idle = || node("b", None, vec![worker(0, 0.0), worker(1, 0.0)]);
    let mut case = Case::new(&[node("a", None, vec![worker(0, 0.6)]), idle()]);
    case.holders = vec![at("a", 0), at("b", 1)];
    assert_eq!(case.choices(), [at("a", 0)]);
    case.view.put_node(case.now, &node("a", None, vec![worker(0, 0.66)]), |_| true);
    assert_eq!(case.choices(), [at("b", 1)], "the next one that has it");
    case.holders.pop();
    assert!(!case.choices().contains(&at("a", 0)), "and then the less loaded of two");
}

#[test]
fn a_stream_far_away_is_relayed_into_the_region_instead_of_drawing_viewers_out_of_it() {
    let nodes = [node("a", Some("eu"), vec![worker(0, 0.5)]), node("b", Some("us"), vec![worker(0, 0.1)])];
    let mut case = Case::new(&nodes);
    (case.region, case.holders) = (Some("eu"), vec![at("b", 0)]);
    assert_eq!(case.choices(), [at("a", 0)]);
    case.avoid = vec![at("a", 0)];
    assert_eq!(case.choices(), [at("b", 0)]);
}

#[test]
fn the_node_that_decides_prefers_its_own_workers_a_little() {
    let mut case =
        Case::new(&[node("a", None, vec![worker(0, 0.50)]), node("b", None, vec![worker(0, 0.50), worker(1, 0.50)])]);
    case.node = name("a");
    assert_eq!(case.choices(), [at("a", 0)]);
    case.view.put_node(case.now, &node("a", None, vec![worker(0, 0.60)]), |_| true);
    assert!(case.choices().contains(&at("b", 0)), "but not when it is busier by more than that");
}

#[test]
fn each_limit_is_a_limit() {
    type Change = fn(&mut WorkerRecord);
    let full: [(&str, Change); 10] = [
        ("cpu", |worker| worker.cpu = 0.8),
        ("a number that is none", |worker| worker.cpu = f64::NAN),
        ("sessions", |worker| worker.sessions = 1_000),
        ("packets out", |worker| worker.packets_per_second_out = 400_000),
        ("packets in and out", |worker| {
            (worker.packets_per_second_in, worker.packets_per_second_out) = (200_000, 200_000);
        }),
        ("bits", |worker| worker.bits_per_second_out = 1_200_000_000),
        ("no sessions at all", |worker| worker.sessions_max = 0),
        ("overflow", |worker| worker.packets_per_second_in = u64::MAX),
        ("drains", |worker| worker.phase = WorkerPhase::Draining),
        ("no process", |worker| worker.boot = None),
    ];
    for (what, change) in full {
        let mut one = worker(0, 0.1);
        change(&mut one);
        let mut case = Case::new(&[node("a", None, vec![one])]);
        case.holders = vec![at("a", 0)];
        assert_eq!(case.choose(), None, "{what}");
    }
}

#[test]
fn a_worker_that_media_does_not_reach_is_not_chosen() {
    let mut case = Case::new(&[]);
    let state = node("a", None, vec![worker(0, 0.1), worker(1, 0.2)]);
    case.view.put_node(case.now, &state, |boot| boot != Boot(0));
    case.holders = vec![at("a", 0)];
    assert_eq!(case.choices(), [at("a", 1)]);
    case.view.put_node(case.now, &state, |_| true);
    assert_eq!(case.choices(), [at("a", 0)], "and is again when it does");
}

#[test]
fn a_node_that_is_silent_gets_nothing_and_the_own_node_is_never_silent() {
    let mut case = Case::new(&[node("a", None, vec![worker(0, 0.1)]), node("b", None, vec![worker(0, 0.7)])]);
    (case.node, case.holders) = (name("b"), vec![at("a", 0)]);
    assert_eq!(case.choices(), [at("a", 0)]);
    case.now += Duration::from_secs(2);
    assert_eq!(case.choices(), [at("b", 0)]);
}

#[test]
fn a_node_that_drains_or_went_gets_nothing() {
    let mut case = Case::new(&[node("a", None, vec![worker(0, 0.1)]), node("b", None, vec![worker(0, 0.1)])]);
    let leaving = NodeState { phase: NodePhase::Draining, ..node("a", None, vec![worker(0, 0.1)]) };
    case.view.put_node(case.now, &leaving, |_| true);
    assert_eq!((case.choices(), case.view.open_workers()), (vec![at("b", 0)], 1));
    case.view.remove_node(&name("b"));
    assert_eq!(case.choose(), None);
}

#[test]
fn what_was_placed_counts_at_once_and_decays_as_reports_catch_up() {
    let mut case = Case::new(&[node("a", None, vec![worker(0, 0.0)])]);
    let each = Cost::watch(1);
    let mut placed = 0;
    while let Some(worker) = case.choose() {
        case.reservations.handle_placed(case.now, &worker, &each);
        placed += 1;
    }
    assert!((300..600).contains(&placed), "one report admitted {placed}");
    case.now += Duration::from_millis(1_000);
    let left = case.reservations.of(case.now, &at("a", 0)).sessions / f64::from(placed);
    assert!((0.4..=0.6).contains(&left), "after a second {left} are left");
    assert!(case.choose().is_some() && !case.reservations.is_settled(case.now));
    case.now += Duration::from_millis(1_000);
    assert_eq!(case.reservations.of(case.now, &at("a", 0)), Cost::default());
    case.now += Duration::from_millis(1_500);
    assert!(case.reservations.is_settled(case.now));
    case.reservations.settle(case.now);
    assert!(case.reservations.is_empty(), "and nothing is kept");
}

/// What joins take is in the reports of the seconds in which they are made, and nobody is refused for that.
#[test]
fn a_crowd_that_fits_is_waited_for_until_a_report_is_without_its_joins() {
    let mut case = Case::new(&[node("a", None, vec![worker(0, 0.3)])]);
    let start = case.now;
    for _ in 0..100 {
        case.reservations.handle_placed(start, &at("a", 0), &Cost::watch(1));
    }
    // It makes the last of them 1.9 s after they were placed, beside the media of 0.6 of its core.
    for (after_ms, cpu) in [(900, 1.0), (1_900, 1.0), (2_900, 0.6)] {
        while case.now < start + Duration::from_millis(after_ms) {
            let is_waited_for = case.choose().is_some() || !case.reservations.is_settled(case.now);
            assert!(is_waited_for, "refused {:?} after the crowd came", case.now - start);
            case.now += Duration::from_millis(20);
        }
        case.view.put_node(case.now, &node("a", None, vec![worker(0, cpu)]), |_| true);
    }
    assert_eq!(case.choose(), Some(at("a", 0)));
}

/// Not by what a camera would: a crowd is judged by what its stream costs.
#[test]
fn a_crowd_is_admitted_by_what_its_stream_brings_on_this_worker() {
    let light = TrackRate { packets: 10.0, bits: 1.0e5 };
    let heavy = TrackRate { packets: 1_000.0, bits: 9.0e6 };
    let mut one = WorkerRecord { sessions_max: 10_000, ..worker(0, 0.2) };
    (one.packets_per_second_out, one.cpu) = (100_000, 0.2);
    let fits =
        |record: &WorkerRecord, each: Cost, count: f64| Load::of(record).with(&each.times(count)).fraction() <= 1.0;
    let steady = |rate| Cost { cpu: 0.0, ..Cost::of_tracks([rate]) };
    assert!(fits(&one, steady(light), 2_000.0) && fits(&one, steady(light), 10_000.0));
    assert!(fits(&one, steady(heavy), 100.0) && !fits(&one, steady(heavy), 400.0));
    let slow = WorkerRecord { packets_per_second_out: 40_000, ..one };
    assert!(!fits(&slow, steady(light), 10_000.0), "each packet takes this worker 5 µs");
}

#[test]
fn a_rooms_sessions_stay_together_while_they_fit() {
    let nodes: Vec<NodeState> =
        (0..10).map(|n| node(&format!("n{n}"), None, vec![worker(0, 0.1), worker(1, 0.1)])).collect();
    let mut case = Case::new(&nodes);
    let mut counts: HashMap<WorkerRef, usize> = HashMap::new();
    for _ in 0..1_000 {
        let worker = case.choose().unwrap();
        case.reservations.handle_placed(case.now, &worker, &Cost::watch(1));
        if !case.holders.contains(&worker) {
            case.holders.push(worker.clone());
        }
        *counts.entry(worker).or_default() += 1;
    }
    assert!(counts.len() <= 5, "{} workers carry 1,000 viewers", counts.len());
}

#[test]
fn two_choices_keep_a_rush_balanced_although_no_report_comes() {
    let nodes: Vec<NodeState> =
        (0..50).map(|n| node(&format!("n{n}"), None, vec![worker(0, 0.0), worker(1, 0.0)])).collect();
    let mut case = Case::new(&nodes);
    let mut counts: HashMap<WorkerRef, usize> = HashMap::new();
    for _ in 0..20_000 {
        let worker = case.choose().unwrap();
        case.reservations.handle_placed(case.now, &worker, &Cost::watch(1));
        *counts.entry(worker).or_default() += 1;
    }
    // One random choice each would leave about 200 ± 42 (three deviations).
    assert!(counts.values().all(|count| (190..=210).contains(count)), "{counts:?}");
}

#[test]
fn a_region_renamed_and_a_worker_removed_leave_nothing_behind() {
    let mut case = Case::new(&[]);
    for round in 0..100 {
        let state = node("a", Some(&format!("r{round}")), vec![worker(0, 0.1), worker(round % 7 + 1, 0.1)]);
        case.view.put_node(case.now, &state, |_| true);
        assert_eq!(case.view.open_workers(), 2);
    }
    case.region = Some("r98");
    assert_eq!(case.choices().len(), 2, "no such region any more, so anywhere");
    assert!(case.view.regions_kept() <= 2, "{}", case.view.regions_kept());
}

fn any_worker(index: u16) -> impl Strategy<Value = (WorkerRecord, bool)> {
    let phase = prop_oneof![
        4 => Just(WorkerPhase::Serving),
        1 => Just(WorkerPhase::Draining),
        1 => Just(WorkerPhase::Lost),
        1 => Just(WorkerPhase::Connecting)
    ];
    (phase, 0.0..1.2_f64, 0_u32..1_100, 0_u64..500_000, 0_u32..8).prop_map(
        move |(phase, cpu, sessions, packets, reach)| {
            let record = WorkerRecord {
                phase,
                sessions,
                packets_per_second_out: packets,
                boot: Some(Boot(u64::from(index))),
                ..worker(index, cpu)
            };
            (record, reach > 0)
        },
    )
}

fn any_node(number: u16) -> impl Strategy<Value = (NodeState, Vec<bool>)> {
    let workers = (0..4).map(|index| any_worker(number * 4 + index)).collect::<Vec<_>>();
    (workers, 0_usize..3, 0_u32..5).prop_map(move |(workers, region, draining)| {
        let (records, reach) = workers.into_iter().unzip();
        let region = [None, Some("eu"), Some("us")][region];
        let phase = if draining == 0 { NodePhase::Draining } else { NodePhase::Serving };
        (NodeState { phase, ..node(&format!("n{number}"), region, records) }, reach)
    })
}

proptest! {
    /// What may be chosen, said once more in the plainest way.
    #[test]
    fn only_a_worker_that_can_is_chosen_and_one_is_whenever_there_is_one(
        before in (0_u16..6).map(any_node).collect::<Vec<_>>(),
        nodes in (0_u16..6).map(any_node).collect::<Vec<_>>(),
        silent in proptest::collection::vec(0_u32..5, 6),
        region in 0_usize..3,
        holders in proptest::collection::vec((0_u16..6, 0_u16..24), 0..6),
        avoid in proptest::collection::vec((0_u16..6, 0_u16..24), 0..6),
        seed: u64,
    ) {
        let mut case = Case::new(&[]);
        (case.seed, case.region) = (seed, [None, Some("eu"), Some("us")][region]);
        let refs = |pairs: &[(u16, u16)]| pairs.iter().map(|(n, i)| at(&format!("n{n}"), *i)).collect::<Vec<_>>();
        (case.holders, case.avoid) = (refs(&holders), refs(&avoid));
        for (state, reach) in before.iter() {
            case.view.put_node(case.now, state, |boot| reach[(boot.0 % 4) as usize]);
        }
        let start = case.now;
        case.now = start + Duration::from_secs(10);
        let mut able = Vec::new();
        for ((state, reach), silent) in nodes.iter().zip(&silent) {
            let heard_at = if *silent == 0 { start } else { case.now };
            case.view.put_node(heard_at, state, |boot| reach[(boot.0 % 4) as usize]);
            for (record, reach) in state.workers.iter().zip(reach) {
                let worker = WorkerRef { node: state.node.clone(), index: record.index };
                let fits = record.cpu < 0.79 && record.sessions < 1_000 && record.packets_per_second_out < 399_000;
                let full = record.cpu > 0.8 || record.sessions >= 1_000 || record.packets_per_second_out > 400_000;
                let serves = *silent > 0 && *reach && state.phase == NodePhase::Serving
                    && record.phase == WorkerPhase::Serving && !case.avoid.contains(&worker);
                able.push((worker, state.region.clone(), serves && fits, serves && !full));
            }
        }
        match case.choose() {
            None => prop_assert!(able.iter().all(|(_, _, sure, _)| !sure)),
            Some(chosen) => {
                let (_, at_region, _, may) = able.iter().find(|(worker, ..)| *worker == chosen).unwrap();
                prop_assert!(may, "{chosen:?}");
                let is_near = |of: &Option<String>| case.region.is_none() || of.as_deref() == case.region;
                let near = able.iter().any(|(_, region, sure, _)| *sure && is_near(region));
                prop_assert!(!near || is_near(at_region), "{chosen:?} is far and {:?} is not full", case.region);
            }
        }
    }

    #[test]
    fn a_reservation_never_grows_on_its_own(steps in proptest::collection::vec((0_u64..3_000, 0_u32..3), 1..40)) {
        let start = Instant::now();
        let (mut now, mut reservations) = (start, Reservations::new(start));
        let worker = at("a", 0);
        let mut placed: Vec<Instant> = Vec::new();
        for (pause_ms, count) in steps {
            let before = reservations.of(now, &worker).sessions;
            now += Duration::from_millis(pause_ms);
            let after = reservations.of(now, &worker).sessions;
            prop_assert!(after <= before);
            (0..count).for_each(|_| {
                reservations.handle_placed(now, &worker, &Cost::watch(1));
                placed.push(now);
            });
            let recent = placed.iter().filter(|at| now - **at < Duration::from_secs(2)).count();
            prop_assert!(reservations.of(now, &worker).sessions <= recent as f64 + 1e-9);
        }
    }
}
