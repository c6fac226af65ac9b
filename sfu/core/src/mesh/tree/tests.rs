//! Trees grown by the decision, with joiners and leavers in random order.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn full() -> Vec<Child> {
    (0..CHILDREN_MAX as u64).map(|at| Child { peer: PeerId(at), redirected: 0, takes_more: true }).collect()
}

const JOINER: PeerId = PeerId(99);

#[test]
fn there_is_room_for_sixteen() {
    let children = full();
    assert_eq!(decide_parent(&children[..CHILDREN_MAX - 1], JOINER, None), Parent::Here);
    assert_eq!(decide_parent(&children, JOINER, None), Parent::Child(0));
}

#[test]
fn the_others_are_sent_to_the_children_in_turn() {
    let mut children = full();
    let mut turns = Vec::new();
    for _ in 0..2 * CHILDREN_MAX {
        let Parent::Child(at) = decide_parent(&children, JOINER, None) else { panic!("there are children") };
        children[at].redirected += 1;
        turns.push(at);
    }
    assert_eq!(turns, (0..CHILDREN_MAX).chain(0..CHILDREN_MAX).collect::<Vec<_>>());
}

#[test]
fn nobody_is_sent_to_itself_to_whom_it_leaves_or_to_a_child_that_goes() {
    let mut children = full();
    assert_eq!(decide_parent(&children, PeerId(0), Some(PeerId(1))), Parent::Child(2));
    children.iter_mut().for_each(|child| child.takes_more = false);
    assert_eq!(decide_parent(&children, JOINER, None), Parent::None);
}

/// A tree of workers; 0 is the origin.
#[derive(Default)]
struct Tree {
    children: HashMap<u64, Vec<Child>>,
    parent: HashMap<u64, u64>,
}

impl Tree {
    /// Asks the origin, and whomever it is sent to.
    fn join(&mut self, joiner: u64) {
        let mut asked = 0;
        for _ in 0..=DEPTH_MAX {
            let children = self.children.entry(asked).or_default();
            match decide_parent(children, PeerId(joiner), None) {
                Parent::Here => {
                    children.push(Child { peer: PeerId(joiner), redirected: 0, takes_more: true });
                    self.parent.insert(joiner, asked);
                    return;
                }
                Parent::Child(at) => {
                    children[at].redirected += 1;
                    asked = children[at].peer.0;
                }
                Parent::None => panic!("children that live take more"),
            }
        }
        panic!("{joiner} was sent on for ever");
    }

    /// Its children ask again from the top, each with all that hangs on it.
    fn leave(&mut self, leaver: u64) {
        let Some(parent) = self.parent.remove(&leaver) else { return };
        self.children.entry(parent).or_default().retain(|child| child.peer.0 != leaver);
        for orphan in self.children.remove(&leaver).unwrap_or_default() {
            self.parent.remove(&orphan.peer.0);
            self.join(orphan.peer.0);
        }
    }

    /// `None` for a loop.
    fn depth(&self, of: u64) -> Option<u32> {
        let (mut at, mut depth) = (of, 0);
        while at != 0 {
            at = *self.parent.get(&at)?;
            depth += 1;
            if depth > 64 {
                return None;
            }
        }
        Some(depth)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_has_no_loop_bounded_fan_out_and_logarithmic_depth(
        joiners in 1u64..5_000,
        leavers in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..60),
    ) {
        let mut tree = Tree::default();
        let mut leaves: HashMap<u64, Vec<u64>> = HashMap::new();
        for (when, who) in &leavers {
            leaves.entry(1 + when.index(joiners as usize) as u64).or_default().push(1 + who.index(joiners as usize) as u64);
        }
        for joiner in 1..=joiners {
            tree.join(joiner);
            for leaver in leaves.remove(&joiner).unwrap_or_default() {
                tree.leave(leaver);
            }
        }
        let mut deepest = 0;
        for worker in tree.parent.keys() {
            deepest = deepest.max(tree.depth(*worker).expect("no loop, and everybody hangs on the origin"));
        }
        prop_assert!(tree.children.values().all(|children| children.len() <= CHILDREN_MAX));
        // A full tree of 16 children each has 16 + 256 + 4,096 below the origin in three levels.
        let (mut levels, mut room) = (1, CHILDREN_MAX as u64);
        while room < joiners {
            levels += 1;
            room = (room + 1) * CHILDREN_MAX as u64;
        }
        prop_assert!(deepest <= levels + 1, "{deepest} levels for {joiners}");
    }
}
