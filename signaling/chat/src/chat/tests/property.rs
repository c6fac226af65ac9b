//! What holds whatever happens: three nodes on a bus that loses and doubles messages, members that come, go
//! and speak, nodes that are cut off or crash.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::bus::number;
use super::*;

#[derive(Debug, Clone, Copy)]
enum Act {
    Join,
    Leave,
    Say,
    Typing,
    /// For so many half seconds.
    Cut(u64),
    Crash,
    LoseAnother,
}

/// A story as it happens.
struct Run {
    bus: Bus,
    /// Local members of each node.
    local: [BTreeSet<u64>; NODES],
    said: Vec<Spoken>,
    lives: [u64; NODES],
    heal_at: [Option<Instant>; NODES],
}

struct Spoken {
    id: String,
    node: usize,
    life: u64,
    at: Instant,
}

const NODES: usize = 3;

/// Each node's page that is there all the time.
fn anchor(node: usize) -> u64 {
    100 + node as u64
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Join),
        4 => Just(Act::Leave),
        12 => Just(Act::Say),
        1 => Just(Act::Typing),
        1 => (1..80_u64).prop_map(Act::Cut),
        1 => Just(Act::Crash),
        1 => Just(Act::LoseAnother),
    ]
}

/// Pause in milliseconds, node, member, what it does.
fn story() -> impl Strategy<Value = Vec<(u64, usize, u64, Act)>> {
    let pause = prop_oneof![3 => 0..50_u64, 3 => 50..1500_u64, 1 => 1500..20_000_u64];
    prop::collection::vec((pause, 0..NODES, 1..6_u64, act()), 1..90)
}

impl Run {
    fn new(seed: u64, loss: u64, double: u64) -> Run {
        let mut bus = Bus::new(NODES);
        bus.seed(seed);
        bus.lossy(loss);
        bus.doubling(double);
        let (said, lives, heal_at) = (Vec::new(), [1; NODES], [None; NODES]);
        let mut run = Run { bus, local: Default::default(), said, lives, heal_at };
        (0..NODES).for_each(|node| run.join(node, anchor(node)));
        run
    }

    fn join(&mut self, node: usize, n: u64) {
        self.local[node].insert(n);
        self.bus.join(node, n);
    }

    fn wait(&mut self, time: Duration) {
        let until = self.bus.now + time;
        loop {
            let heal = (0..NODES).filter_map(|node| Some((self.heal_at[node]?, node))).min();
            let Some((at, node)) = heal.filter(|(at, _)| *at <= until) else { break };
            self.bus.run(at.saturating_duration_since(self.bus.now));
            self.heal_at[node] = None;
            self.bus.heal(node);
        }
        self.bus.run(until.saturating_duration_since(self.bus.now));
    }

    fn act(&mut self, node: usize, n: u64, act: Act) {
        match act {
            Act::Join => self.join(node, n),
            Act::Leave => {
                self.local[node].remove(&n);
                self.bus.leave(node, n);
            }
            Act::Say => {
                let speaker = if self.local[node].contains(&n) { n } else { anchor(node) };
                if let Ok(said) = self.bus.say(node, speaker, "x") {
                    self.said.push(Spoken { id: said.id, node, life: self.lives[node], at: self.bus.now });
                }
            }
            Act::Typing => self.bus.typing(node, n, true),
            Act::Cut(halves) => {
                self.bus.cut(node);
                self.heal_at[node] = Some(self.bus.now + 500 * MS * halves as u32);
            }
            Act::Crash => {
                self.bus.crash(node);
                self.heal_at[node] = None;
                self.lives[node] += 1;
                self.local[node].clear();
                self.join(node, anchor(node));
            }
            Act::LoseAnother => self.bus.lose(node, (node + 1) % NODES),
        }
    }

    /// Ids that the pages of the node were shown one by one, all that they were shown, and how many they know
    /// to be lost.
    fn shown(&self, node: usize) -> (Vec<String>, BTreeSet<String>, u64) {
        let (mut singly, mut all, mut lost) = (Vec::new(), BTreeSet::new(), 0);
        for notice in self.bus.told(node) {
            match notice {
                ChatNotice::Chat(said) => {
                    assert!(all.insert(said.id.clone()), "{} is shown twice", said.id);
                    singly.push(said.id.clone());
                }
                ChatNotice::History(history) => {
                    let ids: BTreeSet<String> = history.said.iter().map(|said| said.id.clone()).collect();
                    assert_eq!(ids.len(), history.said.len(), "a history has each once");
                    all.extend(ids);
                }
                ChatNotice::Gap(gap) => lost += gap.lost,
                _ => {}
            }
        }
        (singly, all, lost)
    }

    fn check_here(&self) {
        let all: BTreeSet<u64> = self.local.iter().flatten().copied().collect();
        for node in 0..NODES {
            let here: BTreeSet<u64> = self.bus.here(node).into_iter().map(number).collect();
            assert_eq!(here, all, "node {node} knows who is here");
            assert_eq!(self.follow(node), here, "and so do the pages of node {node}");
        }
    }

    /// Who is here for a page that followed all notices.
    fn follow(&self, node: usize) -> BTreeSet<u64> {
        let mut here = BTreeSet::new();
        for notice in self.bus.told(node) {
            match notice {
                ChatNotice::Joined(person) => {
                    here.insert(number(person.member));
                }
                ChatNotice::Left { member } => assert!(here.remove(&number(*member)), "who left was here"),
                ChatNotice::Here { people } => here = people.iter().map(|person| number(person.member)).collect(),
                _ => {}
            }
        }
        here
    }

    fn check_said(&self) {
        for node in 0..NODES {
            assert!(self.bus.history(node).said.len() <= 100);
            let since = self.bus.listens_since(node).unwrap();
            let (_, shown, lost) = self.shown(node);
            // What a process said just before it crashed may have been heard by nobody.
            let heard = self.said.iter().filter(|said| self.lives[said.node] == said.life && said.at >= since);
            let missing: Vec<&str> = heard.map(|said| said.id.as_str()).filter(|id| !shown.contains(*id)).collect();
            assert!(missing.len() as u64 <= lost, "node {node} misses {missing:?} and knows of {lost}");
        }
    }

    /// A newcomer on a node that did not have the room is told the last messages, each sender's in order.
    fn check_newcomer(&mut self) {
        self.bus.crash(0);
        self.bus.join(0, anchor(0));
        self.bus.run(5 * SECOND);
        let position = |id: &str| self.said.iter().position(|said| said.id == id);
        let history: Vec<usize> = self.bus.history(0).said.iter().filter_map(|said| position(&said.id)).collect();
        let others = self.bus.history(1).said.len().max(self.bus.history(2).said.len());
        assert!(history.len() <= 100 && history.len() >= others, "{} of {others}", history.len());
        for node in 0..NODES {
            let of_node = history.iter().filter(|at| self.said[**at].node == node);
            assert!(of_node.is_sorted(), "the order of node {node} is kept");
        }
    }

    fn end(mut self) {
        for node in 0..NODES {
            let members = self.bus.here(node);
            members.iter().for_each(|member| self.bus.leave(node, number(*member)));
        }
        self.bus.run(100 * SECOND);
        (0..NODES).for_each(|node| self.bus.assert_empty(node));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn all_nodes_agree_and_nothing_is_shown_twice_or_lost_silently(
        story in story(), seed in any::<u64>(), loss in prop_oneof![Just(0_u64), 1..400_u64], double in 0..300_u64,
    ) {
        let mut run = Run::new(seed, loss, double);
        for (pause, node, n, act) in story {
            run.wait(MS * pause as u32);
            run.act(node, n, act);
        }
        run.wait(45 * SECOND);
        run.bus.lossy(0);
        run.wait(60 * SECOND);
        run.check_here();
        run.check_said();
        run.check_newcomer();
        run.end();
    }

    #[test]
    fn without_loss_every_message_is_shown_everywhere_at_once_and_there_is_no_gap(
        story in story(), seed in any::<u64>(), double in 0..300_u64,
    ) {
        let mut run = Run::new(seed, 0, double);
        run.wait(5 * SECOND);
        for (pause, node, n, act) in story {
            run.wait(MS * pause as u32);
            if !matches!(act, Act::Cut(_) | Act::Crash) {
                run.act(node, n, act);
            }
        }
        run.wait(SECOND);
        let said: BTreeSet<String> = run.said.iter().map(|said| said.id.clone()).collect();
        for node in 0..NODES {
            let (singly, _, lost) = run.shown(node);
            prop_assert_eq!(singly.iter().cloned().collect::<BTreeSet<_>>(), said.clone());
            prop_assert_eq!(lost, 0);
        }
        run.wait(30 * SECOND);
        run.check_here();
        run.end();
    }
}
