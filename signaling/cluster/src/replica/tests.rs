use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use chappe_sfu_api::{Boot, Epoch, SessionId, WorkerIndex};

use super::*;
use crate::{NodePhase, RoomName, StreamLog, StreamName, WorkerPhase};

mod life;

pub fn name(text: &str) -> NodeName {
    NodeName::parse(text).unwrap()
}

pub fn stream(stream: &str, epoch: u64) -> StreamRecord {
    StreamRecord {
        room: RoomName::parse("room").unwrap(),
        stream: StreamName::parse(stream).unwrap(),
        epoch: Epoch(epoch),
        session: SessionId(0, 1),
        worker: WorkerIndex(0),
        boot: Boot(1),
        since_ms: 1,
        publisher: None,
        name: None,
        yields: false,
        listed: false,
        attempt: None,
        holder: None,
        moderated: Vec::new(),
        description: "{}".into(),
    }
}

pub fn node(text: &str, instance: u64, sequence: u64, boots: &[u64]) -> NodeState {
    let workers = (0..).zip(boots).map(|(index, boot)| WorkerRecord::idle(index, *boot));
    NodeState {
        node: name(text),
        instance,
        sequence,
        started_ms: instance,
        version: String::new(),
        region: None,
        origins: Vec::new(),
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        phase: NodePhase::Serving,
        workers: workers.collect(),
        streams_version: 0,
    }
}

/// The replica of node `own`, in virtual time, with messages passing.
struct Harness {
    now: Instant,
    replica: Replica,
}

const BOOTS: [u64; 2] = [11, 12];

impl Harness {
    fn new() -> Harness {
        let now = Instant::now();
        let mut replica = Replica::new(name("own"), 1);
        assert_eq!(replica.handle_engine(now, true), []);
        Harness { now, replica }
    }

    /// Node `a` with two workers and one stream, as of its first instance.
    fn with_node() -> (Harness, StreamLog) {
        let (mut harness, mut log) = (Harness::new(), StreamLog::new(name("a"), 1));
        log.put(stream("s", 1)).unwrap();
        assert_eq!(harness.presence(1, 1, 1), [joined(), want(0)]);
        assert_eq!(harness.list(&log), [put("s", 1)]);
        (harness, log)
    }

    fn presence(&mut self, instance: u64, sequence: u64, streams_version: u64) -> Vec<Output> {
        let state = NodeState { streams_version, ..node("a", instance, sequence, &BOOTS) };
        self.replica.handle_presence(self.now, state)
    }

    fn list(&mut self, log: &StreamLog) -> Vec<Output> {
        self.replica.handle_list(self.now, log.list(0))
    }

    fn delta(&mut self, delta: &StreamDelta) -> Vec<Output> {
        self.replica.handle_delta(self.now, delta.clone())
    }

    /// Passes time as the replica asks for it, and tells what came out and when.
    fn pass(&mut self, milliseconds: u64) -> Vec<(u64, Output)> {
        let (start, end) = (self.now, self.now + Duration::from_millis(milliseconds));
        let mut outputs = Vec::new();
        while let Some(wake) = self.replica.poll_timeout().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            let after = (self.now - start).as_millis() as u64;
            outputs.extend(self.replica.handle_timeout(self.now).into_iter().map(|output| (after, output)));
        }
        self.now = end;
        outputs
    }

    fn unreachable(&mut self, boot: u64) -> Vec<Output> {
        self.replica.handle_worker_unreachable(self.now, Boot(boot))
    }

    fn reachable(&mut self, boot: u64) -> Vec<Output> {
        self.replica.handle_worker_reachable(self.now, Boot(boot))
    }

    fn streams(&self) -> Vec<(String, u64)> {
        self.replica.streams(&name("a")).map(|record| (record.stream.to_string(), record.epoch.0)).collect()
    }
}

fn joined() -> Output {
    Output::NodeJoined(name("a"))
}

fn changed() -> Output {
    Output::NodeChanged(name("a"))
}

fn lost() -> Output {
    Output::NodeLost(name("a"))
}

fn want(part: u32) -> Output {
    Output::WantList { node: name("a"), part }
}

fn put(text: &str, epoch: u64) -> Output {
    Output::StreamPut(name("a"), stream(text, epoch))
}

fn gone(text: &str, epoch: u64) -> Output {
    let record = stream(text, epoch);
    Output::StreamGone { node: name("a"), room: record.room, stream: record.stream, epoch: Epoch(epoch) }
}

#[test]
fn a_node_without_streams_is_not_asked_for_them() {
    let mut harness = Harness::new();
    assert_eq!(harness.presence(1, 1, 0), [joined()]);
    let mut log = StreamLog::new(name("a"), 1);
    assert_eq!(
        harness.delta(&log.put(stream("s", 1)).unwrap()),
        [put("s", 1)],
        "its first change follows its presence"
    );
}

#[test]
fn nodes_that_hear_the_same_of_one_name_its_comings_and_goings_alike() {
    let (mut harness, mut other) = (Harness::with_node().0, Harness::with_node().0);
    let heard = |harness: &Harness| harness.replica.last_heard(&name("a"));
    let as_of = |sequence, losses| Some(LastHeard { instance: 1, sequence, losses });
    assert_eq!((heard(&harness), heard(&other)), (as_of(1, 0), as_of(1, 0)));
    // One hears late what the other has heard at once.
    harness.presence(1, 2, 1);
    other.pass(900);
    other.presence(1, 2, 1);
    for side in [&mut harness, &mut other] {
        let told: Vec<Output> = side.pass(4_000).into_iter().map(|(_, output)| output).collect();
        assert!(told.contains(&lost()), "{told:?}");
        assert_eq!(heard(side), as_of(2, 1));
        // A link brings it back, and is cut again before it speaks: that is another loss.
        assert!(side.reachable(11).contains(&joined()));
        assert_eq!(heard(side), as_of(2, 1));
        side.replica.handle_goodbye(side.now, &name("a"), 1);
        assert_eq!(heard(side), as_of(2, 2));
        assert!(side.presence(2, 1, 0).contains(&joined()));
        assert_eq!(heard(side), Some(LastHeard { instance: 2, sequence: 1, losses: 0 }));
    }
}

#[test]
fn an_older_presence_is_no_news() {
    let (mut harness, _) = Harness::with_node();
    assert_eq!(harness.presence(1, 3, 1), [changed()]);
    for sequence in [1, 2, 3] {
        assert_eq!(harness.presence(1, sequence, 1), [], "{sequence}");
    }
    assert_eq!(harness.presence(0, 9, 1), [], "of an instance before, that is late");
}

#[test]
fn an_instance_that_started_earlier_by_its_clock_is_believed_once_the_other_is_silent() {
    let (mut harness, _) = Harness::with_node();
    harness.pass(1_500);
    assert_eq!(harness.presence(0, 1, 1), [changed(), want(0)]);
}

#[test]
fn changes_apply_in_order_and_each_once() {
    let (mut harness, mut log) = Harness::with_node();
    let second = log.put(stream("t", 2)).unwrap();
    let third = log.gone(&stream("s", 1).room, &stream("s", 1).stream, Epoch(1)).unwrap();
    assert_eq!(harness.delta(&second), [put("t", 2)]);
    assert_eq!(harness.delta(&second), [], "the same again");
    assert_eq!(harness.delta(&third), [gone("s", 1)]);
    assert_eq!(harness.delta(&second), [], "an older one late");
    assert_eq!(harness.streams(), [("t".to_owned(), 2)]);
    assert_eq!(log.put(stream("t", 2)), None, "what changes nothing is no change");
    assert_eq!(log.gone(&stream("t", 1).room, &stream("t", 1).stream, Epoch(1)), None, "a later epoch has the name");
}

#[test]
fn a_gap_is_asked_about_at_once_and_again_until_the_list_is_there() {
    let (mut harness, mut log) = Harness::with_node();
    let _missed = log.put(stream("t", 2)).unwrap();
    let third = log.put(stream("u", 3)).unwrap();
    assert_eq!(harness.delta(&third), [want(0)]);
    let fourth = log.put(stream("v", 4)).unwrap();
    assert_eq!(harness.delta(&fourth), [], "asked already");
    assert_eq!(harness.pass(2_500), [(1_000, want(0)), (2_000, want(0))]);
    assert_eq!(harness.list(&log), [put("t", 2), put("u", 3), put("v", 4)], "only what is different");
    assert_eq!(harness.presence(1, 2, 4), [changed()]);
    assert_eq!(harness.pass(2_900), [], "and is not asked about any more");
}

#[test]
fn a_change_that_overtook_another_waits_for_it() {
    let (mut harness, mut log) = Harness::with_node();
    let second = log.put(stream("t", 2)).unwrap();
    let third = log.put(stream("u", 3)).unwrap();
    assert_eq!(harness.delta(&third), [want(0)]);
    assert_eq!(harness.delta(&second), [put("t", 2), put("u", 3)]);
    assert_eq!(harness.pass(2_900), [], "the list is not needed any more");
}

#[test]
fn changes_that_a_list_has_made_stale_do_not_wait_on() {
    let (mut harness, mut log) = Harness::with_node();
    for number in 0..2_000 {
        let _missed = log.put(stream("t", 2 + number)).unwrap();
        let after_a_gap = log.put(stream("u", 2 + number)).unwrap();
        assert_eq!(harness.delta(&after_a_gap), [want(0)]);
        assert_eq!(harness.list(&log).len(), 2);
    }
    let (next, overtaking) = (log.put(stream("v", 1)).unwrap(), log.put(stream("w", 1)).unwrap());
    harness.delta(&overtaking);
    assert_eq!(harness.delta(&next), [put("v", 1), put("w", 1)], "there is still room to wait in");
}

#[test]
fn a_list_older_than_what_is_known_changes_nothing() {
    let (mut harness, mut log) = Harness::with_node();
    let before = log.list(0);
    harness.delta(&log.put(stream("t", 2)).unwrap());
    assert_eq!(harness.replica.handle_list(harness.now, before), []);
    assert_eq!(harness.streams().len(), 2);
}

#[test]
fn the_last_change_lost_is_noticed_by_the_presence_that_counts_it() {
    let (mut harness, mut log) = Harness::with_node();
    let _lost = log.put(stream("t", 2)).unwrap();
    assert_eq!(harness.presence(1, 2, 2), [changed()]);
    assert_eq!(harness.pass(300), [(250, want(0))]);
    assert_eq!(harness.list(&log), [put("t", 2)]);
}

#[test]
fn a_presence_that_overtook_its_change_asks_for_nothing() {
    let (mut harness, mut log) = Harness::with_node();
    let second = log.put(stream("t", 2)).unwrap();
    assert_eq!(harness.presence(1, 2, 2), [changed()]);
    assert_eq!(harness.pass(100), []);
    assert_eq!(harness.delta(&second), [put("t", 2)]);
    assert_eq!(harness.pass(2_000), []);
}

#[test]
fn the_streams_of_a_signaling_process_that_started_again_stay_until_its_list_is_there() {
    let (mut harness, _) = Harness::with_node();
    assert_eq!(harness.presence(2, 1, 0), [changed(), want(0)]);
    assert_eq!(harness.streams(), [("s".to_owned(), 1)]);
    let mut log = StreamLog::new(name("a"), 2);
    let first = log.put(stream("t", 5)).unwrap();
    assert_eq!(harness.delta(&first), [], "waits for the list");
    assert_eq!(harness.list(&log), [put("t", 5), gone("s", 1)]);
    let before = StreamLog::new(name("a"), 1);
    assert_eq!(harness.list(&before), [], "a list of the instance before is not heard");
}

#[test]
fn a_list_of_many_parts_is_asked_for_part_by_part() {
    let mut harness = Harness::new();
    let mut log = StreamLog::new(name("a"), 1);
    for number in 0..1_000 {
        log.put(StreamRecord { description: "x".repeat(1_000), ..stream(&format!("s{number}"), 1) }).unwrap();
    }
    assert_eq!(harness.presence(1, 1, log.version()), [joined(), want(0)]);
    assert_eq!(harness.list(&log), [want(1)]);
    assert_eq!(harness.list(&log), [want(1)], "the first one twice begins again");
    assert_eq!(harness.pass(1_100), [(1_000, want(1))], "a part lost is asked for again");
    log.put(stream("late", 1)).unwrap();
    let second = harness.replica.handle_list(harness.now, log.list(1));
    assert_eq!(second, [want(0)], "parts of two versions do not belong together");
    let mut outputs = harness.list(&log);
    for part in 1.. {
        if outputs != [want(part)] {
            break;
        }
        assert!(serde_json::to_vec(&log.list(part)).unwrap().len() < 1_000_000);
        outputs = harness.replica.handle_list(harness.now, log.list(part));
    }
    assert_eq!((outputs.len(), harness.streams().len()), (1_001, 1_001));
}

#[test]
fn another_process_under_our_name_is_told_of_once_it_has_lived_a_while() {
    let mut harness = Harness::new();
    let presence = |instance, sequence| node("own", instance, sequence, &[]);
    assert_eq!(harness.replica.handle_presence(harness.now, presence(1, 1)), [], "our own");
    assert_eq!(harness.replica.handle_presence(harness.now, presence(2, 1)), [], "may be our predecessor's last");
    assert_eq!(harness.replica.handle_presence(harness.now, presence(2, 2)), []);
    harness.now += Duration::from_millis(500);
    let duplicate = Output::Duplicate { node: name("own"), instance: 2, started_ms: 2 };
    assert_eq!(harness.replica.handle_presence(harness.now, presence(2, 3)), [duplicate]);
    assert_eq!(harness.replica.nodes().count(), 0);
}

#[test]
fn a_worker_is_found_by_its_process_and_a_node_by_its_tag() {
    let (mut harness, _) = Harness::with_node();
    let (state, worker) = harness.replica.worker_by_boot(Boot(12)).unwrap();
    assert_eq!((&state.node, worker.index), (&name("a"), WorkerIndex(1)));
    assert_eq!(harness.replica.node_by_tag(crate::node_tag(&name("a"))), Some(&name("a")));
    harness.replica.handle_presence(harness.now, node("a", 1, 2, &[11, 13]));
    assert!(harness.replica.worker_by_boot(Boot(12)).is_none(), "a process that was replaced");
    assert!(harness.replica.worker_by_boot(Boot(13)).is_some());
}
