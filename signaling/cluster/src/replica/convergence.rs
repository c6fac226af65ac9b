//! Two replicas follow one node over a network that loses, delays and doubles its messages; once the network is
//! whole both know what the node publishes, and what they told of it adds up to the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chappe_sfu_api::Epoch;
use proptest::prelude::*;

use super::tests::{name, node, stream};
use super::*;
use crate::{RoomName, StreamLog, StreamName};

#[derive(Debug, Clone)]
enum Step {
    Put {
        stream: u8,
        epoch: u64,
    },
    Gone {
        stream: u8,
        epoch: u64,
    },
    Presence,
    /// Signaling starts again and takes up half of its streams.
    Restart,
    Pass {
        milliseconds: u64,
    },
    Engine {
        is_up: bool,
    },
    /// Links to both workers.
    Links {
        are_up: bool,
    },
}

#[derive(Debug, Clone)]
enum Message {
    Presence(Box<NodeState>),
    Delta(Box<StreamDelta>),
    List(StreamList),
}

/// One replica, what it told, and its messages on the way.
struct Side {
    replica: Replica,
    told: BTreeMap<(RoomName, StreamName), StreamRecord>,
    is_told: bool,
    on_the_way: Vec<(Instant, Message)>,
}

struct World {
    now: Instant,
    instance: u64,
    sequence: u64,
    log: StreamLog,
    sides: [Side; 2],
    /// Draws fates; none while the network is whole.
    seed: Option<u64>,
}

impl Side {
    fn new(own: &str, now: Instant) -> Side {
        let mut replica = Replica::new(name(own), 1);
        replica.handle_engine(now, true);
        Side { replica, told: BTreeMap::new(), is_told: false, on_the_way: Vec::new() }
    }

    /// What a reader of the outputs believes, and the parts it is to ask for.
    fn follow(&mut self, outputs: Vec<Output>) -> Vec<u32> {
        let mut wanted = Vec::new();
        for output in outputs {
            match output {
                Output::NodeJoined(_) => assert!(!std::mem::replace(&mut self.is_told, true), "joined twice"),
                Output::NodeLost(_) => {
                    assert!(std::mem::replace(&mut self.is_told, false), "lost twice");
                    assert!(self.told.is_empty(), "streams of a lost node: {:?}", self.told);
                }
                Output::NodeChanged(_) => assert!(self.is_told, "changed, but never joined"),
                Output::StreamPut(_, record) => {
                    let before = self.told.insert((record.room.clone(), record.stream.clone()), record.clone());
                    assert_ne!(before, Some(record), "what is known is no news");
                }
                Output::StreamGone { room, stream, epoch, .. } => {
                    assert_eq!(self.told.remove(&(room, stream)).map(|record| record.epoch), Some(epoch));
                }
                Output::WantList { part, .. } => wanted.push(part),
                Output::Duplicate { .. } => panic!("nobody else has this name"),
            }
        }
        wanted
    }
}

impl World {
    fn new(seed: u64) -> World {
        let now = Instant::now();
        let sides = [Side::new("b", now), Side::new("c", now)];
        World { now, instance: 1, sequence: 0, log: StreamLog::new(name("a"), 1), sides, seed: Some(seed) }
    }

    fn draw(&mut self, bound: u64) -> u64 {
        let Some(seed) = &mut self.seed else { return bound - 1 };
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) % bound
    }

    /// A fifth of the messages is lost, a fifth comes twice, and any may be overtaken.
    fn send(&mut self, side: usize, message: &Message) {
        let copies = [0, 2, 1, 1, 1][self.draw(5) as usize];
        for _ in 0..copies {
            let delay_ms = if self.seed.is_some() { self.draw(800) } else { 1 };
            self.sides[side].on_the_way.push((self.now + Duration::from_millis(delay_ms), message.clone()));
        }
    }

    fn send_to_both(&mut self, message: &Message) {
        (0..self.sides.len()).for_each(|side| self.send(side, message));
    }

    fn presence(&mut self) {
        self.sequence += 1;
        let state =
            NodeState { streams_version: self.log.version(), ..node("a", self.instance, self.sequence, &[11, 12]) };
        self.send_to_both(&Message::Presence(Box::new(state)));
    }

    fn restart(&mut self) {
        self.instance += 1;
        self.sequence = 0;
        let kept: Vec<StreamRecord> = self.log.streams().step_by(2).cloned().collect();
        self.log = StreamLog::new(name("a"), self.instance);
        kept.into_iter().for_each(|record| drop(self.log.put(record)));
    }

    fn pass(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        while let Some((at, side)) = self.next_event(end) {
            self.now = self.now.max(at);
            let world_now = self.now;
            let side_state = &mut self.sides[side];
            let due = side_state.on_the_way.iter().position(|(due, _)| *due <= world_now);
            let outputs = match due.map(|index| side_state.on_the_way.swap_remove(index).1) {
                Some(Message::Presence(state)) => side_state.replica.handle_presence(world_now, *state),
                Some(Message::Delta(delta)) => side_state.replica.handle_delta(world_now, *delta),
                Some(Message::List(list)) => side_state.replica.handle_list(world_now, list),
                None => side_state.replica.handle_timeout(world_now),
            };
            self.follow(side, outputs);
        }
        self.now = end;
    }

    fn next_event(&self, end: Instant) -> Option<(Instant, usize)> {
        let of_side = |(index, side): (usize, &Side)| {
            let due = side.on_the_way.iter().map(|(due, _)| *due).chain(side.replica.poll_timeout()).min();
            due.map(|due| (due, index))
        };
        self.sides.iter().enumerate().filter_map(of_side).filter(|(due, _)| *due <= end).min()
    }

    /// A request for a part may be lost like its answer.
    fn follow(&mut self, side: usize, outputs: Vec<Output>) {
        for part in self.sides[side].follow(outputs) {
            if self.draw(5) > 0 {
                let list = self.log.list(part);
                self.send(side, &Message::List(list));
            }
        }
    }

    fn on_both(&mut self, handle: impl Fn(&mut Replica, Instant) -> Vec<Output>) {
        for side in 0..self.sides.len() {
            let outputs = handle(&mut self.sides[side].replica, self.now);
            self.follow(side, outputs);
        }
    }

    fn step(&mut self, step: &Step) {
        let text = |number: &u8| format!("s{number}");
        match step {
            Step::Put { stream: number, epoch } => {
                if let Some(delta) = self.log.put(stream(&text(number), *epoch)) {
                    self.send_to_both(&Message::Delta(Box::new(delta)));
                }
            }
            Step::Gone { stream: number, epoch } => {
                let record = stream(&text(number), *epoch);
                if let Some(delta) = self.log.gone(&record.room, &record.stream, Epoch(*epoch)) {
                    self.send_to_both(&Message::Delta(Box::new(delta)));
                }
            }
            Step::Presence => self.presence(),
            Step::Restart => self.restart(),
            Step::Pass { milliseconds } => self.pass(*milliseconds),
            Step::Engine { is_up } => self.on_both(|replica, now| replica.handle_engine(now, *is_up)),
            Step::Links { are_up } => {
                for boot in [Boot(11), Boot(12)] {
                    self.on_both(|replica, now| match are_up {
                        true => replica.handle_worker_reachable(now, boot),
                        false => replica.handle_worker_unreachable(now, boot),
                    });
                }
            }
        }
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_u8..6, 1_u64..4).prop_map(|(stream, epoch)| Step::Put { stream, epoch }),
        4 => (0_u8..6, 1_u64..4).prop_map(|(stream, epoch)| Step::Gone { stream, epoch }),
        6 => Just(Step::Presence),
        1 => Just(Step::Restart),
        8 => (0_u64..1_500).prop_map(|milliseconds| Step::Pass { milliseconds }),
        1 => any::<bool>().prop_map(|is_up| Step::Engine { is_up }),
        2 => any::<bool>().prop_map(|are_up| Step::Links { are_up }),
    ]
}

proptest! {
    #[test]
    fn two_replicas_converge_whatever_was_lost_late_or_doubled(
        steps in proptest::collection::vec(any_step(), 0..80),
        seed: u64,
    ) {
        let mut world = World::new(seed);
        steps.iter().for_each(|step| world.step(step));
        world.seed = None;
        world.step(&Step::Engine { is_up: true });
        for _ in 0..12 {
            world.presence();
            world.pass(500);
        }
        let truth: Vec<&StreamRecord> = world.log.streams().collect();
        for side in &world.sides {
            prop_assert_eq!(side.replica.streams(&name("a")).collect::<Vec<_>>(), truth.clone());
            prop_assert_eq!(side.told.values().collect::<Vec<_>>(), truth.clone(), "what was told adds up");
            prop_assert!(side.replica.node(&name("a")).is_some());
        }
    }
}

#[test]
fn more_nodes_or_texts_than_a_cluster_may_have_are_not_kept() {
    let now = Instant::now();
    let mut replica = Replica::new(name("own"), 1);
    replica.handle_engine(now, true);
    for number in 0..NODES_MAX {
        assert_eq!(replica.handle_presence(now, node(&format!("n{number}"), 1, 1, &[])).len(), 1);
    }
    assert_eq!(replica.handle_presence(now, node("more", 1, 1, &[])), []);
    let long = NodeState { region: Some("x".repeat(2_000)), ..node("n1", 1, 2, &[]) };
    assert_eq!((replica.handle_presence(now, long), replica.ignored()), (vec![], 2));
    replica.handle_goodbye(now, &name("n7"), 1);
    assert_eq!(replica.handle_presence(now, node("more", 1, 1, &[])), [Output::NodeJoined(name("more"))]);
    replica.handle_timeout(now + Duration::from_secs(3));
    replica.handle_timeout(now + Duration::from_secs(70));
    assert_eq!((replica.remotes.len(), replica.boots.len(), replica.poll_timeout()), (0, 0, None), "forgotten");
}
